/* children: those that nobody follows never meet our bytes, those that are followed are hooked; and exec. */
#include "fixture.h"

/* marker(who) is called by the parent before it waits, and by each child (tests/targets/forker.c). */
struct row {
	const char *mode;
	uint64_t calls;		/* of marker, by all processes of one mode */
	uint64_t parents;	/* by the first process alone */
	uint64_t in_shared;	/* by children in the parent's own memory, who are silent when not followed */
	uint64_t children;
	const char *output;
};

static const struct row rows[] = {
	{ "fork", 2, 1, 0, 1, "fork: exit 3\n" },
	{ "vfork", 3, 1, 1, 1, "vfork: exit 3\n" },	/* once in the vfork child, once after its exec */
	{ "spawn", 2, 1, 0, 1, "spawn: exit 3\n" },
	{ "clone_vm", 2, 1, 1, 1, "clone_vm: exit 3\n" },
	{ "clone_vfork", 2, 1, 1, 1, "clone_vfork: exit 3\n" },
	{ "clone_sighand", 2, 1, 1, 1, "clone_sighand: exit 3\n" },
	{ "clone_quiet", 2, 1, 0, 1, "clone_quiet: exit 3\n" },
	{ "clone3", 2, 1, 0, 1, "clone3: exit 3\n" },
	{ "grandchild", 3, 1, 0, 2, "grandchild: exit 3\n" },
	{ "storm 60", 120, 60, 0, 60, "storm: exit 3\n" },
};

struct family {
	pid_t first;
	uint64_t hits, by_first, forks, child_known, exits, bad;
	pid_t last_child;
};

static struct ph_action count_in(const struct ph_event *event, void *user)
{
	struct family *family = user;
	uint8_t byte;

	family->hits++;
	family->by_first += ph_process_pid(event->process) == family->first;
	family->bad += ph_thread_process(event->thread) != event->process;
	/* Its own memory is what the hook reads. */
	family->bad += ph_process_read(event->process, event->address, &byte, 1, NULL) < 0 || byte == 0xcc;
	return ACTION(PH_CONTINUE);
}

static struct ph_action count_fork(const struct ph_event *event, void *user)
{
	struct family *family = user;

	family->forks++;
	family->last_child = event->child ? ph_process_pid(event->child) : 0;
	family->bad += !event->child || family->last_child == ph_process_pid(event->process) ||
		       ph_process_session(event->child) != event->session;
	return ACTION(PH_CONTINUE);
}

static struct ph_action count_exit(const struct ph_event *event, void *user)
{
	struct family *family = user;

	family->exits++;
	family->bad += event->thread != NULL;
	return ACTION(PH_CONTINUE);
}

static struct target begin(const struct row *row, bool follow, struct family *family)
{
	char line[64];
	struct target target;

	snprintf(line, sizeof(line), "forker %s", row->mode);
	target = target_spawn(line, follow);
	*family = (struct family){ .first = target.pid };
	add_at(target.session, "marker", count_in, family);
	handle(target.session, PH_EVENT_FORK, 0, count_fork, family);
	handle(target.session, PH_EVENT_EXIT, 0, count_exit, family);
	return target;
}

static void children_that_nobody_follows_run_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct family family;
		struct target target = begin(&rows[i], false, &family);

		target_expect_exit(&target, 0, rows[i].output);
		if (family.hits != rows[i].parents || family.by_first != rows[i].parents || family.bad)
			fail_msg("%s: %lu hits, %lu by the first, %lu bad", rows[i].mode, family.hits, family.by_first,
				 family.bad);
		/* Of the grandchild nobody hears: its parent is on its own. */
		assert_int_equal(family.forks, strcmp(rows[i].mode, "grandchild") == 0 ? 1 : rows[i].children);
		assert_int_equal(family.exits, 1);
		target_close(&target);
	}
}

