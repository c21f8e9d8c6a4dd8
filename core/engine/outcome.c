#include "engine/outcome.h"

#include "engine/cpu.h"

void ph_session_fail(struct ph_session *session, int code, const struct ph_err *err)
{
	if (session->failure.code)
		return;
	session->failure = *err;
	session->failure.code = code;
}

void ph_session_set_outcome(struct ph_session *session, struct ph_reason reason)
{
	struct ph_reason before = session->outcome;

	if (reason.thread)
		ph_thread_ref(reason.thread);
	if (reason.breakpoint)
		ph_breakpoint_ref(reason.breakpoint);
	if (reason.watch)
		ph_watch_ref(reason.watch);
	session->outcome = reason;
	if (before.thread)
		ph_thread_unref(before.thread);
	if (before.breakpoint)
		ph_breakpoint_unref(before.breakpoint);
	if (before.watch)
		ph_watch_unref(before.watch);
}

void ph_session_stop(struct ph_session *session)
{
	if (session->in_run && !ph_session_is_done(session))
		ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_STOP, .event = PH_EVENT_COUNT });
}

struct ph_reason ph_session_reason(const struct ph_session *session)
{
	return session->outcome;
}

void ph_session_end(struct ph_session *session, struct ph_reason reason)
{
	if (session->ended)
		return;
	session->ended = true;
	session->has_orphans = true;
	ph_session_set_outcome(session, reason);
	ph_cpu_leave(session->tracer);
	ph_list_remove(&session->in_tracer);
	if (ph_list_is_empty(&session->tracer->sessions))
		ph_tracer_forget_dead_strays(session->tracer);
	session->tracer = NULL;
}
