#include "engine/departure.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/brink.h"
#include "engine/guard.h"
#include "engine/handler.h"
#include "engine/hardware.h"
#include "engine/mapping.h"
#include "engine/outcome.h"
#include "engine/signal.h"
#include "engine/snapshot.h"
#include "engine/step.h"
#include "engine/until.h"
#include "os/ptrace.h"

#define TRAP_BIT (1ull << (SIGTRAP - 1))

/*
 * The program's own SIGTRAP. Its handler runs with SIGTRAP blocked, and the kernel answers a trap of ours there by
 * taking the handler away (force_sig_info_to_task: what is blocked becomes SIG_DFL). So the thread is led to the
 * handler's first instruction, and the block lifted there. False: something else came up, and is pending.
 */
static bool deliver_trap(struct ph_thread *thread)
{
	siginfo_t info = { .si_code = TRAP_TRACE };
	struct ph_err err = { 0 };
	struct ph_stop stop;
	uint64_t mask;
	int status, r = ph_alone_run(thread, PH_ALONE_STEP, SIGTRAP, &status, &err);

	if (r < 0) {
		if (r != -ESRCH)
			ph_session_fail(thread->process->session, r, &err);
		return false;
	}
	stop = ph_stop_decode(status);
	if (stop.kind == PH_STOP_INTERRUPT || stop.kind == PH_STOP_GROUP)
		return true;
	/* At a handler's begin the kernel gives no reason but the signal's number; TRAP_TRACE: nobody catches it. */
	if (stop.kind != PH_STOP_TRAP || ph_os_siginfo_read(thread->tid, &info) < 0 ||
	    (info.si_code != SIGTRAP && info.si_code != TRAP_TRACE)) {
		ph_thread_set_pending(thread, status);
		return false;
	}
	if (info.si_code == SIGTRAP && ph_os_sigmask_read(thread->tid, &mask) >= 0 && (mask & TRAP_BIT))
		ph_os_sigmask_write(thread->tid, mask & ~TRAP_BIT);
	return true;
}

#define ANSWERED_IN_A_ROW 4	/* from there on the next one is expected to be answered too */

static enum ph_call_way call_way(const struct ph_thread *thread)
{
	const struct ph_session *session = thread->process->session;
	const struct ph_session_calls *calls = &session->calls;
	const struct ph_call *call = &thread->call;
	bool every = (calls->every || calls->sentry || ph_mapping_wanted(session)) && !thread->process->silent;

	if (call->view.skipped && !call->wants_exit && call->answered >= ANSWERED_IN_A_ROW && calls->every &&
	    !calls->filtered)
		return PH_CALL_BY_SYSEMU;
	return call->wants_exit || call->redo.active || every ? PH_CALL_BY_SYSCALL : PH_CALL_UNSEEN;
}

static int (*const resumes[])(pid_t tid, int sig) = {
	[PH_CALL_UNSEEN] = ph_os_cont,
	[PH_CALL_BY_SYSCALL] = ph_os_syscall,
	[PH_CALL_BY_SYSEMU] = ph_os_sysemu,
};

/* A single step passes a system call without a stop. Where its stops are wanted, the thread goes from one to the other. */
static bool steps_by_call(struct ph_thread *thread, enum ph_call_way way)
{
	static const uint8_t syscall_insn[] = { 0x0f, 0x05 };
	uint8_t bytes[sizeof(syscall_insn)];

	if (way == PH_CALL_UNSEEN || thread->call.in)
		return thread->call.in && way != PH_CALL_UNSEEN;
	return ph_thread_regs_fetch(thread, NULL) >= 0 &&
	       ph_space_read(thread->process->space, thread->tid, thread->view.regs.rip, bytes, sizeof(bytes), NULL) >= 0 &&
	       memcmp(bytes, syscall_insn, sizeof(bytes)) == 0;
}

/* Sooner or later a trap of ours comes. */
static bool may_trap(const struct ph_thread *thread)
{
	return thread->process->space->n_sorted || thread->process->hardware.version || ph_handler_steps(thread);
}

