#include "engine/session.h"

#include <errno.h>
#include <stdlib.h>

#include "os/fault.h"

int ph_session_new(struct ph_tracer *tracer, bool spawned, struct ph_session **ret)
{
	struct ph_session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->users = session->refs = 1;
	session->tracer = tracer;
	session->spawned = spawned;
	session->policy.exitkill = true;
	session->policy.cpu = PH_CPU_AUTO;
	session->next_id = session->next_watch = session->next_serial = 1;
	session->calls.next_serial = 1;
	ph_list_init(&session->processes);
	ph_list_init(&session->breakpoints);
	ph_list_init(&session->watches);
	ph_list_init(&session->patches);
	ph_list_init(&session->snapshots);
	ph_list_init(&session->untils);
	ph_list_init(&session->sleepers);
	for (int i = 0; i < PH_EVENT_COUNT; i++)
		ph_list_init(&session->handlers[i]);
	ph_list_add_tail(&tracer->sessions, &session->in_tracer);
	*ret = session;
	return 0;
}

void ph_session_hold(struct ph_session *session)
{
	session->refs++;
}

void ph_session_drop(struct ph_session *session)
{
	if (--session->refs == 0)
		free(session);
}

struct ph_session *ph_session_ref(struct ph_session *session)
{
	session->users++;
	session->refs++;
	return session;
}

int ph_session_check(const struct ph_session *session, const char *op, struct ph_err *err)
{
	if (!session->ended)
		return 0;
	return ph_err_say(err, -ESRCH, op, "the session has ended: its target is gone or was let go");
}

bool ph_session_has_ended(const struct ph_session *session)
{
	return session->ended;
}

struct ph_process *ph_session_process(const struct ph_session *session)
{
	return session->target;
}

struct ph_stats ph_session_stats(const struct ph_session *session)
{
	struct ph_stats stats = session->stats;

	stats.syscalls = ph_os_calls.made;
	return stats;
}

struct ph_policy ph_session_policy(const struct ph_session *session)
{
	return session->policy;
}