static void children_that_are_followed_are_hooked(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct family family;
		struct target target = begin(&rows[i], true, &family);

		target_expect_exit(&target, 0, rows[i].output);
		if (family.hits != rows[i].calls || family.by_first != rows[i].parents || family.bad)
			fail_msg("%s: %lu hits, %lu by the first, %lu bad", rows[i].mode, family.hits, family.by_first,
				 family.bad);
		assert_int_equal(family.forks, rows[i].children);
		assert_int_equal(family.exits, rows[i].children + 1);
		target_close(&target);
	}
}

/* Without a breakpoint there is nothing to meet, also for CLONE_UNTRACED, which the tracer never hears of. */
static void untraced_children_run_where_nothing_is_set(void **state)
{
	(void)state;
	for (int follow = 0; follow < 2; follow++) {
		struct target target = target_spawn("forker untraced", follow);

		target_expect_exit(&target, 0, "untraced: exit 3\n");
		target_close(&target);
	}
}

/* How clone entries are seen: by the filter, or by stopping at every call. */
static void untraced_children_are_seen_when_asked_for(void **state)
{
	static const struct row untraced[] = {
		{ "untraced", 2, 1, 0, 1, "untraced: exit 3\n" },
		{ "untraced3", 2, 1, 0, 1, "untraced3: exit 3\n" },
		{ "untraced_vm", 2, 1, 1, 1, "untraced_vm: exit 3\n" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(untraced); i++)
		for (int way = 0; way < 4; way++) {
			bool follow = way & 1, no_seccomp = way & 2;
			const struct row *row = &untraced[i];
			struct family family;
			struct target target = begin(row, follow, &family);
			struct ph_policy policy = ph_session_policy(target.session);

			policy.strip_untraced = true;
			policy.no_seccomp = no_seccomp;
			assert_int_equal(ph_session_set_policy(target.session, &policy, NULL), 0);
			target_expect_exit(&target, 0, row->output);
			if (family.hits != (follow ? row->calls : row->parents) || family.forks != 1 || family.bad)
				fail_msg("%s, way %d: %lu hits, %lu forks, %lu bad", row->mode, way, family.hits,
					 family.forks, family.bad);
			target_close(&target);
		}
}

static void children_survive_stops_at_any_moment(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		for (int follow = 0; follow < 2; follow++) {
			struct family family;
			struct target target = begin(&rows[i], follow, &family);
			struct ph_reason reason = { 0 };

			do
				assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
			while (reason.kind == PH_REASON_TIMEOUT);
			assert_int_equal(reason.kind, PH_REASON_EXIT);
			assert_string_equal(target_output(&target), rows[i].output);
			assert_int_equal(family.hits, follow ? rows[i].calls : rows[i].parents);
			target_close(&target);
		}
}

/* The breakpoint is taken out in the parent just before it forks again: a copy may still have it. */
static struct ph_action flicker(const struct ph_event *event, void *counter)
{
	++*(uint64_t *)counter;
	ph_breakpoint_enable(event->breakpoint, false, NULL);
	ph_breakpoint_enable(event->breakpoint, true, NULL);
	return ACTION(PH_CONTINUE);
}

static void copies_are_clean_of_what_was_removed(void **state)
{
	(void)state;
	for (int follow = 0; follow < 2; follow++) {
		struct target target = target_spawn("forker storm 30", follow);
		uint64_t calls = 0;

		add_at(target.session, "marker", flicker, &calls);
		target_expect_exit(&target, 0, "storm: exit 3\n");
		/* Followed, the other of the two may pass while its site is out for a moment. */
		assert_true(follow ? calls > 0 && calls <= 60 : calls == 30);
		target_close(&target);
	}
}

/* ---- Ends in the middle */

enum end { KILL, CLOSE, DETACH, FREE_TRACER };

struct stop_in {
	pid_t first;
	bool in_child;
	enum ph_event_kind at;
};

static struct ph_action stop_in(const struct ph_event *event, void *user)
{
	struct stop_in *wish = user;

	if (event->kind == PH_EVENT_FORK || wish->in_child == (ph_process_pid(event->process) != wish->first))
		return ACTION(PH_STOP);
	return ACTION(PH_CONTINUE);
}

static void end_there(const struct row *row, bool follow, enum ph_event_kind at, bool in_child, enum end end)
{
	char line[64];
	struct target target;
	struct stop_in wish = { .in_child = in_child, .at = at };
	struct ph_reason reason;
	int status;

	snprintf(line, sizeof(line), "forker %s", row->mode);
	target = target_spawn(line, follow);
	wish.first = target.pid;
	if (at == PH_EVENT_BREAKPOINT)
		add_at(target.session, "marker", stop_in, &wish);
	else
		handle(target.session, at, 0, stop_in, &wish);
	reason = target_run(&target);
	if (reason.kind != PH_REASON_STOP)
		fail_msg("%s, follow %d: reason %d", line, follow, reason.kind);
	switch (end) {
	case KILL:
		assert_int_equal(ph_session_kill(target.session, NULL), 0);
		break;
	case CLOSE:
		ph_session_close(target.session);
		break;
	case FREE_TRACER:
		ph_tracer_free(tracer);
		assert_int_equal(ph_tracer_new(&tracer), 0);
		break;
	case DETACH:
		assert_int_equal(ph_session_detach(target.session, false, NULL), 0);
		while (waitpid(target.pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status != 0 || strcmp(target_output(&target), row->output))
			fail_msg("%s, follow %d: status 0x%x: %s", line, follow, status, target_output(&target));
		break;
	}
	assert_true(ph_session_has_ended(target.session));
	target_close(&target);
	/* Those that nobody followed, or that were let go, end by themselves. */
	fixture_await_orphans();
}

static void a_family_may_end_at_any_point(void **state)
{
	static const enum end ends[] = { KILL, CLOSE, FREE_TRACER, DETACH };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		for (size_t k = 0; k < N_OF(ends); k++) {
			end_there(&rows[i], true, PH_EVENT_BREAKPOINT, true, ends[k]);
			for (int follow = 0; follow < 2; follow++) {
				end_there(&rows[i], follow, PH_EVENT_BREAKPOINT, false, ends[k]);
				end_there(&rows[i], follow, PH_EVENT_FORK, false, ends[k]);
			}
		}
}

/* ---- Exec */

static struct ph_action count_exec(const struct ph_event *event, void *counter)
{
	++*(uint64_t *)counter;
	return event->path && strstr(event->path, "/execer") ? ACTION(PH_CONTINUE) : ACTION(PH_FAIL);
}

static void exec_drops_the_old_sites_and_finds_the_new_ones(void **state)
{
	static const struct {
		const char *line;
		uint64_t execs;
		bool from_thread;
	} cases[] = { { "execer self 1", 1, false }, { "execer self 20", 20, false }, { "execer thread 20", 20, true } };

	(void)state;
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct target target = target_spawn(cases[i].line, false);
		uint64_t hits = 0, execs = 0;
		int fds = fixture_open_fds();

		add_at(target.session, "marker", count_hit, &hits);
		handle(target.session, PH_EVENT_EXEC, 0, count_exec, &execs);
		target_expect_exit(&target, 0, NULL);
		assert_non_null(strstr(target_output(&target), "left 0\ndone\n"));
		assert_int_equal(execs, cases[i].execs);
		/* A third thread calls marker for ever in the second form. */
		if (cases[i].from_thread)
			assert_true(hits >= cases[i].execs);
		else
			assert_int_equal(hits, cases[i].execs);
		assert_true(fixture_open_fds() <= fds);
		target_close(&target);
	}
}

/* Descriptors of memory that is gone must not wait for the breakpoint's end. */
static struct ph_action watch_fds(const struct ph_event *event, void *most)
{
	int now = fixture_open_fds();

	(void)event;
	if (now > *(int *)most)
		*(int *)most = now;
	return ACTION(PH_CONTINUE);
}

static void memory_that_is_gone_is_closed(void **state)
{
	static const char *const lines[] = { "execer self 20", "execer thread 20", "forker storm 20" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], true);
		int most = 0, before = fixture_open_fds();
		uint64_t hits = 0;

		add_at(target.session, "marker", count_hit, &hits);
		handle(target.session, PH_EVENT_EXEC, 0, watch_fds, &most);
		handle(target.session, PH_EVENT_FORK, 0, watch_fds, &most);
		target_expect_exit(&target, 0, NULL);
		/* A few may be open for as long as two programs, or parent and child, live. */
		if (most > before + 4)
			fail_msg("%s: %d descriptors where there were %d", lines[i], most, before);
		target_close(&target);
	}
}

