#include "engine/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/cpu.h"
#include "engine/dispatch.h"
#include "engine/filter.h"
#include "engine/handler.h"
#include "engine/hold.h"
#include "engine/letgo.h"
#include "engine/outcome.h"
#include "engine/patch.h"
#include "engine/placing.h"
#include "engine/resume.h"
#include "engine/stream.h"
#include "engine/until.h"
#include "engine/trap.h"
#include "engine/watch.h"
#include "engine/watched.h"
#include "os/alarm.h"
#include "os/wait.h"

#define NS_PER_MS 1000000
#define LATE_NS 10000000
#define LOOPS_MAX 200	/* some KiB of our stack each */

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

/* Sessions that a loop serves. Loops nest: the statuses of a session are the innermost one's that serves it. */
struct served {
	struct ph_tracer *tracer;
	struct ph_session *const *sessions;
	size_t n;
};

/* The oldest status that waits for one of them, or NULL. */
static struct ph_thread *next_pending(const struct served *served)
{
	struct ph_thread *thread;

	ph_list_each(thread, &served->tracer->pending, struct ph_thread, in_pending)
		if (thread->process->session->served == served)
			return thread;
	return NULL;
}

/* What passed is a session's own time, unless a hook of its waits meanwhile. */
static void note_free(const struct served *served, int64_t since)
{
	int64_t passed = ph_os_now() - since;

	for (size_t i = 0; i < served->n; i++)
		if (ph_list_is_empty(&served->sessions[i]->sleepers))
			served->sessions[i]->free_ns += passed;
}

static bool is_any_measured(const struct served *served)
{
	for (size_t i = 0; i < served->n; i++)
		if (served->sessions[i]->measures_free)
			return true;
	return false;
}

/* One status off the kernel, to whom it belongs, or descriptors that are ready. 0, or what ph_watched_wait said. */
static int take_status(const struct served *served, int64_t deadline)
{
	struct ph_tracer *tracer = served->tracer;
	int64_t since = is_any_measured(served) ? ph_os_now() : 0;
	struct ph_thread *thread;
	int status, tid = ph_watched_wait(tracer, deadline, &status);

	if (since)
		note_free(served, since);
	if (tid <= 0)
		return tid;
	thread = ph_tracer_find(tracer, tid);
	if (!thread) {
		ph_alone_note_stray(tracer, tid, status);
		return 0;
	}
	ph_cpu_note(tracer, tid, thread->process->session->policy.cpu);
	ph_arrival_note(thread, status);
	if (thread->process->session->served == served)
		ph_dispatch(thread, status);
	else
		ph_trap_defer(thread, status);
	return 0;
}

static void wake_sleepers(struct ph_session *session)
{
	struct ph_thread *thread;

	while (!ph_list_is_empty(&session->sleepers) && !ph_session_is_done(session)) {
		struct ph_plan plan = { 0 };

		if (!ph_until_expire(session, &thread, &plan))
			return;
		ph_resume_late(thread, &plan);
		ph_thread_unref(thread);
	}
}

static bool is_any_done(struct ph_session *const *sessions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ph_session_is_done(sessions[i]))
			return true;
	return false;
}

/* True: each is ready to be waited for. False: the run of one is over. */
static bool get_ready(const struct served *served)
{
	if (is_any_done(served->sessions, served->n))
		return false;
	for (size_t i = 0; i < served->n; i++) {
		reap_untils(served->sessions[i]);
		wake_sleepers(served->sessions[i]);
	}
	return !is_any_done(served->sessions, served->n);
}

static void resume_held(const struct served *served)
{
	for (size_t i = 0; i < served->n; i++)
		if (served->sessions[i]->has_held)
			ph_resume_held(served->sessions[i]);
}

static int64_t next_time(const struct served *served)
{
	int64_t next = PH_WAIT_FOREVER;

	for (size_t i = 0; i < served->n; i++) {
		int64_t at = ph_until_next(served->sessions[i]);

		next = at < next ? at : next;
	}
	return next;
}

/* What has come by the deadline is served after it too, but not what goes on coming. */
static bool is_late(int64_t deadline)
{
	return deadline != PH_WAIT_FOREVER && ph_os_now() - deadline >= LATE_NS;
}

/* Between most stops there is nothing to do but to wait for the next: asked at once, without a loop for each question. */
static bool is_quiet(const struct served *served)
{
	if (!ph_list_is_empty(&served->tracer->pending))
		return false;
	for (size_t i = 0; i < served->n; i++) {
		const struct ph_session *session = served->sessions[i];

		if (session->has_orphans || session->has_held || !ph_list_is_empty(&session->sleepers) ||
		    ph_session_is_done(session))
			return false;
	}
	return true;
}

