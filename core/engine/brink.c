#include "engine/brink.h"

#include <signal.h>

#include "engine/handler.h"
#include "engine/outcome.h"
#include "os/procfs.h"

/* Some snapshot can put the process back. */
static bool is_worth_it(const struct ph_process *process)
{
	const struct ph_session *session = process->session;

	return process == session->target && !process->silent && !ph_list_is_empty(&session->snapshots) &&
	       session->kept.kind == PH_REASON_NONE;
}

static bool keep(struct ph_thread *thread, struct ph_reason reason)
{
	struct ph_session *session = thread->process->session;
	struct ph_event event = { .kind = PH_EVENT_EXIT, .session = session, .process = thread->process, .reason = reason };
	struct ph_plan plan = { 0 };

	session->kept = reason;
	session->end_told = true;
	ph_session_set_outcome(session, reason);
	ph_handler_emit(session, &event, &plan);
	if (session->kept.kind == PH_REASON_NONE && session->outcome.kind == reason.kind)
		ph_session_set_outcome(session, (struct ph_reason){ 0 });
	return true;
}

static bool is_last(const struct ph_thread *thread)
{
	const struct ph_thread *other;

	ph_list_each(other, &thread->process->threads, struct ph_thread, in_process)
		if (other != thread && other->state != PH_THREAD_EXITING && other->state != PH_THREAD_ENDED)
			return false;
	return true;
}

bool ph_brink_keep_from_call(struct ph_thread *thread)
{
	const struct ph_call_view *view = &thread->call.view;
	bool whole;

	if (!is_worth_it(thread->process) || !ph_abi_ends((enum ph_abi)view->abi, view->number, &whole) ||
	    !(whole || is_last(thread)))
		return false;
	return keep(thread, (struct ph_reason){ .kind = PH_REASON_EXIT, .code = (int)(view->args[0] & 0xff) });
}

/* signal(7): what others do by default is nothing, or stops the process. */
static bool kills_by_default(int sig)
{
	switch (sig) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return false;
	default:
		return true;
	}
}

bool ph_brink_keep_from_signal(struct ph_thread *thread, int sig)
{
	struct ph_os_status status;

	if (!sig || !is_worth_it(thread->process) || !kills_by_default(sig) ||
	    ph_os_status_read(thread->tid, &status) < 0 || ((status.caught | status.ignored) >> (sig - 1) & 1))
		return false;
	return keep(thread, (struct ph_reason){ .kind = PH_REASON_SIGNAL, .code = sig });
}
