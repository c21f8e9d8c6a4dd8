/* breakpoint: hits, order, adding and removing in the middle, every kind of program, and what is refused. */
#include <signal.h>

#include "fixture.h"

/* calc(a, b): lea rax, [rdi]; calc_add: add rax, rsi; ret. */
#define SUM "calc(1, 2) = 3\n"

static void a_hook_runs_before_its_instruction_with_rip_at_it(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	struct record entry = { 0 }, middle = { 0 };
	ph_addr calc = address_of(target.session, "calc"), add = address_of(target.session, "calc_add");

	(void)state;
	add_at(target.session, "calc", record_hit, &entry);
	add_at(target.session, "calc_add", record_hit, &middle);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(entry.calls, 1);
	assert_int_equal(entry.regs.rip, calc);
	assert_int_equal(entry.address, calc);
	assert_int_equal(entry.regs.rdi, 1);
	assert_int_equal(entry.regs.rsi, 2);
	assert_int_equal(entry.tid, target.pid);
	assert_int_equal(middle.regs.rip, add);
	assert_int_equal(middle.regs.rax, 1);
	target_close(&target);
}

/* ---- Several at one address */

struct turn {
	char name;
	struct ph_action action;
	char *log;
};

static struct ph_action take_turn(const struct ph_event *event, void *user)
{
	struct turn *turn = user;

	(void)event;
	strncat(turn->log, &turn->name, 1);
	return turn->action;
}

