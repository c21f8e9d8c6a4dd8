/*
 * inside - a thread seen in a copy of an instruction is put where the program would have it.
 *
 * At every stop that can find one there: signals, interrupts, group stops. Afterwards nobody need know of copies: a
 * thread whose instruction has not run stands at the site with its pass still to be made (thread->pass), one whose
 * instruction has run stands behind it.
 */
#ifndef PH_ENGINE_INSIDE_H
#define PH_ENGINE_INSIDE_H

#include "engine/thread.h"

/* The thread has just stopped, in memory of ours perhaps. */
void ph_inside_look(struct ph_thread *thread);

/* The thread has just stopped. */
static inline void ph_inside_leave(struct ph_thread *thread)
{
	const struct ph_slots *slots = &thread->process->space->slots;

	thread->left_copy = 0;
	if (slots->n_chunks && ph_thread_regs_fetch(thread, NULL) >= 0 &&
	    thread->view.regs.rip - slots->low < slots->high - slots->low)
		ph_inside_look(thread);
}

/*
 * The thread has run an int3 that stands where its copy should: somebody wrote over our memory. True: it is out, and no
 * copies are used in this space any more.
 */
bool ph_inside_rescue(struct ph_thread *thread);

/* What stands at this place of our memory is not the copy that was written there. */
bool ph_inside_is_spoilt(const struct ph_thread *thread, ph_addr at);

/* Back into the copy, if it stands at the site with the pass to be made and there is one: true, and the pass is over. */
bool ph_inside_enter(struct ph_thread *thread);

/* The same for whoever knows that it stands there, its registers fetched, and by which copy it passes. */
bool ph_inside_enter_slot(struct ph_thread *thread, const struct ph_slot *slot);

#endif
