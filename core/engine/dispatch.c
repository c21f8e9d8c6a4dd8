#include "engine/dispatch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/behind.h"
#include "engine/breakpoint.h"
#include "engine/event.h"
#include "engine/guard.h"
#include "engine/handler.h"
#include "engine/inside.h"
#include "engine/invocation.h"
#include "engine/life.h"
#include "engine/mapping.h"
#include "engine/outcome.h"
#include "engine/pass.h"
#include "engine/resume.h"
#include "engine/returns.h"
#include "engine/signal.h"
#include "engine/snapshot.h"
#include "engine/step.h"
#include "engine/syscall.h"
#include "engine/tripwire.h"
#include "engine/usual.h"
#include "engine/until.h"
#include "engine/watch_hit.h"
#include "os/ptrace.h"

/* ---- Breakpoints */

/* Owners as they stood when the trap came, each kept alive: callbacks may add and remove any of them. */
struct frozen {
	struct ph_site_owner few[8], *all;
	size_t count;
};

static int freeze(const struct ph_site *site, struct frozen *ret)
{
	ret->count = site->n_owners;
	ret->all = ret->few;
	if (ret->count > sizeof(ret->few) / sizeof(ret->few[0])) {
		ret->all = reallocarray(NULL, ret->count, sizeof(*ret->all));
		if (!ret->all)
			return -ENOMEM;
	}
	for (size_t i = 0; i < ret->count; i++) {
		ret->all[i] = site->owners[i];
		if (ret->all[i].tripwire)
			ph_tripwire_ref(ret->all[i].tripwire);
		else
			ph_breakpoint_ref(ret->all[i].breakpoint);
	}
	return 0;
}

static void thaw(struct frozen *frozen)
{
	for (size_t i = 0; i < frozen->count; i++) {
		ph_tripwire_unref(frozen->all[i].tripwire);
		ph_breakpoint_unref(frozen->all[i].breakpoint);
	}
	if (frozen->all != frozen->few)
		free(frozen->all);
}

/* The engine's own tripwires come first: what they tell may be news to the others. */
static void call_owners(struct ph_thread *thread, ph_addr addr, const struct frozen *frozen, struct ph_pass *pass)
{
	bool selected = false;

	for (size_t i = 0; i < frozen->count; i++) {
		struct ph_tripwire *tripwire = frozen->all[i].tripwire;

		if (tripwire && tripwire->space) {
			enum ph_event_kind kind = tripwire->fn(tripwire, thread, &pass->plan);

			pass->kind = kind == PH_EVENT_BREAKPOINT ? pass->kind : kind;
		} else if (!tripwire) {
			if (!selected && thread->returns.n) {
				ph_returns_look(thread, &pass->plan);
				ph_returns_enter(thread, &pass->plan);
			}
			if (!selected && thread->process->session->selected != thread)
				ph_session_select(thread->process->session, thread);
			selected = true;
			ph_pass_call(pass, thread, frozen->all[i].breakpoint, addr);
		}
		/* It is not here any more. */
		if (thread->rewound)
			break;
	}
}

static void on_breakpoint(struct ph_thread *thread, struct ph_site *site)
{
	struct ph_session *session = thread->process->session;
	struct ph_pass pass = { .kind = PH_EVENT_BREAKPOINT };
	struct ph_space *space = thread->process->space;
	struct frozen frozen;
	struct ph_err err;
	ph_addr addr = site->addr;
	uint64_t n_armed = space->n_armed;
	size_t n_sites = space->n_sorted;
	int r;

	thread->stop_signal = 0;
	if (thread->invocation && ph_invocation_take_exit(thread, addr))
		return;
	ph_thread_set_rip(thread, addr);
	/* An int3 of the program's own there would have cost it the same. */
	if (ph_guard_is_due(thread->process) && site->original != PH_TRAP_BYTE)
		thread->unguarded = true;
	r = freeze(site, &frozen);
	if (r < 0) {
		ph_session_fail(session, ph_err_set(&err, r, "run hook"), &err);
		return;
	}
	if (!thread->process->silent)
		call_owners(thread, addr, &frozen, &pass);
	/* As many sites, and none put in since: it is still there. */
	if (thread->process->space == space && space->n_armed == n_armed && space->n_sorted == n_sites && !pass.skip &&
	    ph_usual_plan(session, &pass.plan) && ph_usual_hit(thread, site) && ph_resume_by_copy(thread, site)) {
		thaw(&frozen);
		return;
	}
	if (thread->state == PH_THREAD_STOPPED) {
		r = thread->rewound ? 0 : ph_pass_move(thread, addr, &pass, &err);
		if (r < 0)
			ph_session_fail(session, r, &err);
		ph_resume_plan(thread, pass.kind, &pass.plan, pass.kind == PH_EVENT_BREAKPOINT ? pass.last : NULL);
	}
	thaw(&frozen);
}

