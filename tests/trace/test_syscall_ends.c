/* system calls of targets that somebody attaches to, lets go or kills in the middle of them, and filters of their own. */
#include "calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "os/fault.h"

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

struct late {
	struct ph_session *session;
	struct ph_handler *added;
	uint64_t calls, entered;
};

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
