/*
 * usual - the hit that asks for nothing more: its thread goes on at once, by the copy of the site's instruction.
 *
 * What resume.h does for a stop is a row of questions, which for such a hit are all answered with no; asked one after the
 * other, through as many functions, they take a third of what a hit costs us. Whoever adds one there adds it here.
 */
#ifndef PH_ENGINE_USUAL_H
#define PH_ENGINE_USUAL_H

#include "engine/handler.h"
#include "engine/plan.h"
#include "engine/session.h"
#include "engine/thread.h"
#include "engine/until.h"

/* Callbacks want nothing of the thread, and nobody wants anything of the session. */
static inline bool ph_usual_plan(const struct ph_session *session, const struct ph_plan *plan)
{
	return !plan->fail && !plan->kill && !plan->detach && !plan->stop && !plan->step && !plan->suppress &&
	       plan->move == PH_CONTINUE && !plan->signal && !session->wants_kill && !session->wants_detach &&
	       !ph_session_is_done(session);
}

/* No signal, no step, no pass waits for it: it goes on freely, from a call to its exit if need be. */
static inline bool ph_usual_thread(const struct ph_thread *thread)
{
	const struct ph_session *session = thread->process->session;

	return thread->state == PH_THREAD_STOPPED && !thread->unusual && !thread->stop_signal && !thread->rewound &&
	       !ph_thread_has_pending(thread) && !ph_until_steps(thread) && !ph_until_stays(thread) &&
	       !thread->step.ended && !thread->pass.active && !thread->xstate_dirty &&
	       thread->armed.version == thread->process->hardware.version && !session->n_soft &&
	       ph_list_is_empty(&session->handlers[PH_EVENT_INSTRUCTION]) &&
	       (!session->wants_loader || thread->process->loader_seen);
}

/* The thread stands at the site, its hooks done. */
static inline bool ph_usual_hit(const struct ph_thread *thread, const struct ph_site *site)
{
	return thread->call.view.phase == PH_CALL_OVER && thread->view.have && thread->view.regs.rip == site->addr &&
	       site->armed && site->way == PH_WAY_COPY && !site->fickle && ph_usual_thread(thread);
}

#endif
