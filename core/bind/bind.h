/*
 * bind - the engine for Lua: what the files of this layer share.
 *
 * One file per class; each binding function checks its arguments, makes one engine call, pushes the result. Script
 * code is entered through one door (door.c), which keeps what the globals mean, reports errors and ends loops that
 * somebody interrupts. Whatever Lua holds is counted in the engine, so a stale handle raises and never dangles.
 */
#ifndef PH_BIND_BIND_H
#define PH_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "engine/thread.h"

#define PH_PAGE 4096

/* Shared with lua/ptracehook/regs.lua, which declares the same for the FFI. */
struct ph_bind_now {
	struct ph_view *view;	/* of the thread that the globals mean; NULL: none yet */
	struct ph_view *asked;	/* the answer of core.view */
	uint64_t cell;		/* a 64-bit number on its way to Lua */
};

struct ph_bind {
	lua_State *L;			/* the state that hooks run on: whoever called run */
	struct ph_tracer *tracer;
	struct ph_bind_now now;
	struct ph_thread *now_thread;	/* counted */
	struct ph_process *event_process;	/* of the event being handled, which may have no thread left; or NULL */
	struct ph_bind_call *call;	/* the hook that runs; NULL: none */
	struct ph_session *target;	/* counted: the command line's, whose status is ours; NULL: none */
	struct ph_session *current;	/* counted: the one that globals act on; NULL: none yet */
	volatile sig_atomic_t interrupted;	/* the signal */
	volatile sig_atomic_t busy;	/* inside the engine: its state is not to be touched from a handler */
	int error_ref;			/* registry: the last error that left a hook */
	char *error_trace;		/* owned: its traceback */
	unsigned int depth;		/* hooks on the stack, each with the engine below it */
	bool report_errors;		/* policy{errors = "report"} */
	bool hook_failed;		/* since somebody last looked */
	bool quiet, verbose;
	volatile sig_atomic_t flushing;	/* we see ourselves whether standard output takes it */
	bool has_compiler;		/* ph_bind_open_compiler was called */
	bool own_stdout;		/* -o: nobody shares what scripts print */
	bool own_groups;		/* spawned targets have process groups, for the terminal to go to and fro */
	bool driven;			/* a script or line has run a session */
	bool soft_interrupt;		/* a prompt is there for Ctrl-C to lead to, and for errors of hooks */
	sigset_t ignored, blocked;	/* as our caller left them, for spawned programs; ignored: below those of real time */
};

extern struct ph_bind ph_bind;

/* The engine call of a binding function stands between these two; nothing raises in between. */
static inline void ph_bind_enter(void)
{
	ph_bind.busy++;
}

static inline void ph_bind_leave(void)
{
	ph_bind.busy--;
}

/* state.c: the Lua state, with every library and global in place. */
int ph_bind_open(struct ph_bind *bind);
/* The JIT compiler and the library jit, before the first script that has anything in it; false and a kept error. */
bool ph_bind_open_compiler(struct ph_bind *bind);
/* The library ffi, in the registry. */
#define PH_BIND_FFI "ptracehook.ffi"
/* libm, for whoever looks for its functions by their names; NULL: dlerror(3) says why. */
void *ph_bind_load_math(void);
/* The functions and classes of ptracehook.core that the start does without; once. */
void ph_bind_open_rest(lua_State *L);
void ph_bind_close(struct ph_bind *bind);

/* door.c */
void ph_bind_open_protect(lua_State *L);
void ph_bind_open_door(lua_State *L);
void ph_bind_open_functions(lua_State *L);	/* after the libraries, before any script */
void ph_bind_open_relay(lua_State *L);

/* lua_pcall with a traceback; false after an error, which is kept in error_ref and error_trace. Nothing is left then. */
bool ph_bind_call(lua_State *L, int n_args, int n_results);

/* Keeps the error at the top of the stack, which nothing raised, and pops it. */
void ph_bind_keep_error(lua_State *L);

/* The kept error, as a message for people with its traceback, on standard error. */
void ph_bind_report(const char *prefix);

/* The function at index, or action in its place, for events: in the registry until ph_bind_drop_function. */
int ph_bind_keep_function(lua_State *L, int index);
void ph_bind_drop_function(int fn_ref);

/* Calls the function at fn_ref, that ph_bind_keep_function gave, for an event; anything it does is an action. */
struct ph_action ph_bind_call_hook(const struct ph_event *event, int fn_ref);

/* The same with arguments of our own: three numbers, and the thread's id. */
struct ph_action ph_bind_call_with(const struct ph_event *event, int fn_ref, const int numbers[3]);

