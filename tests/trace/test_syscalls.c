/* system calls: seen, changed and answered, in each of the ways to do it; never out of step. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "engine/session.h"
#include "os/fault.h"

/* By filter or by PTRACE_SYSCALL, and read in each of the three ways. */
struct way {
	bool no_seccomp;
	enum ph_syscall_info info;
};

static const struct way ways[] = {
	{ false, PH_SYSCALL_INFO_REGS }, { false, PH_SYSCALL_INFO_GET }, { false, PH_SYSCALL_INFO_SET },
	{ true, PH_SYSCALL_INFO_REGS },	 { true, PH_SYSCALL_INFO_GET },	 { true, PH_SYSCALL_INFO_SET },
};

/* False when this kernel has not got it. */
static bool go_by(struct target *target, const struct way *way)
{
	struct ph_policy policy = ph_session_policy(target->session);

	policy.no_seccomp = way->no_seccomp;
	policy.syscall_info = way->info;
	return ph_session_set_policy(target->session, &policy, NULL) == 0;
}

static struct target spawn_by(const char *line, bool follow, const struct way *way)
{
	struct target target = target_spawn(line, follow);

	if (!go_by(&target, way)) {
		print_message("this kernel cannot: way %d\n", way->info);
		go_by(&target, &(struct way){ way->no_seccomp, PH_SYSCALL_INFO_AUTO });
	}
	return target;
}

