#include "engine/resume.h"

#include <errno.h>
#include <signal.h>

#include "engine/breakpoint.h"
#include "engine/brink.h"
#include "engine/copy.h"
#include "engine/departure.h"
#include "engine/handler.h"
#include "engine/hold.h"
#include "engine/inside.h"
#include "engine/loader.h"
#include "engine/outcome.h"
#include "engine/pass.h"
#include "engine/signal.h"
#include "engine/step.h"
#include "engine/untraced.h"
#include "engine/until.h"
#include "engine/usual.h"
#include "os/ptrace.h"

struct ph_event ph_resume_event(struct ph_thread *thread, enum ph_event_kind kind)
{
	return (struct ph_event){ .kind = kind, .session = thread->process->session, .process = thread->process,
				  .thread = thread };
}

/* A hook that was told of the end has put the process back: so much for the end. */
static void go_on_rewound(struct ph_thread *thread)
{
	if (thread->process->session->kept.kind == PH_REASON_NONE)
		ph_resume(thread);
}

static void depart(struct ph_thread *thread)
{
	if (!ph_departure(thread))
		go_on_rewound(thread);
}

bool ph_resume_by_copy(struct ph_thread *thread, const struct ph_site *site)
{
	if (!ph_inside_enter_slot(thread, site->slot))
		return false;
	ph_departure_freely(thread);
	return true;
}

static void release_held(struct ph_session *session, const struct ph_space *space)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (process->space == space && thread->held && !ph_thread_has_pending(thread)) {
				/* It may have been held inside a copy: back there. */
				ph_inside_enter(thread);
				depart(thread);
			}
}

/*
 * The site's instruction, run alone. Done: the thread may go on. Else something came up that is pending on it now, or
 * failed. *ret_ran: the instruction has been run; of a system call, its entry.
 */
static enum ph_step_result pass_alone(struct ph_thread *thread, struct ph_site *site, bool *ret_ran)
{
	struct ph_process *process = thread->process;
	enum ph_step_result result = PH_STEP_DONE;
	struct ph_err err;
	int r;

	if (thread->state != PH_THREAD_STOPPED)
		return PH_STEP_PENDING;
	if (site)
		ph_hold_space(process->session, process->space, thread);
	/* An int3 of the program's own under ours: this very trap is its. */
	if (site && site->original == PH_TRAP_BYTE) {
		ph_thread_set_rip(thread, thread->pass.addr + 1);
		thread->stop_signal = SIGTRAP;
		r = 0;
	} else {
		r = ph_step_pass(thread, site, &result, &err);
	}
	if (site)
		release_held(process->session, process->space);
	*ret_ran = r >= 0 && result == PH_STEP_DONE;
	if (r < 0 && r != -ESRCH)
		ph_session_fail(process->session, r, &err);
	return r < 0 ? PH_STEP_PENDING : result;
}

/* The same, by a copy of the instruction where that is possible. */
static enum ph_step_result pass_site(struct ph_thread *thread, bool *ret_ran)
{
	struct ph_site *site = ph_space_site_find(thread->process->space, thread->pass.addr);

	*ret_ran = false;
	if (site && !site->armed)
		site = NULL;
	if (!site && !thread->pass.report)
		return PH_STEP_DONE;
	if (site && !thread->pass.report && !thread->pass.alone && !thread->told && ph_copy_pass(thread, site))
		return ph_thread_has_pending(thread) ? PH_STEP_PENDING : PH_STEP_DONE;
	return pass_alone(thread, site, ret_ran);
}

/* The pass was a step that somebody waits for. False: they have seen to how the thread goes on. */
static bool go_on_stepped(struct ph_thread *thread)
{
	struct ph_plan plan = { 0 };

	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return true;
	ph_until_stepped(thread, &plan);
	ph_resume_late(thread, &plan);
	return false;
}

/* Over the instruction, without running it. */
static bool skip_instruction(struct ph_thread *thread)
{
	struct ph_err err;
	int length = ph_step_length(thread, thread->pass.addr, &err);

	ph_thread_end_pass(thread);
	if (length < 0) {
		ph_session_fail(thread->process->session, length, &err);
		return false;
	}
	ph_thread_set_rip(thread, thread->view.regs.rip + (ph_addr)length);
	return !ph_until_steps(thread) || go_on_stepped(thread);
}

/* STEP was the answer, and the step is over. */
static void report_step(struct ph_thread *thread)
{
	struct ph_event event = ph_resume_event(thread, PH_EVENT_STEP);
	struct ph_plan plan = { 0 };

	event.breakpoint = thread->pass.breakpoint ? ph_breakpoint_ref(thread->pass.breakpoint) : NULL;
	ph_thread_end_pass(thread);
	ph_handler_emit(event.session, &event, &plan);
	ph_resume_plan(thread, PH_EVENT_STEP, &plan, event.breakpoint);
	ph_breakpoint_unref(event.breakpoint);
}