/* ---- Signals */

/* The target took the copy away, or wrote over it: what it raised there is none of the program's. */
static bool is_fault_of_spoilt_copy(struct ph_thread *thread, const siginfo_t *info)
{
	ph_addr at = thread->left_copy;

	return (info->si_signo == SIGSEGV && (ph_addr)(uintptr_t)info->si_addr == at) || ph_inside_is_spoilt(thread, at);
}

/* A fault in a copy is the instruction's own: it is the program's, at the program's address. True: it was none. */
static bool fault_in_copy(struct ph_thread *thread, siginfo_t *info)
{
	if (is_fault_of_spoilt_copy(thread, info)) {
		thread->process->space->slots.refused = true;
		return true;
	}
	if (!thread->pass.active)
		return false;
	if ((ph_addr)(uintptr_t)info->si_addr == thread->left_copy) {
		info->si_addr = (void *)(uintptr_t)thread->pass.addr;
		ph_os_siginfo_write(thread->tid, info);
	}
	ph_thread_end_pass(thread);
	return false;
}

/*
 * A signal that found the thread in a copy. Before the instruction there has run, what has a handler waits until the
 * pass is over, or the handler would return to the site and hit it again: true then, and the thread goes on.
 */
static bool signal_in_copy(struct ph_thread *thread)
{
	siginfo_t info;

	if (!thread->left_copy || ph_os_siginfo_read(thread->tid, &info) < 0)
		return false;
	if (ph_signal_is_fault(info.si_signo, info.si_code)) {
		if (!fault_in_copy(thread, &info))
			return false;
	} else if (!thread->pass.active || !ph_signal_is_caught(thread, info.si_signo)) {
		return false;
	} else if (ph_signal_put_off(thread, &info) < 0) {
		ph_thread_end_pass(thread);
		return false;
	}
	thread->pass.alone = thread->pass.active;
	ph_resume(thread);
	return true;
}

static void on_signal(struct ph_thread *thread, int sig)
{
	struct ph_session *session = thread->process->session;
	bool wanted = ph_handler_wanted(session, PH_EVENT_SIGNAL) && !thread->process->silent;
	struct ph_event event = ph_resume_event(thread, PH_EVENT_SIGNAL);
	struct ph_plan plan = { 0 };
	siginfo_t info;

	ph_signal_forget_opposite(thread->process, sig);
	if (signal_in_copy(thread))
		return;
	session->stats.signals++;
	thread->stop_signal = sig;
	thread->is_fault = ph_until_steps(thread) && ph_os_siginfo_read(thread->tid, &info) >= 0 &&
			   ph_signal_is_fault(sig, info.si_code);
	if ((wanted || thread->n_deferred) && ph_os_siginfo_read(thread->tid, &info) >= 0) {
		bool injected = thread->n_deferred && ph_signal_arrive(thread, &info);

		if (wanted && !injected) {
			event.siginfo = thread->siginfo = &info;
			ph_session_select(session, thread);
			ph_handler_emit(session, &event, &plan);
			thread->siginfo = NULL;
		}
	}
	if (thread->rewound) {
		ph_resume_plan(thread, PH_EVENT_SIGNAL, &plan, NULL);
		return;
	}
	if (plan.suppress)
		thread->stop_signal = 0;
	if (plan.signal)
		thread->stop_signal = plan.signal;
	if (ph_invocation_take_signal(thread, thread->stop_signal))
		thread->stop_signal = 0;
	else
		ph_resume_plan(thread, PH_EVENT_SIGNAL, &plan, NULL);
}

/* The step was one that somebody waits for: counted when the thread is to go on. */
static void note_step(struct ph_thread *thread)
{
	const struct ph_insn *insn = &thread->step.insn;

	thread->step.on = false;
	if (thread->step.decoded && insn->is_rep_string && thread->view.regs.rip == thread->step.addr)
		ph_until_run_rounds(thread, thread->step.addr + insn->length);
	else
		thread->step.ended = true;
}

/* It was put back to its site when the trap came; whoever moved it since wants no hit. */
static void on_deferred_trap(struct ph_thread *thread)
{
	struct ph_site *site = ph_space_site_find(thread->process->space, thread->trapped);

	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	if (site && site->armed && thread->view.regs.rip == thread->trapped)
		on_breakpoint(thread, site);
	else
		ph_resume(thread);
}

