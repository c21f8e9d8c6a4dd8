#include "engine/hold.h"

#include <errno.h>

#include "engine/arrival.h"
#include "os/ptrace.h"
#include "os/wait.h"

static bool is_meant(const struct ph_thread *thread, const struct ph_space *space, const struct ph_thread *but)
{
	return thread->state == PH_THREAD_RUNNING && !thread->in_vfork && thread != but &&
	       (!space || thread->process->space == space);
}

static void wait_for(struct ph_thread *thread)
{
	int status, r = ph_os_wait_one(thread->tid, &status);

	if (r < 0) {
		/* ECHILD: a thread of a process that execs is gone without a word (ptrace(2), "execve under ptrace"). */
		thread->state = PH_THREAD_EXITING;
		return;
	}
	if (ph_arrival_note(thread, status))
		ph_thread_set_pending(thread, status);
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
				if (is_meant(thread, space, but)) {
					wait_for(thread);
					found = true;
				}
	} while (found);
}

void ph_hold_session(struct ph_session *session)
{
	hold(session, NULL, NULL);
}

void ph_hold_space(struct ph_session *session, const struct ph_space *space, const struct ph_thread *but)
{
	hold(session, space, but);
}