static void a_name_that_the_first_program_lacks_is_found_in_the_next(void **state)
{
	char line[4300];
	const char *folder = getenv("TARGETS");
	struct target target;
	uint64_t hits = 0, thread_hits = 0;
	struct ph_breakpoint *breakpoint;

	(void)state;
	for (int k = 0; k < 2; k++) {
		snprintf(line, sizeof(line), "execer %s %s/calc_pie", k ? "thread_prog" : "prog",
			 folder ? folder : "build/targets");
		target = target_spawn(line, false);
		breakpoint = add_at(target.session, "calc", count_hit, k ? &thread_hits : &hits);
		add_at(target.session, "marker", count_hit, &(uint64_t){ 0 });
		target_expect_exit(&target, 0, NULL);
		assert_non_null(strstr(target_output(&target), "calc(4, 5) = 9\n"));
		assert_int_equal(k ? thread_hits : hits, 2);
		assert_int_equal(ph_breakpoint_hits(breakpoint), 2);
		target_close(&target);
	}
}

static void an_exec_that_fails_changes_nothing(void **state)
{
	struct target target = target_spawn("execer missing", false);
	uint64_t hits = 0, execs = 0;

	(void)state;
	add_at(target.session, "marker", count_hit, &hits);
	handle(target.session, PH_EVENT_EXEC, 0, count_hit, &execs);
	target_expect_exit(&target, 0, "ENOENT\ndone\n");
	assert_int_equal(hits, 1);
	assert_int_equal(execs, 0);
	target_close(&target);
}

