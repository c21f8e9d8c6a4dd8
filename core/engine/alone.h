/*
 * alone - the one exception to "dispatch resumes": one thread runs by itself until its next status.
 *
 * For passing a site, for a program on its way to its first instruction and, later, for injected calls. The status is
 * returned, not dispatched. Whoever calls this has seen to it that the other threads may run or cannot.
 */
#ifndef PH_ENGINE_ALONE_H
#define PH_ENGINE_ALONE_H

#include "engine/thread.h"

enum ph_alone_how {
	PH_ALONE_STEP,		/* one instruction */
	PH_ALONE_SYSCALL,	/* to the entry or exit of a system call */
	PH_ALONE_OUT,		/* out of the kernel, no instruction: the result of a call is in the registers then */
	PH_ALONE_ON,		/* until something stops it: for whoever knows what does, at once */
};

/*
 * Its status, or -ESRCH when the thread is gone. It is stopped then, or marked exiting. sig is delivered first, unless
 * 0: with PH_ALONE_STEP a handler's first instruction is where the step ends, not run yet.
 */
int ph_alone_run(struct ph_thread *thread, enum ph_alone_how how, int sig, int *ret_status, struct ph_err *err);

/*
 * A thread that was interrupted behind an int3 or an access that we watch before the kernel told of that: the interrupt comes first, the
 * SIGTRAP waits in its queue and would kill the target once we are gone. True when that was so: *ret_status is the
 * trap's stop now.
 */
bool ph_alone_take_trap(struct ph_thread *thread, int *ret_status);

/* The trap of a single step that is over, in the thread's queue. */
bool ph_alone_step_is_queued(const struct ph_thread *thread);

/*
 * sig waits for the thread, whose mask may block it: on to where the thread stands before it, without an instruction in
 * between. Other signals that come first are put off. 0, or -ESRCH: it is ending, which is pending then.
 */
int ph_alone_meet(struct ph_thread *thread, int sig);

/*
 * A killed thread that stands in its exit event goes on to its end. (PTRACE_EVENT_EXIT stops a thread even when
 * SIGKILL ended it: the signal has been taken off by then.)
 */
void ph_alone_die(struct ph_thread *thread);

/* A tracee that no session knows: killed, and its end reaped. */
void ph_alone_kill(pid_t pid);

/* A thread that stands in its vfork event goes into the kernel, to wait there for its child. */
void ph_alone_enter_vfork(struct ph_thread *thread);
/*
 * A status of a thread that nobody has told of yet: kept until its parent does. One that is dying goes on to its end:
 * a parent that dies with it may never tell.
 */
void ph_alone_note_stray(struct ph_tracer *tracer, pid_t tid, int status);

/* A seized child of ours, which no session knows yet, until it has executed its program or ended. */
int ph_alone_await_exec(pid_t pid, int *ret_status);

#endif
