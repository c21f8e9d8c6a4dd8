#include "engine/inside.h"

#include <string.h>

#include "engine/behind.h"

/* rip, which lies in a copy, is where the program would have it. False: no thread of ours can stand there. */
static bool leave_from(struct ph_thread *thread, ph_addr rip)
{
	const struct ph_slot *slot = ph_slots_at(&thread->process->space->slots, rip);
	const struct ph_copy_point *point = slot ? ph_copy_find(&slot->copy, rip - slot->addr) : NULL;

	if (!point)
		return false;
	thread->left_copy = rip;
	ph_thread_set_rip(thread, point->stands_for);
	if (point->rsp_add) {
		thread->view.regs.rsp += (uint64_t)(int64_t)point->rsp_add;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	if (point->state == PH_COPY_AFTER)
		return true;
	ph_thread_end_pass(thread);
	thread->pass.active = true;
	thread->pass.addr = point->stands_for;
	return true;
}

void ph_inside_look(struct ph_thread *thread)
{
	leave_from(thread, thread->view.regs.rip);
}

bool ph_inside_is_spoilt(const struct ph_thread *thread, ph_addr at)
{
	const struct ph_space *space = thread->process->space;
	const struct ph_slot *slot = ph_slots_at(&space->slots, at);
	uint8_t now[PH_COPY_SIZE];

	return slot && (ph_space_read_raw(space, thread->tid, slot->addr, now, sizeof(now), NULL) < 0 ||
			memcmp(now, slot->copy.bytes, sizeof(now)) != 0);
}

bool ph_inside_rescue(struct ph_thread *thread)
{
	struct ph_slots *slots = &thread->process->space->slots;

	if (!slots->n_chunks || ph_thread_regs_fetch(thread, NULL) < 0)
		return false;
	/* Behind a copy of one byte it looked as if that had run. */
	if (thread->left_copy) {
		ph_thread_end_pass(thread);
		ph_thread_set_rip(thread, thread->left_copy);
		thread->view.regs.rsp = thread->fetched.rsp;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	if (!leave_from(thread, thread->view.regs.rip - 1))
		return false;
	slots->refused = true;
	thread->pass.alone = thread->pass.active;
	return true;
}

bool ph_inside_enter_slot(struct ph_thread *thread, const struct ph_slot *slot)
{
	if (thread->process->space->slots.refused || !ph_copy_suits(&slot->copy, &thread->view.regs))
		return false;
	thread->process->session->stats.copies++;
	ph_behind_entered(thread, slot);
	ph_thread_set_rip(thread, slot->addr);
	ph_thread_end_pass(thread);
	return true;
}

bool ph_inside_enter(struct ph_thread *thread)
{
	const struct ph_slot *slot;

	if (!thread->pass.active || thread->pass.skip || thread->pass.report || thread->pass.alone ||
	    ph_thread_regs_fetch(thread, NULL) < 0 || thread->view.regs.rip != thread->pass.addr)
		return false;
	slot = ph_map_find(&thread->process->space->slots.by_site, thread->pass.addr);
	return slot && ph_inside_enter_slot(thread, slot);
}
