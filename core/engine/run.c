#include "engine/run.h"

#include <errno.h>
#include <signal.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/cpu.h"
#include "engine/dispatch.h"
#include "engine/filter.h"
#include "engine/handler.h"
#include "engine/hold.h"
#include "engine/letgo.h"
#include "engine/patch.h"
#include "engine/placing.h"
#include "engine/resume.h"
#include "engine/until.h"
#include "engine/trap.h"
#include "engine/watch.h"
#include "os/wait.h"

#define NS_PER_MS 1000000

/* Hooks whose threads have gone, or whose session has, are told so. */
static void reap_untils(struct ph_session *session)
{
	struct ph_plan plan = { 0 };

	if (!session->has_orphans)
		return;
	ph_untils_reap(session, &plan);
	if (!session->ended)
		ph_resume_session_plan(session, NULL, PH_EVENT_THREAD_EXIT, &plan, NULL);
}

/* The oldest status that waits for this session, or NULL. */
static struct ph_thread *next_pending(const struct ph_session *session)
{
	struct ph_thread *thread;

	ph_list_each(thread, &session->tracer->pending, struct ph_thread, in_pending)
		if (thread->process->session == session)
			return thread;
	return NULL;
}

/* One status off the kernel, to whom it belongs. 0, or what ph_os_wait_any said. */
static int take_status(struct ph_session *session, int64_t deadline)
{
	struct ph_tracer *tracer = session->tracer;
	struct ph_thread *thread;
	int status, tid = ph_os_wait_any(deadline, &status);

	if (tid < 0)
		return tid;
	thread = ph_tracer_find(tracer, tid);
	if (!thread) {
		ph_alone_note_stray(tracer, tid, status);
		return 0;
	}
	ph_cpu_note(tracer, tid, thread->process->session->policy.cpu);
	ph_arrival_note(thread, status);
	if (thread->process->session == session)
		ph_dispatch(thread, status);
	else
		ph_trap_defer(thread, status);
	return 0;
}

static void wake_sleepers(struct ph_session *session)
{
	struct ph_thread *thread;

	while (!ph_session_is_done(session)) {
		struct ph_plan plan = { 0 };

		if (!ph_until_expire(session, &thread, &plan))
			return;
		ph_resume_late(thread, &plan);
		ph_thread_unref(thread);
	}
}

int ph_run_until(struct ph_session *session, bool (*is_over)(void *), void *user, int64_t deadline,
		 struct ph_err *err)
{
	while (!ph_session_is_done(session) && !is_over(user)) {
		struct ph_thread *thread;
		int64_t next;
		int r;

		reap_untils(session);
		wake_sleepers(session);
		if (ph_session_is_done(session))
			break;

		if (ph_tracer_is_interrupted(session->tracer))
			return ph_err_say(err, -EINTR, "run", "interrupted");
		if (session->has_held)
			ph_resume_held(session);
		thread = next_pending(session);
		if (thread) {
			ph_dispatch(thread, ph_thread_take_pending(thread));
			continue;
		}
		next = ph_until_next(session);
		if (next == PH_WAIT_FOREVER || (deadline != PH_WAIT_FOREVER && deadline < next))
			next = deadline;
		r = take_status(session, next);
		if (r == -ETIMEDOUT && next != deadline)
			continue;
		if (r == -ETIMEDOUT)
			return ph_err_set(err, r, "run");
		if (r == -ECHILD)
			return ph_err_say(err, -ESRCH, "run", "the target is gone, and somebody else reaped it");
		if (r < 0 && r != -EINTR)
			return ph_err_set(err, r, "wait for the target");
	}
	return 0;
}

static bool is_never_over(void *user)
{
	(void)user;
	return false;
}

/* Everything out, its functions never called again. */
static void finish(struct ph_session *session, struct ph_reason reason)
{
	ph_breakpoints_retire(session);
	ph_watches_retire(session);
	ph_patches_drop(session);
	ph_handler_drop_all(session);
	ph_session_select(session, NULL);
	ph_session_end(session, reason);
	reap_untils(session);
}

static int let_go(struct ph_session *session, bool stopped)
{
	ph_placing_guess(session);
	ph_let_go_session(session, stopped);
	finish(session, (struct ph_reason){ .kind = PH_REASON_DETACH });
	return 0;
}

int ph_session_run(struct ph_session *session, int64_t timeout_ms, struct ph_reason *ret, struct ph_err *err)
{
	int64_t deadline = PH_WAIT_FOREVER;
	int r;

	if (session->in_run)
		return ph_err_say(err, -EDEADLK, "run", "the session is running already: a hook cannot run its own target");
	if (!session->ended) {
		if (timeout_ms >= 0 && timeout_ms < INT64_MAX / NS_PER_MS / 2)
			deadline = ph_os_now() + timeout_ms * NS_PER_MS;
		session->failure = (struct ph_err){ 0 };
		ph_session_set_outcome(session, (struct ph_reason){ 0 });
		ph_tracer_reap_children(session->tracer);
		if (session->spawned && !session->was_run)
			ph_filter_install(session);
		session->in_run = session->was_run = true;
		ph_resume_session(session);
		r = ph_run_until(session, is_never_over, NULL, deadline, err);
		if (r == -ETIMEDOUT) {
			ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_TIMEOUT });
			r = 0;
		}
		if (!session->ended && session->outcome.kind == PH_REASON_DETACH)
			let_go(session, session->wants_detach_stopped);
		reap_untils(session);
		if (!session->ended) {
			ph_hold_session(session);
			ph_trap_take_queued(session);
		}
		session->in_run = false;
		if (r < 0)
			return r;
		if (session->failure.code) {
			if (err)
				*err = session->failure;
			return session->failure.code;
		}
	}
	*ret = session->outcome;
	return 0;
}

int ph_session_detach(struct ph_session *session, bool stopped, struct ph_err *err)
{
	int r = ph_session_check(session, "detach", err);

	if (r < 0)
		return r;
	if (session->in_run) {
		session->wants_detach = true;
		session->wants_detach_stopped = stopped;
		return 0;
	}
	return let_go(session, stopped);
}

int ph_session_kill(struct ph_session *session, struct ph_err *err)
{
	struct ph_event event = { .kind = PH_EVENT_EXIT, .session = session, .process = session->target,
				  .reason = { .kind = PH_REASON_SIGNAL, .code = SIGKILL } };
	struct ph_plan plan = { 0 };
	int r = ph_session_check(session, "kill", err);

	if (r < 0)
		return r;
	if (session->in_run) {
		session->wants_kill = true;
		return 0;
	}
	ph_placing_guess(session);
	ph_kill_session(session);
	ph_handler_emit(session, &event, &plan);
	finish(session, event.reason);
	return 0;
}

void ph_run_close(struct ph_session *session)
{
	if (session->ended)
		return;
	if (session->spawned) {
		ph_placing_guess(session);
		ph_kill_session(session);
		finish(session, (struct ph_reason){ .kind = PH_REASON_SIGNAL, .code = SIGKILL });
	} else {
		let_go(session, false);
	}
}
