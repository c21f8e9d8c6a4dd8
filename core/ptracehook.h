/*
 * ptracehook - hooks on live Linux x86_64 processes: the engine's public face.
 *
 * A tracer serves sessions; a session is one target, spawned or attached, with the threads (and, when followed, the
 * children) that belong to it. A breakpoint calls a function with an event and gets an action back. Everything
 * happens in the calling thread, which is the one that the kernel knows as the tracer: use a tracer only there.
 *
 * Functions return 0 or more, or -errno, and fill err (may be NULL). Handles are counted; one whose thing has ended
 * stays valid and answers with errors. Registers and memory need a stopped thread: inside a callback that is the
 * event's, outside ph_session_run every thread.
 */
#ifndef PTRACEHOOK_H
#define PTRACEHOOK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/err.h"
#include "base/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ph_tracer;
struct ph_session;
struct ph_process;
struct ph_thread;
struct ph_breakpoint;
struct ph_watch;
struct ph_handler;
struct ph_patch;
struct ph_watched;
struct ph_snapshot;

/* Actions: what a callback wants. Of several at one stop the strongest wins; see ph_plan_add. */

enum ph_action_kind {
	PH_CONTINUE,	/* go on, by the breakpoint's mode; a signal is delivered */
	PH_STEP,	/* run the original instruction by one single step, report PH_EVENT_STEP, go on */
	PH_SKIP,	/* pass over the original instruction this once */
	PH_RETURN,	/* return from the function now; value, if has_value, is its result */
	PH_GOTO,	/* go on at value */
	PH_STOP,	/* leave ph_session_run */
	PH_DETACH,	/* let the target go, whole */
	PH_KILL,
	PH_SIGNAL,	/* go on, delivering signal value; in a signal's callback: in its place */
	PH_SUPPRESS,	/* a signal's callback: do not deliver it */
	PH_REMOVE,	/* take this breakpoint or handler out, go on */
	PH_WAIT,	/* the callback has called ph_thread_until, and answers later */
	PH_FAIL,	/* the callback failed: leave ph_session_run with -ECANCELED */
};

struct ph_action {
	enum ph_action_kind kind;
	bool has_value;
	uint64_t value;
};

/* Why ph_session_run returned. */

enum ph_reason_kind {
	PH_REASON_NONE,
	PH_REASON_EXIT,		/* code: exit status */
	PH_REASON_SIGNAL,	/* code: the signal that killed it */
	PH_REASON_STOP,		/* thread, event, and breakpoint or watch when it was one; no thread: ph_session_stop */
	PH_REASON_DETACH,
	PH_REASON_TIMEOUT,
};

enum ph_event_kind {
	PH_EVENT_BREAKPOINT,
	PH_EVENT_WATCH,
	PH_EVENT_WATCH_EXECUTE,	/* a watch on execution: its instruction is still to run */
	PH_EVENT_INSTRUCTION,	/* one that ph_steps_add asked for; it is still to run */
	PH_EVENT_STEP,
	PH_EVENT_SIGNAL,
	PH_EVENT_SYSCALL,
	PH_EVENT_EXEC,
	PH_EVENT_FORK,
	PH_EVENT_THREAD,
	PH_EVENT_THREAD_EXIT,
	PH_EVENT_EXIT,
	PH_EVENT_LOAD,
	PH_EVENT_UNLOAD,
	PH_EVENT_COUNT,
};

struct ph_reason {
	enum ph_reason_kind kind;
	int code;
	bool core;				/* PH_REASON_SIGNAL: it left a core dump */
	enum ph_event_kind event;
	struct ph_thread *thread;		/* borrowed from the session until its next run */
	struct ph_breakpoint *breakpoint;	/* likewise */
	struct ph_watch *watch;			/* likewise */
};

/* What a process has loaded: its program, a library, the vDSO. */
struct ph_module_info {
	const char *name;	/* of the file, without its folder; "[vdso]" */
	const char *path;	/* as the dynamic linker or the kernel has it; "[vdso]" */
	ph_addr base;		/* of its first byte */
	uint64_t size;		/* bytes from there to the end of what it loads */
	const uint8_t *build_id;
	size_t build_id_len;	/* 0: it has none */
};

