#include "engine/letgo.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine/alloc.h"
#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/copy.h"
#include "engine/cpu.h"
#include "engine/guard.h"
#include "engine/hardware.h"
#include "engine/hold.h"
#include "engine/keeper.h"
#include "engine/patching.h"
#include "engine/redirect.h"
#include "engine/signal.h"
#include "engine/snapshot.h"
#include "engine/step.h"
#include "engine/syscall.h"
#include "engine/trap.h"
#include "engine/tripwire.h"
#include "engine/tsc.h"
#include "engine/watch.h"
#include "os/ptrace.h"
#include "os/vm.h"
#include "os/wait.h"

static void retire_threads(struct ph_process *process)
{
	struct ph_thread *thread;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		ph_thread_retire(thread);
}

/* The trap that waits to be dispatched: of ours, undone; the target's own, its signal. */
static int settle_trap(struct ph_thread *thread)
{
	bool sent;

	if (thread->trapped)
		return 0;
	switch (ph_trap_look(thread, &sent)) {
	case PH_TRAP_OWN:
		return SIGTRAP;
	case PH_TRAP_DEBUG:
		return 0;
	case PH_TRAP_BREAKPOINT:
	case PH_TRAP_STALE:
		break;
	}
	ph_thread_set_rip(thread, thread->view.regs.rip - 1);
	thread->unguarded = thread->process->guard.on;
	return sent ? SIGTRAP : 0;
}

static void leave_kernel(struct ph_thread *thread)
{
	int status;

	ph_list_remove(&thread->in_pending);
	if (ph_alone_run(thread, PH_ALONE_OUT, 0, &status, NULL) >= 0 && ph_stop_decode(status).kind != PH_STOP_INTERRUPT)
		ph_thread_set_pending(thread, status);
}

/*
 * Out of the system call in whose middle it stands: it must be where it can be led elsewhere and back, or made to call
 * something. The result of its own call is in no register before. In a vfork event it goes on to wait for its child, which
 * is let go first.
 */
static void leave_call(struct ph_thread *thread)
{
	if (ph_syscall_settle(thread)) {
		leave_kernel(thread);
		return;
	}
	if (!thread->process->session->calls.filtered)
		return;
	switch (thread->last_stop) {
	case PH_STOP_VFORK:
		ph_list_remove(&thread->in_pending);
		ph_alone_enter_vfork(thread);
		break;
	case PH_STOP_EXEC:
		/* Of memory that is gone. */
		ph_call_drop_loans(&thread->call);
		thread->untraced.active = false;
		__attribute__((fallthrough));
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK_DONE:
		leave_kernel(thread);
		break;
	default:
		break;
	}
}

/* What the stopped thread needs before it runs untraced: the signal to deliver. Sites are still in place. */
static int settle(struct ph_thread *thread)
{
	struct ph_stop stop;
	siginfo_t info;
	int length, status;

	leave_call(thread);
	if (thread->state != PH_THREAD_STOPPED)
		return 0;
	if (!ph_thread_has_pending(thread) && !thread->stop_signal && ph_alone_take_trap(thread, &status))
		ph_trap_defer(thread, status);
	if (!ph_thread_has_pending(thread)) {
		if (thread->pass.active && thread->pass.skip && ph_thread_regs_fetch(thread, NULL) >= 0 &&
		    thread->view.regs.rip == thread->pass.addr) {
			length = ph_step_length(thread, thread->pass.addr, NULL);
			if (length > 0)
				ph_thread_set_rip(thread, thread->pass.addr + (ph_addr)length);
		}
		return thread->stop_signal;
	}
	stop = ph_stop_decode(ph_thread_take_pending(thread));
	if (stop.kind == PH_STOP_TRAP)
		return settle_trap(thread);
	if (stop.kind != PH_STOP_SIGNAL)
		return 0;
	if (thread->n_deferred && ph_os_siginfo_read(thread->tid, &info) >= 0)
		ph_signal_arrive(thread, &info);
	return stop.value;
}

/*
 * True when it lives on by itself. One that was killed while it stood still cannot be detached: it has an end to be read
 * (see_off).
 */
static bool detach_thread(struct ph_thread *thread, int sig)
{
	if (thread->unguarded && !sig && thread->state == PH_THREAD_STOPPED)
		ph_guard_keep(thread);
	if (thread->state == PH_THREAD_STOPPED) {
		if (thread->step_shows)
			ph_thread_regs_fetch(thread, NULL);
		ph_thread_regs_flush(thread, NULL);
		ph_hardware_disarm(thread);
		if (ph_os_detach(thread->tid, sig) == -ESRCH) {
			thread->state = PH_THREAD_EXITING;
			return false;
		}
		ph_thread_retire(thread);
		return true;
	}
	if (thread->state != PH_THREAD_EXITING)
		ph_thread_retire(thread);
	return false;
}

