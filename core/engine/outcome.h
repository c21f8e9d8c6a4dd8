/*
 * outcome - why a run returns, and the end of a session.
 *
 * A session has one outcome at a time and one failure, which is stronger. Whoever sees a reason sets it; run.c looks
 * (ph_session_is_done) and returns. Above threads, breakpoints and watchpoints, as a reason names them.
 */
#ifndef PH_ENGINE_OUTCOME_H
#define PH_ENGINE_OUTCOME_H

#include "engine/session.h"

/* Keeps the thread, the breakpoint and the watchpoint that the reason names until the next one. */
void ph_session_set_outcome(struct ph_session *session, struct ph_reason reason);

/* The run ends with this; the first failure is the one that it returns. */
void ph_session_fail(struct ph_session *session, int code, const struct ph_err *err);

/* Marks the session ended with this reason and takes it out of the tracer. Its processes must be gone. */
void ph_session_end(struct ph_session *session, struct ph_reason reason);

#endif
