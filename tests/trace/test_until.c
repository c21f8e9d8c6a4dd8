/* until: callbacks that wait for steps, returns, places and times, while everything else goes on. */
#include <signal.h>

#include "fixture.h"

/* Waits for each of what in turn, at every call; counts how each ended, and acts at the act_at-th end. */
struct plan {
	const struct ph_until_options *what;
	size_t n;
	struct ph_action action;
	uint64_t act_at;
	uint64_t begun, refused, ends[PH_UNTIL_ENDED + 1], told;
};

struct waiter {
	struct plan *plan;
	size_t at;
};

static struct ph_action wait_next(const struct ph_event *event, struct waiter *waiter);

static struct ph_action on_end(const struct ph_event *event, enum ph_until_end end, void *user)
{
	struct waiter *waiter = user;
	struct plan *plan = waiter->plan;

	plan->ends[end]++;
	if (end >= PH_UNTIL_GONE) {
		free(waiter);
		return ACTION(PH_CONTINUE);
	}
	if (++plan->told == plan->act_at) {
		free(waiter);
		return plan->action;
	}
	return wait_next(event, waiter);
}

static struct ph_action wait_next(const struct ph_event *event, struct waiter *waiter)
{
	struct plan *plan = waiter->plan;

	if (waiter->at == plan->n) {
		free(waiter);
		return ACTION(PH_CONTINUE);
	}
	plan->begun++;
	if (ph_thread_until(event, &plan->what[waiter->at++], on_end, waiter, NULL, NULL) == 0)
		return ACTION(PH_WAIT);
	plan->refused++;
	free(waiter);
	return ACTION(PH_CONTINUE);
}

static struct ph_action begin(const struct ph_event *event, void *user)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return ACTION(PH_FAIL);
	waiter->plan = user;
	return wait_next(event, waiter);
}

static const struct ph_until_options each_kind[] = {
	{ .kind = PH_UNTIL_STEPPED, .n = 1 },
	{ .kind = PH_UNTIL_TIME, .n = 1000 },
	{ .kind = PH_UNTIL_STEPPED, .n = 2 },
	{ .kind = PH_UNTIL_STEPPED_OVER },
	{ .kind = PH_UNTIL_RETURNED },
};

static void callbacks_of_all_threads_wait_at_once(void **state)
{
	struct plan plan = { .what = each_kind, .n = N_OF(each_kind) };
	struct target target = target_spawn("threads8 8 200", false);

	(void)state;
	add_at(target.session, "work", begin, &plan);
	target_expect_exit(&target, 0, "calls 1600\n");
	assert_int_equal(plan.refused, 0);
	assert_int_equal(plan.begun, 1600 * N_OF(each_kind));
	assert_int_equal(plan.ends[PH_UNTIL_DONE], plan.begun);
	target_close(&target);
}

/* Others sit on every address that is stepped over: each passes, and is hit, once. */
static void steps_onto_sites_hit_them(void **state)
{
	static const struct ph_until_options steps[] = { { .kind = PH_UNTIL_STEPPED, .n = 1 },
							  { .kind = PH_UNTIL_STEPPED, .n = 3 } };
	struct plan plan = { .what = steps, .n = N_OF(steps) };
	struct target target = target_spawn("calc_static", false);
	uint64_t hits = 0, counts[2] = { 0 };

	(void)state;
	add_at(target.session, "calc", count_hit, &counts[0]);
	add_at(target.session, "calc", begin, &plan);
	add_at(target.session, "calc_add", count_hit, &hits);
	add_at(target.session, "calc_add+3", count_hit, &counts[1]);
	target_expect_exit(&target, 0, "calc(1, 2) = 3\ncalc(4, 5) = 9\n");
	assert_int_equal(plan.ends[PH_UNTIL_DONE], 4);
	assert_int_equal(hits, 2);
	assert_int_equal(counts[0], 2);
	assert_int_equal(counts[1], 2);
	target_close(&target);
}

/* Whatever is in flight: the bytes are gone, nobody is left with our flag or our trap. */
static void a_target_is_let_go_at_any_moment_of_waiting(void **state)
{
	uint64_t sweep = (uint64_t)fixture_size(400, 60);

	(void)state;
	for (uint64_t at = 1; at <= sweep; at += sweep / 40 + 1) {
		struct plan plan = { .what = each_kind, .n = N_OF(each_kind), .action = ACTION(PH_DETACH), .act_at = at };
		struct target target = target_spawn("threads8 4 50", false);

		add_at(target.session, "work", begin, &plan);
		assert_int_equal(target_run(&target).kind, PH_REASON_DETACH);
		assert_int_equal(plan.begun, plan.told + plan.refused + plan.ends[PH_UNTIL_GONE] + plan.ends[PH_UNTIL_ENDED]);
		fixture_await_orphans();
		assert_string_equal(target_output(&target), "calls 200\n");
		target_close(&target);
	}
}