/* Its exit event may be still to come, and is to be passed. */
static void await_end(struct ph_thread *thread)
{
	int status;

	if (!ph_thread_has_pending(thread))
		while (ph_os_wait_one(thread->tid, &status) >= 0 && WIFSTOPPED(status))
			ph_alone_die(thread);
	ph_thread_retire(thread);
}

/*
 * A thread that began to exit cannot be detached; its end has to be read, or it stays a zombie of ours and its parent
 * never hears of it. That of the first thread comes when all others are gone: not while one of them lives on.
 */
static void see_off(struct ph_process *process, bool others_live)
{
	struct ph_thread *thread, *leader = NULL;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (thread->tid == process->pid)
			leader = thread;
		else if (thread->state == PH_THREAD_EXITING)
			await_end(thread);
	}
	if (leader && leader->state == PH_THREAD_EXITING && !others_live && !ph_process_any_thread(process))
		await_end(leader);
}

void ph_let_go_process(struct ph_process *process)
{
	struct ph_thread *thread;
	bool live = false;

	see_off(process, false);
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		live |= detach_thread(thread, thread->state == PH_THREAD_STOPPED ? settle(thread) : 0);
	see_off(process, live);
	retire_threads(process);
	ph_tripwires_remove(process);
	ph_process_retire(process);
}

static bool stands_in_exit_event(const struct ph_thread *thread)
{
	return thread->state == PH_THREAD_STOPPED && thread->last_stop == PH_STOP_EXITING;
}

/* By a keeper, where the filter's calls need one. Threads about to end make no more calls. */
static void hand_over(struct ph_process *process, struct ph_keeper *keeper)
{
	struct ph_thread *thread;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (thread->state != PH_THREAD_STOPPED)
			continue;
		if (stands_in_exit_event(thread)) {
			ph_os_detach(thread->tid, 0);
			ph_thread_retire(thread);
			continue;
		}
		thread->stop_signal = settle(thread);
		if (thread->unguarded && !thread->stop_signal && thread->state == PH_THREAD_STOPPED)
			ph_guard_keep(thread);
	}
	/* The first thread's end comes when those that were kept have ended. */
	if (ph_keeper_take(keeper, process) > 0) {
		see_off(process, true);
		retire_threads(process);
	}
}

static void let_go(struct ph_process *process, struct ph_keeper *keeper)
{
	if (process->session->calls.filtered) {
		ph_cpu_leave(process->session->tracer);
		if (keeper->fd >= 0 || ph_keeper_open(keeper) >= 0)
			hand_over(process, keeper);
	}
	ph_let_go_process(process);
}

/* A parent in vfork is stopped only when its child has gone its way, which it does now that it is let go. */
static void await_vfork(struct ph_process *process)
{
	struct ph_thread *thread;
	int status;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (!thread->in_vfork || thread->state != PH_THREAD_RUNNING)
			continue;
		ph_os_interrupt(thread->tid);
		if (ph_os_wait_one(thread->tid, &status) >= 0 && ph_arrival_note(thread, status))
			ph_thread_set_pending(thread, status);
	}
}

/* By a thread that has nothing to be delivered, if there is one: it is asked to make the call for us. */
static void unmap_ours(struct ph_process *process)
{
	struct ph_thread *thread, *best = NULL;

	if (!process->space->slots.n_chunks && !process->space->n_allocations)
		return;
	/* By an exec that is still to be told: what lies there now is the new program's. */
	if (ph_os_vm_is_gone(process->space->fd))
		return;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state == PH_THREAD_STOPPED && (!best || best->stop_signal))
			best = thread;
	if (!best)
		return;
	ph_alloc_unmap_all(best);
	ph_copy_unmap(best);
}

static bool is_any(const struct ph_process *process)
{
	(void)process;
	return true;
}

/* Children before parents: a vfork parent stops only after its child has gone. */
static void let_go_from_last(struct ph_session *session, bool (*which)(const struct ph_process *),
			     struct ph_keeper *keeper)
{
	for (struct ph_list *node = session->processes.prev; node != &session->processes;) {
		struct ph_process *process = PH_LIST_OF(node, struct ph_process, in_session);

		node = node->prev;
		if (!which(process))
			continue;
		await_vfork(process);
		let_go(process, keeper);
	}
}

