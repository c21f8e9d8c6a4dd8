/* snapshot: processes put back, again and again, in callbacks, with threads, killed and let go at any moment. */
#include "fixture.h"
#include "os/fault.h"

/* tests/targets/again.c stands in begin() and done(), and says in `report` what it saw and did. */

struct trial {
	struct ph_snapshot *snapshot;
	bool compares;
	uint64_t restores, most;
	char first[16384], report[16384];
	ph_addr report_at;
	int differ, failed;
	struct ph_err err;
};

static struct ph_action take(const struct ph_event *event, void *user)
{
	struct trial *trial = user;

	if (!trial->snapshot && ph_snapshot_take(event->thread, event, trial->compares, &trial->snapshot, &trial->err) < 0)
		trial->failed++;
	return ACTION(PH_CONTINUE);
}

static struct ph_action look_and_restore(const struct ph_event *event, void *user)
{
	struct trial *trial = user;
	char *text = trial->restores ? trial->report : trial->first;

	if (!trial->snapshot || trial->restores == trial->most)
		return ACTION(PH_CONTINUE);
	if (trial->report_at)
		ph_process_read(event->process, trial->report_at, text, sizeof(trial->report), NULL);
	trial->differ += trial->restores && memcmp(trial->first, trial->report, sizeof(trial->report)) != 0;
	trial->restores++;
	if (ph_snapshot_restore(trial->snapshot, &trial->err) < 0) {
		trial->failed++;
		return ACTION(PH_CONTINUE);
	}
	/* Void: this stop is undone. */
	return ACTION(PH_STOP);
}

static void give_input(struct target *target)
{
	if (write(target->in, "one\ntwo\nthree\n", 14) != 14)
		fail_msg("write");
	close(target->in);
	target->in = -1;
}

static struct target begin(const char *line, struct trial *trial)
{
	struct target target = target_spawn(line, false);

	give_input(&target);
	trial->report_at = address_of(target.session, "report");
	add_at(target.session, "begin", take, trial);
	add_at(target.session, "done", look_and_restore, trial);
	return target;
}

static void expect_no_failure(const struct trial *trial)
{
	char text[PH_ERR_MESSAGE_MAX];

	if (trial->failed)
		fail_msg("%s", ph_err_message(&trial->err, text, sizeof(text)));
}

static void ten_thousand_restored_runs_are_one_run(void **state)
{
	static struct trial trial;
	struct target target;
	char *report;

	(void)state;
	trial = (struct trial){ .most = (uint64_t)fixture_size(10000, 300) };
	target = begin("again", &trial);
	target_expect_exit(&target, 0, NULL);
	expect_no_failure(&trial);
	assert_int_equal(trial.restores, trial.most);
	assert_int_equal(trial.differ, 0);
	report = strstr(target_output(&target), "block");
	assert_non_null(report);
	assert_non_null(strstr(target_output(&target), "input one\nline two\n"));
	assert_non_null(strstr(trial.first, "regs 0 3.141593\n"));
	ph_snapshot_unref(trial.snapshot);
	target_close(&target);
}

/* Without a system call there is nothing to look at but pages: a handful of requests for a whole try. */
static void a_quiet_run_costs_a_handful_of_requests(void **state)
{
	static struct trial trial;
	struct target target;
	uint64_t before, requests;

	(void)state;
	trial = (struct trial){ .most = 1 };
	target = begin("again big 1000000", &trial);
	target_expect_exit(&target, 0, NULL);
	expect_no_failure(&trial);
	ph_snapshot_unref(trial.snapshot);
	target_close(&target);

	trial = (struct trial){ .most = 2000 };
	target = begin("again big 1000000", &trial);
	trial.report_at = 0;
	before = ph_os_calls.made;
	target_expect_exit(&target, 0, NULL);
	requests = (ph_os_calls.made - before) / trial.most;
	expect_no_failure(&trial);
	assert_int_equal(trial.restores, trial.most);
	assert_in_range(requests, 5, 25);
	ph_snapshot_unref(trial.snapshot);
	target_close(&target);
}

static void threads_go_back_and_go_on(void **state)
{
	static struct trial trial;

	(void)state;
	for (int compares = 0; compares < 2; compares++) {
		struct target target;

		trial = (struct trial){ .most = (uint64_t)fixture_size(1000, 50), .compares = compares };
		target = begin("again threads", &trial);
		trial.report_at = 0;
		target_expect_exit(&target, 0, "ready\ncounted\n");
		expect_no_failure(&trial);
		assert_int_equal(trial.restores, trial.most);
		ph_snapshot_unref(trial.snapshot);
		target_close(&target);
	}
}

