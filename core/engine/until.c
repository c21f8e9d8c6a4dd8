#include "engine/until.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/breakpoint.h"
#include "engine/caller.h"
#include "engine/decode.h"
#include "engine/destination.h"
#include "engine/handler.h"
#include "engine/outcome.h"
#include "engine/returns.h"
#include "engine/tripwire.h"
#include "os/wait.h"
#include "x86/insn.h"

struct ph_until {
	unsigned int refs;		/* the session's, while it waits, and snapshots' */
	struct ph_list in_session;
	struct ph_list in_steppers;	/* of its thread */
	struct ph_list in_sleepers;	/* of its session */
	struct ph_event event;		/* counted: thread, breakpoint, watch, handler */
	enum ph_until_kind kind;
	uint64_t left;			/* instructions */
	int64_t deadline;
	ph_addr base;			/* returned, stepping: rsp where it began; the function's return is not below */
	bool at_return;			/* … and the instruction that is stepped is that */
	struct ph_return call;
	bool awaits;			/* call is in the thread's returns */
	struct ph_destination place;
	ph_until_fn fn;
	void *user;
	void (*user_free)(void *user);
};

static void stop_stepping(struct ph_until *until)
{
	ph_list_remove(&until->in_steppers);
}

static void start_stepping(struct ph_until *until)
{
	ph_list_add_tail(&until->event.thread->steppers, &until->in_steppers);
}

/* Out of every list: nothing tells it any more. */
static void detach(struct ph_until *until)
{
	struct ph_thread *thread = until->event.thread;

	ph_list_remove(&until->in_session);
	stop_stepping(until);
	if (!ph_list_is_empty(&until->in_sleepers)) {
		ph_list_remove(&until->in_sleepers);
		thread->n_sleepers--;
	}
	if (until->awaits)
		ph_return_cancel(thread, &until->call);
	until->awaits = false;
	ph_destination_close(&until->place, thread->process);
}

static void release(struct ph_until *until)
{
	if (--until->refs)
		return;
	if (until->user_free)
		until->user_free(until->user);
	ph_breakpoint_unref(until->event.breakpoint);
	ph_watch_unref(until->event.watch);
	ph_handler_unref(until->event.handler);
	ph_thread_unref(until->event.thread);
	free(until);
}

void ph_until_cancel(struct ph_until *until)
{
	detach(until);
	release(until);
}

/* What the callback wants, late, of what only the caller of callbacks knows at once. */
static void apply(const struct ph_event *event, struct ph_action action, struct ph_plan *plan)
{
	struct ph_session *session = event->session;

	if (action.kind == PH_REMOVE && event->breakpoint && !event->breakpoint->removed)
		ph_breakpoint_remove(event->breakpoint, NULL);
	if (action.kind == PH_REMOVE && event->watch)
		ph_watch_remove(event->watch, NULL);
	if (action.kind == PH_REMOVE && event->handler)
		ph_handler_remove(event->handler);
	/* The plan does not know whose stop it is. */
	if (action.kind == PH_STOP && session->outcome.kind == PH_REASON_NONE) {
		ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_STOP, .event = event->kind,
								    .thread = event->thread,
								    .breakpoint = event->breakpoint, .watch = event->watch });
		ph_session_select(session, event->thread);
	}
	ph_plan_add(plan, action);
}

static void complete(struct ph_until *until, enum ph_until_end end, struct ph_plan *plan)
{
	struct ph_session *session = until->event.session;

	detach(until);
	ph_session_hold(session);
	if (!session->ended && until->event.thread->state == PH_THREAD_STOPPED)
		ph_session_select(session, until->event.thread);
	apply(&until->event, until->fn(&until->event, end, until->user), plan);
	release(until);
	ph_session_drop(session);
}

/* ---- Returns */

static const enum ph_until_end ends[] = {
	[PH_RETURN_DONE] = PH_UNTIL_DONE,
	[PH_RETURN_UNWOUND] = PH_UNTIL_UNWOUND,
	[PH_RETURN_DROPPED] = PH_UNTIL_GONE,
};

static void on_own_return(struct ph_return *call, enum ph_return_end end, struct ph_plan *plan)
{
	struct ph_until *until = PH_LIST_OF(call, struct ph_until, call);

	until->awaits = false;
	complete(until, ends[end], plan);
}

static int await(struct ph_until *until, ph_addr addr, ph_addr stack, ph_return_fn fn, struct ph_err *err)
{
	int r;

	until->call.addr = addr;
	until->call.stack = stack;
	r = ph_return_await(until->event.thread, &until->call, fn, err);
	until->awaits = r >= 0;
	return r;
}