/* Those that are followed. A parent in vfork stops when its child has gone its way, so that child is not stopped. */
static void stop(struct ph_session *session)
{
	struct ph_process *process;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		if (process == session->target || (!process->silent && ph_process_has_own_space(process)))
			kill(process->pid, SIGSTOP);
}

void ph_let_go_session(struct ph_session *session, bool stopped)
{
	struct ph_process *process;
	struct ph_thread *thread;
	struct ph_keeper keeper = PH_KEEPER_NONE;

	ph_hold_session(session);
	if (session->spawned && session->target->alive)
		ph_tracer_add_child(session->tracer, session->target->pid);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (thread->state == PH_THREAD_STOPPED)
				thread->stop_signal = settle(thread);
	ph_snapshots_leave(session, NULL, "the session has ended");
	ph_breakpoints_retire(session);
	ph_watches_retire(session);
	ph_patches_restore_all(session);
	ph_redirect_lead_out(session);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_tripwires_remove(process);
	ph_list_each(process, &session->processes, struct ph_process, in_session) {
		unmap_ours(process);
		ph_tsc_release(process);
	}
	/* Only now: a thread that is to make a call for us must not stop on the way. */
	if (stopped)
		stop(session);
	let_go_from_last(session, is_any, &keeper);
	ph_keeper_close(&keeper);
}

/* Children that nobody follows live on when the others are killed. */
static void let_go_silent(struct ph_session *session)
{
	struct ph_keeper keeper = PH_KEEPER_NONE;
	struct ph_process *process;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		if (ph_process_is_apart(process))
			ph_hold_space(session, process->space, NULL);
	let_go_from_last(session, ph_process_is_apart, &keeper);
	ph_keeper_close(&keeper);
}

/* Ends that were read already will not be reported again. */
static void bury_read(struct ph_process *process)
{
	struct ph_thread *thread;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		struct ph_stop stop;

		if (!ph_thread_has_pending(thread))
			continue;
		stop = ph_stop_decode(ph_thread_take_pending(thread));
		if (stop.kind == PH_STOP_EXITING)
			ph_alone_die(thread);
		if (stop.kind != PH_STOP_EXITED && stop.kind != PH_STOP_KILLED)
			continue;
		if (thread->tid == process->pid)
			process->reaped = true;
		ph_thread_retire(thread);
	}
}

static bool has_ended_unreported(const struct ph_process *process)
{
	int status;

	return process->asks_for_end && ph_process_end_read(process, &status) != 0;
}

/* Ends of others of the session are taken as they come: all of them were killed. */
static void reap(struct ph_process *process)
{
	struct ph_tracer *tracer = process->session->tracer;

	while (!process->reaped && !has_ended_unreported(process)) {
		int status, tid = ph_os_wait_any(PH_WAIT_FOREVER, &status);
		struct ph_thread *thread;
		struct ph_stop stop;

		if (tid == -EINTR)
			continue;
		if (tid < 0)
			break;
		thread = ph_tracer_find(tracer, tid);
		if (!thread) {
			ph_alone_note_stray(tracer, tid, status);
			continue;
		}
		stop = ph_stop_decode(status);
		if (thread->process->session != process->session) {
			ph_arrival_note(thread, status);
			ph_thread_set_pending(thread, status);
		} else if (stop.kind == PH_STOP_EXITED || stop.kind == PH_STOP_KILLED) {
			if (tid == thread->process->pid)
				thread->process->reaped = true;
			ph_thread_retire(thread);
		} else {
			ph_arrival_note(thread, status);
			ph_alone_die(thread);
		}
	}
	retire_threads(process);
	ph_tripwires_remove(process);
	ph_process_retire(process);
}

static void end(struct ph_process *process)
{
	bury_read(process);
	/* Once reaped, the number may be somebody else's. */
	if (!process->reaped)
		kill(process->pid, SIGKILL);
}

void ph_kill_session(struct ph_session *session)
{
	struct ph_process *process;

	ph_snapshots_leave(session, NULL, "the session has ended");
	let_go_silent(session);
	ph_breakpoints_retire(session);
	ph_watches_retire(session);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		end(process);
	/* Children that were born meanwhile join the list. */
	while (!ph_list_is_empty(&session->processes)) {
		process = ph_process_ref(PH_LIST_OF(session->processes.next, struct ph_process, in_session));
		end(process);
		reap(process);
		ph_process_unref(process);
	}
}
