#include "engine/pass.h"

#include "engine/breakpoint.h"
#include "engine/invocation.h"
#include "engine/step.h"
#include "x86/predicate.h"

static int read_for_when(void *user, ph_addr addr, void *buf, size_t len)
{
	struct ph_thread *thread = user;

	return ph_space_read(thread->process->space, thread->tid, addr, buf, len, NULL);
}

/* True when this pass is a hit: live, enabled, the right thread, and what `when` says is so. */
static bool is_hit(const struct ph_breakpoint *breakpoint, struct ph_thread *thread)
{
	struct ph_predicate_memory memory = { read_for_when, thread };

	if (breakpoint->removed || !breakpoint->enabled || !breakpoint->fn ||
	    (breakpoint->thread && breakpoint->thread != thread->tid))
		return false;
	return !breakpoint->when || (ph_thread_regs_fetch(thread, NULL) >= 0 &&
				     ph_predicate_test(breakpoint->when, &thread->view.regs, &memory));
}

void ph_pass_call(struct ph_pass *pass, struct ph_thread *thread, struct ph_breakpoint *breakpoint, ph_addr addr)
{
	struct ph_event event = { .kind = PH_EVENT_BREAKPOINT, .session = thread->process->session,
				  .process = thread->process, .thread = thread, .address = addr,
				  .breakpoint = breakpoint };
	ph_addr before = breakpoint->at;
	struct ph_action action;

	if (ph_invocation_is_quiet(thread) || !is_hit(breakpoint, thread))
		return;
	breakpoint->hits++;
	event.session->stats.hits++;
	pass->skip |= breakpoint->mode == PH_MODE_SKIP;
	breakpoint->at = addr;
	action = breakpoint->fn(&event, breakpoint->user);
	breakpoint->at = before;
	ph_plan_add(&pass->plan, action);
	if (!pass->last || action.kind == PH_STOP || action.kind == PH_STEP)
		pass->last = breakpoint;
	if (action.kind == PH_STOP)
		pass->kind = PH_EVENT_BREAKPOINT;
	if ((action.kind == PH_REMOVE || breakpoint->once) && !breakpoint->removed)
		ph_breakpoint_remove(breakpoint, NULL);
}

static int return_now(struct ph_thread *thread, const struct ph_plan *plan, struct ph_err *err)
{
	struct user_regs_struct *regs = &thread->view.regs;
	uint64_t to;
	int r = ph_space_read(thread->process->space, thread->tid, regs->rsp, &to, sizeof(to), err);

	if (r < 0)
		return ph_err_wrap(err, r, "RETURN");
	regs->rsp += sizeof(to);
	if (plan->has_value)
		regs->rax = plan->value;
	thread->view.dirty = PH_DIRTY_ANY;
	ph_thread_set_rip(thread, to);
	return 0;
}

int ph_pass_go(struct ph_thread *thread, ph_addr addr, const struct ph_pass *pass, struct ph_err *err)
{
	int length;

	switch (pass->plan.move) {
	case PH_GOTO:
		ph_thread_set_rip(thread, pass->plan.value);
		break;
	case PH_RETURN:
		if (return_now(thread, &pass->plan, err) < 0)
			return err->code;
		break;
	case PH_SKIP:
		length = ph_step_length(thread, addr, err);
		if (length < 0)
			return length;
		ph_thread_set_rip(thread, addr + (ph_addr)length);
		break;
	default:
		return 0;
	}
	/* There it is told again, also when that is where it stands. */
	thread->told = false;
	return 0;
}

int ph_pass_move(struct ph_thread *thread, ph_addr addr, const struct ph_pass *pass, struct ph_err *err)
{
	const struct ph_plan *plan = &pass->plan;

	switch (plan->move) {
	case PH_GOTO:
		ph_thread_set_rip(thread, plan->value);
		return 0;
	case PH_RETURN:
		return return_now(thread, plan, err);
	default:
		break;
	}
	thread->pass.active = thread->view.regs.rip == addr;
	thread->pass.addr = addr;
	/* STEP runs the instruction whatever the breakpoint's mode. */
	thread->pass.skip = (pass->skip && !plan->step) || plan->move == PH_SKIP;
	thread->pass.report = plan->step && !thread->pass.skip;
	if (thread->pass.active && thread->pass.report && pass->last)
		thread->pass.breakpoint = ph_breakpoint_ref(pass->last);
	return 0;
}

int ph_pass_late(struct ph_thread *thread, const struct ph_plan *plan, struct ph_err *err)
{
	struct ph_pass pass = { .plan = *plan };
	int r;

	if (plan->move == PH_CONTINUE && !plan->step)
		return 0;
	r = ph_thread_regs_fetch(thread, err);
	if (r < 0)
		return r;
	ph_thread_end_pass(thread);
	thread->told = false;
	return ph_pass_move(thread, thread->view.regs.rip, &pass, err);
}
