/*
 * thread - one traced thread: its state, its registers, the status of it that waits.
 *
 *	            status read                 resumed (dispatch.c, alone.c)
 *	RUNNING ------------------> STOPPED ------------------> RUNNING
 *	   |  PTRACE_EVENT_EXIT        |
 *	   v                           v  exit status
 *	EXITING --------------------> ENDED
 *
 * Registers are fetched when first asked for in a stop and flushed once, when the thread goes on. Counted: scripts
 * hold it past its end; while alive its process's list holds one reference. Resuming is dispatch.h's.
 */
#ifndef PH_ENGINE_THREAD_H
#define PH_ENGINE_THREAD_H

#include "engine/call.h"
#include "engine/process.h"
#include "x86/access.h"
#include "x86/insn.h"

enum ph_thread_state {
	PH_THREAD_RUNNING,
	PH_THREAD_STOPPED,
	PH_THREAD_EXITING,	/* has passed its exit event: nothing stops it any more */
	PH_THREAD_ENDED,
};

#define PH_TRAP_FLAG 0x100		/* of eflags: single steps, the program's own (the kernel hides ours) */
#define PH_RESUME_FLAG 0x10000		/* the instruction at rip triggers no execute register this once */

enum ph_dirty {
	PH_DIRTY_ANY = 1,
	PH_DIRTY_RIP = 2,	/* this one alone, unless PH_DIRTY_ANY is set as well */
};

/* What the binding reads and writes in place. Its layout is part of the FFI declaration (bind/regs.c). */
struct ph_view {
	struct user_regs_struct regs;
	uint32_t stopped;	/* regs may be asked for */
	uint32_t have;		/* regs holds them */
	uint32_t dirty;		/* regs was written: enum ph_dirty; whoever writes from Lua says PH_DIRTY_ANY */
	uint32_t tid;
};

/* A signal taken off the thread in the middle of a pass, or that a script wants delivered: see signal.h. */
struct ph_deferred {
	siginfo_t info;
	bool sent;	/* the one that brings it back is on its way */
	bool blocked;	/* … but waits for the thread to unblock it */
	bool injected;	/* by a script: no hook sees it */
};

#define PH_DEFERRED_MAX 32

/* The debug registers as the kernel has them for one thread: hardware.h. */
struct ph_armed {
	uint32_t version;			/* of struct ph_hardware */
	uint32_t serials[PH_DEBUG_REGS];
	ph_addr addrs[PH_DEBUG_REGS];
	uint64_t control;			/* DR7 */
};

/* A pass that is not over: hooks of the site at rip ran, the instruction did not. */
struct ph_open_pass {
	bool active, skip, report;
	bool alone;				/* by stepping: a signal waits for it to be over */
	ph_addr addr;
	struct ph_breakpoint *breakpoint;	/* counted, for the report; or NULL */
};

struct ph_invocation;

struct ph_returns {
	struct ph_return **all;	/* owned; the calls themselves are whoever's who waits */
	size_t n, room;
};

struct ph_thread {
	struct ph_view view;		/* first: the binding casts */
	struct user_regs_struct fetched;	/* as the kernel gave them */
	unsigned int refs;
	pid_t tid;
	struct ph_process *process;	/* counted */
	struct ph_list in_process, in_pending;
	enum ph_thread_state state;
	enum ph_stop_kind last_stop;	/* the one that it stands in, when stopped */
	int status;			/* while in_pending is linked: not yet dispatched */

	int stop_signal;		/* signal-delivery stop: the signal, delivered on resume unless changed; else 0 */
	siginfo_t *siginfo;		/* while hooks of a signal run: what it comes with; borrowed from dispatch */
	bool is_fault;			/* … which the instruction at rip raised */
	bool in_vfork;			/* waits in the kernel for a vfork child: cannot be stopped, nor run */
	/* What most stops have nothing of, to be asked for at once (usual.h). */
	union {
		struct {
			bool group_stopped;	/* in a group stop: resumed by PTRACE_LISTEN */
			bool vforking;		/* stands in a vfork event: goes into the kernel when resumed */
			bool held;		/* stopped by us so that another one can step */
			bool options_stale;	/* the session's policy changed: set them before it goes on */
			bool unguarded;		/* a trap of ours may have cost the program its handling of SIGTRAP (guard.h) */
			bool stepped;		/* it went on by a single step of ours: a step's trap is that (ph_trap_look) */
			bool step_shows;	/* the trap flag that the kernel shows is that of our steps */
			bool told;		/* the instruction at told_at was told, and has not run since */
		};
		uint64_t unusual;
	};
	bool newborn;			/* its first stop is still to be dispatched */
	bool exit_told;			/* PH_EVENT_THREAD_EXIT was emitted */
	struct ph_process *born;	/* counted; the child of the fork event that is pending, or NULL */

	struct ph_open_pass pass;
	struct ph_invocation *invocation;	/* the innermost call of a script's that it is in; borrowed, or NULL */

