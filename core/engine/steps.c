#include <errno.h>

#include "engine/handler.h"
#include "engine/rearm.h"

int ph_steps_add(struct ph_session *session, ph_addr from, ph_addr to, pid_t thread, ph_event_fn fn, void *user,
		 void (*user_free)(void *user), struct ph_handler **ret, struct ph_err *err)
{
	int r = ph_session_check(session, "trace instructions", err);

	if (r < 0)
		return r;
	if (from >= to)
		return ph_err_say(err, -EINVAL, "trace instructions", "no instruction lies between 0x%llx and 0x%llx: from is "
				  "the first address, to the one behind the last", (unsigned long long)from,
				  (unsigned long long)to);
	r = ph_handler_add(session, PH_EVENT_INSTRUCTION, 0, fn, user, user_free, ret);
	if (r < 0)
		return ph_err_set(err, r, "trace instructions");
	ph_handler_limit(*ret, from, to, thread);
	/* Threads that run freely are stopped, and go on step by step. */
	return ph_rearm(session, session->target, err);
}