static void several_run_in_order_and_the_strongest_action_wins(void **state)
{
	static const struct {
		struct ph_action actions[3];
		enum ph_reason_kind reason;
		int code;
		const char *output;
	} rows[] = {
		{ { { PH_CONTINUE, 0, 0 }, { PH_CONTINUE, 0, 0 }, { PH_CONTINUE, 0, 0 } }, PH_REASON_EXIT, 0, SUM },
		{ { { PH_RETURN, true, 5 }, { PH_SKIP, 0, 0 }, { PH_RETURN, true, 6 } }, PH_REASON_EXIT, 0,
		  "calc(1, 2) = 6\n" },
		{ { { PH_RETURN, true, 5 }, { PH_CONTINUE, 0, 0 }, { PH_STEP, 0, 0 } }, PH_REASON_EXIT, 0,
		  "calc(1, 2) = 5\n" },
		{ { { PH_REMOVE, 0, 0 }, { PH_REMOVE, 0, 0 }, { PH_REMOVE, 0, 0 } }, PH_REASON_EXIT, 0, SUM },
		{ { { PH_STOP, 0, 0 }, { PH_RETURN, true, 5 }, { PH_CONTINUE, 0, 0 } }, PH_REASON_STOP, 0, "" },
		{ { { PH_STOP, 0, 0 }, { PH_KILL, 0, 0 }, { PH_DETACH, 0, 0 } }, PH_REASON_SIGNAL, SIGKILL, "" },
		{ { { PH_SIGNAL, true, SIGUSR1 }, { PH_CONTINUE, 0, 0 }, { PH_RETURN, true, 5 } }, PH_REASON_SIGNAL,
		  SIGUSR1, "" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn("calc_nopie 1 2", false);
		struct turn turns[3];
		char log[8] = "";
		struct ph_reason reason;

		for (int k = 0; k < 3; k++) {
			turns[k] = (struct turn){ (char)('a' + k), rows[i].actions[k], log };
			add_at(target.session, "calc", take_turn, &turns[k]);
		}
		reason = target_run(&target);
		assert_int_equal(reason.kind, rows[i].reason);
		if (reason.kind == PH_REASON_EXIT || reason.kind == PH_REASON_SIGNAL)
			assert_int_equal(reason.code, rows[i].code);
		assert_string_equal(log, "abc");
		assert_string_equal(target_output(&target), rows[i].output);
		/* STOP and a move both hold. */
		if (reason.kind == PH_REASON_STOP)
			target_expect_exit(&target, 0, "calc(1, 2) = 5\n");
		target_close(&target);
	}
}

static void one_in_skip_mode_skips_for_all(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	uint64_t calls = 0;
	struct ph_breakpoint_options skip = { .where = "calc_add", .mode = PH_MODE_SKIP, .fn = count_hit, .user = &calls };

	(void)state;
	add_at(target.session, "calc_add", count_hit, &calls);
	add_options(target.session, &skip);
	add_at(target.session, "calc_add", count_hit, &calls);
	target_expect_exit(&target, 0, "calc(1, 2) = 1\n");
	assert_int_equal(calls, 3);
	target_close(&target);
}

/* ---- Adding and removing in the middle */

/* Three breakpoints stand on calc; the hook of b does something to one of them, or adds d, at each call. */
struct scene {
	struct target target;
	struct ph_breakpoint *breakpoints[4];
	struct turn turns[4];
	char log[64];
	const char *does;	/* "-a": removes a; "!a": disables it; "=a": enables it; "+": adds d; "*": d on calc_add */
};

static struct ph_action change_scene(const struct ph_event *event, void *user)
{
	struct scene *scene = user;

	strcat(scene->log, "b");
	for (const char *at = scene->does; *at; at++) {
		struct ph_breakpoint_options more = { .where = *at == '*' ? "calc_add" : "calc", .fn = take_turn,
						      .user = &scene->turns[3] };
		int which = at[1] - 'a';

		if ((*at == '+' || *at == '*') && !scene->breakpoints[3]) {
			ph_breakpoint_add(event->session, &more, &scene->breakpoints[3], NULL);
		} else if (*at == '-') {
			ph_breakpoint_remove(scene->breakpoints[which], NULL);
			at++;
		} else if (*at == '!' || *at == '=') {
			ph_breakpoint_enable(scene->breakpoints[which], *at == '=', NULL);
			at++;
		}
	}
	return ACTION(PH_CONTINUE);
}

static void hooks_may_add_and_remove_any_breakpoint(void **state)
{
	/* calc runs twice; a space stands for the end of each call (a breakpoint on its caller's side would move sites). */
	static const struct {
		const char *does, *log;
	} rows[] = {
		{ "", "abcabc" },
		{ "-b", "abcac" },
		{ "-c", "abab" },
		{ "-a", "abcbc" },
		{ "-a-b-c", "ab" },
		{ "-c-b", "aba" },
		{ "!c", "abab" },
		{ "!c=c", "abcabc" },
		{ "!b", "abcac" },
		{ "!a!b!c", "ab" },
		{ "+", "abcabcd" },	/* one added at the same address waits for the next pass */
		{ "+-b", "abcacd" },
		{ "-a-b-c+", "abd" },
		{ "*", "abcdabcd" },	/* one added further on is met in the same call */
		{ "-a-b-c*", "abdd" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct scene scene = { .target = target_spawn("calc_nopie", false), .does = rows[i].does };

		for (int k = 0; k < 4; k++)
			scene.turns[k] = (struct turn){ (char)('a' + k), ACTION(PH_CONTINUE), scene.log };
		for (int k = 0; k < 3; k++) {
			struct ph_breakpoint_options options = { .where = "calc", .fn = k == 1 ? change_scene : take_turn };

			options.user = k == 1 ? (void *)&scene : &scene.turns[k];
			assert_int_equal(ph_breakpoint_add(scene.target.session, &options, &scene.breakpoints[k], NULL), 0);
		}
		target_expect_exit(&scene.target, 0, "calc(1, 2) = 3\ncalc(4, 5) = 9\n");
		if (strcmp(scene.log, rows[i].log))
			fail_msg("row %zu: does %s: calls %s, not %s", i, rows[i].does, scene.log, rows[i].log);
		for (int k = 0; k < 4; k++)
			ph_breakpoint_unref(scene.breakpoints[k]);
		target_close(&scene.target);
	}
}

static void once_means_one_hit(void **state)
{
	struct target target = target_spawn("threads8 1 50", false);
	uint64_t once = 0, always = 0;
	struct ph_breakpoint_options options = { .where = "work", .once = true, .fn = count_hit, .user = &once };

	(void)state;
	add_options(target.session, &options);
	add_at(target.session, "work", count_hit, &always);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(once, 1);
	assert_int_equal(always, 50);
	target_close(&target);
}

static struct ph_action expect_hits_to_count_this_one(const struct ph_event *event, void *counter)
{
	uint64_t *calls = counter;

	/* A mismatch throws the count off. */
	if (ph_breakpoint_hits(event->breakpoint) == *calls + 1)
		++*calls;
	return ACTION(PH_CONTINUE);
}

static void hits_count_passes_the_current_one_included(void **state)
{
	struct target target = target_spawn("threads8 1 50", false);
	uint64_t calls = 0;
	struct ph_breakpoint *breakpoint = add_at(target.session, "work", expect_hits_to_count_this_one, &calls);

	(void)state;
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(calls, 50);
	assert_int_equal(ph_breakpoint_hits(breakpoint), 50);
	target_close(&target);
}

static void disabled_is_not_hit_until_enabled(void **state)
{
	struct target target = target_spawn("threads8 1 50", false);
	struct record gate = { .act_at = 20, .action = ACTION(PH_STOP) };
	uint64_t calls = 0;
	struct ph_breakpoint_options options = { .where = "work_middle", .disabled = true, .fn = count_hit, .user = &calls };
	struct ph_breakpoint *breakpoint = add_options(target.session, &options);

	(void)state;
	add_at(target.session, "work", record_hit, &gate);
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	assert_int_equal(calls, 0);
	assert_int_equal(ph_breakpoint_enable(breakpoint, true, NULL), 0);
	assert_int_equal(ph_breakpoint_enable(breakpoint, true, NULL), 0);
	gate.act_at = 30;
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	assert_int_equal(calls, 10);
	assert_int_equal(ph_breakpoint_enable(breakpoint, false, NULL), 0);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(calls, 10);
	assert_int_equal(gate.calls, 50);
	target_close(&target);
}

static void a_breakpoint_where_the_thread_stands_fires(void **state)
{
	struct target target = target_spawn("calc_static 1 2", false);
	struct record hit = { 0 };
	struct user_regs_struct regs;
	struct ph_breakpoint_options options = { .fn = record_hit, .user = &hit };

	(void)state;
	assert_int_equal(ph_thread_regs_get(ph_session_thread(target.session), &regs, NULL), 0);
	options.address = regs.rip;
	add_options(target.session, &options);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(hit.calls, 1);
	assert_int_equal(hit.regs.rip, regs.rip);
	target_close(&target);
}

static void it_works_in_every_kind_of_program(void **state)
{
	static const char *const programs[] = { "calc_pie", "calc_nopie", "calc_static", "calc_static_pie", "calc_musl",
						"calc_musl_static", "calc_stripped" };

	(void)state;
	for (size_t i = 0; i < N_OF(programs); i++) {
		struct ph_breakpoint_options options = { .where = "calc", .fn = record_hit };
		struct record hit = { .action = ACTION_VALUE(PH_RETURN, 42) };
		struct target target;
		struct ph_err err;

		options.user = &hit;
		if (target_try_spawn(programs[i], false, &target, &err) < 0) {
			assert_non_null(strstr(programs[i], "musl"));
			continue;
		}
		/* Without symbols its address is known from before: calc_stripped is calc_static otherwise. */
		if (strcmp(programs[i], "calc_stripped") == 0) {
			struct target full = target_spawn("calc_static", false);

			options = (struct ph_breakpoint_options){ .address = address_of(full.session, "calc"),
								  .fn = record_hit, .user = &hit };
			target_close(&full);
		}
		add_options(target.session, &options);
		target_expect_exit(&target, 0, "calc(1, 2) = 42\ncalc(4, 5) = 42\n");
		assert_int_equal(hit.calls, 2);
		target_close(&target);
	}
}

/* ---- What is refused */

static int freed;

static void count_free(void *user)
{
	(void)user;
	freed++;
}

static void user_data_is_freed_once_when_nothing_can_call(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	uint64_t calls = 0;
	struct ph_breakpoint_options options = { .where = "calc", .fn = count_hit, .user = &calls, .user_free = count_free };
	struct ph_breakpoint *removed, *kept;

	(void)state;
	freed = 0;
	assert_int_equal(ph_breakpoint_add(target.session, &options, &removed, NULL), 0);
	assert_int_equal(ph_breakpoint_add(target.session, &options, &kept, NULL), 0);
	assert_int_equal(ph_breakpoint_remove(removed, NULL), 0);
	assert_int_equal(freed, 1);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(freed, 2);
	ph_breakpoint_unref(removed);
	target_close(&target);
	/* A handle outlives its session. */
	assert_int_equal(ph_breakpoint_hits(kept), 1);
	assert_int_equal(ph_breakpoint_remove(kept, NULL), -ESRCH);
	ph_breakpoint_unref(kept);
	assert_int_equal(freed, 2);
}

static void what_cannot_be_is_refused_in_words(void **state)
{
	static const struct {
		struct ph_breakpoint_options options;
		int r;
		const char *words;
	} rows[] = {
		{ { .where = "calc" }, -EINVAL, "no function" },
		{ { .where = "calc", .fn = count_hit, .thread = -1 }, -EINVAL, "-1" },
		{ { .address = 0, .fn = count_hit }, -EIO, "0x0 is not mapped" },
		{ { .address = 0x10, .fn = count_hit, .disabled = true }, -EIO, "0x10 is not mapped" },
		{ { .address = UINT64_MAX, .fn = count_hit }, -EIO, "not mapped" },
		{ { .address = 1ull << 63, .fn = count_hit }, -EIO, "not mapped" },
		{ { .where = "kalk", .fn = count_hit }, -ENOENT, "did you mean 'calc'" },
		{ { .where = "nothing!calc", .fn = count_hit }, -ENOENT, "no module 'nothing'" },
		{ { .where = "calc+", .fn = count_hit }, -EINVAL, "" },
	};
	struct target target = target_spawn("calc_static 1 2", false);
	uint64_t calls = 0;

	(void)state;
	freed = 0;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_breakpoint_options options = rows[i].options;
		struct ph_breakpoint *breakpoint;
		char text[PH_ERR_MESSAGE_MAX];
		struct ph_err err;
		int r;

		options.user = &calls;
		options.user_free = count_free;
		r = ph_breakpoint_add(target.session, &options, &breakpoint, &err);
		if (r != rows[i].r || !strstr(ph_err_message(&err, text, sizeof(text)), rows[i].words))
			fail_msg("row %zu: %d, %s", i, r, text);
	}
	/* What was refused stays the caller's. */
	assert_int_equal(freed, 0);
	target_expect_exit(&target, 0, SUM);
	target_close(&target);
}

static void a_removed_one_answers_with_errors(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	uint64_t calls = 0;
	struct ph_breakpoint *breakpoint = ph_breakpoint_ref(add_at(target.session, "calc", count_hit, &calls));

	(void)state;
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), -ENOENT);
	assert_int_equal(ph_breakpoint_enable(breakpoint, true, NULL), -ENOENT);
	assert_int_equal(ph_breakpoint_enable(breakpoint, false, NULL), -ENOENT);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(calls, 0);
	ph_breakpoint_unref(breakpoint);
	target_close(&target);
}