/* The instruction at rip, whatever of ours stands there. */
static int decode(struct ph_thread *thread, struct ph_insn *ret, struct ph_err *err)
{
	int r = ph_thread_regs_fetch(thread, err);

	return r < 0 ? r : ph_decode_at(thread, thread->view.regs.rip, ret, err);
}

/* A call that comes back; "call next", which is how old code reads rip, does not. */
static bool is_real_call(const struct ph_insn *insn, ph_addr rip)
{
	return insn->is_call && !(insn->is_direct && ph_insn_target(insn, rip) == rip + insn->length);
}

static void on_inner_return(struct ph_return *call, enum ph_return_end end, struct ph_plan *plan);

/* The next piece of the way to the function's own return: an instruction, or a whole call. */
static void walk(struct ph_until *until)
{
	struct ph_thread *thread = until->event.thread;
	const struct user_regs_struct *regs = &thread->view.regs;
	struct ph_insn insn;

	stop_stepping(until);
	if (decode(thread, &insn, NULL) >= 0) {
		until->at_return = insn.is_ret && regs->rsp >= until->base;
		if (is_real_call(&insn, regs->rip) &&
		    await(until, regs->rip + insn.length, regs->rsp, on_inner_return, NULL) >= 0)
			return;
	}
	start_stepping(until);
}

static void on_inner_return(struct ph_return *call, enum ph_return_end end, struct ph_plan *plan)
{
	struct ph_until *until = PH_LIST_OF(call, struct ph_until, call);

	until->awaits = false;
	if (end == PH_RETURN_DONE)
		walk(until);
	else
		complete(until, ends[end], plan);
}

/* True: it is done; else it waits on. */
static bool has_stepped(struct ph_until *until)
{
	if (until->kind != PH_UNTIL_RETURNED) {
		if (--until->left == 0)
			return true;
		start_stepping(until);
		return false;
	}
	if (until->at_return)
		return true;
	walk(until);
	return false;
}

void ph_until_stepped(struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_list now, done;
	struct ph_until *until;

	/* Out of the list before anyone is told: callbacks wait for their next steps in it, as those do that go on. */
	ph_list_init(&now);
	ph_list_init(&done);
	while (!ph_list_is_empty(&thread->steppers)) {
		until = PH_LIST_OF(thread->steppers.next, struct ph_until, in_steppers);
		stop_stepping(until);
		ph_list_add_tail(&now, &until->in_steppers);
	}
	while (!ph_list_is_empty(&now)) {
		until = PH_LIST_OF(now.next, struct ph_until, in_steppers);
		stop_stepping(until);
		if (has_stepped(until))
			ph_list_add_tail(&done, &until->in_steppers);
	}
	while (!ph_list_is_empty(&done))
		complete(PH_LIST_OF(done.next, struct ph_until, in_steppers), PH_UNTIL_DONE, plan);
}

static void move_all(struct ph_list *from, struct ph_list *to)
{
	while (!ph_list_is_empty(from)) {
		struct ph_list *node = from->next;

		ph_list_remove(node);
		ph_list_add_tail(to, node);
	}
}

static enum ph_event_kind on_rounds(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	if (tripwire->data[0] != (uintptr_t)thread)
		return PH_EVENT_BREAKPOINT;
	ph_tripwire_remove(tripwire, thread->process);
	move_all(&thread->rounds, &thread->steppers);
	ph_until_stepped(thread, plan);
	return PH_EVENT_BREAKPOINT;
}

bool ph_until_run_rounds(struct ph_thread *thread, ph_addr next)
{
	struct ph_tripwire *tripwire;

	if (ph_tripwire_add(thread->process, next, on_rounds, &tripwire, NULL) < 0)
		return false;
	tripwire->data[0] = (uintptr_t)thread;
	move_all(&thread->steppers, &thread->rounds);
	return true;
}

static void on_handler_return(struct ph_return *call, enum ph_return_end end, struct ph_plan *plan)
{
	struct ph_until *until = PH_LIST_OF(call, struct ph_until, call);

	until->awaits = false;
	if (end == PH_RETURN_DONE)
		start_stepping(until);
	else
		complete(until, ends[end], plan);
}

void ph_until_run_handler(struct ph_thread *thread)
{
	const struct user_regs_struct *regs = &thread->view.regs;
	struct ph_list now;

	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	ph_list_init(&now);
	move_all(&thread->steppers, &now);
	while (!ph_list_is_empty(&now)) {
		struct ph_until *until = PH_LIST_OF(now.next, struct ph_until, in_steppers);

		stop_stepping(until);
		if (await(until, regs->rip, regs->rsp, on_handler_return, NULL) < 0)
			start_stepping(until);
	}
}

/* ---- Places */

