#include "engine/handler.h"

#include <errno.h>
#include <stdlib.h>

struct ph_handler {
	unsigned int refs;
	struct ph_list in_session;
	enum ph_event_kind kind;
	uint64_t signals;
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
	bool enabled, removed;
	bool in_list;	/* the list holds a reference */
};

int ph_handler_add(struct ph_session *session, enum ph_event_kind kind, uint64_t signals, ph_event_fn fn, void *user,
		   void (*user_free)(void *user), struct ph_handler **ret)
{
	struct ph_handler *handler;

	if (session->ended)
		return -ESRCH;
	handler = calloc(1, sizeof(*handler));
	if (!handler)
		return -ENOMEM;
	*handler = (struct ph_handler){
		.refs = 2, .kind = kind, .signals = signals, .fn = fn, .user = user, .user_free = user_free,
		.enabled = true, .in_list = true,
	};
	session->wants_loader |= kind == PH_EVENT_LOAD || kind == PH_EVENT_UNLOAD;
	ph_list_add_tail(&session->handlers[kind], &handler->in_session);
	*ret = handler;
	return 0;
}

void ph_handler_unref(struct ph_handler *handler)
{
	if (!handler || --handler->refs)
		return;
	if (handler->user_free)
		handler->user_free(handler->user);
	free(handler);
}

/* ph_handler_emit holds its own array of references, so the list is free to change under it. */
static void leave_list(struct ph_handler *handler)
{
	if (!handler->in_list)
		return;
	handler->in_list = false;
	ph_list_remove(&handler->in_session);
	ph_handler_unref(handler);
}

int ph_handler_remove(struct ph_handler *handler)
{
	if (handler->removed)
		return -ENOENT;
	handler->removed = true;
	leave_list(handler);
	return 0;
}

int ph_handler_enable(struct ph_handler *handler, bool enabled)
{
	if (handler->removed)
		return -ENOENT;
	handler->enabled = enabled;
	return 0;
}

bool ph_handler_wanted(const struct ph_session *session, enum ph_event_kind kind)
{
	return !ph_list_is_empty(&session->handlers[kind]);
}

static bool takes(const struct ph_handler *handler, const struct ph_event *event)
{
	if (handler->removed || !handler->enabled)
		return false;
	return !handler->signals || !event->siginfo || (handler->signals >> (event->siginfo->si_signo - 1) & 1);
}

void ph_handler_emit(struct ph_session *session, const struct ph_event *event, struct ph_plan *plan)
{
	struct ph_handler *handler, **frozen;
	size_t n = 0, room = 0;

	ph_list_each(handler, &session->handlers[event->kind], struct ph_handler, in_session)
		room++;
	frozen = room ? calloc(room, sizeof(*frozen)) : NULL;
	if (!frozen)
		return;
	ph_list_each(handler, &session->handlers[event->kind], struct ph_handler, in_session) {
		handler->refs++;
		frozen[n++] = handler;
	}
	for (size_t i = 0; i < n; i++) {
		if (takes(frozen[i], event)) {
			struct ph_action action = frozen[i]->fn(event, frozen[i]->user);

			if (action.kind == PH_REMOVE && !frozen[i]->removed)
				ph_handler_remove(frozen[i]);
			ph_plan_add(plan, action);
		}
		ph_handler_unref(frozen[i]);
	}
	free(frozen);
}

void ph_handler_drop_all(struct ph_session *session)
{
	for (int kind = 0; kind < PH_EVENT_COUNT; kind++) {
		struct ph_handler *handler;

		ph_list_each(handler, &session->handlers[kind], struct ph_handler, in_session) {
			handler->removed = true;
			leave_list(handler);
		}
	}
}