struct ph_event {
	enum ph_event_kind kind;
	struct ph_session *session;
	struct ph_process *process;
	struct ph_thread *thread;		/* NULL: PH_EVENT_EXIT */
	struct ph_handler *handler;		/* other events: whose function is called */
	struct ph_breakpoint *breakpoint;	/* PH_EVENT_BREAKPOINT, and PH_EVENT_STEP of one */
	struct ph_watch *watch;			/* PH_EVENT_WATCH and PH_EVENT_WATCH_EXECUTE */
	ph_addr address;			/* PH_EVENT_INSTRUCTION; PH_EVENT_BREAKPOINT: of its addresses, the one hit */
	const siginfo_t *siginfo;		/* PH_EVENT_SIGNAL */
	const char *path;			/* PH_EVENT_EXEC */
	struct ph_process *child;		/* PH_EVENT_FORK */
	bool jumped;				/* PH_EVENT_INSTRUCTION: the thread did not come from the one before it */
	bool leave;				/* PH_EVENT_SYSCALL: the call returns; else it is about to be made */
	struct ph_reason reason;		/* PH_EVENT_EXIT, PH_EVENT_THREAD_EXIT: how it ended */
	const struct ph_module_info *module;	/* PH_EVENT_LOAD, before its constructors run; PH_EVENT_UNLOAD, when it is gone */
};

/* A callback may do anything but run its own session: add, remove, read, write, kill, open another session. */
typedef struct ph_action (*ph_event_fn)(const struct ph_event *event, void *user);

/* Tracer */

PH_API int ph_tracer_new(struct ph_tracer **ret);
PH_API void ph_tracer_free(struct ph_tracer *tracer);	/* closes every session that is left */

/* While *flag is not 0, runs and waits end with -EINTR. A signal handler may set it. */
PH_API void ph_tracer_set_interrupt(struct ph_tracer *tracer, const volatile sig_atomic_t *flag);

/*
 * What a user should know of and nothing fails for, such as a debug file that does not match. fn is called within
 * other functions, must not call any, and keeps nothing of text. NULL: nobody is told.
 */
PH_API void ph_tracer_set_warn(struct ph_tracer *tracer, void (*fn)(const char *text, void *user), void *user);

/* Where separate debug files are looked for, as under /usr/lib/debug, which it is until said otherwise. */
PH_API int ph_tracer_set_debug_root(struct ph_tracer *tracer, const char *folder);

/*
 * Descriptors that are looked after while sessions of this tracer run: fn is called when poll(2) reports one of events
 * (POLLIN, POLLOUT), or POLLHUP or POLLERR, which last; POLLNVAL comes once. fn may do anything, and is not called again
 * until it has returned. With events 0 the descriptor is left alone. It stays the caller's. Removal takes
 * NULL, and may come after the tracer's end.
 */
typedef void (*ph_ready_fn)(struct ph_tracer *tracer, int fd, unsigned int events, void *user);

PH_API int ph_watched_add(struct ph_tracer *tracer, int fd, unsigned int events, ph_ready_fn fn, void *user,
			  struct ph_watched **ret);
PH_API void ph_watched_set_events(struct ph_watched *watched, unsigned int events);
PH_API void ph_watched_remove(struct ph_watched *watched);

/* Sessions */

struct ph_limit {
	int resource;	/* RLIMIT_… */
	uint64_t value;
};

struct ph_spawn_options {
	const char *path;		/* NULL: argv[0], searched in $PATH */
	char *const *argv;
	char *const *env;		/* NULL: ours */
	const char *cwd;
	int stdio[3];			/* descriptors; -1: ours. Stay the caller's. */
	bool own_group;			/* a process group of its own, for a terminal to be handed to */
	bool no_aslr;
	bool follow;			/* children too */
	bool new_session;		/* setsid(2); the first of stdio that is a terminal becomes its controlling one */
	const struct ph_limit *limits;
	size_t n_limits;
	const sigset_t *ignored;	/* signals that the target is to ignore; NULL: those that we ignore */
	const sigset_t *blocked;	/* its signal mask; NULL: ours */
	bool keeps_realtime;		/* whatever ignored says, it ignores those of real time (signal(7)) that we do */
};