/* is_over may be NULL: never. */
static int serve(const struct served *served, bool (*is_over)(void *), void *user, int64_t deadline, struct ph_err *err)
{
	bool late = false;

	while (!is_over || !is_over(user)) {
		bool quiet = is_quiet(served);
		struct ph_thread *thread;
		int64_t next = deadline;
		int r;

		if (!quiet && !get_ready(served))
			break;
		if (ph_tracer_is_interrupted(served->tracer))
			return ph_err_say(err, -EINTR, "run", "interrupted");
		if (!quiet) {
			resume_held(served);
			thread = next_pending(served);
			if (thread) {
				ph_dispatch(thread, ph_thread_take_pending(thread));
				continue;
			}
			next = next_time(served);
			next = deadline < next ? deadline : next;
		}
		if (late)
			return ph_err_set(err, -ETIMEDOUT, "run");
		r = take_status(served, next);
		late = is_late(deadline);
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

/* Until is_over (NULL: never), or the run of one of them is. */
static int serve_all(struct ph_session *const *sessions, size_t n, bool (*is_over)(void *), void *user, int64_t deadline,
		     struct ph_err *err)
{
	struct ph_tracer *tracer = sessions[0]->tracer;
	struct served served = { tracer, sessions, n };
	const void *before = sessions[0]->served;	/* several: no loop serves them yet */
	int r;

	if (tracer->loops == LOOPS_MAX)
		return ph_err_say(err, -EDEADLK, "run", "%d runs within hooks within runs: a hook that calls its own function? "
				  "call(…, {hooks = false}) leaves hooks out", LOOPS_MAX);
	tracer->loops++;
	for (size_t i = 0; i < n; i++)
		sessions[i]->served = &served;
	r = serve(&served, is_over, user, deadline, err);
	for (size_t i = 0; i < n; i++)
		sessions[i]->served = before;
	tracer->loops--;
	return r;
}

int ph_run_until(struct ph_session *session, bool (*is_over)(void *), void *user, int64_t deadline,
		 struct ph_err *err)
{
	return ph_session_is_done(session) ? 0 : serve_all(&session, 1, is_over, user, deadline, err);
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
	if (reason.kind != PH_REASON_DETACH)
		ph_streams_settle(session);
	reap_untils(session);
}

static int let_go(struct ph_session *session, bool stopped)
{
	ph_placing_guess(session);
	ph_let_go_session(session, stopped);
	finish(session, (struct ph_reason){ .kind = PH_REASON_DETACH });
	return 0;
}

/* Its end stands: kept before it, with snapshots to go back to. */
static bool is_kept(struct ph_session *session)
{
	if (session->kept.kind == PH_REASON_NONE || ph_list_is_empty(&session->snapshots)) {
		session->kept = (struct ph_reason){ 0 };
		return false;
	}
	ph_session_set_outcome(session, session->kept);
	return true;
}

static void begin(struct ph_session *session)
{
	session->failure = (struct ph_err){ 0 };
	ph_session_set_outcome(session, (struct ph_reason){ 0 });
	ph_tracer_reap_children(session->tracer);
	if (session->spawned && !session->was_run)
		ph_filter_install(session);
	session->in_run = session->was_run = true;
	ph_resume_session(session);
}

/* What it had wanted, and its threads still. 0, or its failure. */
static int conclude(struct ph_session *session, struct ph_err *err)
{
	if (!session->ended && session->outcome.kind == PH_REASON_DETACH)
		let_go(session, session->wants_detach_stopped);
	reap_untils(session);
	if (session->ended ? session->outcome.kind != PH_REASON_DETACH : session->kept.kind != PH_REASON_NONE)
		ph_streams_settle(session);
	if (!session->ended) {
		ph_hold_session(session);
		ph_trap_take_queued(session);
	}
	session->in_run = false;
	if (session->failure.code && err)
		*err = session->failure;
	return session->failure.code;
}

/* Serves those that run until none is left; whose run is over leaves the list at once. */
static int run_all(struct ph_session **live, size_t n, int64_t deadline, struct ph_err *err)
{
	int r = 0;

	while (n > 0) {
		size_t left = 0;

		if (r >= 0 && !is_any_done(live, n))
			r = serve_all(live, n, NULL, NULL, deadline, err);
		for (size_t i = 0; i < n; i++) {
			int failed;

			if (r == -ETIMEDOUT && !ph_session_is_done(live[i]))
				ph_session_set_outcome(live[i], (struct ph_reason){ .kind = PH_REASON_TIMEOUT });
			if (r >= 0 && !ph_session_is_done(live[i])) {
				live[left++] = live[i];
				continue;
			}
			failed = conclude(live[i], r >= 0 || r == -ETIMEDOUT ? err : NULL);
			if (failed && (r >= 0 || r == -ETIMEDOUT))
				r = failed;
		}
		n = left;
	}
	return r == -ETIMEDOUT ? 0 : r;
}

static int check_runnable(struct ph_session *const *sessions, size_t n, struct ph_err *err)
{
	const struct ph_tracer *tracer = NULL;

	for (size_t i = 0; i < n; i++) {
		if (sessions[i]->in_run)
			return ph_err_say(err, -EDEADLK, "run",
					  "the session is running already: a hook cannot run its own target");
		if (!sessions[i]->ended && tracer && sessions[i]->tracer != tracer)
			return ph_err_say(err, -EINVAL, "run", "sessions of two tracers");
		tracer = sessions[i]->ended ? tracer : sessions[i]->tracer;
	}
	return 0;
}

int ph_sessions_run(struct ph_session *const *sessions, size_t n, int64_t timeout_ms, struct ph_reason *ret,
		    struct ph_err *err)
{
	struct ph_session *one, **live = n == 1 ? &one : calloc(n + 1, sizeof(*live));
	int64_t deadline = PH_WAIT_FOREVER;
	size_t n_live = 0;
	int r = live ? check_runnable(sessions, n, err) : ph_err_set(err, -ENOMEM, "run");

	if (r >= 0 && timeout_ms >= 0 && timeout_ms < INT64_MAX / NS_PER_MS / 2)
		deadline = ph_os_now() + timeout_ms * NS_PER_MS;
	for (size_t i = 0; r >= 0 && i < n; i++)
		if (!sessions[i]->ended && !sessions[i]->in_run && !is_kept(sessions[i]))
			begin(live[n_live++] = sessions[i]);
	if (r >= 0)
		r = run_all(live, n_live, deadline, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		ret[i] = sessions[i]->outcome;
	ph_os_alarm_end();
	if (live != &one)
		free(live);
	return r;
}

int ph_session_run(struct ph_session *session, int64_t timeout_ms, struct ph_reason *ret, struct ph_err *err)
{
	return ph_sessions_run(&session, 1, timeout_ms, ret, err);
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
