#include "engine/inside.h"

void ph_inside_leave(struct ph_thread *thread)
{
	const struct ph_slots *slots = &thread->process->space->slots;
	const struct ph_copy_point *point;
	const struct ph_slot *slot;

	thread->left_copy = 0;
	if (!slots->n_chunks || ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	slot = ph_slots_at(slots, thread->view.regs.rip);
	point = slot ? ph_copy_find(&slot->copy, thread->view.regs.rip - slot->addr) : NULL;
	if (!point)
		return;
	thread->left_copy = thread->view.regs.rip;
	ph_thread_set_rip(thread, point->stands_for);
	if (point->rsp_add) {
		thread->view.regs.rsp += (uint64_t)(int64_t)point->rsp_add;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	if (point->state == PH_COPY_AFTER)
		return;
	ph_thread_end_pass(thread);
	thread->pass.active = true;
	thread->pass.addr = point->stands_for;
}

bool ph_inside_enter_slot(struct ph_thread *thread, const struct ph_slot *slot)
{
	if (thread->process->space->slots.refused || !ph_copy_suits(&slot->copy, &thread->view.regs))
		return false;
	thread->process->session->stats.copies++;
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
