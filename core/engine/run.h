/*
 * run - the loop: one wait, one dispatch, until the session's run is over. Its functions are the public ones.
 *
 * Serves one session, or several, and watched descriptors. Statuses of other sessions that come meanwhile stay pending with
 * them, but for ends, which nothing can put off. Runs nest: a callback of one session may run another.
 */
#ifndef PH_ENGINE_RUN_H
#define PH_ENGINE_RUN_H

#include "engine/session.h"

/*
 * Serves the session, whose threads go on, until is_over says so or its run is over; leaves its threads as they are. 0,
 * -ETIMEDOUT, -EINTR, or what a wait gave.
 */
int ph_run_until(struct ph_session *session, bool (*is_over)(void *), void *user, int64_t deadline,
		 struct ph_err *err);

/* Ends a session as its kind demands: spawned: killed; attached: let go. */
void ph_run_close(struct ph_session *session);

#endif
