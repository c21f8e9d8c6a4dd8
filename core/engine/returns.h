/*
 * returns - calls in flight whose ends somebody waits for.
 *
 * A trap of ours stands at the return address, shared by all calls that return there, and stays when they are over: the
 * next call comes from the same place. Which call it is that returns tells the stack: where it stands after the return
 * is the call's own, so that recursion, tail calls and other threads are not mistaken for it.
 *
 * A call that longjmp or an exception ended never returns. It is found out when the thread is seen with less on its
 * stack: at the next stop, at a return, where exceptions are caught, before a longjmp, at the thread's end. Stacks
 * are told apart by their mappings, so that a handler on a stack of its own ends nothing.
 */
#ifndef PH_ENGINE_RETURNS_H
#define PH_ENGINE_RETURNS_H

#include "engine/plan.h"
#include "engine/thread.h"

struct ph_return;

enum ph_return_end {
	PH_RETURN_DONE,		/* the thread is stopped behind it */
	PH_RETURN_UNWOUND,	/* it was over; the thread is stopped somewhere else */
	PH_RETURN_DROPPED,	/* ph_returns_drop */
};

/* Called once. May do anything. */
typedef void (*ph_return_fn)(struct ph_return *call, enum ph_return_end end, struct ph_plan *plan);

/* Memory of whoever waits; linked from ph_return_await until fn is called, or it is cancelled. */
struct ph_return {
	ph_addr addr;		/* where it returns to */
	ph_addr stack;		/* rsp there */
	ph_return_fn fn;
	struct ph_tripwire *tripwire;	/* counted */
};

/* addr and stack are set. -EIO: nothing is mapped at addr. */
int ph_return_await(struct ph_thread *thread, struct ph_return *call, ph_return_fn fn, struct ph_err *err);
void ph_return_cancel(struct ph_thread *thread, struct ph_return *call);

/* The thread has stopped, its registers fetched: calls that cannot be in flight any more are over. */
void ph_returns_look(struct ph_thread *thread, struct ph_plan *plan);

/*
 * The same where a function may just have been entered: a call that would return to the same place with the same stack
 * is over if it was called again; unless longjmp tells of itself, then this is a jump back to its begin.
 */
void ph_returns_enter(struct ph_thread *thread, struct ph_plan *plan);

/* None of them will return: the thread exits, or has another program. */
void ph_returns_drop(struct ph_thread *thread, struct ph_plan *plan);

/*
 * The thread stands at addr, where somebody's call may have returned to. Functions that ended in jumps into others return
 * together, the innermost first.
 */
void ph_returns_returned(struct ph_thread *thread, ph_addr addr, struct ph_plan *plan);

#endif