#define PH_SPAWN_OPTIONS_INIT { .stdio = { -1, -1, -1 } }

/* The target stands at its first instruction. err->cause tells a program that cannot run from one that we cannot trace. */
PH_API int ph_session_spawn(struct ph_tracer *tracer, const struct ph_spawn_options *options,
			    struct ph_session **ret, struct ph_err *err);

/* Every thread is stopped. pid may be a thread's id: its process is meant. */
PH_API int ph_session_attach(struct ph_tracer *tracer, pid_t pid, bool follow, struct ph_session **ret,
			     struct ph_err *err);

PH_API struct ph_session *ph_session_ref(struct ph_session *session);

/* The last one closes it: spawned and alive: killed; attached: detached. */
PH_API void ph_session_unref(struct ph_session *session);

/*
 * Runs the target until it ends, a callback stops it, or timeout_ms (negative: none) passes; then every thread stands
 * still again. After the end, the end again. -EINTR: interrupted; -ECANCELED: a callback failed; -EDEADLK: called
 * from a callback of the same session.
 */
PH_API int ph_session_run(struct ph_session *session, int64_t timeout_ms, struct ph_reason *ret, struct ph_err *err);

/*
 * The same for several at once, each until it has ended or was stopped; ret has room for n. timeout_ms is for all of them.
 * When one fails the others are held, and the error is that one's. -EINVAL: of two tracers.
 */
PH_API int ph_sessions_run(struct ph_session *const *sessions, size_t n, int64_t timeout_ms, struct ph_reason *ret,
			   struct ph_err *err);

/* From a callback: its run returns, with PH_REASON_STOP and no thread. Nothing, when it does not run. */
PH_API void ph_session_stop(struct ph_session *session);

/* Bytes restored, threads running (stopped: as by SIGSTOP). From a callback too: it takes effect after it. */
PH_API int ph_session_detach(struct ph_session *session, bool stopped, struct ph_err *err);
PH_API int ph_session_kill(struct ph_session *session, struct ph_err *err);

/* What somebody else did to a process meanwhile. */
struct ph_lending {
	struct ph_reason end;		/* kind: NONE while it lives; DETACH: it has ended, and nobody knows how */
	bool moved;			/* a thread of before has other registers now */
	bool replaced;			/* it has another program (exec) */
	unsigned int born, gone;	/* threads */
};

/*
 * Hands the thread's process over, stopped where it stands (as by SIGSTOP), without a byte of ours but patches; calls
 * away, during which nobody traces it, so that another tracer may; and takes it back, with every breakpoint. Not
 * followed by the session: children of that time. A process that has ended meanwhile ends as in a run: after the
 * callback that lends, or at once. op: for words. -EBUSY: a thread is in the middle of something; nothing has happened
 * then. Other errors: what away returned (negative), or -EPERM: it could not be taken back, and the session has ended.
 */
PH_API int ph_thread_lend(struct ph_thread *thread, const char *op, int (*away)(pid_t pid, void *user), void *user,
			  struct ph_lending *ret, struct ph_err *err);

/* Ends it as the last unref would. Handles stay valid. */
PH_API void ph_session_close(struct ph_session *session);

PH_API pid_t ph_session_pid(const struct ph_session *session);
PH_API bool ph_session_has_ended(const struct ph_session *session);
PH_API struct ph_reason ph_session_reason(const struct ph_session *session);
PH_API struct ph_process *ph_session_process(const struct ph_session *session);	/* the target itself; borrowed */

/* How system calls are read and changed. */
enum ph_syscall_info {
	PH_SYSCALL_INFO_AUTO,	/* the last of these that the kernel has */
	PH_SYSCALL_INFO_REGS,
	PH_SYSCALL_INFO_GET,	/* PTRACE_GET_SYSCALL_INFO, Linux 5.3 */
	PH_SYSCALL_INFO_SET,	/* PTRACE_SET_SYSCALL_INFO, Linux 6.16 */
};

