#include "engine/dispatch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/copy.h"
#include "engine/handler.h"
#include "engine/hold.h"
#include "engine/image.h"
#include "engine/inside.h"
#include "engine/letgo.h"
#include "engine/signal.h"
#include "engine/step.h"
#include "os/procfs.h"
#include "os/ptrace.h"

#define USER_CODE_32 0x23	/* cs of 32-bit code: __USER32_CS */

static void resume(struct ph_thread *thread);

static struct ph_event event_of(struct ph_thread *thread, enum ph_event_kind kind)
{
	return (struct ph_event){ .kind = kind, .session = thread->process->session, .process = thread->process,
				  .thread = thread };
}

/* The first failure is the one that the run returns. */
static void fail(struct ph_session *session, int code, const struct ph_err *err)
{
	if (session->failure.code)
		return;
	session->failure = *err;
	session->failure.code = code;
}

/* ---- Going on */

static void go(struct ph_thread *thread)
{
	struct ph_err err = { 0 };
	int sig = thread->stop_signal, r = ph_thread_regs_flush(thread, &err);
	bool listen = thread->group_stopped && !sig;

	if (r < 0 && r != -ESRCH) {
		fail(thread->process->session, r, &err);
		return;
	}
	/* Only a stopped thread takes options. */
	if (thread->options_stale)
		thread->options_stale = ph_os_set_options(thread->tid, ph_trace_options(thread->process->session)) < 0;
	r = listen ? ph_os_listen(thread->tid) : ph_os_cont(thread->tid, sig);
	/* -ESRCH: killed while it was stopped. Its end is on the way. */
	if (r < 0 && r != -ESRCH) {
		ph_err_set_in(&err, r, "resume", thread->tid);
		fail(thread->process->session, r, &err);
		return;
	}
	ph_thread_set_running(thread);
	thread->in_vfork = thread->vforking;
	thread->vforking = false;
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
				go(thread);
			}
}

/* True when the thread may go on; false when something came up that is pending on it now, or failed. */
static bool pass_site(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_site *site = ph_space_site_find(process->space, thread->pass.addr);
	enum ph_step_result result = PH_STEP_DONE;
	struct ph_err err = { 0 };
	int r;

	if (site && !site->armed)
		site = NULL;
	if (!site && !thread->pass.report)
		return true;
	if (site && !thread->pass.report && !thread->pass.alone && ph_copy_pass(thread, site))
		return !ph_thread_has_pending(thread);
	if (thread->state != PH_THREAD_STOPPED)
		return false;
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
	if (r < 0 && r != -ESRCH)
		fail(process->session, r, &err);
	return r >= 0 && result == PH_STEP_DONE;
}

static void apply(struct ph_thread *thread, enum ph_event_kind kind, struct ph_plan *plan,
		  struct ph_breakpoint *breakpoint);

/* What the pass of a site still asks for, done; true when the thread may go on. */
static bool finish_pass(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	struct ph_err err = { 0 };
	int length;

	if (!thread->pass.active)
		return true;
	if (ph_thread_regs_fetch(thread, &err) < 0)
		return false;
	if (thread->view.regs.rip != thread->pass.addr) {
		ph_thread_end_pass(thread);
		return true;
	}
	if (thread->pass.skip) {
		length = ph_step_length(thread, thread->pass.addr, &err);
		ph_thread_end_pass(thread);
		if (length < 0) {
			fail(session, length, &err);
			return false;
		}
		ph_thread_set_rip(thread, thread->view.regs.rip + (ph_addr)length);
		return true;
	}
	if (!pass_site(thread)) {
		ph_thread_end_pass(thread);
		return false;
	}
	if (thread->pass.report) {
		struct ph_event event = event_of(thread, PH_EVENT_STEP);
		struct ph_plan plan = { 0 };

		event.breakpoint = thread->pass.breakpoint ? ph_breakpoint_ref(thread->pass.breakpoint) : NULL;
		ph_thread_end_pass(thread);
		ph_handler_emit(session, &event, &plan);
		apply(thread, PH_EVENT_STEP, &plan, event.breakpoint);
		ph_breakpoint_unref(event.breakpoint);
		return false;
	}
	ph_thread_end_pass(thread);
	return true;
}