/* The event of the hook that runs, until it returns; NULL: none does. */
const struct ph_event *ph_bind_hook_event(void);

/* Where the function of the hook that runs was written, as messages begin; "" when none does. */
void ph_bind_push_hook_origin(lua_State *L);

/* Raises the error that told the hook of its thread's or session's end, if it was told. */
void ph_bind_raise_end(lua_State *L);

/* A hook yields this, an enum ph_until_kind and maybe a place, with now.cell set, to wait; it gets true or false, … */
void *ph_bind_wait_token(void);

void ph_bind_close_door(void);

/* What the script printed, out before the target moves on; false and a kept error when nobody takes it. */
bool ph_bind_flush(void);

/* interrupt.c: SIGINT, SIGTERM and SIGHUP end scripts, softly at first. */
void ph_bind_interrupt_install(void);
void ph_bind_interrupt_uninstall(void);	/* nothing is left to be ended */
int ph_bind_interrupt_status(void);	/* of the process that was interrupted */
void ph_bind_interrupt_wait(int sig);	/* in a handler: whoever waits in the engine is to look */
void ph_bind_interrupt_clear(void);	/* it has been answered */
void ph_bind_open_last_words(lua_State *L);	/* core -> core */
void ph_bind_last_words(void);		/* has them said; targets are gone by now */

/* Ends everything from wherever we are, and the process. */
void ph_bind_exit(int status) __attribute__((noreturn));

