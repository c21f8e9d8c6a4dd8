/*
 * behind - telling an int3 of ours from a SIGTRAP that somebody sends, without asking the kernel.
 *
 * Behind a site whose instruction is longer than a byte stands only who ran our byte. Behind a push of one byte the
 * program may stand by itself, and registers look the same; PTRACE_GETSIGINFO tells, for a tenth of what a hit costs. So
 * once a site has been hit often, its function is looked through: where nothing jumps behind the push, a thread comes
 * there only by running it, which takes a stop of ours. Right after that stop rsp is eight lower than it was, and once a
 * thread was seen there (before a handler, say, that returns to it) the kernel is asked from then on.
 *
 * Of a program that catches SIGTRAP (guard.h) it is asked every time: there a signal may hide in a hit.
 *
 * What this cannot see, at the very moment of a SIGTRAP: a jump from outside of the function into its second instruction, a
 * jump over a prefix (glibc jumps over lock), and one to what stands behind a ret, when a return address is on top of the
 * stack there as well. Of other instructions of one byte than push, pop, leave and ret, it does not see that they have not
 * run yet: a hit is lost then.
 */
#ifndef PH_ENGINE_BEHIND_H
#define PH_ENGINE_BEHIND_H

#include "engine/thread.h"

/*
 * The thread trapped, its registers are fetched, rip is one past the site's: true when that can only be our byte, and
 * nobody need know whether a signal came along with it.
 */
bool ph_behind_is_hit(struct ph_thread *thread, struct ph_site *site);

/*
 * The same when what it stopped for was sent. Where tgkill(2) sends a SIGTRAP at the moment of a hit, the kernel keeps one
 * of the two, the one that was first (signal(7): standard signals do not queue): true when our byte has run as well. What the
 * instruction would have left behind is not there then (x86/done.h).
 */
bool ph_behind_has_run(struct ph_thread *thread, const struct ph_site *site);

/* It goes on into a copy of an instruction, with these registers. */
static inline void ph_behind_entered(struct ph_thread *thread, const struct ph_slot *slot)
{
	thread->entered = (struct ph_entered){ slot, thread->process->space->n_armed, thread->view.regs.rsp };
}

/* It stopped, and not for a byte of ours: where it stands now, it may stand again. */
void ph_behind_note(struct ph_thread *thread);

#endif