static void resume(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;

	if (thread->state != PH_THREAD_STOPPED || ph_thread_has_pending(thread) || ph_session_is_done(session))
		return;
	if (finish_pass(thread) && thread->state == PH_THREAD_STOPPED)
		go(thread);
}

void ph_dispatch_resume_session(struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			resume(thread);
}

/* ---- Plans */

/* What callbacks asked of the session itself, through its functions, counts as their action. */
static void add_wishes(struct ph_session *session, struct ph_plan *plan)
{
	plan->kill |= session->wants_kill;
	plan->detach |= session->wants_detach;
}

/* What concerns the session; true when the thread is to stay stopped. */
static bool apply_to_session(struct ph_session *session, struct ph_thread *thread, enum ph_event_kind kind,
			     struct ph_plan *plan, struct ph_breakpoint *breakpoint)
{
	struct ph_err err;

	add_wishes(session, plan);
	if (plan->fail && !session->failure.code)
		fail(session, ph_err_set(&err, -ECANCELED, "run hook"), &err);
	if (plan->kill) {
		struct ph_process *process;

		session->wants_kill = false;
		ph_list_each(process, &session->processes, struct ph_process, in_session)
			if (!process->reaped)
				kill(process->pid, SIGKILL);
		return false;
	}
	if (plan->detach) {
		ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_DETACH });
		return true;
	}
	if (plan->stop && session->outcome.kind == PH_REASON_NONE) {
		ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_STOP, .event = kind,
								    .thread = thread, .breakpoint = breakpoint });
		ph_session_select(session, thread);
	}
	return ph_session_is_done(session);
}

static void apply(struct ph_thread *thread, enum ph_event_kind kind, struct ph_plan *plan,
		  struct ph_breakpoint *breakpoint)
{
	if (plan->signal && kind != PH_EVENT_SIGNAL)
		ph_signal_inject(thread, plan->signal);
	if (!apply_to_session(thread->process->session, thread, kind, plan, breakpoint))
		resume(thread);
}

/* Emits to the handlers of one kind, with nothing but a thread to say; then goes on. */
static void emit_and_go(struct ph_thread *thread, const struct ph_event *event)
{
	struct ph_plan plan = { 0 };

	if (!thread->process->silent && ph_handler_wanted(event->session, event->kind)) {
		ph_session_select(event->session, thread);
		ph_handler_emit(event->session, event, &plan);
	}
	apply(thread, event->kind, &plan, NULL);
}

/* ---- Breakpoints */

/* Owners as they stood when the trap came, each kept alive: callbacks may add and remove any of them. */
struct frozen {
	struct ph_breakpoint *few[8], **all;
	size_t count;
};

static int freeze(const struct ph_site *site, struct frozen *ret)
{
	ret->count = site->n_owners;
	ret->all = ret->few;
	if (ret->count > sizeof(ret->few) / sizeof(ret->few[0])) {
		ret->all = reallocarray(NULL, ret->count, sizeof(struct ph_breakpoint *));
		if (!ret->all)
			return -ENOMEM;
	}
	for (size_t i = 0; i < ret->count; i++)
		ret->all[i] = ph_breakpoint_ref(site->owners[i].breakpoint);
	return 0;
}

static void thaw(struct frozen *frozen)
{
	for (size_t i = 0; i < frozen->count; i++)
		ph_breakpoint_unref(frozen->all[i]);
	if (frozen->all != frozen->few)
		free(frozen->all);
}

struct hit {
	struct ph_plan plan;
	struct ph_breakpoint *last;	/* the one that wanted what is to be reported; borrowed from frozen */
	bool skip;			/* one of those that ran has PH_MODE_SKIP */
};

