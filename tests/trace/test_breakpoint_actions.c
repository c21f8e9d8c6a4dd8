/* breakpoint actions: what a hook answers, and what the thread, the run and the target do then. */
#include <signal.h>

#include "fixture.h"

/* calc(a, b): lea rax, [rdi]; calc_add: add rax, rsi; ret. */
#define SUM "calc(1, 2) = 3\n"

struct act {
	struct ph_action action;
	uint64_t set_rax;	/* 0: left alone */
	uint64_t calls;
};

static struct ph_action act(const struct ph_event *event, void *user)
{
	struct act *wish = user;
	struct user_regs_struct regs;

	wish->calls++;
	if (wish->set_rax && ph_thread_regs_get(event->thread, &regs, NULL) == 0) {
		regs.rax = wish->set_rax;
		ph_thread_regs_set(event->thread, &regs, NULL);
	}
	return wish->action;
}

static void actions_decide_what_runs(void **state)
{
	enum { AT_ADD = 1u << 31 };	/* GOTO's value: the label, plus this */
	static const struct {
		const char *where;
		enum ph_mode mode;
		struct ph_action action;
		uint64_t set_rax;
		const char *output;
	} rows[] = {
		{ "calc_add", PH_MODE_EXECUTE, { PH_CONTINUE, 0, 0 }, 0, "calc(1, 2) = 3\n" },
		{ "calc_add", PH_MODE_EXECUTE, { PH_CONTINUE, 0, 0 }, 40, "calc(1, 2) = 42\n" },
		{ "calc_add", PH_MODE_EXECUTE, { PH_SKIP, 0, 0 }, 0, "calc(1, 2) = 1\n" },
		{ "calc_add", PH_MODE_EXECUTE, { PH_STEP, 0, 0 }, 0, "calc(1, 2) = 3\n" },
		{ "calc_add", PH_MODE_EXECUTE, { PH_REMOVE, 0, 0 }, 0, "calc(1, 2) = 3\n" },
		{ "calc_add", PH_MODE_SKIP, { PH_CONTINUE, 0, 0 }, 0, "calc(1, 2) = 1\n" },
		{ "calc_add", PH_MODE_SKIP, { PH_CONTINUE, 0, 0 }, 99, "calc(1, 2) = 99\n" },
		{ "calc_add", PH_MODE_SKIP, { PH_SKIP, 0, 0 }, 0, "calc(1, 2) = 1\n" },
		{ "calc_add", PH_MODE_SKIP, { PH_STEP, 0, 0 }, 0, "calc(1, 2) = 3\n" },
		{ "calc_add", PH_MODE_SKIP, { PH_REMOVE, 0, 0 }, 0, "calc(1, 2) = 1\n" },
		{ "calc", PH_MODE_EXECUTE, { PH_RETURN, true, 42 }, 0, "calc(1, 2) = 42\n" },
		{ "calc", PH_MODE_EXECUTE, { PH_RETURN, true, -1ull }, 0, "calc(1, 2) = -1\n" },
		{ "calc", PH_MODE_EXECUTE, { PH_RETURN, false, 42 }, 5, "calc(1, 2) = 5\n" },
		{ "calc", PH_MODE_SKIP, { PH_RETURN, true, 42 }, 0, "calc(1, 2) = 42\n" },
		{ "calc", PH_MODE_EXECUTE, { PH_GOTO, true, AT_ADD }, 100, "calc(1, 2) = 102\n" },
		{ "calc", PH_MODE_EXECUTE, { PH_GOTO, true, AT_ADD + 3 }, 100, "calc(1, 2) = 100\n" },
		{ "calc", PH_MODE_SKIP, { PH_GOTO, true, AT_ADD }, 100, "calc(1, 2) = 102\n" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn("calc_pie 1 2", false);
		struct act wish = { .action = rows[i].action, .set_rax = rows[i].set_rax };
		struct ph_breakpoint_options options = { .where = rows[i].where, .mode = rows[i].mode, .fn = act,
							 .user = &wish };

		if (wish.action.kind == PH_GOTO)
			wish.action.value += address_of(target.session, "calc_add") - AT_ADD;
		add_options(target.session, &options);
		target_expect_exit(&target, 0, rows[i].output);
		assert_int_equal(wish.calls, 1);
		target_close(&target);
	}
}

static struct ph_action leave_by_hand(const struct ph_event *event, void *counter)
{
	struct user_regs_struct regs;
	uint64_t to;

	++*(uint64_t *)counter;
	ph_thread_regs_get(event->thread, &regs, NULL);
	ph_process_read(event->process, regs.rsp, &to, sizeof(to), NULL);
	regs.rip = to;
	regs.rsp += sizeof(to);
	regs.rax = 77;
	ph_thread_regs_set(event->thread, &regs, NULL);
	return ACTION(PH_CONTINUE);
}

static void a_hook_that_moves_rip_goes_on_there_in_either_mode(void **state)
{
	(void)state;
	for (int mode = PH_MODE_EXECUTE; mode <= PH_MODE_SKIP; mode++) {
		struct target target = target_spawn("calc_nopie 1 2", false);
		uint64_t calls = 0;
		struct ph_breakpoint_options options = { .where = "calc", .mode = (enum ph_mode)mode,
							 .fn = leave_by_hand, .user = &calls };

		add_options(target.session, &options);
		target_expect_exit(&target, 0, "calc(1, 2) = 77\n");
		assert_int_equal(calls, 1);
		target_close(&target);
	}
}

static void goto_to_a_site_is_a_new_pass_of_it(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	struct record first = { .act_at = 1 }, second = { 0 };

	(void)state;
	/* From calc_add back to calc, once: both are passed twice; and calc_add to itself, once. */
	first.action = ACTION_VALUE(PH_GOTO, address_of(target.session, "calc"));
	second = (struct record){ .act_at = 2, .action = ACTION_VALUE(PH_GOTO, address_of(target.session, "calc_add")) };
	add_at(target.session, "calc_add", record_hit, &first);
	add_at(target.session, "calc_add", record_hit, &second);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(first.calls, 3);
	assert_int_equal(second.calls, 3);
	target_close(&target);
}

static void step_reports_where_the_thread_came_to(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	struct record hit = { .action = ACTION(PH_STEP) }, step = { 0 };
	struct ph_breakpoint *breakpoint = add_at(target.session, "calc_add", record_hit, &hit);

	(void)state;
	handle(target.session, PH_EVENT_STEP, 0, record_hit, &step);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(step.calls, 1);
	assert_int_equal(step.regs.rip, hit.regs.rip + 3);
	assert_int_equal(step.regs.rax, 3);
	assert_int_equal(step.tid, target.pid);
	assert_int_equal(ph_breakpoint_hits(breakpoint), 1);
	target_close(&target);
}

static void stop_ends_the_run_and_the_next_one_goes_on(void **state)
{
	struct target target = target_spawn("calc_nopie", false);
	struct record hit = { .action = ACTION(PH_STOP) };
	struct ph_breakpoint *breakpoint = add_at(target.session, "calc_add", record_hit, &hit);
	struct ph_reason reason;

	(void)state;
	for (uint64_t n = 1; n <= 2; n++) {
		struct user_regs_struct regs;

		reason = target_run(&target);
		assert_int_equal(reason.kind, PH_REASON_STOP);
		assert_int_equal(reason.event, PH_EVENT_BREAKPOINT);
		assert_ptr_equal(reason.breakpoint, breakpoint);
		assert_int_equal(ph_thread_tid(reason.thread), target.pid);
		assert_string_equal(ph_thread_state(reason.thread), "stopped");
		assert_int_equal(ph_breakpoint_hits(breakpoint), n);
		assert_int_equal(ph_thread_regs_get(reason.thread, &regs, NULL), 0);
		assert_int_equal(regs.rip, hit.address);
		assert_false(ph_session_has_ended(target.session));
	}
	target_expect_exit(&target, 0, "calc(1, 2) = 3\ncalc(4, 5) = 9\n");
	assert_int_equal(ph_breakpoint_hits(breakpoint), 2);
	/* After the end, the end again. */
	target_expect_exit(&target, 0, NULL);
	target_close(&target);
}

enum between { NOTHING, REMOVED, MOVED_ON, ADDED_ANOTHER, WROTE_OVER };

/* The instruction of a pass that STOP interrupted runs once, whatever happened to the site meanwhile. */
static void a_stopped_pass_survives_changes_of_its_site(void **state)
{
	static const struct {
		enum between between;
		const char *output;
		uint64_t more_hits;
	} rows[] = {
		{ NOTHING, "calc(1, 2) = 3\n", 0 },
		{ REMOVED, "calc(1, 2) = 3\n", 0 },
		{ MOVED_ON, "calc(1, 2) = 1\n", 0 },
		{ ADDED_ANOTHER, "calc(1, 2) = 3\n", 0 },
		{ WROTE_OVER, "calc(1, 2) = -1\n", 0 },
	};
	static const uint8_t sub_rax_rsi[] = { 0x48, 0x29, 0xf0 };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn("calc_nopie 1 2", false);
		struct record hit = { .action = ACTION(PH_STOP) };
		struct ph_breakpoint *breakpoint = add_at(target.session, "calc_add", record_hit, &hit);
		struct ph_reason reason = target_run(&target);
		struct user_regs_struct regs;
		uint64_t more = 0;

		assert_int_equal(reason.kind, PH_REASON_STOP);
		switch (rows[i].between) {
		case NOTHING:
			break;
		case REMOVED:
			assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
			break;
		case MOVED_ON:
			assert_int_equal(ph_thread_regs_get(reason.thread, &regs, NULL), 0);
			regs.rip += 3;
			assert_int_equal(ph_thread_regs_set(reason.thread, &regs, NULL), 0);
			break;
		case ADDED_ANOTHER:
			add_at(target.session, "calc_add", count_hit, &more);
			break;
		case WROTE_OVER:
			assert_int_equal(ph_process_write(ph_session_process(target.session), hit.address, sub_rax_rsi, 3,
							  NULL), 0);
			break;
		}
		target_expect_exit(&target, 0, rows[i].output);
		assert_int_equal(hit.calls, 1);
		assert_int_equal(more, rows[i].more_hits);
		target_close(&target);
	}
}