/* What the pass of a site still asks for, done; true when the thread may go on. */
static bool finish_pass(struct ph_thread *thread)
{
	enum ph_step_result result;
	bool steps, ran;

	if (!thread->pass.active)
		return true;
	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return false;
	if (thread->view.regs.rip != thread->pass.addr) {
		ph_thread_end_pass(thread);
		return true;
	}
	if (thread->pass.skip)
		return skip_instruction(thread);
	steps = ph_until_steps(thread);
	if (steps) {
		ph_step_begin(thread);
		if (thread->step.decoded && thread->step.insn.is_rep_string && !thread->pass.report &&
		    ph_until_run_rounds(thread, thread->pass.addr + thread->step.insn.length))
			steps = false;
	}
	/* By a copy it would run on. */
	thread->pass.alone |= steps;
	result = pass_site(thread, &ran);
	thread->told = false;
	if (result == PH_STEP_LATER)
		return false;
	if (result == PH_STEP_PENDING) {
		ph_thread_end_pass(thread);
		return false;
	}
	if (thread->pass.report) {
		report_step(thread);
		return false;
	}
	ph_thread_end_pass(thread);
	return !steps || !ran || (thread->step.decoded && thread->step.insn.is_syscall) || go_on_stepped(thread);
}

/*
 * A call that PTRACE_SYSEMU passes over, and that is to be made: back to its instruction, which stops once more. No
 * handler of a signal may make other calls in between.
 */
static void make_anew(struct ph_thread *thread)
{
	struct ph_call *call = &thread->call;

	if (ph_os_sigmask_read(thread->tid, &call->redo.mask) < 0 || ph_os_sigmask_write(thread->tid, UINT64_MAX) < 0 ||
	    !ph_thread_rewind_call(thread))
		return;
	call->redo.active = true;
	call->redo.told = call->told;
	call->redo.wants_exit = call->wants_exit;
	call->view.phase = PH_CALL_OVER;
}

/*
 * What a call still asks for before it is made; true when the thread may go on. One that hooks answered returns without
 * the kernel, so its return is told here.
 */
static bool finish_call(struct ph_thread *thread)
{
	struct ph_call *call = &thread->call;
	struct ph_event event;
	struct ph_plan plan = { 0 };

	if (call->view.phase != PH_CALL_ENTER)
		return true;
	if (!call->view.skipped) {
		if (ph_brink_keep_from_call(thread)) {
			go_on_rewound(thread);
			return false;
		}
		ph_untraced_strip(thread);
		call->answered = 0;
		if (call->emulated)
			make_anew(thread);
		return true;
	}
	call->answered++;
	call->left = true;
	call->wants_exit = call->loans;
	ph_call_show_return(call, call->view.ret);
	if (!call->told)
		return true;
	event = ph_resume_event(thread, PH_EVENT_SYSCALL);
	event.leave = true;
	ph_handler_emit(event.session, &event, &plan);
	ph_resume_plan(thread, PH_EVENT_SYSCALL, &plan, NULL);
	return false;
}

/* Notes whether the thread came to the instruction at address by a jump, and which one it comes to without one. */
static bool note_jump(struct ph_thread *thread, ph_addr address)
{
	bool jumped = address != thread->told_next;
	int length = ph_handler_wants_branches(thread->process->session) ? ph_step_length(thread, address, NULL) : 0;

	thread->told_next = length > 0 ? address + (ph_addr)length : 0;
	return jumped;
}

/*
 * Instructions about to run, told to whoever traces them: the one at rip, and those to which that takes the thread
 * without running any. True when it may go on.
 */
static bool tell_instructions(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	struct ph_err err;

	/* Between the stops of a call the next instruction is not due yet. */
	while (!thread->call.in && ph_handler_steps(thread) && ph_thread_regs_fetch(thread, NULL) >= 0) {
		struct ph_event event = ph_resume_event(thread, PH_EVENT_INSTRUCTION);
		struct ph_pass pass = { .kind = PH_EVENT_INSTRUCTION };
		int r;

		event.address = thread->view.regs.rip;
		if (thread->told && thread->told_at == event.address)
			return true;
		thread->told = true;
		thread->told_at = event.address;
		event.jumped = note_jump(thread, event.address);
		ph_session_select(session, thread);
		ph_handler_emit(session, &event, &pass.plan);
		if (thread->state != PH_THREAD_STOPPED)
			return false;
		/* Where it stands now, it is told or passes by itself. */
		if (thread->rewound) {
			ph_resume_plan(thread, PH_EVENT_INSTRUCTION, &pass.plan, NULL);
			return false;
		}
		r = ph_pass_go(thread, event.address, &pass, &err);
		if (r < 0)
			ph_session_fail(session, r, &err);
		if (pass.plan.signal)
			ph_signal_inject(thread, pass.plan.signal);
		if (ph_resume_session_plan(session, thread, PH_EVENT_INSTRUCTION, &pass.plan, NULL))
			return false;
		if (pass.plan.kill)
			return true;
	}
	return true;
}