static void call_owners(struct ph_thread *thread, ph_addr addr, const struct frozen *frozen, struct hit *hit)
{
	struct ph_event event = event_of(thread, PH_EVENT_BREAKPOINT);

	event.address = addr;
	for (size_t i = 0; i < frozen->count; i++) {
		struct ph_breakpoint *breakpoint = frozen->all[i];
		struct ph_action action;

		if (!ph_breakpoint_takes(breakpoint, thread))
			continue;
		breakpoint->hits++;
		event.session->stats.hits++;
		event.breakpoint = breakpoint;
		hit->skip |= breakpoint->mode == PH_MODE_SKIP;
		action = breakpoint->fn(&event, breakpoint->user);
		ph_plan_add(&hit->plan, action);
		if (!hit->last || action.kind == PH_STOP || action.kind == PH_STEP)
			hit->last = breakpoint;
		if ((action.kind == PH_REMOVE || breakpoint->once) && !breakpoint->removed)
			ph_breakpoint_remove(breakpoint, NULL);
	}
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
	ph_thread_set_rip(thread, to);
	return 0;
}

/* rip as the hooks left it, or as their plan says; else the pass is still to be made. */
static int move(struct ph_thread *thread, ph_addr addr, struct hit *hit, struct ph_err *err)
{
	struct ph_plan *plan = &hit->plan;

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
	thread->pass.skip = hit->skip || plan->move == PH_SKIP;
	thread->pass.report = plan->step && !thread->pass.skip;
	if (thread->pass.active && thread->pass.report)
		thread->pass.breakpoint = ph_breakpoint_ref(hit->last);
	return 0;
}

static void on_breakpoint(struct ph_thread *thread, struct ph_site *site)
{
	struct ph_session *session = thread->process->session;
	struct hit hit = { 0 };
	struct frozen frozen;
	struct ph_err err = { 0 };
	ph_addr addr = site->addr;
	int r;

	thread->stop_signal = 0;
	ph_thread_set_rip(thread, addr);
	r = freeze(site, &frozen);
	if (r < 0) {
		fail(session, ph_err_set(&err, r, "run hook"), &err);
		return;
	}
	if (!thread->process->silent) {
		ph_session_select(session, thread);
		call_owners(thread, addr, &frozen, &hit);
	}
	if (thread->state == PH_THREAD_STOPPED) {
		r = move(thread, addr, &hit, &err);
		if (r < 0)
			fail(session, r, &err);
		apply(thread, PH_EVENT_BREAKPOINT, &hit.plan, hit.last);
	}
	thaw(&frozen);
}

/* ---- Signals */

/*
 * A signal that found the thread in a copy, before the instruction there had run. A fault is the instruction's own: it
 * is the program's, at the program's address. Anything else waits until the pass is over, or its handler would return
 * to the site and hit it again. True when that is so and the thread goes on.
 */
static bool signal_in_copy(struct ph_thread *thread)
{
	struct ph_slots *slots = &thread->process->space->slots;
	ph_addr at = thread->left_copy;
	siginfo_t info;

	if (!thread->pass.active || !at || ph_os_siginfo_read(thread->tid, &info) < 0)
		return false;
	if (ph_signal_is_fault(info.si_signo, info.si_code)) {
		/* The copy itself could not be fetched: the target took our memory away. */
		if (info.si_signo == SIGSEGV && (ph_addr)(uintptr_t)info.si_addr == at) {
			slots->refused = true;
		} else {
			if ((ph_addr)(uintptr_t)info.si_addr == at) {
				info.si_addr = (void *)(uintptr_t)thread->pass.addr;
				ph_os_siginfo_write(thread->tid, &info);
			}
			ph_thread_end_pass(thread);
			return false;
		}
	} else if (ph_signal_defer(thread, &info, ph_signal_arrive(thread, &info)) < 0) {
		ph_thread_end_pass(thread);
		return false;
	}
	thread->pass.alone = true;
	resume(thread);
	return true;
}

