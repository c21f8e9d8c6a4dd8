/*
 * run - the loop: one wait, one dispatch, until the session's run is over. Its functions are the public ones.
 *
 * Serves one session. Statuses of others that come meanwhile stay pending with them, but for ends, which nothing can
 * put off. Runs nest: a callback of one session may run another.
 */
#ifndef PH_ENGINE_RUN_H
#define PH_ENGINE_RUN_H

#include "engine/session.h"

/* Ends a session as its kind demands: spawned: killed; attached: let go. */
void ph_run_close(struct ph_session *session);

#endif
