#include "engine/handler.h"

#include <errno.h>
#include <stdlib.h>

#include "os/ptrace.h"

struct ph_handler {
	unsigned int refs;
	struct ph_session *session;	/* while in_list */
	struct ph_list in_session;
	enum ph_event_kind kind;
	uint64_t signals;
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
	struct ph_steps_options steps;	/* PH_EVENT_INSTRUCTION: which ones */
	bool enabled, removed;
	bool in_list;	/* the list holds a reference */
	struct ph_call_set *calls;	/* owned; PH_EVENT_SYSCALL */
	bool enter, leave;
	uint32_t serial;
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
		.refs = 2, .session = session, .kind = kind, .signals = signals, .fn = fn, .user = user, .user_free = user_free,
		.enabled = true, .in_list = true,
	};
	session->wants_loader |= kind == PH_EVENT_LOAD || kind == PH_EVENT_UNLOAD;
	ph_list_add_tail(&session->handlers[kind], &handler->in_session);
	*ret = handler;
	return 0;
}

/* ---- System calls */

int ph_handler_add_calls(struct ph_session *session, struct ph_call_set *calls, bool enter, bool leave, ph_event_fn fn,
			 void *user, void (*user_free)(void *user), struct ph_handler **ret)
{
	int r = ph_handler_add(session, PH_EVENT_SYSCALL, 0, fn, user, user_free, ret);

	if (r < 0) {
		free(calls);
		return r;
	}
	(*ret)->calls = calls;
	(*ret)->enter = enter;
	(*ret)->leave = leave;
	(*ret)->serial = session->calls.next_serial++;
	ph_handler_update_calls(session);
	return 0;
}

struct ph_call_wish ph_handler_wish(const struct ph_session *session, enum ph_abi abi, uint64_t number)
{
	struct ph_call_wish wish = { 0 };
	const struct ph_handler *handler;

	ph_list_each(handler, &session->handlers[PH_EVENT_SYSCALL], struct ph_handler, in_session) {
		if (!handler->enabled || !ph_call_set_has(handler->calls, abi, number))
			continue;
		wish.enter |= handler->enter;
		wish.leave |= handler->leave;
	}
	return wish;
}

void ph_handler_union(const struct ph_session *session, struct ph_call_set *ret)
{
	const struct ph_handler *handler;

	ph_list_each(handler, &session->handlers[PH_EVENT_SYSCALL], struct ph_handler, in_session)
		ph_call_set_merge(ret, handler->calls);
}

static bool needs_every(const struct ph_session *session)
{
	const struct ph_session_calls *calls = &session->calls;
	const struct ph_handler *handler;

	if (session->policy.strip_untraced && !calls->filtered)
		return true;
	if (!ph_list_is_empty(&session->snapshots)) {
		struct ph_call_set ends = { 0 };

		ph_call_set_add_ends(&ends);
		if (!calls->filtered || !ph_call_set_covers(&calls->filter, &ends))
			return true;
	}
	ph_list_each(handler, &session->handlers[PH_EVENT_SYSCALL], struct ph_handler, in_session)
		if (handler->enabled && !handler->removed &&
		    (!calls->filtered || !ph_call_set_covers(&calls->filter, handler->calls)))
			return true;
	return false;
}

/* Threads that run would pass their calls unseen until something else stops them. */
static void interrupt_running(const struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (!process->silent && thread->state == PH_THREAD_RUNNING && !thread->in_vfork)
				ph_os_interrupt(thread->tid);
}

void ph_handler_update_calls(struct ph_session *session)
{
	bool before = session->calls.every;

	session->calls.every = needs_every(session);
	if (session->calls.every && !before)
		interrupt_running(session);
}

static void update_if_calls(const struct ph_handler *handler)
{
	if (handler->in_list && handler->kind == PH_EVENT_SYSCALL)
		ph_handler_update_calls(handler->session);
}

struct ph_handler *ph_handler_ref(struct ph_handler *handler)
{
	handler->refs++;
	return handler;
}

void ph_handler_unref(struct ph_handler *handler)
{
	if (!handler || --handler->refs)
		return;
	if (handler->user_free)
		handler->user_free(handler->user);
	free(handler->calls);
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
	update_if_calls(handler);
	leave_list(handler);
	return 0;
}

int ph_handler_enable(struct ph_handler *handler, bool enabled)
{
	if (handler->removed)
		return -ENOENT;
	handler->enabled = enabled;
	update_if_calls(handler);
	return 0;
}

bool ph_handler_wanted(const struct ph_session *session, enum ph_event_kind kind)
{
	return !ph_list_is_empty(&session->handlers[kind]);
}

/* A hook that was added inside the call does not see it return. */
static bool takes_call(const struct ph_handler *handler, const struct ph_event *event)
{
	const struct ph_call *call = &event->thread->call;

	return (event->leave ? handler->leave && handler->serial < call->serial : handler->enter) &&
	       ph_call_set_has(handler->calls, (enum ph_abi)call->view.abi, call->number);
}

static bool takes(const struct ph_handler *handler, const struct ph_event *event)
{
	if (handler->removed || !handler->enabled)
		return false;
	if (event->kind == PH_EVENT_SYSCALL)
		return takes_call(handler, event);
	if (event->kind == PH_EVENT_INSTRUCTION)
		return event->address >= handler->steps.from && event->address < handler->steps.to &&
		       (!handler->steps.thread || handler->steps.thread == event->thread->tid) &&
		       (event->jumped || !handler->steps.branches);
	return !handler->signals || !event->siginfo || (handler->signals >> (event->siginfo->si_signo - 1) & 1);
}

void ph_handler_emit(struct ph_session *session, const struct ph_event *event, struct ph_plan *plan)
{
	struct ph_handler *handler, *few[8], **frozen = few;
	size_t n = 0, room = 0;

	ph_list_each(handler, &session->handlers[event->kind], struct ph_handler, in_session)
		room++;
	if (room > sizeof(few) / sizeof(few[0]))
		frozen = calloc(room, sizeof(*frozen));
	if (!frozen)
		return;
	ph_list_each(handler, &session->handlers[event->kind], struct ph_handler, in_session) {
		handler->refs++;
		frozen[n++] = handler;
	}
	for (size_t i = 0; i < n; i++) {
		if (takes(frozen[i], event)) {
			struct ph_event own = *event;
			struct ph_action action;

			own.handler = frozen[i];
			action = frozen[i]->fn(&own, frozen[i]->user);

			if (action.kind == PH_REMOVE && !frozen[i]->removed)
				ph_handler_remove(frozen[i]);
			ph_plan_add(plan, action);
		}
		ph_handler_unref(frozen[i]);
	}
	if (frozen != few)
		free(frozen);
}

void ph_handler_limit(struct ph_handler *handler, const struct ph_steps_options *options)
{
	handler->steps = *options;
}

bool ph_handler_wants_branches(const struct ph_session *session)
{
	const struct ph_handler *handler;

	ph_list_each(handler, &session->handlers[PH_EVENT_INSTRUCTION], struct ph_handler, in_session)
		if (handler->steps.branches && handler->enabled && !handler->removed)
			return true;
	return false;
}

bool ph_handler_steps_thread(const struct ph_thread *thread)
{
	struct ph_handler *handler;

	ph_list_each(handler, &thread->process->session->handlers[PH_EVENT_INSTRUCTION], struct ph_handler, in_session)
		if (handler->enabled && !handler->removed && (!handler->steps.thread || handler->steps.thread == thread->tid))
			return !thread->process->silent;
	return thread->process->session->n_soft && !thread->process->silent;
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