static void on_signal(struct ph_thread *thread, int sig)
{
	struct ph_session *session = thread->process->session;
	bool wanted = ph_handler_wanted(session, PH_EVENT_SIGNAL) && !thread->process->silent;
	struct ph_event event = event_of(thread, PH_EVENT_SIGNAL);
	struct ph_plan plan = { 0 };
	siginfo_t info;

	if (signal_in_copy(thread))
		return;
	session->stats.signals++;
	thread->stop_signal = sig;
	if ((wanted || thread->n_deferred) && ph_os_siginfo_read(thread->tid, &info) >= 0) {
		bool injected = thread->n_deferred && ph_signal_arrive(thread, &info);

		if (wanted && !injected) {
			event.siginfo = &info;
			ph_session_select(session, thread);
			ph_handler_emit(session, &event, &plan);
		}
	}
	if (plan.suppress)
		thread->stop_signal = 0;
	if (plan.signal)
		thread->stop_signal = plan.signal;
	apply(thread, PH_EVENT_SIGNAL, &plan, NULL);
}

static void on_trap(struct ph_thread *thread)
{
	struct ph_space *space = thread->process->space;
	struct ph_site *site;
	uint8_t behind = PH_TRAP_BYTE;
	siginfo_t info;
	ph_addr at;

	/* Gone between its stop and now: its end is on the way. */
	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	at = thread->view.regs.rip - 1;
	site = ph_space_site_find(space, at);
	/*
	 * Behind the first byte of a longer instruction stands only who ran that byte. Behind an instruction of one
	 * byte the program may stand by itself, when somebody sends it a SIGTRAP: what the kernel says tells.
	 */
	if (site && site->armed && site->length > 1) {
		on_breakpoint(thread, site);
		return;
	}
	if (ph_os_siginfo_read(thread->tid, &info) < 0)
		return;
	if (!site && info.si_code == SI_KERNEL)
		ph_space_read_raw(space, thread->tid, at, &behind, 1, NULL);
	switch (ph_trap_decode(info.si_code, site && site->armed, behind == PH_TRAP_BYTE)) {
	case PH_TRAP_BREAKPOINT:
		on_breakpoint(thread, site);
		break;
	case PH_TRAP_STALE:
		ph_thread_set_rip(thread, at);
		resume(thread);
		break;
	case PH_TRAP_OWN:
		on_signal(thread, SIGTRAP);
		break;
	}
}

/* ---- Births, exec, ends */

static void on_birth(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_event event = event_of(thread, PH_EVENT_THREAD);

	thread->newborn = false;
	/* A copy of the memory, cleaned when it was introduced: nobody follows it, so it is on its own from here. */
	if (process->silent && process->space->refs == 1) {
		ph_let_go_process(process);
		return;
	}
	/* The first thread of a process is told by the fork event. */
	if (thread->tid == process->pid)
		resume(thread);
	else
		emit_and_go(thread, &event);
}

static void on_fork(struct ph_thread *thread)
{
	struct ph_event event = event_of(thread, PH_EVENT_FORK);

	event.child = thread->born;
	thread->born = NULL;
	if (event.child)
		emit_and_go(thread, &event);
	else
		resume(thread);
	ph_process_unref(event.child);
}

/* The other threads are gone without a word, and whoever called exec has the leader's id now (ptrace(2)). */
static void bury_others(struct ph_thread *survivor)
{
	struct ph_thread *thread;

	ph_list_each(thread, &survivor->process->threads, struct ph_thread, in_process)
		if (thread != survivor)
			ph_thread_retire(thread);
}

static void on_exec(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_session *session = process->session;
	struct ph_event event = event_of(thread, PH_EVENT_EXEC);
	struct ph_breakpoint *breakpoint;
	struct ph_space *space;
	struct ph_err err = { 0 };
	char path[4096] = "";
	int r;

	bury_others(thread);
	ph_thread_end_pass(thread);
	r = ph_space_new(thread->tid, &space, &err);
	if (r < 0) {
		if (r != -ESRCH)
			fail(session, r, &err);
		return;
	}
	if (process->space->refs == 1)
		ph_breakpoints_leave(session, process->space);
	ph_process_set_space(process, space);
	if (process->silent) {
		ph_let_go_process(process);
		return;
	}
	if (ph_thread_regs_fetch(thread, NULL) >= 0 && thread->view.regs.cs == USER_CODE_32) {
		fail(session, ph_err_say(&err, -ENOEXEC, "exec", "process %d now runs a 32-bit program, which cannot be "
					 "traced here", process->pid), &err);
		return;
	}
	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		ph_breakpoint_place(breakpoint, process, NULL);
	ph_os_exe_read(process->pid, path, sizeof(path));
	event.path = path;
	emit_and_go(thread, &event);
}

