#include "engine/untraced.h"

#include <linux/sched.h>

void ph_untraced_strip(struct ph_thread *thread)
{
	struct ph_call_view *view = &thread->call.view;
	struct ph_space *space = thread->process->space;
	const struct ph_abi_clones *clones = &ph_abi_clones[view->abi];
	uint64_t flags;

	if (view->number == clones->clone) {
		if (!(view->args[0] & CLONE_UNTRACED))
			return;
		thread->untraced.at = 0;
		thread->untraced.flags = view->args[0];
		view->args[0] &= ~(uint64_t)CLONE_UNTRACED;
		view->changed |= PH_OS_CALL_ARG(0);
	} else if (view->number == clones->clone3) {
		/* struct clone_args begins with its flags (clone(2)). */
		if (ph_space_read(space, thread->tid, view->args[0], &flags, sizeof(flags), NULL) < 0 ||
		    !(flags & CLONE_UNTRACED))
			return;
		thread->untraced.at = view->args[0];
		thread->untraced.flags = flags;
		flags &= ~(uint64_t)CLONE_UNTRACED;
		if (ph_space_write(space, thread->tid, thread->untraced.at, &flags, sizeof(flags), NULL) < 0)
			return;
	} else {
		return;
	}
	thread->untraced.active = true;
	thread->call.wants_exit = true;
}

void ph_untraced_restore(struct ph_thread *thread)
{
	if (!thread->untraced.active)
		return;
	thread->untraced.active = false;
	if (thread->untraced.at) {
		ph_space_write(thread->process->space, thread->tid, thread->untraced.at, &thread->untraced.flags,
			       sizeof(thread->untraced.flags), NULL);
	} else if (ph_thread_regs_fetch(thread, NULL) >= 0) {
		struct ph_os_call call = { .arch = thread->call.read.arch, .args = { thread->untraced.flags } };

		ph_os_call_apply(&call, PH_OS_CALL_ARG(0), &thread->view.regs);
		thread->view.dirty = PH_DIRTY_ANY;
	}
}
