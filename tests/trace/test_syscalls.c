/* system calls: seen, changed and answered, in each of the ways to do it; never out of step. */
#include "calls.h"

#include <signal.h>

/* ---- Counting, and entry against exit */

/* Calls that never return: exit, exit_group, and one that was killed in it. */
static void expect_paired(const char *line, bool follow, const struct way *way, uint64_t at_most_open)
{
	struct target target = spawn_by(line, follow, way);
	struct pairs pairs = { .first = target.pid };
	struct ph_reason reason;

	hook(target.session, NULL, true, true, pair, &pairs);
	reason = target_run(&target);
	if (filtered(&target) == way->no_seccomp)
		fail_msg("%s: the filter is %s", line, filtered(&target) ? "there" : "missing");
	if (reason.kind != PH_REASON_EXIT || reason.code != 0 || pairs.mismatched || pairs.errors ||
	    pairs.entered - pairs.left > at_most_open || pairs.left > pairs.entered || pairs.entered < 20 ||
	    (!follow && pairs.in_others))
		fail_msg("%s, way %d%s: reason %d, code %d, %lu entered, %lu left, %lu mismatched, %lu errors, %lu in others",
			 line, way->info, way->no_seccomp ? " by PTRACE_SYSCALL" : "", reason.kind, reason.code,
			 pairs.entered, pairs.left, pairs.mismatched, pairs.errors, pairs.in_others);
	target_close(&target);
}

static void entries_and_exits_are_paired_whatever_the_program_does(void **state)
{
	static const struct {
		const char *line;
		bool follow;
		uint64_t open;
	} rows[] = {
		{ "calls restart 5", false, 2 },     { "calls exec 3", false, 7 },    { "calls threads 8 200 5", false, 9 },
		{ "forker fork", true, 2 },	     { "forker vfork", true, 2 },     { "forker spawn", true, 2 },
		{ "forker clone_vm", true, 2 },	     { "forker untraced", true, 2 },  { "forker grandchild", true, 3 },
		{ "forker fork", false, 1 },	     { "forker vfork", false, 1 },    { "forker untraced", false, 1 },
		{ "forker untraced_vm", false, 1 }, { "signals longjmp 20", false, 1 }, { "signals usr1 20", false, 1 },
		{ "execer thread 5", false, 16 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		for (size_t k = 0; k < N_OF(ways); k++)
			expect_paired(rows[i].line, rows[i].follow, &ways[k], rows[i].open);
}

static void an_exec_returns_in_whoever_called_it(void **state)
{
	static const struct {
		const char *line;
		uint64_t execs;
	} rows[] = { { "calls exec 3", 3 }, { "execer self 3", 3 }, { "execer thread 3", 3 }, { "execer missing", 1 } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		for (size_t k = 0; k < N_OF(ways); k++) {
			struct target target = spawn_by(rows[i].line, false, &ways[k]);
			struct pairs pairs = { .first = target.pid };

			hook(target.session, "execve", true, true, pair, &pairs);
			assert_int_equal(target_run(&target).code, 0);
			assert_int_equal(pairs.mismatched + pairs.errors, 0);
			assert_int_equal(pairs.entered, rows[i].execs);
			assert_int_equal(pairs.left, rows[i].execs);
			target_close(&target);
		}
}

static void interrupted_calls_return_and_are_entered_again(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls restart 5", false, &ways[k]);
		struct pairs pairs = { .first = target.pid };

		hook(target.session, "read", true, true, pair, &pairs);
		target_expect_exit(&target, 0, "read 1 after all\nslept 0 enough\n");
		assert_int_equal(pairs.mismatched + pairs.errors, 0);
		assert_true(pairs.restarted >= 5);
		assert_int_equal(pairs.entered, pairs.left);
		target_close(&target);
	}
}

static void tables_are_told_apart(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls tables", false, &ways[k]);
		struct pairs pairs = { .first = target.pid };

		hook(target.session, "getpid", true, true, pair, &pairs);
		assert_int_equal(target_run(&target).code, 0);
		assert_int_equal(pairs.by_abi[PH_SYSCALL_X86_64], 2);
		assert_int_equal(pairs.by_abi[PH_SYSCALL_I386], 1);
		assert_int_equal(pairs.by_abi[PH_SYSCALL_X32], 1);
		assert_int_equal(pairs.mismatched + pairs.errors, 0);
		target_close(&target);
	}
}

static struct ph_action see_int80(const struct ph_event *event, void *user)
{
	struct ph_syscall call;

	if (ph_thread_syscall_get(event->thread, &call, NULL) < 0 || call.abi != PH_SYSCALL_I386)
		return ACTION(PH_CONTINUE);
	memcpy(user, call.args, sizeof(call.args));
	ph_thread_syscall_skip(event->thread, 1234, NULL);
	return ACTION(PH_CONTINUE);
}

static void int80_has_its_own_arguments_and_can_be_answered(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls tables", false, &ways[k]);
		uint64_t args[6] = { 0 };

		hook(target.session, "getpid", true, false, see_int80, args);
		target_run(&target);
		assert_non_null(strstr(target_output(&target), "i386 other\n"));
		assert_int_equal(args[0], 7);
		assert_int_equal(args[1], 8);
		assert_int_equal(args[2], 9);
		target_close(&target);
	}
}