static bool tell(struct ph_thread *thread)
{
	return !ph_handler_steps(thread) || tell_instructions(thread);
}

/* The instruction that a pass is about to run is told like any other. */
static bool tell_pass(struct ph_thread *thread)
{
	return !thread->pass.active || thread->pass.skip || tell(thread);
}

/* The step that somebody waits for is over: by its trap, or, over a system call, by that one's exit. */
static bool finish_step(struct ph_thread *thread)
{
	bool by_exit = thread->step.on && thread->step.over_call && thread->call.stop == PH_CALL_STOP_EXIT;

	if (!thread->step.ended && !by_exit)
		return true;
	thread->step.on = thread->step.ended = false;
	thread->told = false;
	return !ph_until_steps(thread) || go_on_stepped(thread);
}

void ph_resume(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;

	if (thread->state != PH_THREAD_STOPPED || ph_thread_has_pending(thread) || ph_session_is_done(session))
		return;
	if (ph_usual_thread(thread)) {
		if (finish_call(thread))
			ph_departure_freely(thread);
		return;
	}
	if (ph_until_stays(thread))
		return;
	ph_loader_attend(thread);
	/* In a group stop nothing of the program runs: the pass waits for its end. */
	if (!thread->group_stopped &&
	    !(tell_pass(thread) && finish_pass(thread) && finish_call(thread) && finish_step(thread) &&
	      thread->state == PH_THREAD_STOPPED && tell(thread) && !ph_until_stays(thread)))
		return;
	depart(thread);
}

void ph_resume_session(struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			ph_resume(thread);
}

void ph_resume_held(struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;

	session->has_held = false;
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (thread->held)
				ph_resume(thread);
}

/* What callbacks asked of the session itself, through its functions, counts as their action. */
static void add_wishes(struct ph_session *session, struct ph_plan *plan)
{
	plan->kill |= session->wants_kill;
	plan->detach |= session->wants_detach;
}

/* What concerns the session; true when the thread is to stay stopped. */
bool ph_resume_session_plan(struct ph_session *session, struct ph_thread *thread, enum ph_event_kind kind,
			     struct ph_plan *plan, struct ph_breakpoint *breakpoint)
{
	struct ph_err err;

	if (thread && thread->rewound)
		ph_plan_forget(plan);
	add_wishes(session, plan);
	if (plan->fail && !session->failure.code)
		ph_session_fail(session, ph_err_set(&err, -ECANCELED, "run hook"), &err);
	if (plan->kill) {
		struct ph_process *process;

		session->wants_kill = false;
		ph_list_each(process, &session->processes, struct ph_process, in_session)
			if (!process->reaped && !ph_process_is_apart(process))
				kill(process->pid, SIGKILL);
		return false;
	}
	if (plan->detach) {
		ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_DETACH });
		return true;
	}
	if (plan->stop && session->outcome.kind == PH_REASON_NONE) {
		ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_STOP, .event = kind,
								    .thread = thread, .breakpoint = breakpoint,
								    .watch = plan->watch });
		ph_session_select(session, thread);
	}
	return ph_session_is_done(session);
}

void ph_resume_plan(struct ph_thread *thread, enum ph_event_kind kind, struct ph_plan *plan,
		  struct ph_breakpoint *breakpoint)
{
	if (!thread->rewound && ph_usual_plan(thread->process->session, plan)) {
		ph_resume(thread);
		return;
	}
	if (plan->signal && kind != PH_EVENT_SIGNAL && !thread->rewound)
		ph_signal_inject(thread, plan->signal);
	if (!ph_resume_session_plan(thread->process->session, thread, kind, plan, breakpoint))
		ph_resume(thread);
}

void ph_resume_late(struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_session *session = thread->process->session;
	struct ph_err err = { 0 };
	int r = 0;

	if (thread->rewound)
		ph_plan_forget(plan);
	/* Its signal is still to be delivered: hooks of that may have waited. */
	if (plan->suppress || (plan->signal && thread->stop_signal)) {
		thread->stop_signal = plan->suppress ? 0 : plan->signal;
		plan->signal = 0;
	}
	if (thread->state == PH_THREAD_STOPPED)
		r = ph_pass_late(thread, plan, &err);
	if (r < 0)
		ph_session_fail(session, r, &err);
	ph_resume_plan(thread, PH_EVENT_BREAKPOINT, plan, NULL);
}

/* Emits to the handlers of one kind, with nothing but a thread to say; then goes on. */
void ph_resume_emit(struct ph_thread *thread, const struct ph_event *event)
{
	struct ph_plan plan = { 0 };

	if (!thread->process->silent && ph_handler_wanted(event->session, event->kind)) {
		ph_session_select(event->session, thread);
		ph_handler_emit(event->session, event, &plan);
	}
	ph_resume_plan(thread, event->kind, &plan, NULL);
}