struct ph_policy {
	bool exitkill;	/* default true: the kernel kills the target when the tracer dies without a word */
	bool follow;	/* children born from now on */
	int cpu;	/* where the tracer runs: PH_CPU_AUTO (default), PH_CPU_OFF, or the number of a CPU */

	/*
	 * A spawned target gets a seccomp filter at its first instruction when there are hooks of system calls by
	 * then, so that the calls that nobody hooks cost nothing; true: it does not, and neither does one that is to
	 * outlive the tracer (exitkill is false).
	 */
	bool no_seccomp;
	bool strip_untraced;	/* children made with CLONE_UNTRACED are seen like all others */
	enum ph_syscall_info syscall_info;

	/*
	 * Breakpoints use debug registers, so that the program's code stays as it is: those that are there already, and
	 * new ones. -EBUSY when they are more than the registers; all are as before then.
	 */
	bool hardware;
};

#define PH_CPU_AUTO (-1)	/* with the thread that hits, while it is one only; its own affinity is left alone */
#define PH_CPU_OFF (-2)		/* where the scheduler puts it */

PH_API struct ph_policy ph_session_policy(const struct ph_session *session);
PH_API int ph_session_set_policy(struct ph_session *session, const struct ph_policy *policy, struct ph_err *err);

/* What a session has cost so far. */
struct ph_stats {
	uint64_t stops;		/* statuses that the kernel reported */
	uint64_t hits;		/* calls of breakpoints' functions */
	uint64_t copies;	/* sites passed by a copy of their instruction: no further stop */
	uint64_t emulated;	/* … by doing what the instruction does */
	uint64_t single_steps;	/* … by stepping, with the space's other threads held */
	uint64_t signals;	/* signals that were about to be delivered */
	uint64_t syscalls;	/* requests that the tracer made of the kernel, for every session */
};

PH_API struct ph_stats ph_session_stats(const struct ph_session *session);

/* Processes and threads */

PH_API struct ph_process *ph_process_ref(struct ph_process *process);
PH_API void ph_process_unref(struct ph_process *process);
PH_API pid_t ph_process_pid(const struct ph_process *process);
PH_API struct ph_session *ph_process_session(const struct ph_process *process);	/* borrowed */
PH_API bool ph_process_is_alive(const struct ph_process *process);

/* Calls fn for each live one, in the order of birth, until it gives nonzero; returns that. */
PH_API int ph_session_each_process(struct ph_session *session, int (*fn)(struct ph_process *, void *), void *user);
PH_API int ph_process_each_thread(struct ph_process *process, int (*fn)(struct ph_thread *, void *), void *user);

PH_API struct ph_thread *ph_thread_ref(struct ph_thread *thread);
PH_API void ph_thread_unref(struct ph_thread *thread);
PH_API pid_t ph_thread_tid(const struct ph_thread *thread);
PH_API struct ph_process *ph_thread_process(const struct ph_thread *thread);	/* borrowed */
PH_API const char *ph_thread_state(const struct ph_thread *thread);	/* "stopped", "running", "ended" */

/* The thread that memory and registers mean when none is said: the one that stopped last, else the oldest. */
PH_API struct ph_thread *ph_session_thread(struct ph_session *session);
PH_API void ph_session_select(struct ph_session *session, struct ph_thread *thread);

/* Registers are fetched once a stop, and flushed once before the thread goes on. -ESRCH: gone; -EBUSY: running. */
PH_API int ph_thread_regs_get(struct ph_thread *thread, struct user_regs_struct *ret, struct ph_err *err);
PH_API int ph_thread_regs_set(struct ph_thread *thread, const struct user_regs_struct *regs, struct ph_err *err);

/* Inside a callback of PH_EVENT_SIGNAL: what comes with it. -EINVAL: another signal (that is PH_SIGNAL's to say). */
PH_API int ph_thread_siginfo_set(struct ph_thread *thread, const siginfo_t *info, struct ph_err *err);