static void detach_lets_the_target_finish_by_itself(void **state)
{
	struct target target = target_spawn("calc_nopie", false);
	struct record hit = { .action = ACTION(PH_DETACH) };
	struct ph_reason reason;
	int status;

	(void)state;
	add_at(target.session, "calc", record_hit, &hit);
	add_at(target.session, "calc_add", record_hit, &hit);
	reason = target_run(&target);
	assert_int_equal(reason.kind, PH_REASON_DETACH);
	assert_true(ph_session_has_ended(target.session));
	assert_int_equal(target_run(&target).kind, PH_REASON_DETACH);
	assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
	assert_int_equal(status, 0);
	assert_string_equal(target_output(&target), "calc(1, 2) = 3\ncalc(4, 5) = 9\n");
	assert_int_equal(hit.calls, 1);
	target_close(&target);
}

static void kill_and_signal_end_the_target(void **state)
{
	static const struct {
		struct ph_action action;
		int signal;
	} rows[] = {
		{ { PH_KILL, 0, 0 }, SIGKILL },
		{ { PH_SIGNAL, true, SIGUSR1 }, SIGUSR1 },
		{ { PH_SIGNAL, true, 64 }, 64 },
		{ { PH_SIGNAL, true, SIGKILL }, SIGKILL },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn("calc_nopie 1 2", false);
		struct record hit = { .action = rows[i].action };
		struct ph_reason reason;

		add_at(target.session, "calc", record_hit, &hit);
		reason = target_run(&target);
		if (reason.kind != PH_REASON_SIGNAL || reason.code != rows[i].signal)
			fail_msg("row %zu: reason %d code %d: %s", i, reason.kind, reason.code, target_output(&target));
		assert_int_equal(hit.calls, 1);
		assert_string_equal(target_output(&target), "");
		target_close(&target);
	}
}

static void fail_ends_the_run_with_ecanceled_and_leaves_the_target_stopped(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	struct record hit = { .action = ACTION(PH_FAIL) };
	struct ph_reason reason;
	struct ph_err err;

	(void)state;
	add_at(target.session, "calc_add", record_hit, &hit);
	assert_int_equal(ph_session_run(target.session, -1, &reason, &err), -ECANCELED);
	assert_int_equal(err.code, -ECANCELED);
	assert_false(ph_session_has_ended(target.session));
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(hit.calls, 1);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(actions_decide_what_runs),
		BOUNDED(a_hook_that_moves_rip_goes_on_there_in_either_mode),
		BOUNDED(goto_to_a_site_is_a_new_pass_of_it),
		BOUNDED(step_reports_where_the_thread_came_to),
		BOUNDED(stop_ends_the_run_and_the_next_one_goes_on),
		BOUNDED(a_stopped_pass_survives_changes_of_its_site),
		BOUNDED(detach_lets_the_target_finish_by_itself),
		BOUNDED(kill_and_signal_end_the_target),
		BOUNDED(fail_ends_the_run_with_ecanceled_and_leaves_the_target_stopped),
	};

	return RUN_TESTS(argc, argv, tests);
}