static enum ph_event_kind on_place(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_until *until = (struct ph_until *)(uintptr_t)tripwire->data[0];

	if (until->event.thread == thread)
		complete(until, PH_UNTIL_DONE, plan);
	return PH_EVENT_BREAKPOINT;
}

static void retry(struct ph_process *process)
{
	struct ph_until *until;

	ph_list_each(until, &process->session->untils, struct ph_until, in_session)
		if (until->event.thread->process == process)
			ph_destination_retry(&until->place, process, retry);
}

static int await_place(struct ph_until *until, const struct ph_until_options *options, struct ph_err *err)
{
	return ph_destination_open(&until->place, until->event.thread->process, options->where, options->address, on_place,
				   (uintptr_t)until, retry, err);
}

/* ---- All of them */

static int begin_return(struct ph_until *until, const struct ph_until_options *options, struct ph_err *err)
{
	struct ph_thread *thread = until->event.thread;
	bool at_entry = options->kind == PH_UNTIL_CALL_RETURNED;
	ph_addr addr = at_entry ? options->address : 0, rsp = thread->view.regs.rsp;
	int r = 0;

	if (!at_entry && !ph_caller_is_at_entry(thread)) {
		if (ph_caller_find(thread, &addr, &rsp))
			return await(until, addr, rsp, on_own_return, err);
		until->base = rsp;
		walk(until);
		return 0;
	}
	if (!addr)
		r = ph_space_read(thread->process->space, thread->tid, rsp, &addr, sizeof(addr), err);
	return r < 0 ? r : await(until, addr, rsp + sizeof(addr), on_own_return, err);
}

static int begin_step_over(struct ph_until *until)
{
	struct ph_thread *thread = until->event.thread;
	const struct user_regs_struct *regs = &thread->view.regs;
	struct ph_insn insn;

	until->left = 1;
	if (decode(thread, &insn, NULL) >= 0 && is_real_call(&insn, regs->rip))
		return await(until, regs->rip + insn.length, regs->rsp, on_own_return, NULL);
	start_stepping(until);
	return 0;
}

static int begin(struct ph_until *until, const struct ph_until_options *options, struct ph_err *err)
{
	struct ph_thread *thread = until->event.thread;
	int r = options->kind == PH_UNTIL_TIME ? 0 : ph_thread_regs_fetch(thread, err);

	if (r < 0)
		return r;
	switch (options->kind) {
	case PH_UNTIL_STEPPED:
		until->left = options->n;
		start_stepping(until);
		return 0;
	case PH_UNTIL_STEPPED_OVER:
		return begin_step_over(until);
	case PH_UNTIL_RETURNED:
	case PH_UNTIL_CALL_RETURNED:
		return begin_return(until, options, err);
	case PH_UNTIL_PLACE:
		return await_place(until, options, err);
	case PH_UNTIL_TIME:
		until->deadline = ph_os_now() + (int64_t)(options->n < INT64_MAX / 2 ? options->n : INT64_MAX / 2);
		ph_list_add_tail(&until->event.session->sleepers, &until->in_sleepers);
		thread->n_sleepers++;
		return 0;
	}
	return -EINVAL;
}

static int check_thread(const struct ph_event *event, struct ph_err *err)
{
	const struct ph_thread *thread = event->thread;
	int r = ph_session_check(event->session, "wait", err);

	if (r < 0)
		return r;
	if (!thread)
		return ph_err_say(err, -ESRCH, "wait", "no thread is left that this event could go on with");
	if (thread->state == PH_THREAD_ENDED || thread->state == PH_THREAD_EXITING || thread->exit_told)
		return ph_err_say(err, -ESRCH, "wait", "thread %d has ended", thread->tid);
	if (thread->state != PH_THREAD_STOPPED)
		return ph_err_say(err, -EBUSY, "wait", "thread %d is running", thread->tid);
	return 0;
}

int ph_thread_until(const struct ph_event *event, const struct ph_until_options *options, ph_until_fn fn, void *user,
		    struct ph_until **ret, struct ph_err *err)
{
	struct ph_until *until;
	int r = check_thread(event, err);

	if (r < 0)
		return r;
	until = calloc(1, sizeof(*until));
	if (!until)
		return ph_err_set(err, -ENOMEM, "wait");
	until->event = *event;
	until->event.siginfo = NULL;
	until->event.path = NULL;
	until->event.child = NULL;
	until->kind = options->kind;
	until->refs = 1;
	until->fn = fn;
	until->user = user;
	ph_thread_ref(event->thread);
	if (event->breakpoint)
		ph_breakpoint_ref(event->breakpoint);
	if (event->watch)
		ph_watch_ref(event->watch);
	if (event->handler)
		ph_handler_ref(event->handler);
	ph_list_add_tail(&event->session->untils, &until->in_session);
	ph_list_init(&until->in_steppers);
	ph_list_init(&until->in_sleepers);
	r = begin(until, options, err);
	if (r < 0) {
		ph_until_cancel(until);
		return r;
	}
	until->user_free = options->user_free;
	if (ret)
		*ret = until;
	return 0;
}