static struct ph_handler *hook(struct ph_session *session, const char *name, bool enter, bool leave, ph_event_fn fn,
			       void *user)
{
	struct ph_syscall_options options = {
		.names = &name, .n_names = name ? 1 : 0, .every = !name, .enter = enter, .leave = leave, .fn = fn, .user = user,
	};
	struct ph_handler *handler;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_syscall_hook_add(session, &options, &handler, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	ph_handler_unref(handler);
	return handler;
}

static bool filtered(const struct target *target)
{
	return target->session->calls.filtered;
}

/* ---- Counting, and entry against exit */

#define DEPTHS 64

struct pairs {
	struct {
		pid_t tid;
		uint64_t number;
	} open[DEPTHS];
	size_t n_open;
	uint64_t entered, left, mismatched, restarted, errors;
	uint64_t by_abi[3];
	pid_t first;
	uint64_t in_others;
};

static struct ph_action pair(const struct ph_event *event, void *user)
{
	struct pairs *pairs = user;
	struct ph_syscall call;
	pid_t tid = ph_thread_tid(event->thread);
	size_t i;

	pairs->in_others += ph_process_pid(event->process) != pairs->first;
	if (ph_thread_syscall_get(event->thread, &call, NULL) < 0 || call.leave != event->leave) {
		pairs->errors++;
		return ACTION(PH_CONTINUE);
	}
	for (i = 0; i < pairs->n_open && pairs->open[i].tid != tid; i++)
		;
	if (!event->leave) {
		pairs->entered++;
		pairs->by_abi[call.abi]++;
		if (i == pairs->n_open && i < DEPTHS)
			pairs->n_open++;
		else
			pairs->mismatched += i == DEPTHS || pairs->open[i].number != UINT64_MAX;
		pairs->open[i].tid = tid;
		pairs->open[i].number = call.number;
		return ACTION(PH_CONTINUE);
	}
	pairs->left++;
	/*
	 * exec from a thread that is not the first: it has another id when it returns, the first one's, whose own call
	 * ended with it.
	 */
	if (call.number == SYS_execve && (i == pairs->n_open || pairs->open[i].number != SYS_execve)) {
		if (i < pairs->n_open)
			pairs->open[i].number = UINT64_MAX;
		for (i = 0; i < pairs->n_open && pairs->open[i].number != SYS_execve; i++)
			;
	}
	pairs->restarted += call.ret <= -512 && call.ret >= -516;
	if (i == pairs->n_open || pairs->open[i].number != call.number)
		pairs->mismatched++;
	else
		pairs->open[i].number = UINT64_MAX;
	return ACTION(PH_CONTINUE);
}

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
		{ "calls restart 5", false, 1 },     { "calls exec 3", false, 7 },    { "calls threads 8 200 5", false, 9 },
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
		assert_true(pairs.restarted >= 4);
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

/* What is done to a call of "calls uid", and what the program says then. */
static struct ph_action change(const struct ph_event *event, void *user)
{
	int *errors = user;
	struct ph_thread *thread = event->thread;
	struct ph_syscall call;

	*errors += ph_thread_syscall_get(thread, &call, NULL) < 0;
	switch (call.number) {
	case SYS_open:		/* another result */
		if (event->leave)
			*errors += call.ret != -ENOENT || ph_thread_syscall_set_ret(thread, -EACCES, NULL) < 0;
		break;
	case SYS_getuid:	/* answered; its return is told all the same, and changed once more */
		if (!event->leave)
			*errors += ph_thread_syscall_skip(thread, 1000, NULL) < 0;
		else
			*errors += call.ret != 1000 || ph_thread_syscall_set_ret(thread, 1001, NULL) < 0;
		break;
	case SYS_geteuid:	/* another call: open("/no/such/file") through pointers that are still in place fails */
		if (!event->leave)
			*errors += ph_thread_syscall_set_number(thread, SYS_close, NULL) < 0 ||
				   ph_thread_syscall_set_arg(thread, 0, 12345, NULL) < 0;
		else
			*errors += call.ret != -EBADF;
		break;
	case SYS_getgid:	/* through the registers */
		if (event->leave) {
			struct user_regs_struct regs;

			*errors += ph_thread_regs_get(thread, &regs, NULL) < 0 || regs.rax != 0;
			*errors += ph_thread_syscall_set_ret(thread, 77, NULL) < 0;
		}
		break;
	default:
		++*errors;
	}
	return ACTION(PH_CONTINUE);
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

/* ---- Attached */

static struct ph_action act_at(const struct ph_event *event, void *user)
{
	struct record *record = user;

	(void)event;
	return ++record->calls == record->act_at ? record->action : ACTION(PH_CONTINUE);
}

static void attach_in_the_middle_of_a_blocked_call_stays_in_step(void **state)
{
	(void)state;
	for (size_t k = 3; k < N_OF(ways); k++) {
		struct outsider outsider = outsider_start("calls block");
		struct target target = { .in = -1, .out = -1 };
		struct pairs pairs = { .first = outsider.pid };
		struct ph_reason reason = { 0 };

		outsider_await(&outsider, "ready");
		await_state(outsider.pid, "S");
		target.session = attach_to(outsider.pid);
		if (!go_by(&target, &ways[k]))
			skip();
		hook(target.session, NULL, true, true, pair, &pairs);
		assert_int_equal(ph_session_run(target.session, 100, &reason, NULL), 0);
		assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
		assert_int_equal(pairs.entered, 1);
		close(outsider.in);
		outsider.in = -1;
		reason = target_run(&target);
		assert_int_equal(reason.kind, PH_REASON_EXIT);
		assert_int_equal(pairs.mismatched + pairs.errors, 0);
		assert_int_equal(pairs.entered, pairs.left + 1);
		ph_session_unref(target.session);
		outsider_end(&outsider, NULL);
	}
}

/* Let go at the entry or the exit of a call, which is made all the same, once. */
static void an_attached_target_let_go_among_its_calls_lives_on(void **state)
{
	(void)state;
	for (uint64_t at = 1; at < 120; at += 7)
		for (int leave = 0; leave < 2; leave++) {
			struct outsider outsider = outsider_start("calls anew 300");
			struct ph_session *session = attach_to(outsider.pid);
			struct record record = { .action = ACTION(PH_DETACH), .act_at = at };
			struct ph_reason reason;
			char *rest;

			hook(session, NULL, !leave, leave, act_at, &record);
			assert_int_equal(ph_session_run(session, -1, &reason, NULL), 0);
			assert_true(reason.kind == PH_REASON_DETACH || reason.kind == PH_REASON_EXIT);
			ph_session_unref(session);
			assert_int_equal(outsider_end(&outsider, &rest), 0);
			assert_string_equal(rest, "anew 300: 0 wrong\n");
			free(rest);
		}
}

/* The tracer's own time, which is that of this process. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void a_target_blocked_in_a_call_costs_nothing(void **state)
{
	struct target target = target_spawn("calls block", false);
	struct pairs pairs = { .first = target.pid };
	struct ph_reason reason;
	int64_t before;

	(void)state;
	hook(target.session, NULL, true, true, pair, &pairs);
	do
		assert_int_equal(ph_session_run(target.session, 50, &reason, NULL), 0);
	while (!strstr(target_output(&target), "ready"));
	assert_int_equal(ph_session_run(target.session, 50, &reason, NULL), 0);
	before = cpu_ns();
	assert_int_equal(ph_session_run(target.session, 1000, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
	assert_true(cpu_ns() - before < 20000000);
	close(target.in);
	target.in = -1;
	assert_int_equal(target_run(&target).kind, PH_REASON_EXIT);
	target_close(&target);
}

/* ---- Filters of the program's own */

static struct ph_action fails_with_enosys(const struct ph_event *event, void *user)
{
	struct ph_syscall call;

	if (ph_thread_syscall_get(event->thread, &call, NULL) >= 0 && call.ret == -ENOSYS)
		((struct late *)user)->entered++;
	return ACTION(PH_CONTINUE);
}

static struct ph_action add_every(const struct ph_event *event, void *user)
{
	struct late *late = user;

	(void)event;
	if (++late->calls == 1)
		hook(late->session, "geteuid", true, true, fails_with_enosys, late);
	return ACTION(PH_CONTINUE);
}

static void the_programs_own_filter_works_as_without_a_tracer(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_OF(ways); k++) {
		struct target target = spawn_by("calls errno", false, &ways[k]);
		struct pairs pairs = { .first = target.pid };
		struct late late;

		hook(target.session, "getpid", true, true, pair, &pairs);
		target_expect_exit(&target, 0, "getuid 77\ngeteuid ENOSYS\n");
		target_close(&target);

		/* And with both mechanisms, where the call has been seen before that filter. */
		target = spawn_by("calls errno", false, &ways[k]);
		pairs = (struct pairs){ .first = target.pid };
		late = (struct late){ .session = target.session };
		hook(target.session, "prctl", true, false, add_every, &late);
		target_expect_exit(&target, 0, "getuid 77\ngeteuid ENOSYS\n");
		assert_int_equal(late.entered, 1);
		target_close(&target);
	}
}

/* ---- Let go */

/* At each of its first calls, and in the middle of children: the program never notices. */
static void a_target_let_go_lives_on_with_its_filter(void **state)
{
	static const char *const lines[] = { "forker fork", "forker vfork", "forker spawn", "calls threads 4 300 20",
					     "signals usr1 20", "calls restart 3", "forker untraced", "forker clone_vm" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++)
		for (uint64_t at = 1; at < 60; at += 3)
			for (int leave = 0; leave < 2; leave++) {
				struct target target = target_spawn(lines[i], at % 2);
				struct record record = { .action = ACTION(PH_DETACH), .act_at = at };
				struct ph_reason reason;
				const char *output;

				hook(target.session, NULL, !leave, leave, act_at, &record);
				reason = target_run(&target);
				fixture_await_orphans();
				output = target_output(&target);
				if (reason.kind == PH_REASON_DETACH && !strstr(output, "exit 3") && !strstr(output, "threads 4 300") &&
				    !strstr(output, "usr1 20") && !strstr(output, "slept 0 enough"))
					fail_msg("%s, let go at call %lu: %s", lines[i], at, output);
				target_close(&target);
			}
}

/* A string lent and taken back, the same as it was. */
static struct ph_action look_at_path(const struct ph_event *event, void *user)
{
	struct ph_syscall call;
	char path[64] = "";
	unsigned int index;

	(void)user;
	if (event->leave || ph_thread_syscall_get(event->thread, &call, NULL) < 0)
		return ACTION(PH_CONTINUE);
	index = call.number == SYS_openat;
	ph_process_read(event->process, call.args[index], path, sizeof(path), NULL);
	ph_thread_syscall_set_bytes(event->thread, index, path, sizeof(path), NULL);
	return ACTION(PH_CONTINUE);
}

/*
 * Killed before each request that the tracer makes of the kernel, one run after the other ($LONG; else before some 60 of
 * them, from the first to the last); what: the hooks' answer.
 */
static void sweep(const char *line, const struct way *way, enum ph_action_kind what, uint64_t requests)
{
	uint64_t stride = getenv("LONG") ? 1 : requests / 60;
	static const char *const names[] = { "open", "getuid", "openat", "getgid" };
	bool over = false;

	for (uint64_t at = 1; !over; at += stride ? stride : 1) {
		struct target target = spawn_by(line, true, way);
		struct record record = { .action = ACTION(what), .act_at = 3 };
		struct ph_reason reason;
		struct ph_err err;
		char message[256];
		int errors = 0;

		for (size_t i = 0; i < N_OF(names); i++)
			hook(target.session, names[i], true, true, i % 2 ? change : look_at_path, &errors);
		hook(target.session, NULL, true, true, act_at, &record);
		ph_os_calls.kill_at = ph_os_calls.made + at;
		if (ph_session_run(target.session, -1, &reason, &err) < 0)
			fail_msg("%s, killed at request %lu: %s", line, at, ph_err_message(&err, message, sizeof(message)));
		over = ph_os_calls.made < ph_os_calls.kill_at;
		ph_os_calls.kill_at = 0;
		if (reason.kind != PH_REASON_EXIT && reason.kind != PH_REASON_SIGNAL && reason.kind != PH_REASON_DETACH)
			fail_msg("%s, killed at request %lu: reason %d", line, at, reason.kind);
		target_close(&target);
		fixture_await_orphans();
	}
}

static void a_target_killed_at_any_moment_ends_properly(void **state)
{
	(void)state;
	sweep("calls uid", &ways[0], PH_CONTINUE, 600);
	sweep("calls uid", &ways[2], PH_CONTINUE, 500);
	sweep("calls uid", &ways[5], PH_CONTINUE, 500);
	sweep("forker untraced", &ways[2], PH_CONTINUE, 600);
}

static void a_target_killed_while_it_is_let_go_ends_properly(void **state)
{
	(void)state;
	sweep("calls uid", &ways[2], PH_DETACH, 0);
	sweep("forker fork", &ways[2], PH_DETACH, 0);
}

static void children_that_nobody_follows_outlive_a_killed_target(void **state)
{
	char shell[] = "/bin/sh", words[1][3] = { "-c" };
	char path[] = "/tmp/ptracehook-outlive.XXXXXX";
	int fd = mkstemp(path);
	struct ph_spawn_options options = PH_SPAWN_OPTIONS_INIT;
	char script[256], text[16] = "";
	char *argv[] = { shell, words[0], script, NULL };
	struct record record = { .action = ACTION(PH_KILL), .act_at = 1 };
	struct ph_session *session;
	struct ph_reason reason;
	ssize_t n;

	(void)state;
	snprintf(script, sizeof(script), "(until [ -s %s.go ]; do cat %s.go >/dev/null 2>&1; done; echo alive >%s) & "
		 "echo x >%s.go; kill -USR1 $$; wait", path, path, path, path);
	options.argv = argv;
	assert_int_equal(ph_session_spawn(tracer, &options, &session, NULL), 0);
	hook(session, "kill", true, false, act_at, &record);
	assert_int_equal(ph_session_run(session, -1, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_SIGNAL);
	ph_session_unref(session);
	fixture_await_orphans();
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	assert_string_equal(text, "alive\n");
	close(fd);
	unlink(path);
	snprintf(script, sizeof(script), "%s.go", path);
	unlink(script);
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
		BOUNDED(attach_in_the_middle_of_a_blocked_call_stays_in_step),
		BOUNDED(an_attached_target_let_go_among_its_calls_lives_on),
		BOUNDED(a_target_blocked_in_a_call_costs_nothing),
		BOUNDED(the_programs_own_filter_works_as_without_a_tracer),
		BOUNDED(a_target_let_go_lives_on_with_its_filter),
		BOUNDED(a_target_killed_at_any_moment_ends_properly),
		BOUNDED(a_target_killed_while_it_is_let_go_ends_properly),
		BOUNDED(children_that_nobody_follows_outlive_a_killed_target),
	};

	return RUN_TESTS(argc, argv, tests);
}
