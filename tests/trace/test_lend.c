/* lend: what another tracer finds and does, played here by a function, and what the session makes of it afterwards. */
#include <sched.h>
#include <signal.h>

#include "fixture.h"

struct away {
	struct target *target;
	bool stops;		/* leaves it in a group stop, as GDB does */
	pid_t tids[8];
	int n;
};

static int note_tid(struct ph_thread *thread, void *user)
{
	struct away *away = user;

	away->tids[away->n++] = ph_thread_tid(thread);
	return 0;
}

static void stop(const struct away *away)
{
	kill(away->target->pid, SIGSTOP);
	for (int i = 0; i < away->n; i++)
		await_state(away->tids[i], "TZ-");
}

/* Its first thread, which was about to, ends. */
static int until_first_has_ended(pid_t pid, void *user)
{
	struct away *away = user;

	kill(pid, SIGCONT);
	await_state(pid, "Z");
	if (away->stops)
		stop(away);
	return 0;
}

static void run_to(struct ph_session *session, const char *where)
{
	struct record seen = { .act_at = 1, .action = ACTION(PH_STOP) };
	struct ph_breakpoint *breakpoint = add_at(session, where, record_hit, &seen);
	struct ph_reason reason;

	assert_int_equal(ph_session_run(session, -1, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_STOP);
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
}

static int is_stopped(struct ph_thread *thread, void *user)
{
	(void)user;
	return strcmp(ph_thread_state(thread), "stopped") == 0;
}

static int take_live(struct ph_thread *thread, void *user)
{
	*(struct ph_thread **)user = thread;
	return 1;
}

static void lend(struct ph_session *session, struct away *away, int (*fn)(pid_t pid, void *user), struct ph_lending *ret)
{
	struct ph_thread *thread = NULL;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	ph_process_each_thread(ph_session_process(session), note_tid, away);
	ph_process_each_thread(ph_session_process(session), take_live, &thread);
	assert_non_null(thread);
	if (ph_thread_lend(thread, "lend", fn, away, ret, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	assert_int_equal(ret->end.kind, PH_REASON_NONE);
	assert_true(ph_process_each_thread(ph_session_process(session), is_stopped, NULL));
}

static void tell(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

/* Its other thread waits for a byte, and only then would end a wait for the signal that the kernel dropped. */
static void a_stop_is_ended_when_the_first_thread_has_ended(void **state)
{
	struct target target = target_spawn("exits main_thread_told 7", false);
	struct away away = { .target = &target, .stops = true };
	struct ph_lending lending;

	(void)state;
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &away, until_first_has_ended, &lending);
	tell(target.in);
	target_expect_exit(&target, 7, "ready\non its way\nalone\n");
	target_close(&target);
}

/* Nobody traces that thread any more, whose end is its process's. */
static void a_process_ends_as_in_a_run_whose_first_thread_ended_meanwhile(void **state)
{
	struct target target = target_spawn("exits main_thread_told 7", false);
	struct away away = { .target = &target };
	struct ph_lending lending;
	uint64_t ends = 0;

	(void)state;
	handle(target.session, PH_EVENT_EXIT, 0, count_hit, &ends);
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &away, until_first_has_ended, &lending);
	assert_int_equal(lending.gone, 1);
	tell(target.in);
	target_expect_exit(&target, 7, "ready\non its way\nalone\n");
	assert_int_equal(ends, 1);
	target_close(&target);
}

static void so_does_one_that_was_attached_to(void **state)
{
	struct outsider outsider = outsider_start("exits main_thread_told 7");
	struct ph_session *session;
	struct away away = { 0 };
	struct ph_lending lending;
	struct ph_reason reason;

	(void)state;
	outsider_await(&outsider, "ready");
	session = attach_to(outsider.pid);
	tell(outsider.in);
	run_to(session, "before_exit");
	lend(session, &away, until_first_has_ended, &lending);
	tell(outsider.in);
	assert_int_equal(ph_session_run(session, -1, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(reason.code, 7);
	ph_session_unref(session);
	assert_int_equal(outsider_end(&outsider, NULL), 7 << 8);
}

/* Beside another session, whose statuses the wait for its end would go on to wait for. */
static void one_whose_first_thread_ended_meanwhile_is_killed_and_reaped(void **state)
{
	struct target other = target_spawn("sleeper pause", false), target = target_spawn("exits main_thread_told 7", false);
	struct away away = { .target = &target };
	struct ph_lending lending;

	(void)state;
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &away, until_first_has_ended, &lending);
	target_close(&target);
	target_close(&other);
}

/* The number is another thread's then, which is told from one that is ended by being there. */
static int until_another_has_become_the_first(pid_t pid, void *user)
{
	struct away *away = user;

	kill(pid, SIGCONT);
	tell(away->target->in);
	await_state(pid, "S");
	if (away->stops) {
		stop(away);
		await_state(pid, "T");
	}
	return 0;
}

static void exec_gives_the_number_of_a_first_thread_that_had_ended_to_another(void **state)
{
	(void)state;
	for (int stops = 0; stops < 2; stops++) {
		struct target target = target_spawn("exits main_thread_exec 7", false);
		struct away away = { .target = &target, .stops = stops };
		struct ph_lending lending;

		tell(target.in);
		run_to(target.session, "after_main");
		assert_int_equal(state_of(target.pid), 'Z');
		lend(target.session, &away, until_another_has_become_the_first, &lending);
		assert_true(lending.replaced);
		assert_int_equal(lending.born, 0);
		assert_int_equal(lending.gone, 1);
		tell(target.in);
		target_expect_exit(&target, 7, "ready\non its way\nalone\nready\n");
		target_close(&target);
	}
}

static void so_it_does_that_of_one_that_ended_in_other_hands_before(void **state)
{
	struct target target = target_spawn("exits main_thread_exec 7", false);
	struct away first = { .target = &target, .stops = true }, second = first;
	struct ph_lending lending;

	(void)state;
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &first, until_first_has_ended, &lending);
	lend(target.session, &second, until_another_has_become_the_first, &lending);
	assert_true(lending.replaced);
	tell(target.in);
	target_expect_exit(&target, 7, "ready\non its way\nalone\nready\n");
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(a_stop_is_ended_when_the_first_thread_has_ended),
		BOUNDED(a_process_ends_as_in_a_run_whose_first_thread_ended_meanwhile),
		BOUNDED(so_does_one_that_was_attached_to),
		BOUNDED(one_whose_first_thread_ended_meanwhile_is_killed_and_reaped),
		BOUNDED(exec_gives_the_number_of_a_first_thread_that_had_ended_to_another),
		BOUNDED(so_it_does_that_of_one_that_ended_in_other_hands_before),
	};

	return RUN_TESTS(argc, argv, tests);
}