/*
 * Memory as the program means it: our breakpoints do not show, and writes under one change what it saved. On failure
 * err->addr is the first bad address and err->done the number of good bytes before it.
 */
PH_API int ph_process_read(struct ph_process *process, ph_addr addr, void *buf, size_t len, struct ph_err *err);
PH_API int ph_process_write(struct ph_process *process, ph_addr addr, const void *buf, size_t len,
			    struct ph_err *err);

/* Breakpoints */

enum ph_mode {
	PH_MODE_EXECUTE,	/* the original instruction runs after the callback */
	PH_MODE_SKIP,		/* it does not */
};

struct ph_breakpoint_options {
	const char *where;	/* "main", "main+0x10", "+0x1139", "0x401000", "program!name"; NULL: address */
	ph_addr address;
	const char *name;
	enum ph_mode mode;
	bool once, disabled;
	bool pending;		/* an address that is not mapped yet may wait */
	bool begins;		/* a place inside an instruction, as far as symbols tell, is an error: -EINVAL */
	pid_t thread;		/* 0: every thread */
	bool hardware;		/* by one of the CPU's four debug registers: no byte of the target is changed */
	bool software;		/* never so, whatever the policy says */
	const char *when;	/* "edi == 5 and u32[rsi] > 9" (x86/predicate.h): a pass with another value is no hit */
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);	/* called once, when nothing can call fn any more; may be NULL */
};

PH_API int ph_breakpoint_add(struct ph_session *session, const struct ph_breakpoint_options *options,
			     struct ph_breakpoint **ret, struct ph_err *err);
PH_API int ph_breakpoint_remove(struct ph_breakpoint *breakpoint, struct ph_err *err);
PH_API int ph_breakpoint_enable(struct ph_breakpoint *breakpoint, bool enabled, struct ph_err *err);
PH_API struct ph_breakpoint *ph_breakpoint_ref(struct ph_breakpoint *breakpoint);
PH_API void ph_breakpoint_unref(struct ph_breakpoint *breakpoint);
PH_API uint64_t ph_breakpoint_hits(const struct ph_breakpoint *breakpoint);
PH_API int ph_session_each_breakpoint(struct ph_session *session, int (*fn)(struct ph_breakpoint *, void *),
				      void *user);

/*
 * Watches: the CPU's debug registers, on every thread of the processes that are there and of their followed children,
 * until exec replaces the program. Called once for each instruction that makes such an access, after it (an execute
 * watch: before it). Accesses that the kernel makes for the program (read(2) into a buffer) are not seen.
 */
enum ph_watch_access {
	PH_WATCH_WRITE,		/* also of the value that is there */
	PH_WATCH_READ_WRITE,
	PH_WATCH_EXECUTE,	/* the instruction at address; len is 1 */
};

struct ph_watch_options {
	ph_addr address;
	size_t len;		/* 1 to 32 bytes, as far as four registers reach: 1, 2, 4 or 8 aligned bytes each */
	enum ph_watch_access access;
	bool soft;		/* by single steps, without a debug register: exact, and a thousand times as slow */
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);	/* called once, when nothing can call fn any more; may be NULL */
};

/* -EBUSY: more than fit, err names who has them; -EOPNOTSUPP: the machine has no debug registers. */
PH_API int ph_watch_add(struct ph_session *session, const struct ph_watch_options *options, struct ph_watch **ret,
			struct ph_err *err);
PH_API int ph_watch_remove(struct ph_watch *watch, struct ph_err *err);
PH_API int ph_watch_enable(struct ph_watch *watch, bool enabled, struct ph_err *err);
PH_API struct ph_watch *ph_watch_ref(struct ph_watch *watch);
PH_API void ph_watch_unref(struct ph_watch *watch);
PH_API uint64_t ph_watch_hits(const struct ph_watch *watch);

/*
 * Patches: bytes over code or data, in any mapping, until they are restored, in any order, or the target is let go.
 * They lie under breakpoints, and show in memory. -EIO: unmapped, or over the border of two mappings; -EBUSY: a thread
 * stands where no instruction would begin.
 */