void ph_until_leaving(struct ph_thread *thread, bool exits, struct ph_plan *plan)
{
	struct ph_session *session = thread->process->session;
	struct ph_until *until;
	bool found;

	if (ph_list_is_empty(&session->untils))
		return;
	/* On less of the stack than a call: that was over before. */
	if (thread->returns.n && exits && ph_thread_regs_fetch(thread, NULL) >= 0)
		ph_returns_look(thread, plan);
	ph_returns_drop(thread, plan);
	do {
		found = false;
		ph_list_each(until, &session->untils, struct ph_until, in_session) {
			if (until->event.thread != thread || (!exits && until->kind != PH_UNTIL_PLACE))
				continue;
			complete(until, PH_UNTIL_GONE, plan);
			/* Callbacks change the list. */
			found = true;
			break;
		}
	} while (found);
}

void ph_until_wake(struct ph_until *until)
{
	if (until->kind == PH_UNTIL_TIME)
		until->deadline = 0;
}

/* ---- Snapshots */

static bool may_wait_again(const struct ph_until *until)
{
	return until->user_free && until->kind == PH_UNTIL_CALL_RETURNED;
}

int ph_untils_keep(struct ph_thread *thread, struct ph_until ***ret, size_t *ret_n)
{
	const struct ph_returns *returns = &thread->returns;
	struct ph_until **kept = returns->n ? calloc(returns->n, sizeof(struct ph_until *)) : NULL;

	if (returns->n && !kept)
		return -ENOMEM;
	*ret = kept;
	*ret_n = 0;
	for (size_t i = 0; i < returns->n; i++) {
		struct ph_until *until;

		if (returns->all[i]->fn != on_own_return)
			continue;
		until = PH_LIST_OF(returns->all[i], struct ph_until, call);
		if (!may_wait_again(until))
			continue;
		until->refs++;
		kept[(*ret_n)++] = until;
	}
	return 0;
}

void ph_untils_forget(struct ph_until **untils, size_t n)
{
	for (size_t i = 0; i < n; i++)
		release(untils[i]);
	free(untils);
}

/* All of them first, so that the list is in the order of the stack again. */
int ph_untils_rewind(struct ph_thread *thread, struct ph_until *const *untils, size_t n, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;

	for (size_t i = thread->returns.n; i-- > 0;) {
		struct ph_until *until = PH_LIST_OF(thread->returns.all[i], struct ph_until, call);

		if (thread->returns.all[i]->fn != on_own_return || !may_wait_again(until))
			continue;
		detach(until);
		release(until);
	}
	for (size_t i = 0; i < n; i++) {
		int r = await(untils[i], untils[i]->call.addr, untils[i]->call.stack, on_own_return, err);

		if (r < 0)
			return r;
		untils[i]->refs++;
		ph_list_add_tail(&session->untils, &untils[i]->in_session);
	}
	return 0;
}

int64_t ph_until_next(const struct ph_session *session)
{
	int64_t next = PH_WAIT_FOREVER;
	struct ph_until *until;

	ph_list_each(until, &session->sleepers, struct ph_until, in_sleepers)
		if (next == PH_WAIT_FOREVER || until->deadline < next)
			next = until->deadline;
	return next;
}

bool ph_until_expire(struct ph_session *session, struct ph_thread **ret_thread, struct ph_plan *plan)
{
	int64_t now = ph_list_is_empty(&session->sleepers) ? 0 : ph_os_now();
	struct ph_until *until;

	ph_list_each(until, &session->sleepers, struct ph_until, in_sleepers) {
		if (until->deadline > now)
			continue;
		*ret_thread = ph_thread_ref(until->event.thread);
		complete(until, PH_UNTIL_DONE, plan);
		return true;
	}
	return false;
}

void ph_untils_reap(struct ph_session *session, struct ph_plan *plan)
{
	struct ph_until *until;
	bool found;

	if (!session->has_orphans)
		return;
	session->has_orphans = false;
	do {
		found = false;
		ph_list_each(until, &session->untils, struct ph_until, in_session) {
			if (until->event.thread->state != PH_THREAD_ENDED && !session->ended)
				continue;
			complete(until, session->ended ? PH_UNTIL_ENDED : PH_UNTIL_GONE, plan);
			found = true;
			break;
		}
	} while (found);
}
