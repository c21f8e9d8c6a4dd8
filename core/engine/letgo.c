#include "engine/letgo.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/copy.h"
#include "engine/guard.h"
#include "engine/hold.h"
#include "engine/signal.h"
#include "engine/step.h"
#include "engine/trap.h"
#include "engine/tripwire.h"
#include "os/ptrace.h"
#include "os/wait.h"

#define SYSCALL_LENGTH 2

static void retire_threads(struct ph_process *process)
{
	struct ph_thread *thread;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		ph_thread_retire(thread);
}

/* The trap that waits to be dispatched: of ours, undone; the target's own, its signal. */
static int settle_trap(struct ph_thread *thread)
{
	if (thread->trapped)
		return 0;
	if (ph_trap_look(thread) == PH_TRAP_OWN)
		return SIGTRAP;
	ph_thread_set_rip(thread, thread->view.regs.rip - 1);
	thread->unguarded = thread->process->guard.on;
	return 0;
}

/* At the entry of a call, which has not been made: it becomes the instruction that will make it. */
static void settle_call(struct ph_thread *thread)
{
	struct user_regs_struct *regs = &thread->view.regs;

	if (ph_thread_regs_fetch(thread, NULL) < 0 || (int64_t)regs->rax != -ENOSYS || (int64_t)regs->orig_rax < 0)
		return;
	regs->rax = regs->orig_rax;
	regs->orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	ph_thread_set_rip(thread, regs->rip - SYSCALL_LENGTH);
}

/* What the stopped thread needs before it runs untraced: the signal to deliver. Sites are still in place. */
static int settle(struct ph_thread *thread)
{
	struct ph_stop stop;
	siginfo_t info;
	int length, status;

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
	if (stop.kind == PH_STOP_SYSCALL)
		settle_call(thread);
	if (stop.kind != PH_STOP_SIGNAL)
		return 0;
	if (thread->n_deferred && ph_os_siginfo_read(thread->tid, &info) >= 0)
		ph_signal_arrive(thread, &info);
	return stop.value;
}

/* One that was killed while it stood still cannot be detached: it has an end to be read (see_off). */
static void detach_thread(struct ph_thread *thread, int sig)
{
	if (thread->unguarded && !sig && thread->state == PH_THREAD_STOPPED)
		ph_guard_keep(thread);
	if (thread->state == PH_THREAD_STOPPED) {
		ph_thread_regs_flush(thread, NULL);
		if (ph_os_detach(thread->tid, sig) == -ESRCH) {
			thread->state = PH_THREAD_EXITING;
			return;
		}
	}
	ph_thread_retire(thread);
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
static void see_off(struct ph_process *process)
{
	struct ph_thread *thread, *leader = NULL;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (thread->tid == process->pid)
			leader = thread;
		else if (thread->state == PH_THREAD_EXITING)
			await_end(thread);
	}
	if (leader && leader->state == PH_THREAD_EXITING && !ph_process_any_thread(process))
		await_end(leader);
}

void ph_let_go_process(struct ph_process *process)
{
	struct ph_thread *thread;

	see_off(process);
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		detach_thread(thread, thread->state == PH_THREAD_STOPPED ? settle(thread) : 0);
	see_off(process);
	ph_tripwires_remove(process);
	ph_process_retire(process);
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
static void unmap_copies(struct ph_process *process)
{
	struct ph_thread *thread, *best = NULL;

	if (!process->space->slots.n_chunks)
		return;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state == PH_THREAD_STOPPED && (!best || best->stop_signal))
			best = thread;
	if (best)
		ph_copy_unmap(best);
}

void ph_let_go_session(struct ph_session *session, bool stopped)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_hold_session(session);
	if (session->spawned && session->target->alive)
		ph_tracer_add_child(session->tracer, session->target->pid);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (thread->state == PH_THREAD_STOPPED)
				thread->stop_signal = settle(thread);
	ph_breakpoints_retire(session);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_tripwires_remove(process);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		unmap_copies(process);
	/* Only now: a thread that is to make a call for us must not stop on the way. */
	if (stopped)
		kill(session->target->pid, SIGSTOP);
	/* Children before parents: a vfork parent stops only after its child has gone. */
	for (struct ph_list *node = session->processes.prev; node != &session->processes;) {
		struct ph_list *before = node->prev;

		process = PH_LIST_OF(node, struct ph_process, in_session);
		await_vfork(process);
		ph_let_go_process(process);
		node = before;
	}
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

/* Ends of others of the session are taken as they come: all of them were killed. */
static void reap(struct ph_process *process)
{
	struct ph_tracer *tracer = process->session->tracer;

	while (!process->reaped) {
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

	ph_breakpoints_retire(session);
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