PH_API int ph_patch_add(struct ph_process *process, ph_addr addr, const void *bytes, size_t len, bool keep,
			struct ph_patch **ret, struct ph_err *err);
PH_API int ph_patch_restore(struct ph_patch *patch, struct ph_err *err);
PH_API struct ph_patch *ph_patch_ref(struct ph_patch *patch);
PH_API void ph_patch_unref(struct ph_patch *patch);

/*
 * Snapshots: the process at this moment, to which ph_snapshot_restore puts it back in place, any number of times: memory,
 * mappings, registers and signal masks of every thread, positions of files and what was read from pipes. Threads that
 * came since are ended, descriptors that were opened since are closed. The engine's own (breakpoints, patches, counts)
 * stays as it is. thread: where it stands; other threads are stopped for it, and go on. event: of the callback that asks,
 * or NULL: what it has hit is passed without another hit when the process goes on from there, and what a callback that
 * restored returns counts no more. compares: changed pages are found without userfaultfd(2), by looking at every one.
 * -EBUSY: a thread is in the middle of fork, exec, or a call of ours; -ENOTSUP: something cannot be had back, err says
 * what. After a failure of restore the process is in neither state.
 */
PH_API int ph_snapshot_take(struct ph_thread *thread, const struct ph_event *event, bool compares,
			    struct ph_snapshot **ret, struct ph_err *err);
PH_API int ph_snapshot_restore(struct ph_snapshot *snapshot, struct ph_err *err);

/* The target is restored, and then made to fork: the child, which stands there too, is a session of its own. */
PH_API int ph_snapshot_fork(struct ph_snapshot *snapshot, struct ph_session **ret, struct ph_err *err);

/* Memory as it was then, as ph_process_read gives it. */
PH_API int ph_snapshot_read(struct ph_snapshot *snapshot, ph_addr addr, void *buf, size_t len, struct ph_err *err);

/* Calls fn for each piece of it: what somebody had written, or zero; until it gives nonzero; returns that. */
PH_API int ph_snapshot_each_range(struct ph_snapshot *snapshot, int (*fn)(ph_addr start, ph_addr end, bool is_zero, void *),
				  void *user);

/* The same for the pages that may be others now. */
PH_API int ph_snapshot_each_changed(struct ph_snapshot *snapshot, int (*fn)(ph_addr start, ph_addr end, void *), void *user,
				    struct ph_err *err);

/* The same for what restoring does not put back, a sentence each. */
PH_API int ph_snapshot_each_limit(struct ph_snapshot *snapshot, int (*fn)(const char *text, void *), void *user);

PH_API struct user_regs_struct ph_snapshot_regs(const struct ph_snapshot *snapshot);
PH_API struct ph_snapshot *ph_snapshot_ref(struct ph_snapshot *snapshot);
PH_API void ph_snapshot_unref(struct ph_snapshot *snapshot);

/* Memory without patches. */
PH_API int ph_process_read_original(struct ph_process *process, ph_addr addr, void *buf, size_t len,
				    struct ph_err *err);

/*
 * Calls of the target's functions, on a stopped thread, in callbacks too: the session runs meanwhile, and the thread is
 * then as it was. -EFAULT: the function crashed, or left by longjmp; -ESRCH: the thread ended in it; -ETIMEDOUT; -EINTR:
 * interrupted, or a callback ended the run; -ECANCELED: a callback failed; -EBUSY: the thread stands in a system call.
 */
struct ph_argument {
	enum {
		PH_ARGUMENT_INTEGER,
		PH_ARGUMENT_DOUBLE,
		PH_ARGUMENT_BYTES,	/* a copy on the stack, of which the address is passed */
	} kind;
	uint64_t value;
	double number;
	const void *bytes;
	size_t len;
	void *back;		/* BYTES: takes what the function made of them; NULL: nobody wants that */
	ph_addr at;		/* BYTES: where they were put */
};

struct ph_call_options {
	int64_t timeout_ms;	/* negative: none */
	bool no_hooks;		/* breakpoints inside do not fire */
	bool wants_number;	/* xmm0 is looked at */
	bool keeps_errno;	/* the function is known to leave errno alone */
};