	/* What most stops look at lies together; what few do follows. */
	struct ph_list steppers;	/* what waits for its next instructions (until.h) */
	unsigned int n_sleepers;	/* while there are any it stays stopped */
	bool rewound;			/* a snapshot was restored since it stopped: what callbacks wanted of this stop is void */
	bool xstate_have, xstate_dirty;
	struct ph_returns returns;	/* calls in flight, in the order made (returns.h) */

	ph_addr trapped;		/* the site at which a trap of ours waits to be dispatched (trap.h); 0: none */
	ph_addr left_copy;		/* where in a copy it was seen at this stop; 0: it was not */
	ph_addr left_at;		/* rip as it went on last; 0: nobody had looked */

	/* The copy that it goes on into, or came from at this stop (behind.h). */
	struct ph_entered {
		const struct ph_slot *slot;	/* NULL: none */
		uint64_t at;			/* the space's n_armed then */
		uint64_t rsp;
	} entered, came;

	ph_addr told_at;
	ph_addr told_next;		/* the instruction behind it in memory, where somebody asks for branches; 0: not known */

	/* Resumed for one instruction that somebody waits for (until.h), whose end is still to come. */
	struct {
		bool on;
		bool over_call;		/* to the exit of the system call that it stood in */
		bool ended;		/* its trap has come; to be counted when the thread goes on */
		bool decoded;
		ph_addr addr;
		struct ph_insn insn;
	} step;
	struct ph_armed armed;
	struct ph_call call;		/* the system call that it is in */

	/* CLONE_UNTRACED, taken off the flags of a clone in flight: to be put back (untraced.h). */
	struct {
		bool active;
		ph_addr at;		/* of clone3's flags; 0: they are its first argument */
		uint64_t flags;		/* as the program gave them */
	} untraced;
	struct ph_list rounds;		/* what waits for the end of a repeated instruction (until.h) */

	struct ph_access_range touches[PH_ACCESSES_MAX];	/* stepped: what the instruction reads and writes, for soft watches */
	unsigned int n_touches;

	struct ph_deferred *deferred;	/* owned; room for PH_DEFERRED_MAX, or NULL */
	unsigned int n_deferred;

	void *user;			/* a binding's own, until the thread ends */
	void (*user_free)(void *user);

	void *xstate;			/* owned; the XSAVE area, when fetched */
	size_t xstate_len;
};

/* Joins its process and the tracer's table. */
int ph_thread_new(struct ph_process *process, pid_t tid, struct ph_thread **ret);

/* After its end: out of every table. */
void ph_thread_retire(struct ph_thread *thread);

/* The state changed by a status that was read. Forgets what was cached. */
void ph_thread_set_stopped(struct ph_thread *thread);
void ph_thread_set_running(struct ph_thread *thread);

/* Leaves a status for dispatch, after those that wait already. */
void ph_thread_set_pending(struct ph_thread *thread, int status);
static inline bool ph_thread_has_pending(const struct ph_thread *thread)
{
	return !ph_list_is_empty(&thread->in_pending);
}
int ph_thread_take_pending(struct ph_thread *thread);

void ph_thread_end_pass(struct ph_thread *thread);

/* view.regs and view.have; -ESRCH when gone, -EBUSY when running. */
int ph_thread_regs_fetch(struct ph_thread *thread, struct ph_err *err);

/* For engine code that has fetched: the instruction pointer. Whoever changes others says PH_DIRTY_ANY in view.dirty. */
static inline void ph_thread_set_rip(struct ph_thread *thread, ph_addr rip)
{
	thread->view.regs.rip = rip;
	thread->view.dirty |= PH_DIRTY_RIP;
}

/* What was changed, written back. */
int ph_thread_regs_flush(struct ph_thread *thread, struct ph_err *err);

/*
 * The thread stands at the entry of a call: its registers become those before the instruction that is to make it, with
 * what hooks changed; one that was answered stays behind it.
 */
bool ph_thread_rewind_call(struct ph_thread *thread);

/* The XSAVE area; *ret is borrowed until the thread goes on. */
int ph_thread_xstate_fetch(struct ph_thread *thread, void **ret, size_t *ret_len, struct ph_err *err);
void ph_thread_xstate_set_dirty(struct ph_thread *thread);

/* A debug register, 0 to 7. */
int ph_thread_debug_reg_read(struct ph_thread *thread, unsigned int n, uint64_t *ret, struct ph_err *err);

/* Some thread of the process through which the kernel reaches its memory; NULL when none is left. */
struct ph_thread *ph_process_any_thread(const struct ph_process *process);

/* The same of an address space, which several processes of the session may share. */
struct ph_thread *ph_space_any_thread(const struct ph_space *space, const struct ph_session *session);

/* The process's own first thread, or NULL. */
struct ph_thread *ph_process_leader(const struct ph_process *process);

#endif