static void a_killed_target_ends_every_wait(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 40; at += 3) {
		struct plan plan = { .what = each_kind, .n = N_OF(each_kind), .action = ACTION(PH_KILL), .act_at = at };
		struct target target = target_spawn("threads8 4 50", false);
		struct ph_reason reason;

		add_at(target.session, "work", begin, &plan);
		reason = target_run(&target);
		assert_int_equal(reason.kind, PH_REASON_SIGNAL);
		assert_int_equal(reason.code, SIGKILL);
		assert_int_equal(plan.begun, plan.told + plan.refused + plan.ends[PH_UNTIL_GONE] + plan.ends[PH_UNTIL_ENDED]);
		target_close(&target);
	}
}

static void runs_that_stop_and_go_on_lose_no_wait(void **state)
{
	struct plan plan = { .what = each_kind, .n = N_OF(each_kind) };
	struct target target = target_spawn("threads8 4 50", false);
	struct ph_reason reason;
	int timeouts = 0;

	(void)state;
	add_at(target.session, "work", begin, &plan);
	while (ph_session_run(target.session, 1, &reason, NULL) == 0 && reason.kind == PH_REASON_TIMEOUT)
		timeouts++;
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(plan.ends[PH_UNTIL_DONE], 200 * N_OF(each_kind));
	assert_string_equal(target_output(&target), "calls 200\n");
	target_close(&target);
}

/* A handler runs whole between two steps; the interrupted instruction is stepped once. */
static void signals_between_steps_run_their_handlers(void **state)
{
	static const struct ph_until_options steps[] = { { .kind = PH_UNTIL_STEPPED, .n = 400 } };
	struct plan plan = { .what = steps, .n = N_OF(steps) };
	struct target target = target_spawn("frames signal 50 4", false);
	uint64_t handled = 0;

	(void)state;
	add_at(target.session, "interrupted", begin, &plan);
	add_at(target.session, "in_handler", count_hit, &handled);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(handled, 200);
	assert_int_equal(plan.refused, 0);
	assert_int_equal(plan.begun, plan.ends[PH_UNTIL_DONE] + plan.ends[PH_UNTIL_UNWOUND] + plan.ends[PH_UNTIL_GONE]);
	target_close(&target);
}

static void every_instruction_of_a_function_gives_what_it_gives_alone(void **state)
{
	static const struct ph_until_options steps[] = { { .kind = PH_UNTIL_STEPPED, .n = 60 } };
	char *alone = untraced_output("insns", 0);
	struct plan plan = { .what = steps, .n = N_OF(steps) };
	struct target target = target_spawn("insns", false);

	(void)state;
	add_at(target.session, "main", begin, &plan);
	target_expect_exit(&target, 0, alone);
	free(alone);
	target_close(&target);
}

static void wrong_wishes_are_refused(void **state)
{
	struct target target = target_spawn("calc_static", false);
	struct ph_event event = { .session = target.session, .process = ph_session_process(target.session),
				  .thread = ph_session_thread(target.session) };
	struct ph_until_options nowhere = { .kind = PH_UNTIL_PLACE, .address = 16 };
	struct ph_until_options unknown = { .kind = PH_UNTIL_PLACE, .where = "no_such_place" };
	struct ph_until_options step = { .kind = PH_UNTIL_STEPPED, .n = 1 };
	struct plan plan = { 0 };
	struct ph_until *until;

	(void)state;
	assert_int_equal(ph_thread_until(&event, &nowhere, on_end, &plan, NULL, NULL), -EIO);
	assert_int_equal(ph_thread_until(&event, &unknown, on_end, &plan, NULL, NULL), -ENOENT);
	assert_int_equal(ph_thread_until(&event, &step, on_end, &plan, &until, NULL), 0);
	ph_until_cancel(until);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(ph_thread_until(&event, &step, on_end, &plan, NULL, NULL), -ESRCH);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(callbacks_of_all_threads_wait_at_once),
		BOUNDED(steps_onto_sites_hit_them),
		BOUNDED(a_target_is_let_go_at_any_moment_of_waiting),
		BOUNDED(a_killed_target_ends_every_wait),
		BOUNDED(runs_that_stop_and_go_on_lose_no_wait),
		BOUNDED(signals_between_steps_run_their_handlers),
		BOUNDED(every_instruction_of_a_function_gives_what_it_gives_alone),
		BOUNDED(wrong_wishes_are_refused),
	};

	return RUN_TESTS(argc, argv, tests);
}