struct ph_call_result {
	uint64_t rax;
	double xmm0;
};

PH_API int ph_thread_call(struct ph_thread *thread, ph_addr function, struct ph_argument *args, size_t n,
			  const struct ph_call_options *options, struct ph_call_result *ret, struct ph_err *err);

/* Other events. signals: which ones call (bit n - 1: signal n); 0 means all. */
PH_API int ph_handler_add(struct ph_session *session, enum ph_event_kind kind, uint64_t signals, ph_event_fn fn,
			  void *user, void (*user_free)(void *user), struct ph_handler **ret);
PH_API int ph_handler_remove(struct ph_handler *handler);
PH_API int ph_handler_enable(struct ph_handler *handler, bool enabled);
PH_API void ph_handler_unref(struct ph_handler *handler);

/* System calls */

/* By which table a call was made: `syscall`, `int 0x80`, or `syscall` with bit 30 of the number set. */
enum ph_syscall_abi {
	PH_SYSCALL_X86_64,
	PH_SYSCALL_I386,
	PH_SYSCALL_X32,
};

struct ph_syscall_options {
	const char *const *names;	/* "openat"; calls of that name by any table */
	size_t n_names;
	const uint64_t *numbers;	/* calls by these numbers of the x86-64 table, or of x32's */
	size_t n_numbers;
	bool every;			/* every call, whatever its name */
	bool enter, leave;		/* when fn is called: PH_EVENT_SYSCALL, event->leave tells which */
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
};

/* -ENOENT: there is no such call; the message names the nearest. */
PH_API int ph_syscall_hook_add(struct ph_session *session, const struct ph_syscall_options *options,
			       struct ph_handler **ret, struct ph_err *err);

struct ph_syscall {
	enum ph_syscall_abi abi;
	uint64_t number;
	uint64_t args[6];
	int64_t ret;	/* when it returns, or was skipped; else 0 */
	bool leave;
};

/*
 * The call that the thread stands in, inside a callback of PH_EVENT_SYSCALL and after a run that it stopped. What is
 * changed is handed to the kernel when the thread goes on. -ENOENT: it stands in none.
 */
PH_API int ph_thread_syscall_get(struct ph_thread *thread, struct ph_syscall *ret, struct ph_err *err);

/* Before the call is made: -EINVAL after it. index: 0 to 5. */
PH_API int ph_thread_syscall_set_number(struct ph_thread *thread, uint64_t number, struct ph_err *err);
PH_API int ph_thread_syscall_set_arg(struct ph_thread *thread, unsigned int index, uint64_t value,
				     struct ph_err *err);

/* The kernel is not asked: result is the answer. Callbacks of its return are called all the same. */
PH_API int ph_thread_syscall_skip(struct ph_thread *thread, int64_t result, struct ph_err *err);

/*
 * An argument becomes a pointer to these bytes, which are put below the thread's stack, where the program keeps
 * nothing, and taken away when the call returns.
 */
PH_API int ph_thread_syscall_set_bytes(struct ph_thread *thread, unsigned int index, const void *bytes, size_t length,
				       struct ph_err *err);

/* When it returns, or was skipped. */
PH_API int ph_thread_syscall_set_ret(struct ph_thread *thread, int64_t result, struct ph_err *err);

/* "openat", or NULL for a number without a name; -ENOENT for a name without a number. */
PH_API const char *ph_syscall_name_of(enum ph_syscall_abi abi, uint64_t number);
PH_API int64_t ph_syscall_number_of(enum ph_syscall_abi abi, const char *name);

/*
 * Waiting. A callback asks for one of these and returns PH_WAIT; the thread, and all others, run on, and when it is done
 * fn is called in the callback's place: with the thread stopped, or gone. fn may wait again. Of several callbacks at
 * one stop those that do not wait are called all the same, before the thread moves.
 */
