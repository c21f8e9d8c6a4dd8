/*
 * storms: many calls, threads, children, programs and deaths at once; nothing is lost, nothing is left behind.
 * By hand, trace-test_storms PATTERN runs the tests whose names match.
 */
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "fixture.h"

#include "os/fault.h"

/* ---- Exact counts */

static void count_calls(int threads, long calls)
{
	uint64_t all = (uint64_t)threads * (uint64_t)calls, entry = 0, middle = 0;
	char line[64], output[64];
	struct target target;

	snprintf(line, sizeof(line), "threads8 %d %ld", threads, calls);
	snprintf(output, sizeof(output), "calls %lu\n", all);
	target = target_spawn(line, false);
	add_at(target.session, "work", count_hit, &entry);
	add_at(target.session, "work_middle", count_hit, &middle);
	target_expect_exit(&target, 0, output);
	if (entry != all || middle != all)
		fail_msg("%s: %lu and %lu hits", line, entry, middle);
	target_close(&target);
}

/* One stop a hit all the while: every pass is by copy. */
static void every_call_of_many_threads_is_counted(void **state)
{
	static const int threads[] = { 4, 16 };

	(void)state;
	for (size_t i = 0; i < N_OF(threads); i++)
		for (long round = fixture_size(50, 3); round-- > 0;)
			count_calls(threads[i], fixture_size(100000, 16000 / threads[i]));
}

/* ---- Threads, children, programs */

static void a_storm_of_threads_leaves_no_trace(void **state)
{
	long n = fixture_size(10000, 1000);
	char line[64], output[64];
	struct target target;
	uint64_t hits = 0, births = 0, ends = 0;

	(void)state;
	snprintf(line, sizeof(line), "threadstorm %ld 16", n);
	snprintf(output, sizeof(output), "threads %ld\n", n);
	target = target_spawn(line, false);
	add_at(target.session, "work", count_hit, &hits);
	add_at(target.session, "work_middle", count_hit, &hits);
	handle(target.session, PH_EVENT_THREAD, 0, count_hit, &births);
	handle(target.session, PH_EVENT_THREAD_EXIT, 0, count_hit, &ends);
	target_expect_exit(&target, 0, output);
	assert_int_equal(hits, 2 * n);
	assert_int_equal(births, n);
	assert_int_equal(ends, n + 1);
	target_close(&target);
}

static void a_storm_of_children_leaves_no_trace(void **state)
{
	long n = fixture_size(3000, 200);
	char line[64];

	(void)state;
	snprintf(line, sizeof(line), "forker storm %ld", n);
	for (int follow = 0; follow < 2; follow++) {
		struct target target = target_spawn(line, follow);
		uint64_t hits = 0, births = 0;

		add_at(target.session, "marker", count_hit, &hits);
		handle(target.session, PH_EVENT_FORK, 0, count_hit, &births);
		target_expect_exit(&target, 0, "storm: exit 3\n");
		assert_int_equal(hits, follow ? 2 * n : n);
		assert_int_equal(births, n);
		target_close(&target);
	}
}

static void a_storm_of_programs_leaves_no_trace(void **state)
{
	static const char *const ways[] = { "self", "thread" };
	long n = fixture_size(1000, 50);

	(void)state;
	for (size_t i = 0; i < N_OF(ways); i++) {
		char line[64];
		struct target target;
		uint64_t hits = 0, execs = 0;

		snprintf(line, sizeof(line), "execer %s %ld", ways[i], n);
		target = target_spawn(line, false);
		add_at(target.session, "marker", count_hit, &hits);
		handle(target.session, PH_EVENT_EXEC, 0, count_hit, &execs);
		target_expect_exit(&target, 0, NULL);
		assert_non_null(strstr(target_output(&target), "left 0\ndone\n"));
		assert_int_equal(execs, n);
		assert_true(i ? hits >= (uint64_t)n : hits == (uint64_t)n);
		target_close(&target);
	}
}

/* ---- Death at any moment */

struct life {
	const char *line;
	const char *places[2];
	bool follow;
};

static const struct life lives[] = {
	{ "threads8 3 4", { "work", "work_middle" }, false },
	{ "threadstorm 6 3", { "work" }, false },
	{ "forker storm 3", { "marker" }, true },
	{ "forker storm 3", { "marker" }, false },
	{ "forker vfork", { "marker" }, true },
	{ "forker vfork", { "marker" }, false },
	{ "forker clone_vm", { "marker" }, true },
	{ "execer self 2", { "marker" }, false },
	{ "execer thread 2", { "marker" }, false },
	{ "signals usr1 4", { "work", "handled" }, false },
	{ "signals int3 4", { "work", "own_int3" }, false },
	{ "signals altstack 4", { "work", "handled" }, false },
};

