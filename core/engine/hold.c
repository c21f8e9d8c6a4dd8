#include "engine/hold.h"

#include <errno.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/trap.h"
#include "os/ptrace.h"
#include "os/wait.h"

#define EXEC_PATIENCE_NS 10000000

static bool is_meant(const struct ph_thread *thread, const struct ph_space *space, const struct ph_thread *but)
{
	return thread->state == PH_THREAD_RUNNING && !thread->in_vfork && thread != but &&
	       (!space || thread->process->space == space);
}

static bool stands_in_exit_event(const struct ph_thread *thread)
{
	return thread->state == PH_THREAD_STOPPED && ph_thread_has_pending(thread) &&
	       ph_stop_decode(thread->status).kind == PH_STOP_EXITING;
}

/* The process has a thread that stands in its exit event. let_go: each of them goes on to its end. */
static bool has_exiting(struct ph_process *process, bool let_go)
{
	struct ph_thread *thread;
	bool found = false;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (!stands_in_exit_event(thread))
			continue;
		found = true;
		if (!let_go)
			break;
		ph_thread_take_pending(thread);
		ph_alone_die(thread);
	}
	return found;
}

/*
 * A thread that calls exec cannot be stopped until all others of its process have gone, those in their exit events
 * included, and those whose ends nobody has read (ptrace(2), "execve under ptrace"). So whatever comes is read, and
 * when nothing does, the ones in their exit events go on.
 */
static void take_status(struct ph_thread *awaited)
{
	struct ph_tracer *tracer = awaited->process->session->tracer;
	bool exiting = has_exiting(awaited->process, false);
	int status, tid = ph_os_wait_any(exiting ? ph_os_now() + EXEC_PATIENCE_NS : PH_WAIT_FOREVER, &status);
	struct ph_thread *thread;

	if (tid == -EINTR)
		return;
	if (tid == -ETIMEDOUT) {
		has_exiting(awaited->process, true);
		return;
	}
	if (tid < 0) {
		awaited->state = PH_THREAD_EXITING;
		return;
	}
	thread = ph_tracer_find(tracer, tid);
	if (!thread) {
		ph_alone_note_stray(tracer, tid, status);
		return;
	}
	if (ph_arrival_note(thread, status) || thread->process->session != awaited->process->session)
		ph_trap_defer(thread, status);
	else
		thread->held = true;
}

static void hold(struct ph_session *session, const struct ph_space *space, const struct ph_thread *but)
{
	struct ph_process *process;
	struct ph_thread *thread;
	bool found;

	/* Newborns join the lists while we wait for their parents: again until a round meets none. */
	do {
		found = false;
		ph_list_each(process, &session->processes, struct ph_process, in_session)
			ph_list_each(thread, &process->threads, struct ph_thread, in_process)
				if (is_meant(thread, space, but))
					ph_os_interrupt(thread->tid);
		ph_list_each(process, &session->processes, struct ph_process, in_session)
			ph_list_each(thread, &process->threads, struct ph_thread, in_process)
				while (is_meant(thread, space, but)) {
					take_status(thread);
					found = true;
				}
	} while (found);
}

void ph_hold_session(struct ph_session *session)
{
	hold(session, NULL, NULL);
}

void ph_hold_for_hook(struct ph_session *session)
{
	ph_hold_session(session);
	session->has_held |= session->in_run;
}

void ph_hold_space(struct ph_session *session, const struct ph_space *space, const struct ph_thread *but)
{
	hold(session, space, but);
}
