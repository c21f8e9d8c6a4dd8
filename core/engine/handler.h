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

/*
 * A hook of system calls; calls passes to it, also on failure. Whom it wants to see changes how threads are resumed.
 */
int ph_handler_add_calls(struct ph_session *session, struct ph_call_set *calls, bool enter, bool leave, ph_event_fn fn,
			 void *user, void (*user_free)(void *user), struct ph_handler **ret);

/* Which of its stops some hook wants of this call. */
struct ph_call_wish {
	bool enter, leave;
};
struct ph_call_wish ph_handler_wish(const struct ph_session *session, enum ph_abi abi, uint64_t number);

/* Every call that some hook wants. */
void ph_handler_union(const struct ph_session *session, struct ph_call_set *ret);

/* Hooks, the filter or the policy changed: whether every call has to stop. */
void ph_handler_update_calls(struct ph_session *session);
struct ph_handler *ph_handler_ref(struct ph_handler *handler);

bool ph_handler_wanted(const struct ph_session *session, enum ph_event_kind kind);

/* Calls every handler of the event's kind; what they want is added to plan. */
void ph_handler_emit(struct ph_session *session, const struct ph_event *event, struct ph_plan *plan);

/* PH_EVENT_INSTRUCTION: which ones the handler, just added, is for. */
void ph_handler_limit(struct ph_handler *handler, const struct ph_steps_options *options);

/* Some handler wants to know which instructions a thread has jumped to. */
bool ph_handler_wants_branches(const struct ph_session *session);

/* The same, where the session has a handler of instructions or a soft watch. */
bool ph_handler_steps_thread(const struct ph_thread *thread);

/* Some handler, or a soft watch, wants instructions of this thread. */
static inline bool ph_handler_steps(const struct ph_thread *thread)
{
	const struct ph_session *session = thread->process->session;

	return (session->n_soft || !ph_list_is_empty(&session->handlers[PH_EVENT_INSTRUCTION])) &&
	       ph_handler_steps_thread(thread);
}

/* At the session's end: every one out. */
void ph_handler_drop_all(struct ph_session *session);

#endif