/* Whatever becomes of it: an end, in bounded time. A run may also fail, when what it was about to do is gone. */
static void end_properly(const struct life *life, struct target *target, uint64_t n)
{
	struct ph_reason reason = { 0 };
	struct ph_err err = { 0 };
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_session_run(target->session, -1, &reason, &err) < 0)
		fail_msg("%s, %lu: %s", life->line, n, ph_err_message(&err, text, sizeof(text)));
	if (reason.kind != PH_REASON_EXIT && (reason.kind != PH_REASON_SIGNAL || reason.code != SIGKILL))
		fail_msg("%s, %lu: reason %d, code %d: %s", life->line, n, reason.kind, reason.code, target_output(target));
}

static void add_places(const struct life *life, struct ph_session *session, uint64_t *hits)
{
	for (size_t i = 0; i < N_OF(life->places) && life->places[i]; i++) {
		struct ph_breakpoint_options options = { .where = life->places[i], .fn = count_hit, .user = hits };
		struct ph_breakpoint *breakpoint;

		/* The target may be dead by now. */
		if (ph_breakpoint_add(session, &options, &breakpoint, NULL) >= 0)
			ph_breakpoint_unref(breakpoint);
	}
}

/* True when the request with this number was made: the life was long enough. */
static bool live_until_request(const struct life *life, uint64_t n)
{
	struct target target;
	uint64_t hits = 0, first = ph_os_calls.made;
	struct ph_err err;
	bool reached;

	ph_os_calls.kill_at = first + n;
	ph_os_calls.killed = false;
	if (target_try_spawn(life->line, life->follow, &target, &err) >= 0) {
		ph_os_calls.victim = target.pid;
		add_places(life, target.session, &hits);
		end_properly(life, &target, n);
	} else if (!ph_os_calls.killed) {
		fail_msg("%s could not be spawned", life->line);
	}
	target_close(&target);
	ph_os_calls.victim = 0;
	reached = ph_os_calls.killed;
	ph_os_calls.kill_at = 0;
	/* Children that nobody followed have lost their parent. */
	fixture_await_orphans();
	return reached;
}

static void killed_at_any_request_of_ours_it_ends_properly(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(lives); i++) {
		uint64_t step = (uint64_t)fixture_size(1, 3), n = 1 + i % step;

		while (live_until_request(&lives[i], n))
			n += step;
		if (n <= 20)
			fail_msg("%s: only %lu requests were looked at", lives[i].line, n);
	}
}

/* By somebody else, who does not wait for us. */
static pid_t kill_later(pid_t victim, long spins)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (volatile long i = 0; i < spins; i++)
		;
	kill(victim, SIGKILL);
	_exit(0);
}

static void killed_by_somebody_else_at_any_moment_it_ends_properly(void **state)
{
	long rounds = fixture_size(300, 8);
	unsigned int seed = 1;

	(void)state;
	for (size_t i = 0; i < N_OF(lives); i++)
		for (long round = 0; round < rounds; round++) {
			struct target target = target_spawn(lives[i].line, lives[i].follow);
			pid_t killer = kill_later(target.pid, rand_r(&seed) % 3000000);
			uint64_t hits = 0;

			add_places(&lives[i], target.session, &hits);
			end_properly(&lives[i], &target, (uint64_t)round);
			target_close(&target);
			assert_int_equal(waitpid(killer, NULL, 0), killer);
			fixture_await_orphans();
		}
}

/* ---- Timers */

static void timers_of_a_millisecond_lose_nothing(void **state)
{
	static const char *const modes[] = { "timer", "itimer" };
	long ticks = fixture_size(10000, 200);

	(void)state;
	for (size_t i = 0; i < N_OF(modes); i++) {
		uint64_t work = 0, middle = 0, handled = 0;
		unsigned long calls, handlers;
		char line[64];
		struct target target;

		snprintf(line, sizeof(line), "signals %s %ld", modes[i], ticks);
		target = target_spawn(line, false);
		add_at(target.session, "work", count_hit, &work);
		add_at(target.session, "work_middle", count_hit, &middle);
		add_at(target.session, "handled", count_hit, &handled);
		target_expect_exit(&target, 0, NULL);
		assert_int_equal(sscanf(target_output(&target), "work %lu\nhandled %lu", &calls, &handlers), 2);
		assert_int_equal(work, calls);
		assert_int_equal(middle, calls);
		assert_int_equal(handled, handlers);
		assert_true(handlers >= (unsigned long)ticks);
		target_close(&target);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(every_call_of_many_threads_is_counted),
		BOUNDED(a_storm_of_threads_leaves_no_trace),
		BOUNDED(a_storm_of_children_leaves_no_trace),
		BOUNDED(a_storm_of_programs_leaves_no_trace),
		BOUNDED(killed_at_any_request_of_ours_it_ends_properly),
		BOUNDED(killed_by_somebody_else_at_any_moment_it_ends_properly),
		BOUNDED(timers_of_a_millisecond_lose_nothing),
	};

	return RUN_TESTS(argc, argv, tests);
}