/* Killed before each request that the tracer makes, one run after the other ($LONG), or before some of them. */
static void a_target_killed_at_any_moment_ends_its_snapshot(void **state)
{
	static const char *const lines[] = { "again memory", "again threads", "again files" };
	static struct trial trial;

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		bool over = false;

		for (uint64_t at = 1; !over; at += getenv("LONG") ? 1 : 23) {
			struct target target;
			struct ph_reason reason;

			trial = (struct trial){ .most = 3 };
			target = begin(lines[i], &trial);
			trial.report_at = 0;
			ph_os_calls.kill_at = ph_os_calls.made + at;
			if (ph_session_run(target.session, -1, &reason, NULL) < 0)
				fail_msg("%s, killed at request %lu: the run failed", lines[i], at);
			over = ph_os_calls.made < ph_os_calls.kill_at;
			ph_os_calls.kill_at = 0;
			if (reason.kind != PH_REASON_EXIT && reason.kind != PH_REASON_SIGNAL)
				fail_msg("%s, killed at request %lu: reason %d", lines[i], at, reason.kind);
			ph_snapshot_unref(trial.snapshot);
			target_close(&target);
		}
	}
}

struct leaving {
	struct trial trial;
	uint64_t calls, leave_at;
};

static struct ph_action restore_or_leave(const struct ph_event *event, void *user)
{
	struct leaving *leaving = user;

	if (leaving->calls++ == leaving->leave_at)
		return ACTION(PH_DETACH);
	return look_and_restore(event, &leaving->trial);
}

/* Let go with a snapshot taken: no trace of it, and the program ends as it does alone. */
static void a_target_with_a_snapshot_is_let_go_whole(void **state)
{
	static struct leaving leaving;

	(void)state;
	for (uint64_t at = 0; at < 4; at++) {
		struct target target = target_spawn("again stack", false);

		give_input(&target);
		leaving = (struct leaving){ .trial = { .most = 10 }, .leave_at = at };
		add_at(target.session, "begin", take, &leaving.trial);
		add_at(target.session, "done", restore_or_leave, &leaving);
		assert_int_equal(target_run(&target).kind, PH_REASON_DETACH);
		expect_no_failure(&leaving.trial);
		assert_int_equal(ph_snapshot_restore(leaving.trial.snapshot, NULL), -ESRCH);
		ph_snapshot_unref(leaving.trial.snapshot);
		fixture_await_orphans();
		assert_non_null(strstr(target_output(&target), "deep "));
		target_close(&target);
	}
}

static void much_memory_stays_in_a_fork_that_dies_with_the_snapshot(void **state)
{
	static struct trial trial;
	struct target target;

	(void)state;
	trial = (struct trial){ .most = 3 };
	target = begin("again big 150000000", &trial);
	trial.report_at = 0;
	target_expect_exit(&target, 0, NULL);
	expect_no_failure(&trial);
	assert_int_equal(trial.restores, 3);
	ph_snapshot_unref(trial.snapshot);
	target_close(&target);
}

/* Attached to at the moment in which it makes a thread. */
static void an_attached_process_is_put_back_and_lives_on(void **state)
{
	struct outsider outsider = outsider_start("again threads wait");
	struct ph_session *session;
	struct ph_snapshot *snapshot;
	char *rest, text[PH_ERR_MESSAGE_MAX];
	struct ph_err err;

	(void)state;
	outsider_await(&outsider, "ready");
	session = attach_to(outsider.pid);
	for (int i = 0; i < 20; i++) {
		struct ph_reason reason;

		assert_int_equal(ph_snapshot_take(ph_session_thread(session), NULL, i % 2, &snapshot, NULL), 0);
		for (int j = 0; j < 5; j++) {
			assert_int_equal(ph_session_run(session, 1, &reason, NULL), 0);
			assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
			if (ph_snapshot_restore(snapshot, &err) < 0)
				fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
		}
		ph_snapshot_unref(snapshot);
	}
	ph_session_unref(session);
	assert_int_equal(outsider_end(&outsider, &rest), 0);
	assert_string_equal(rest, "counted\n");
	free(rest);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(ten_thousand_restored_runs_are_one_run),
		BOUNDED(a_quiet_run_costs_a_handful_of_requests),
		BOUNDED(threads_go_back_and_go_on),
		BOUNDED(a_target_killed_at_any_moment_ends_its_snapshot),
		BOUNDED(a_target_with_a_snapshot_is_let_go_whole),
		BOUNDED(much_memory_stays_in_a_fork_that_dies_with_the_snapshot),
		BOUNDED(an_attached_process_is_put_back_and_lives_on),
	};

	return RUN_TESTS(argc, argv, tests);
}
