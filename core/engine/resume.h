/*
 * resume - threads going on: the only place where that happens (alone.h is the named exception).
 *
 * What a stop still asks for is done first: a pass of a site finished, changed registers written back, a signal
 * delivered, a group stop kept. A thread whose session's run is over stays stopped, and keeps what it still has to do
 * in thread->pass and thread->stop_signal.
 */
#ifndef PH_ENGINE_RESUME_H
#define PH_ENGINE_RESUME_H

#include "engine/plan.h"
#include "engine/thread.h"

void ph_resume(struct ph_thread *thread);

/* The thread stands at the site, and nothing is asked for but that it goes on (usual.h). False: it has to be stepped. */
bool ph_resume_by_copy(struct ph_thread *thread, const struct ph_site *site);

/* Every thread of the session that stands still and has nothing pending. */
void ph_resume_session(struct ph_session *session);

/* Those that a hook had held (rearm.h), now that it is done. */
void ph_resume_held(struct ph_session *session);

/* What callbacks wanted, done; then the thread goes on, unless the session's run is over. */
void ph_resume_plan(struct ph_thread *thread, enum ph_event_kind kind, struct ph_plan *plan,
		    struct ph_breakpoint *breakpoint);

/* For hooks that had waited, wherever the thread has come to: their plan's moves too. */
void ph_resume_late(struct ph_thread *thread, struct ph_plan *plan);

/* Only what concerns the session; thread may be NULL. True when its threads are to stay stopped. */
bool ph_resume_session_plan(struct ph_session *session, struct ph_thread *thread, enum ph_event_kind kind,
			    struct ph_plan *plan, struct ph_breakpoint *breakpoint);

/* Calls the handlers of an event, then does what they wanted. */
void ph_resume_emit(struct ph_thread *thread, const struct ph_event *event);

struct ph_event ph_resume_event(struct ph_thread *thread, enum ph_event_kind kind);

#endif