static void counts_are_exact_with_sixteen_threads(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by(ways[k].no_seccomp ? "calls threads 16 50 10" : "calls threads 16 20000 100",
						false, &ways[k]);
		struct pairs pairs = { .first = target.pid };

		hook(target.session, "getuid", true, true, pair, &pairs);
		assert_int_equal(target_run(&target).code, 0);
		assert_int_equal(pairs.entered, ways[k].no_seccomp ? 160 : 1600);
		assert_int_equal(pairs.left, pairs.entered);
		assert_int_equal(pairs.mismatched + pairs.errors, 0);
		/* Calls that nobody hooks do not stop: two a hooked one, and births, deaths and what else there is. */
		if (!ways[k].no_seccomp)
			assert_true(ph_session_stats(target.session).stops < 2 * 1600 + 400);
		target_close(&target);
	}
}

/* ---- Changing */

static struct ph_action redirect(const struct ph_event *event, void *user)
{
	const char *const *from_to = user;
	struct ph_syscall call;
	char path[256] = "";
	int errors = 0;

	errors += ph_thread_syscall_get(event->thread, &call, NULL) < 0;
	ph_process_read(event->process, call.args[1], path, sizeof(path) - 1, NULL);
	if (strcmp(path, from_to[0]) == 0)
		errors += ph_thread_syscall_set_bytes(event->thread, 1, from_to[1], strlen(from_to[1]) + 1, NULL) < 0;
	return ACTION(errors ? PH_KILL : PH_CONTINUE);
}

static void an_open_is_redirected(void **state)
{
	static const char *const from_to[] = { "/no/such/file", "/etc/hostname" };
	char *wanted = untraced_output("calls cat /etc/hostname", 0);

	(void)state;
	assert_true(*wanted != '\0');
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls cat /no/such/file", false, &ways[k]);

		hook(target.session, "openat", true, false, redirect, (void *)(uintptr_t)from_to);
		target_expect_exit(&target, 0, wanted);
		target_close(&target);
	}
	free(wanted);
}

static struct ph_action lend(const struct ph_event *event, void *user)
{
	static const char long_path[1000] = "/dev/null";
	int *errors = user;

	*errors += ph_thread_syscall_set_bytes(event->thread, 1, long_path, sizeof(long_path), NULL) < 0;
	*errors += ph_thread_syscall_set_bytes(event->thread, 0, "/dev/zero", 10, NULL) < 0;
	*errors += ph_thread_syscall_set_bytes(event->thread, 0, "/dev/full", 10, NULL) < 0;
	*errors += ph_thread_syscall_set_arg(event->thread, 1, 0, NULL) < 0;
	return ACTION(PH_CONTINUE);
}

static void strings_are_put_away_after_the_call(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls below", false, &ways[k]);
		int errors = 0;

		hook(target.session, "open", true, false, lend, &errors);
		target_expect_exit(&target, 0, "below kept, open works\n");
		assert_int_equal(errors, 0);
		target_close(&target);
	}
}

static struct ph_action lend_too_much(const struct ph_event *event, void *user)
{
	static char bytes[4 << 20];
	char *message = user;
	struct ph_err err;

	if (ph_thread_syscall_set_bytes(event->thread, 0, bytes, sizeof(bytes), &err) == -ENOBUFS)
		ph_err_message(&err, message, PH_ERR_MESSAGE_MAX);
	return ACTION(PH_CONTINUE);
}

static void a_string_longer_than_any_room_is_an_error(void **state)
{
	struct target target = target_spawn("calls below", false);
	char message[PH_ERR_MESSAGE_MAX] = "";

	(void)state;
	hook(target.session, "open", true, false, lend_too_much, message);
	target_expect_exit(&target, 0, "below kept, open works\n");
	assert_non_null(strstr(message, "no room for 4194304 bytes below the stack"));
	target_close(&target);
}