static void exec_of_a_32_bit_program_ends_the_run_in_words(void **state)
{
	char line[4300];
	const char *folder = getenv("TARGETS");
	struct ph_reason reason;
	struct target target;
	struct ph_err err;

	(void)state;
	snprintf(line, sizeof(line), "execer prog %s/hello32", folder ? folder : "build/targets");
	target = target_spawn(line, false);
	if (ph_session_run(target.session, -1, &reason, &err) >= 0) {
		/* A kernel without 32-bit programs refuses to execute it. */
		print_message("no 32-bit programs here\n");
		target_close(&target);
		skip();
	}
	assert_int_equal(err.code, -ENOEXEC);
	assert_non_null(strstr(err.detail, "32-bit"));
	target_close(&target);
}

static void exec_storms_with_stops_at_any_moment(void **state)
{
	static const char *const lines[] = { "execer self 15", "execer thread 15" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], false);
		struct ph_reason reason = { 0 };
		uint64_t hits = 0;

		add_at(target.session, "marker", count_hit, &hits);
		do
			assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
		while (reason.kind == PH_REASON_TIMEOUT);
		assert_int_equal(reason.kind, PH_REASON_EXIT);
		assert_int_equal(reason.code, 0);
		assert_non_null(strstr(target_output(&target), "left 0\ndone\n"));
		assert_true(hits >= 15);
		target_close(&target);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(children_that_nobody_follows_run_clean),
		BOUNDED(children_that_are_followed_are_hooked),
		BOUNDED(untraced_children_run_where_nothing_is_set),
		BOUNDED(untraced_children_are_seen_when_asked_for),
		BOUNDED(children_survive_stops_at_any_moment),
		BOUNDED(copies_are_clean_of_what_was_removed),
		BOUNDED(a_family_may_end_at_any_point),
		BOUNDED(exec_drops_the_old_sites_and_finds_the_new_ones),
		BOUNDED(memory_that_is_gone_is_closed),
		BOUNDED(a_name_that_the_first_program_lacks_is_found_in_the_next),
		BOUNDED(an_exec_that_fails_changes_nothing),
		BOUNDED(exec_of_a_32_bit_program_ends_the_run_in_words),
		BOUNDED(exec_storms_with_stops_at_any_moment),
	};

	return RUN_TESTS(argc, argv, tests);
}
