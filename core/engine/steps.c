#include <errno.h>

#include "engine/handler.h"
#include "engine/rearm.h"

int ph_steps_add(struct ph_session *session, const struct ph_steps_options *options, struct ph_handler **ret,
		 struct ph_err *err)
{
	int r = ph_session_check(session, "trace instructions", err);

	if (r < 0)
		return r;
	if (options->from >= options->to)
		return ph_err_say(err, -EINVAL, "trace instructions", "no instruction lies between 0x%llx and 0x%llx: from is "
				  "the first address, to the one behind the last", (unsigned long long)options->from,
				  (unsigned long long)options->to);
	r = ph_handler_add(session, PH_EVENT_INSTRUCTION, 0, options->fn, options->user, options->user_free, ret);
	if (r < 0)
		return ph_err_set(err, r, "trace instructions");
	ph_handler_limit(*ret, options);
	/* Threads that run freely are stopped, and go on step by step. */
	return ph_rearm(session, session->target, err);
}
