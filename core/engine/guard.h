/*
 * guard - what the target does with SIGTRAP, kept while we trap it.
 *
 * The kernel delivers the SIGTRAP of an int3 whatever the program thinks of it: where the program ignores it, or the
 * thread blocks it, the handler becomes SIG_DFL and the block is lifted (kernel/signal.c, force_sig_info_to_task). A
 * single step does the same. So where SIGTRAP is caught or ignored, the action is looked at before a thread goes on
 * from a hit, and put back, and the block with it.
 *
 * Whether it is, is asked at spawn, attach and exec, when a trap of the program's own comes, and at some hits: the 1st,
 * 2nd, 4th, … and each 1024th. What a program set up after the last look, and lost at a hit before the next, is lost;
 * so is the block of a thread in a program that neither catches nor ignores it. Of threads that trap at the same time the
 * first to go on gets the block back, whosever it was. A handler runs with SIGTRAP unblocked (departure.c), so one that is
 * sent meanwhile interrupts it. Nothing can be put back where a seccomp filter forbids calls of ours.
 */
#ifndef PH_ENGINE_GUARD_H
#define PH_ENGINE_GUARD_H

#include "engine/process.h"

struct ph_thread;

/* A new program: only what it ignores outlives an exec. The thread is its first. */
void ph_guard_begin(struct ph_thread *thread);

/* The same where it is known whether it ignores SIGTRAP. */
void ph_guard_begin_known(struct ph_process *process, bool ignores);

/* The thread is stopped, at a place of the program: has the program something to lose? */
void ph_guard_look(struct ph_thread *thread);

/* The thread is marked as unguarded, and about to go on. It may be gone afterwards, or have something pending. */
void ph_guard_keep(struct ph_thread *thread);

/* The program ignores SIGTRAP as it stands. */
bool ph_guard_ignores(const struct ph_thread *thread);

/*
 * It is stopped by a trap of the program's own, which is *info: what that is for may be gone by another thread's hit.
 * True: it is back, and the trap comes again.
 */
bool ph_guard_own_trap(struct ph_thread *thread, const siginfo_t *info);

static inline bool ph_guard_is_due(struct ph_process *process)
{
	return process->guard.on || process->guard.countdown-- == 0;
}

#endif