static void numbers_arguments_and_results_are_changed(void **state)
{
	static const char *const names[] = { "open", "getuid", "geteuid", "getgid" };
	char expected[100];

	(void)state;
	snprintf(expected, sizeof(expected), "open -1 %d\ngetuid 1001 geteuid -1 getgid 77\n", EACCES);
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls uid", false, &ways[k]);
		int errors = 0;

		for (size_t i = 0; i < N_OF(names); i++)
			hook(target.session, names[i], true, true, change, &errors);
		target_expect_exit(&target, 0, expected);
		assert_int_equal(errors, 0);
		target_close(&target);
	}
}

static struct ph_action try_late(const struct ph_event *event, void *user)
{
	struct ph_thread *thread = event->thread;
	int *good = user;

	if (!event->leave) {
		*good += ph_thread_syscall_set_ret(thread, 1, NULL) == -EINVAL;
		*good += ph_thread_syscall_set_arg(thread, 6, 1, NULL) == -EINVAL;
	} else {
		*good += ph_thread_syscall_set_arg(thread, 0, 1, NULL) == -EINVAL;
		*good += ph_thread_syscall_set_number(thread, 1, NULL) == -EINVAL;
		*good += ph_thread_syscall_skip(thread, 1, NULL) == -EINVAL;
		*good += ph_thread_syscall_set_bytes(thread, 0, "x", 1, NULL) == -EINVAL;
	}
	return ACTION(PH_CONTINUE);
}

static void changes_at_the_wrong_end_are_errors(void **state)
{
	struct target target = target_spawn("calls uid", false);
	struct ph_thread *thread = ph_session_thread(target.session);
	struct ph_syscall call;
	int good = 0;

	(void)state;
	assert_int_equal(ph_thread_syscall_get(thread, &call, NULL), -ENOENT);
	assert_int_equal(ph_thread_syscall_skip(thread, 0, NULL), -ENOENT);
	hook(target.session, "getuid", true, true, try_late, &good);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(good, 6);
	target_close(&target);
}

static struct ph_action skip_it(const struct ph_event *event, void *user)
{
	++*(uint64_t *)user;
	ph_thread_syscall_skip(event->thread, 0, NULL);
	return ACTION(PH_CONTINUE);
}

/* Its program runs on behind a call that does not return; what it does there is its own (a crash, in the C library). */
static void calls_that_do_not_return_can_be_skipped(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("signals usr1 1", false, &ways[k]);
		uint64_t skipped = 0;
		struct ph_reason reason;

		hook(target.session, "rt_sigreturn", true, false, skip_it, &skipped);
		reason = target_run(&target);
		assert_true(skipped >= 1);
		assert_true(reason.kind == PH_REASON_SIGNAL || reason.kind == PH_REASON_EXIT);
		target_close(&target);
	}
}

static struct ph_action answer(const struct ph_event *event, void *user)
{
	struct pairs *pairs = user;
	struct ph_syscall call;

	if (ph_thread_syscall_get(event->thread, &call, NULL) < 0 || call.leave != event->leave) {
		pairs->errors++;
	} else if (!event->leave) {
		pairs->entered++;
		pairs->errors += ph_thread_syscall_skip(event->thread, 4321, NULL) < 0;
	} else {
		pairs->left++;
		pairs->errors += call.ret != 4321;
	}
	return ACTION(PH_CONTINUE);
}

