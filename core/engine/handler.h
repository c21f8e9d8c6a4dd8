/*
 * handler - functions that wait for events other than breakpoints.
 *
 * Emission goes over the list as it stood when the event came: handlers added meanwhile wait for the next one, removed
 * ones are skipped at once and freed when nobody walks the list any more. Counted by the list and by whoever added it.
 */
#ifndef PH_ENGINE_HANDLER_H
#define PH_ENGINE_HANDLER_H

#include "engine/plan.h"
#include "engine/thread.h"

bool ph_handler_wanted(const struct ph_session *session, enum ph_event_kind kind);

/* Calls every handler of the event's kind; what they want is added to plan. */
void ph_handler_emit(struct ph_session *session, const struct ph_event *event, struct ph_plan *plan);

/* At the session's end: every one out. */
void ph_handler_drop_all(struct ph_session *session);

#endif