/* It was resumed, or r says why not. */
static bool is_off(struct ph_thread *thread, int r, enum ph_call_way way)
{
	struct ph_err err;

	/* -ESRCH: killed while it was stopped. Its end is on the way. */
	if (r < 0 && r != -ESRCH) {
		ph_err_set_in(&err, r, "resume", thread->tid);
		ph_session_fail(thread->process->session, r, &err);
		return false;
	}
	ph_call_resumed(&thread->call, way);
	ph_thread_set_running(thread);
	return true;
}

void ph_departure_freely(struct ph_thread *thread)
{
	enum ph_call_way way = call_way(thread);
	struct ph_err err;
	int r = ph_thread_regs_flush(thread, &err);

	if (r < 0 && r != -ESRCH) {
		ph_session_fail(thread->process->session, r, &err);
		return;
	}
	thread->told_next = 0;
	if (is_off(thread, resumes[way](thread->tid, 0), way))
		thread->step.over_call = thread->in_vfork = false;
}

bool ph_departure(struct ph_thread *thread)
{
	struct ph_err err;
	int sig, r;
	enum ph_call_way way;
	bool listen, step, steps, over_call, singly;

	/* A call in the target would lose the signal, or the call that it enters: then when it goes on from that. */
	if (thread->unguarded && !thread->stop_signal && !thread->call.in)
		ph_guard_keep(thread);
	if (thread->stop_signal == SIGTRAP && may_trap(thread) && !ph_guard_ignores(thread) &&
	    !deliver_trap(thread))
		return true;
	if (thread->state != PH_THREAD_STOPPED || ph_thread_has_pending(thread))
		return true;
	if (thread->stop_signal && ph_brink_keep_from_signal(thread, thread->stop_signal))
		return false;
	/* What our steps left in the flags is taken out by the fetch. */
	if (thread->step_shows)
		ph_thread_regs_fetch(thread, NULL);
	sig = thread->stop_signal;
	listen = thread->group_stopped && !sig;
	if (sig && sig != SIGTRAP && ph_until_steps(thread) && !thread->is_fault && ph_signal_is_caught(thread, sig))
		ph_until_run_handler(thread);
	steps = !listen && ph_until_steps(thread);
	/* As a trap of ours does. */
	if (steps && thread->process->guard.on)
		thread->unguarded = true;
	r = ph_thread_regs_flush(thread, &err);
	if (r < 0 && r != -ESRCH) {
		ph_session_fail(thread->process->session, r, &err);
		return true;
	}
	r = ph_hardware_sync(thread, &err);
	if (r < 0 && r != -ESRCH) {
		ph_session_fail(thread->process->session, r, &err);
		return true;
	}
	/* Only a stopped thread takes options. */
	if (thread->options_stale)
		thread->options_stale = ph_os_set_options(thread->tid, ph_trace_options(thread->process->session)) < 0;
	over_call = steps && thread->call.in;
	way = call_way(thread);
	thread->rewound = false;
	step = !listen && !steps && ph_handler_steps(thread) && !steps_by_call(thread, way);
	if (steps)
		ph_step_begin(thread);
	/* A system call is stepped by its entry and its exit: hooks see it then, and it does not see our flag. */
	singly = steps && !over_call && !(thread->step.decoded && thread->step.insn.is_syscall);
	if (steps && !singly)
		way = PH_CALL_BY_SYSCALL;
	step |= singly;
	/* One that was interrupted on its way may have the trap of its last step still in its queue. */
	thread->stepped = step || (thread->stepped && ph_alone_step_is_queued(thread));
	if (!ph_handler_steps(thread)) {
		thread->told = false;
		thread->told_next = 0;
	}
	if (step) {
		way = PH_CALL_UNSEEN;
		ph_snapshot_note_call(thread->process->session);
		ph_step_note_touches(thread);
	}
	r = listen ? ph_os_listen(thread->tid) : step ? ph_os_step(thread->tid, sig) : resumes[way](thread->tid, sig);
	if (!is_off(thread, r, way))
		return true;
	thread->step.on = steps;
	thread->step.over_call = over_call;
	thread->in_vfork = thread->vforking;
	thread->vforking = false;
	return true;
}