static void tell_exit(struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_event event = event_of(thread, PH_EVENT_THREAD_EXIT);

	if (thread->exit_told || thread->process->silent)
		return;
	thread->exit_told = true;
	ph_handler_emit(event.session, &event, plan);
}

/* PTRACE_EVENT_EXIT: still readable. From here on nothing stops the thread, so it goes on whatever the plan says. */
static void on_exiting(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	struct ph_plan plan = { 0 };

	ph_thread_end_pass(thread);
	tell_exit(thread, &plan);
	apply_to_session(session, thread, PH_EVENT_THREAD_EXIT, &plan, NULL);
	if (thread->state != PH_THREAD_STOPPED)
		return;
	ph_os_cont(thread->tid, 0);
	ph_thread_set_running(thread);
	thread->state = PH_THREAD_EXITING;
}

static bool has_loud_process(const struct ph_session *session)
{
	struct ph_process *process;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		if (!process->silent)
			return true;
	return false;
}

static void end_process(struct ph_process *process, struct ph_reason reason)
{
	struct ph_session *session = process->session;
	struct ph_event event = { .kind = PH_EVENT_EXIT, .session = session, .process = process, .reason = reason };
	struct ph_plan plan = { 0 };
	struct ph_thread *thread;

	process->reaped = true;
	ph_process_ref(process);
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		ph_thread_retire(thread);
	if (process->space->refs == 1)
		ph_breakpoints_leave(session, process->space);
	ph_process_retire(process);
	if (process == session->target)
		session->target_end = reason;
	if (!process->silent) {
		ph_handler_emit(session, &event, &plan);
		apply_to_session(session, NULL, PH_EVENT_EXIT, &plan, NULL);
	}
	if (!session->ended && !has_loud_process(session)) {
		ph_let_go_session(session, false);
		ph_breakpoints_retire(session);
		ph_handler_drop_all(session);
		ph_session_end(session, session->target_end);
	}
	ph_process_unref(process);
}

static void on_end(struct ph_thread *thread, struct ph_stop stop)
{
	struct ph_process *process = thread->process;
	struct ph_reason reason = { stop.kind == PH_STOP_EXITED ? PH_REASON_EXIT : PH_REASON_SIGNAL, .code = stop.value };
	struct ph_plan plan = { 0 };

	tell_exit(thread, &plan);
	if (thread->tid == process->pid) {
		end_process(process, reason);
		return;
	}
	apply_to_session(process->session, NULL, PH_EVENT_THREAD_EXIT, &plan, NULL);
	ph_thread_retire(thread);
}

static void dispatch(struct ph_thread *thread, struct ph_stop stop)
{
	switch (stop.kind) {
	case PH_STOP_EXITED:
	case PH_STOP_KILLED:
		on_end(thread, stop);
		break;
	case PH_STOP_SIGNAL:
		on_signal(thread, stop.value);
		break;
	case PH_STOP_TRAP:
		on_trap(thread);
		break;
	case PH_STOP_INTERRUPT:
	case PH_STOP_GROUP:
		if (thread->newborn)
			on_birth(thread);
		else
			resume(thread);
		break;
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
		on_fork(thread);
		break;
	case PH_STOP_VFORK:
		thread->vforking = true;
		on_fork(thread);
		break;
	case PH_STOP_EXEC:
		on_exec(thread);
		break;
	case PH_STOP_EXITING:
		on_exiting(thread);
		break;
	case PH_STOP_SYSCALL:
	case PH_STOP_VFORK_DONE:
	case PH_STOP_OTHER:
		resume(thread);
		break;
	}
}

void ph_dispatch(struct ph_thread *thread, int status)
{
	/* Kept: what is decided may retire it. */
	ph_thread_ref(thread);
	dispatch(thread, ph_stop_decode(status));
	ph_thread_unref(thread);
}