/* One stop a call then; those that nobody answers in between are made, by their own instructions. */
static void answered_calls_have_no_exit_stop(void **state)
{
	static const struct {
		const char *line;
		uint64_t answered, others;
	} rows[] = {
		{ "calls loop 2000 20", 2000, 20 },
		{ "calls threads 8 500 10", 4000, 80 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		for (size_t k = 0; k < N_OF(ways); k++)
			for (int both = 0; both < 2; both++) {
				struct target target = spawn_by(rows[i].line, false, &ways[k]);
				struct pairs pairs = { .first = target.pid }, others = { .first = target.pid };
				uint64_t stops;

				hook(target.session, "getppid", true, both, answer, &pairs);
				if (both)
					hook(target.session, "getuid", true, true, pair, &others);
				assert_int_equal(target_run(&target).code, 0);
				stops = ph_session_stats(target.session).stops;
				if (pairs.entered != rows[i].answered || pairs.left != (both ? rows[i].answered : 0) ||
				    pairs.errors || others.entered != (both ? rows[i].others : 0) ||
				    others.left != others.entered || others.mismatched || others.errors)
					fail_msg("%s, way %zu: %lu answered, %lu left, %lu errors, %lu others, %lu left",
						 rows[i].line, k, pairs.entered, pairs.left, pairs.errors, others.entered,
						 others.left);
				if (stops > rows[i].answered * 5 / 4 + rows[i].others * 4 + 900)
					fail_msg("%s, way %zu: %lu stops", rows[i].line, k, stops);
				target_close(&target);
			}
}

/* Signals come and children are born where the next call was expected to be answered. */
static void calls_made_anew_are_made_once(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++)
		for (int both = 0; both < 2; both++) {
			struct target target = spawn_by("calls anew 30", false, &ways[k]);
			struct pairs pairs = { .first = target.pid }, others = { .first = target.pid };

			hook(target.session, "getppid", true, true, answer, &pairs);
			if (both)
				hook(target.session, NULL, true, true, pair, &others);
			target_expect_exit(&target, 0, "anew 30: 0 wrong\n");
			assert_int_equal(pairs.entered, 30 * 16);
			assert_int_equal(pairs.left, pairs.entered);
			assert_int_equal(pairs.errors + others.errors + others.mismatched, 0);
			target_close(&target);
		}
}

/* ---- Hooks that come and go */

struct late {
	struct ph_session *session;
	struct ph_handler *added;
	uint64_t calls, entered;
};

static struct ph_action count_and_leave(const struct ph_event *event, void *user)
{
	struct late *late = user;

	(void)event;
	return ACTION(++late->entered == 5 ? PH_REMOVE : PH_CONTINUE);
}

static struct ph_action add_late(const struct ph_event *event, void *user)
{
	struct late *late = user;

	(void)event;
	if (++late->calls == 1)
		hook(late->session, "getppid", true, true, count_and_leave, late);
	return ACTION(PH_CONTINUE);
}

static void a_hook_added_later_stops_every_call_until_it_is_removed(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls loop 2000 20", false, &ways[k]);
		struct late late = { .session = target.session };

		hook(target.session, "getuid", true, false, add_late, &late);
		assert_int_equal(target_run(&target).code, 0);
		assert_int_equal(late.calls, 20);
		assert_int_equal(late.entered, 5);
		if (!ways[k].no_seccomp)
			assert_true(ph_session_stats(target.session).stops < 400);
		target_close(&target);
	}
}

static void unknown_names_are_told_with_the_nearest(void **state)
{
	struct target target = target_spawn("calls uid", false);
	const char *name = "opneat";
	const uint64_t number = 5000;
	struct ph_syscall_options options = { .names = &name, .n_names = 1, .enter = true, .fn = count_hit };
	struct ph_syscall_options by_number = { .numbers = &number, .n_numbers = 1, .enter = true, .fn = count_hit };
	struct ph_handler *handler;
	struct ph_err err;

	(void)state;
	assert_int_equal(ph_syscall_hook_add(target.session, &options, &handler, &err), -ENOENT);
	assert_non_null(strstr(err.detail, "no system call 'opneat'; did you mean 'openat'?"));
	assert_int_equal(ph_syscall_hook_add(target.session, &by_number, &handler, &err), -ERANGE);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(entries_and_exits_are_paired_whatever_the_program_does),
		BOUNDED(an_exec_returns_in_whoever_called_it),
		BOUNDED(interrupted_calls_return_and_are_entered_again),
		BOUNDED(tables_are_told_apart),
		BOUNDED(int80_has_its_own_arguments_and_can_be_answered),
		BOUNDED(counts_are_exact_with_sixteen_threads),
		BOUNDED(an_open_is_redirected),
		BOUNDED(strings_are_put_away_after_the_call),
		BOUNDED(a_string_longer_than_any_room_is_an_error),
		BOUNDED(numbers_arguments_and_results_are_changed),
		BOUNDED(answered_calls_have_no_exit_stop),
		BOUNDED(calls_made_anew_are_made_once),
		BOUNDED(changes_at_the_wrong_end_are_errors),
		BOUNDED(calls_that_do_not_return_can_be_skipped),
		BOUNDED(a_hook_added_later_stops_every_call_until_it_is_removed),
		BOUNDED(unknown_names_are_told_with_the_nearest),
	};

	return RUN_TESTS(argc, argv, tests);
}
