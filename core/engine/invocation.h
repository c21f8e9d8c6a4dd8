/*
 * invocation - a function of the target that runs because a script called it: what dispatch must know of that.
 *
 * The thread's registers were set so that the function returns to a trap of ours, in scratch memory (invoke.h). Stops on
 * the way are dispatched as any others; here it is told from them that the call is over: it returned, it raised what
 * would kill the program, it left by longjmp. Calls nest, the innermost first. Knows no registers to put back.
 */
#ifndef PH_ENGINE_INVOCATION_H
#define PH_ENGINE_INVOCATION_H

#include "engine/thread.h"

enum ph_invocation_state {
	PH_INVOCATION_RUNS,
	PH_INVOCATION_RETURNED,
	PH_INVOCATION_CRASHED,	/* by signal */
	PH_INVOCATION_LEFT,	/* its stack was unwound past its begin: longjmp, an exception */
	PH_INVOCATION_REPLACED,	/* it called exec */
};

/* Owned by whoever made the call, which outlives it. */
struct ph_invocation {
	struct ph_invocation *outer;
	enum ph_invocation_state state;
	ph_addr back;		/* where it returns to */
	ph_addr rsp;		/* when it has returned */
	bool quiet;		/* breakpoints inside do not fire */
	bool passes_stops;	/* the program is in a group stop, and the function runs all the same */
	siginfo_t info;		/* CRASHED */
};

/* The same place and stack as when the call is over: who waits for that very return is to be told first. */
bool ph_invocation_returns_to(const struct ph_thread *thread, ph_addr at);

/* The thread has trapped at `at`, the registers are fetched. True: the call is over, and the thread stays stopped. */
bool ph_invocation_take_trap(struct ph_thread *thread, ph_addr at);

/* It is about to be given this signal. True: that would kill the program, so the call is over. */
bool ph_invocation_take_signal(struct ph_thread *thread, int sig);

/* It stands at a site of ours, at `at`. True: the call was left, and the thread stays stopped there, its hit to come. */
bool ph_invocation_take_exit(struct ph_thread *thread, ph_addr at);

void ph_invocation_replace(struct ph_thread *thread);

static inline bool ph_invocation_is_quiet(const struct ph_thread *thread)
{
	return thread->invocation && thread->invocation->quiet;
}

#endif