/* Hooks of the function that a script called see it return. False: they want something else than that. */
static bool tell_own_return(struct ph_thread *thread, ph_addr at)
{
	struct ph_plan plan = { 0 };

	ph_thread_set_rip(thread, at);
	ph_returns_returned(thread, at, &plan);
	if (thread->state == PH_THREAD_STOPPED && !thread->rewound && thread->view.regs.rip == at &&
	    ph_usual_plan(thread->process->session, &plan))
		return true;
	if (thread->state == PH_THREAD_STOPPED)
		ph_resume_plan(thread, PH_EVENT_BREAKPOINT, &plan, NULL);
	return false;
}

static void on_trap(struct ph_thread *thread)
{
	struct ph_space *space = thread->process->space;
	struct ph_site *site;
	siginfo_t info;
	bool is_ours, step_ended;
	ph_addr at;

	if (thread->trapped) {
		on_deferred_trap(thread);
		return;
	}
	/* Gone between its stop and now: its end is on the way. */
	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	step_ended = thread->stepped && ph_step_has_ended(thread);
	if (step_ended && thread->step.on)
		note_step(thread);
	if ((thread->armed.version || (step_ended && thread->process->session->n_soft)) && ph_watch_hit(thread, step_ended))
		return;
	if (step_ended && !(thread->view.regs.eflags & PH_TRAP_FLAG)) {
		if (thread->process->guard.on)
			thread->unguarded = true;
		ph_resume(thread);
		return;
	}
	at = thread->view.regs.rip - 1;
	if (thread->returns.n && ph_invocation_returns_to(thread, at) && !tell_own_return(thread, at))
		return;
	if (ph_invocation_take_trap(thread, at))
		return;
	site = ph_space_site_find(space, at);
	/*
	 * Behind the first byte of a longer instruction stands only who ran that byte. Behind an instruction of one
	 * byte the program may stand by itself, when somebody sends it a SIGTRAP: what the kernel says tells, unless
	 * that is known.
	 */
	if (site && site->armed && !thread->left_copy && ph_behind_is_hit(thread, site)) {
		on_breakpoint(thread, site);
		return;
	}
	if (ph_os_siginfo_read(thread->tid, &info) < 0)
		return;
	if (info.si_code == SI_KERNEL && (thread->left_copy || !site) && ph_inside_rescue(thread)) {
		ph_resume(thread);
		return;
	}
	is_ours = site && site->armed;
	if (is_ours && info.si_code <= 0 && !thread->left_copy && ph_behind_has_run(thread, site)) {
		/* Both: the hit, then what was sent, from where that leads. */
		if (ph_signal_put_off(thread, &info) >= 0)
			ph_signal_resend(thread);
		on_breakpoint(thread, site);
		return;
	}
	switch (ph_trap_decode(info.si_code, is_ours, !is_ours && ph_space_was_trap(space, thread->tid, at))) {
	case PH_TRAP_BREAKPOINT:
		on_breakpoint(thread, site);
		break;
	case PH_TRAP_STALE:
		ph_thread_set_rip(thread, at);
		ph_resume(thread);
		break;
	case PH_TRAP_DEBUG:
	case PH_TRAP_OWN:
		ph_behind_note(thread);
		if (ph_guard_own_trap(thread, &info))
			ph_resume(thread);
		else
			on_signal(thread, SIGTRAP);
		break;
	}
}

static void dispatch(struct ph_thread *thread, struct ph_stop stop)
{
	switch (stop.kind) {
	case PH_STOP_EXITED:
	case PH_STOP_KILLED:
		ph_life_ended(thread, stop);
		break;
	case PH_STOP_SIGNAL:
		on_signal(thread, stop.value);
		break;
	case PH_STOP_TRAP:
		on_trap(thread);
		break;
	case PH_STOP_INTERRUPT:
	case PH_STOP_GROUP:
		if (thread->invocation && thread->invocation->passes_stops)
			thread->group_stopped = false;
		if (thread->newborn)
			ph_life_born(thread);
		else
			ph_resume(thread);
		break;
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
		ph_life_forked(thread);
		break;
	case PH_STOP_VFORK:
		thread->vforking = true;
		ph_life_forked(thread);
		break;
	case PH_STOP_EXEC:
		ph_life_exec(thread);
		break;
	case PH_STOP_EXITING:
		ph_life_exiting(thread);
		break;
	case PH_STOP_SYSCALL:
	case PH_STOP_SECCOMP:
		ph_snapshot_note_call(thread->process->session);
		ph_mapping_stopped(thread);
		ph_syscall_stopped(thread, stop.kind);
		break;
	case PH_STOP_VFORK_DONE:
	case PH_STOP_OTHER:
		ph_resume(thread);
		break;
	}
}

void ph_dispatch(struct ph_thread *thread, int status)
{
	/* Kept: what is decided may retire it. */
	ph_thread_ref(thread);
	thread->rewound = false;
	dispatch(thread, ph_stop_decode(status));
	ph_thread_unref(thread);
}