enum ph_until_kind {
	PH_UNTIL_STEPPED,	/* n instructions have run; a repeated string instruction is one */
	PH_UNTIL_STEPPED_OVER,	/* one has; a call, with all that it calls */
	PH_UNTIL_RETURNED,	/* the function that the thread is in has returned; its result is in rax */
	PH_UNTIL_CALL_RETURNED,	/* the same at a function's first instruction, where the return address is on top */
	PH_UNTIL_PLACE,		/* the thread has come to a place */
	PH_UNTIL_TIME,		/* nanoseconds have passed; the thread stays stopped */
};

enum ph_until_end {
	PH_UNTIL_DONE,
	PH_UNTIL_UNWOUND,	/* the call was ended by longjmp or an exception */
	PH_UNTIL_GONE,		/* the thread has ended, or has another program */
	PH_UNTIL_ENDED,		/* the session has */
};

struct ph_until_options {
	enum ph_until_kind kind;
	uint64_t n;		/* PH_UNTIL_STEPPED: 1 or more; PH_UNTIL_TIME: nanoseconds */
	const char *where;	/* PH_UNTIL_PLACE; NULL: address */
	ph_addr address;	/* PH_UNTIL_CALL_RETURNED: the return address, when it is known; else 0 */

	/*
	 * Not NULL: called once, when nothing can call fn any more. fn may then be called again: a snapshot that is
	 * restored (ph_snapshot_restore) takes the call back with the stack.
	 */
	void (*user_free)(void *user);
};

struct ph_until;
typedef struct ph_action (*ph_until_fn)(const struct ph_event *event, enum ph_until_end end, void *user);

/*
 * event: the callback's own, or one with a session and a stopped thread, for the run that follows. fn is called once,
 * unless this fails. ret: NULL, or what ph_until_cancel takes until then.
 */
PH_API int ph_thread_until(const struct ph_event *event, const struct ph_until_options *options, ph_until_fn fn,
			   void *user, struct ph_until **ret, struct ph_err *err);
PH_API void ph_until_cancel(struct ph_until *until);

/* PH_UNTIL_TIME is over now, as soon as the session runs. */
PH_API void ph_until_wake(struct ph_until *until);

/*
 * Places: the first address of what ph_breakpoint_options.where takes. -ENOENT: no such name; -EAGAIN: an IFUNC, whose
 * function the program has not chosen yet.
 */
PH_API int ph_session_resolve(struct ph_session *session, const char *where, ph_addr *ret, struct ph_err *err);

/* What an address is called: "main+0x12", "libc.so.6!puts+0x12", "program+0x1139", "0x7f…"; into buf. */
PH_API void ph_process_where(struct ph_process *process, ph_addr addr, char *buf, size_t len);

struct ph_symbol_info {
	const char *name;	/* demangled */
	const char *kind;	/* "function", "ifunc", "object", "label" */
	ph_addr address;
	uint64_t size;		/* 0: not known */
	const char *module;
};

/*
 * Calls fn for each symbol that a glob matches ("libssl!SSL_*", "*alloc", "*@plt"), until it gives nonzero; returns
 * that. What is passed is good during the call.
 */
PH_API int ph_process_each_symbol(struct ph_process *process, const char *glob,
				  int (*fn)(const struct ph_symbol_info *, void *), void *user, struct ph_err *err);

/* The same for each module: the program first, then in the dynamic linker's order, then others. */
PH_API int ph_process_each_module(struct ph_process *process, int (*fn)(const struct ph_module_info *, void *),
				  void *user, struct ph_err *err);

struct ph_steps_options {
	ph_addr from, to;	/* [from, to) */
	pid_t thread;		/* the only one that it is for; 0: every one */
	bool branches;		/* only where a thread comes otherwise than from the instruction before: branch by branch */
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
};

/*
 * fn is called (PH_EVENT_INSTRUCTION) before each instruction of the range that a thread runs. Threads that it may
 * concern are single-stepped, wherever they are. One pass of a repeated string instruction is one call, and so are two
 * instructions of which the first loads ss. One that a signal's handler interrupts before it ran is told again when the
 * handler returns. A handler, for ph_handler_remove and its like.
 */
PH_API int ph_steps_add(struct ph_session *session, const struct ph_steps_options *options, struct ph_handler **ret,
			struct ph_err *err);

#ifdef __cplusplus
}
#endif

#endif