static void an_unmapped_address_may_wait(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	uint64_t calls = 0;
	struct ph_breakpoint_options options = { .address = 0x10, .pending = true, .fn = count_hit, .user = &calls };
	struct ph_breakpoint *breakpoint = add_options(target.session, &options);

	(void)state;
	assert_int_equal(ph_breakpoint_enable(breakpoint, false, NULL), 0);
	assert_int_equal(ph_breakpoint_enable(breakpoint, true, NULL), 0);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(calls, 0);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(a_hook_runs_before_its_instruction_with_rip_at_it),
		BOUNDED(several_run_in_order_and_the_strongest_action_wins),
		BOUNDED(one_in_skip_mode_skips_for_all),
		BOUNDED(hooks_may_add_and_remove_any_breakpoint),
		BOUNDED(once_means_one_hit),
		BOUNDED(hits_count_passes_the_current_one_included),
		BOUNDED(disabled_is_not_hit_until_enabled),
		BOUNDED(a_breakpoint_where_the_thread_stands_fires),
		BOUNDED(it_works_in_every_kind_of_program),
		BOUNDED(user_data_is_freed_once_when_nothing_can_call),
		BOUNDED(what_cannot_be_is_refused_in_words),
		BOUNDED(a_removed_one_answers_with_errors),
		BOUNDED(an_unmapped_address_may_wait),
	};

	return RUN_TESTS(argc, argv, tests);
}