/* error.c */
bool ph_bind_is_ours(const char *source);	/* of a function, as debug.getinfo gives it */
void ph_bind_push_error(lua_State *L, const struct ph_err *err);
int ph_bind_raise(lua_State *L, const struct ph_err *err) __attribute__((noreturn));
int ph_bind_argument_error(lua_State *L, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void ph_bind_open_errors(lua_State *L);

/* number.c: 64 bits, whole, both ways. what names the argument in errors: "read: address". */
void ph_bind_open_numbers(lua_State *L);
void ph_bind_push_u64(lua_State *L, uint64_t value);
void ph_bind_push_i64(lua_State *L, int64_t value);
uint64_t ph_bind_check_addr(lua_State *L, int index, const char *what);
size_t ph_bind_check_len(lua_State *L, int index, const char *what);
uint64_t ph_bind_check_int(lua_State *L, int index, unsigned int bits, const char *what);
double ph_bind_check_float(lua_State *L, int index, const char *what);
bool ph_bind_is_integer_cdata(lua_State *L, int index);
bool ph_bind_is_whole(lua_State *L, int index);

/* The value as an error shows it: nil, 1.5, the string "x". Pushed, and returned. */
const char *ph_bind_push_shown(lua_State *L, int index);

/* class.c: userdata with methods and fields; Lua may add to both tables. */
struct ph_bind_class {
	const char *name;
	const luaL_Reg *methods, *getters;
	lua_CFunction gc, tostring;
};

void ph_bind_class_open(lua_State *L, const struct ph_bind_class *class);
void ph_bind_open_classes(lua_State *L);	/* before the first of them */

/* The pointer in the userdata, or an error that names the class. */
void *ph_bind_check(lua_State *L, int index, const char *class);
void *ph_bind_test(lua_State *L, int index, const char *class);
bool ph_bind_is(lua_State *L, int index, const char *class);

/* Pushes the one userdata of an engine object, made by ref'ing it when there is none. */
void ph_bind_push(lua_State *L, const char *class, void *object, void *(*ref)(void *));

/* The same for an object that has one: false, with nothing pushed, when it has not. Never raises. */
bool ph_bind_push_known(lua_State *L, const void *object);

void ph_bind_open_session(lua_State *L);
void ph_bind_open_run(lua_State *L);
void ph_bind_open_thread(lua_State *L);
void ph_bind_open_breakpoint(lua_State *L);
void ph_bind_open_watch(lua_State *L);
void ph_bind_open_event(lua_State *L);
void ph_bind_open_action(lua_State *L);
void ph_bind_open_regs(lua_State *L);
void ph_bind_open_mem(lua_State *L);
void ph_bind_open_patch(lua_State *L);
void ph_bind_open_snapshot(lua_State *L);
void ph_bind_open_gdb(lua_State *L);
void ph_bind_open_invoke(lua_State *L);
void ph_bind_open_bypass(lua_State *L);
void ph_bind_open_peek(lua_State *L);
void ph_bind_open_syscall(lua_State *L);
void ph_bind_open_disasm(lua_State *L);
void ph_bind_open_wait(lua_State *L);
void ph_bind_open_stream(lua_State *L);
void ph_bind_open_interactive(lua_State *L);	/* streams -> streams */
void ph_bind_open_module(lua_State *L);
void ph_bind_open_backtrace(lua_State *L);
void ph_bind_open_types(lua_State *L);
void ph_bind_open_prompt(lua_State *L);
void ph_bind_open_repl(lua_State *L);
void ph_bind_open_filewatch(lua_State *L);
void ph_bind_open_guard(lua_State *L);
void ph_bind_open_core(lua_State *L);

void ph_bind_push_session(lua_State *L, struct ph_session *session);
/* A session that was opened outside Lua: kept open, current; the caller's use of it passes to Lua. */
void ph_bind_adopt(struct ph_session *session);
void ph_bind_push_process(lua_State *L, struct ph_process *process);
void ph_bind_push_thread(lua_State *L, struct ph_thread *thread);
/* Names that never resolved, on standard error, each once. */
void ph_bind_tell_pending(struct ph_session *session);
void ph_bind_push_breakpoint(lua_State *L, struct ph_breakpoint *breakpoint);
/* siginfo.c: a table, and what a hook changed of it, to the thread that is about to get the signal. May raise. */
void ph_bind_push_siginfo(lua_State *L, const siginfo_t *info);
void ph_bind_take_siginfo(lua_State *L, int index, struct ph_thread *thread, const siginfo_t *before);

/* The call that the thread stands in. */
void ph_bind_push_syscall(lua_State *L, struct ph_thread *thread);

/* stream.c: the one that is written, of the session and the mask at 1 and 2; raises when there is none. */
struct ph_stream *ph_bind_check_sink(lua_State *L);

/* What a hook waits for that waits for a tube; NULL: something else is at index. */
struct ph_goal *ph_bind_test_goal(lua_State *L, int index);

/* The same without raising; false, and nothing pushed, when it was never pushed before. */
bool ph_bind_push_known_syscall(lua_State *L, struct ph_thread *thread);

void ph_bind_push_module(lua_State *L, const struct ph_module_info *module);
void ph_bind_push_watch(lua_State *L, struct ph_watch *watch);
void ph_bind_push_reason(lua_State *L, const struct ph_reason *reason);

/* Session at index, or the current one when there is nil; an error when there is neither. */
struct ph_session *ph_bind_check_session(lua_State *L, int index);

/* The process that argument 1, a session or nil, means: of the thread that is current in it; raises when it has ended. */
struct ph_process *ph_bind_check_process(lua_State *L, const char *what);

/* run.c: the method below session:run. */
int ph_bind_run_ms(lua_State *L);

/* Runs it as session:run does; raises what that raises. */
void ph_bind_run(lua_State *L, struct ph_session *session, int64_t timeout_ms, struct ph_reason *ret);

/* The same, giving what ph_session_run gave; an error of a hook, -ECANCELED, is kept. */
int ph_bind_try_run(lua_State *L, struct ph_session *session, int64_t timeout_ms, struct ph_reason *ret,
		    struct ph_err *err);

/* The same, with our terminal handed to a target that we spawned in a group of its own. */
int ph_bind_run_in_foreground(lua_State *L, struct ph_session *session, int64_t timeout_ms, struct ph_reason *ret,
			      struct ph_err *err);

/* What the globals act on, and what regs and mem mean, from here on; of the current session its thread as it is now. */
void ph_bind_set_current(struct ph_session *session);
void ph_bind_set_now(struct ph_thread *thread);
void ph_bind_see_thread(struct ph_session *session);

/* Nothing of it is left to look at: as scripts see it, from its exit event on. */
static inline bool ph_bind_has_ended(const struct ph_thread *thread)
{
	return thread->state == PH_THREAD_ENDED || thread->state == PH_THREAD_EXITING;
}

/* Session, Thread, Process or nil at index: the thread that it means; raises when there is none. */
struct ph_thread *ph_bind_check_target(lua_State *L, int index);

/* action.c: false, with *ret_why set, when the value is no action, or none for this event. */
bool ph_bind_to_action(lua_State *L, int index, enum ph_event_kind kind, struct ph_action *ret, const char **ret_why);
bool ph_bind_is_action(lua_State *L, int index);

const char *ph_bind_event_name(enum ph_event_kind kind);
int ph_bind_check_signal(lua_State *L, int index, const char *what);
const char *ph_bind_signal_name(int sig, char *buf, size_t len);

#endif
