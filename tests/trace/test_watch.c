/* watch: every access is told once, by whatever thread, whatever else happens at that stop (tests/targets/watched.c). */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "fixture.h"

/* NULL: the target is ending. Fails the test on any other error. The reference is the session's alone. */
static struct ph_watch *watch_if_alive(struct ph_session *session, ph_addr addr, size_t len,
				       enum ph_watch_access access, ph_event_fn fn, void *user)
{
	struct ph_watch_options options = { .address = addr, .len = len, .access = access, .fn = fn, .user = user };
	char text[PH_ERR_MESSAGE_MAX];
	struct ph_watch *watch;
	struct ph_err err;
	int r = ph_watch_add(session, &options, &watch, &err);

	if (r == -ESRCH)
		return NULL;
	if (r < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	ph_watch_unref(watch);
	return watch;
}

static struct ph_watch *watch_at(struct ph_session *session, ph_addr addr, size_t len, enum ph_watch_access access,
				 ph_event_fn fn, void *user)
{
	struct ph_watch *watch = watch_if_alive(session, addr, len, access, fn, user);

	assert_non_null(watch);
	return watch;
}

static int add_fails(struct ph_session *session, ph_addr addr, size_t len, enum ph_watch_access access,
		     const char *says)
{
	struct ph_watch_options options = { .address = addr, .len = len, .access = access, .fn = count_hit };
	char text[PH_ERR_MESSAGE_MAX];
	struct ph_watch *watch;
	struct ph_err err;
	int r = ph_watch_add(session, &options, &watch, &err);

	if (r >= 0)
		fail_msg("a watch of %zu bytes at 0x%lx was added", len, addr);
	if (!strstr(ph_err_message(&err, text, sizeof(text)), says))
		fail_msg("'%s' does not say '%s'", text, says);
	return r;
}

/* By threads that were there when it was added, and by those born later. Every second write is of the same value. */
static void writes_of_many_threads_are_counted_exactly(void **state)
{
	static const struct {
		int threads, writes;
	} rows[] = { { 1, 40 }, { 4, 10 }, { 4, 500 }, { 8, 200 }, { 16, 50 } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		uint64_t hits = 0, writes = (uint64_t)(rows[i].threads * rows[i].writes);
		char line[64], output[64];
		struct target target;

		snprintf(line, sizeof(line), "watched threads %d %d", rows[i].threads, rows[i].writes);
		snprintf(output, sizeof(output), "writes %lu\n", writes);
		target = target_spawn(line, false);
		watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
		target_expect_exit(&target, 0, output);
		if (hits != writes)
			fail_msg("%s: %lu hits", line, hits);
		target_close(&target);
	}
}

static void forty_writes_by_four_threads_are_forty_fifty_times(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct target target = target_spawn("watched threads 4 10", false);
		uint64_t hits = 0;

		watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
		target_expect_exit(&target, 0, "writes 40\n");
		assert_int_equal(hits, 40);
		target_close(&target);
	}
}

struct late {
	uint64_t hits;
	ph_addr cell;
	int error;
};

static struct ph_action add_in_hook(const struct ph_event *event, void *user)
{
	struct late *late = user;
	struct ph_watch_options options = { .address = late->cell, .len = 8, .fn = count_hit, .user = &late->hits };
	struct ph_watch *watch;

	late->error = ph_watch_add(event->session, &options, &watch, NULL);
	if (late->error >= 0)
		ph_watch_unref(watch);
	return ACTION(PH_REMOVE);
}

/* Threads that wait at a barrier then are stopped, get it, and go on. */
static void a_watch_that_a_hook_adds_is_on_threads_that_run(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct target target = target_spawn("watched threads 8 10", false);
		struct late late = { .cell = address_of(target.session, "cell") };

		add_at(target.session, "main_ready", add_in_hook, &late);
		target_expect_exit(&target, 0, "writes 80\n");
		assert_int_equal(late.error, 0);
		assert_int_equal(late.hits, 80);
		target_close(&target);
	}
}

/* A breakpoint on the instruction that writes: passed by a copy, or, with PH_STEP, by a single step. */
static void a_write_at_a_breakpoint_is_told_once(void **state)
{
	static const enum ph_action_kind actions[] = { PH_CONTINUE, PH_STEP };

	(void)state;
	for (size_t i = 0; i < N_OF(actions); i++) {
		struct target target = target_spawn("watched threads 4 50", false);
		struct record record = { .action = ACTION(actions[i]) };
		uint64_t hits = 0, steps = 0;

		add_at(target.session, "write_cell", record_hit, &record);
		handle(target.session, PH_EVENT_STEP, 0, count_hit, &steps);
		watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
		target_expect_exit(&target, 0, "writes 200\n");
		assert_int_equal(record.calls, 200);
		assert_int_equal(hits, 200);
		assert_int_equal(steps, actions[i] == PH_STEP ? 200 : 0);
		target_close(&target);
	}
}

static void several_registers_that_trigger_at_once_are_told_each(void **state)
{
	struct target target = target_spawn("watched threads 2 100", false);
	uint64_t whole = 0, low = 0, high = 0;
	ph_addr cell = address_of(target.session, "cell");

	(void)state;
	watch_at(target.session, cell, 8, PH_WATCH_WRITE, count_hit, &whole);
	watch_at(target.session, cell, 1, PH_WATCH_READ_WRITE, count_hit, &low);
	watch_at(target.session, cell + 6, 2, PH_WATCH_WRITE, count_hit, &high);
	target_expect_exit(&target, 0, "writes 200\n");
	assert_int_equal(whole, 200);
	assert_int_equal(low, 200);
	assert_int_equal(high, 200);
	target_close(&target);
}

static void writes_under_a_storm_of_signals_are_counted_exactly(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct target target = target_spawn("watched signals 500", false);
		uint64_t hits = 0, beside = 0;

		watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
		watch_at(target.session, address_of(target.session, "beside"), 8, PH_WATCH_WRITE, count_hit, &beside);
		target_expect_exit(&target, 0, "writes 500\n");
		assert_int_equal(hits, 500);
		target_close(&target);
	}
}

static void children_that_are_followed_are_watched_others_are_not(void **state)
{
	static const struct {
		const char *line;
		bool follow;
		uint64_t hits;
	} rows[] = {
		{ "watched fork", true, 3 },
		{ "watched fork", false, 1 },
		{ "watched vfork", true, 3 },
		{ "watched vfork", false, 1 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn(rows[i].line, rows[i].follow);
		uint64_t hits = 0;

		watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
		target_expect_exit(&target, 0, "writes 3\n");
		assert_int_equal(hits, rows[i].hits);
		target_close(&target);
	}
}

static void exec_takes_a_watch_along(void **state)
{
	struct target target = target_spawn("watched exec", false);
	ph_addr cell = address_of(target.session, "cell");
	uint64_t hits = 0;
	struct ph_watch *watch = ph_watch_ref(watch_at(target.session, cell, 8, PH_WATCH_WRITE, count_hit, &hits));

	(void)state;
	target_expect_exit(&target, 0, "writes 12\n");
	assert_int_equal(hits, 1);
	assert_int_equal(ph_watch_remove(watch, NULL), -ENOENT);
	ph_watch_unref(watch);
	target_close(&target);
}

static uint64_t control_of(pid_t tid)
{
	return (uint64_t)ptrace(PTRACE_PEEKUSER, tid, offsetof(struct user, u_debugreg[7]), NULL);
}

/* What a tracer that comes after us finds. */
static void expect_no_debug_registers(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		fail_msg("seize: %s", strerror(errno));
	waitpid(pid, NULL, __WALL);
	assert_int_equal(control_of(pid), 0);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

enum ending { DETACH, CLOSE, FREE, ACT, FAIL, ENDINGS };

static void end_session(struct ph_session *session, enum ending ending)
{
	if (ending == DETACH)
		assert_int_equal(ph_session_detach(session, false, NULL), 0);
	if (ending == FREE) {
		ph_tracer_free(tracer);
		assert_int_equal(ph_tracer_new(&tracer), 0);
	}
	ph_session_unref(session);
}

/* The target writes all the time: a trap that is on its way must not kill it, and the registers are its own again. */
static void an_attached_target_lives_on_unwatched_however_the_session_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 10 * ENDINGS; i++) {
		enum ending ending = i % ENDINGS;
		struct outsider outsider = outsider_start("watched loop");
		struct record record = { .action = ACTION(ending == ACT ? PH_DETACH : ending == FAIL ? PH_FAIL :
							  PH_CONTINUE), .act_at = 20 };
		struct ph_session *session;
		struct ph_reason reason;
		char *rest;
		int status;

		outsider_await(&outsider, "ready");
		session = attach_to(outsider.pid);
		watch_at(session, address_of(session, "cell"), 8, PH_WATCH_WRITE, record_hit, &record);
		ph_session_run(session, 20, &reason, NULL);
		assert_true(record.calls > 0);
		end_session(session, ending);
		expect_no_debug_registers(outsider.pid);
		close(outsider.in);
		outsider.in = -1;
		status = outsider_end(&outsider, &rest);
		if (status != 0)
			fail_msg("ending %d: status 0x%x", ending, status);
		assert_string_equal(rest, "ended\n");
		free(rest);
	}
}

/* Runs that end by time while a trap is on its way: it is told in the next one, or nobody's when the watch has gone. */
static void a_trap_that_waits_between_runs_is_told_later_or_not_at_all(void **state)
{
	struct target target = target_spawn("watched threads 4 2000", false);
	ph_addr cell = address_of(target.session, "cell"), beside = address_of(target.session, "beside");
	uint64_t hits = 0, wrong = 0;
	struct ph_watch *other = NULL;
	struct ph_reason reason;

	(void)state;
	watch_at(target.session, cell, 8, PH_WATCH_WRITE, count_hit, &hits);
	do {
		if (other)
			assert_int_equal(ph_watch_remove(other, NULL), 0);
		other = watch_if_alive(target.session, beside, 8, PH_WATCH_WRITE, count_hit, &wrong);
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
	} while (reason.kind == PH_REASON_TIMEOUT);
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(hits, 8000);
	assert_int_equal(wrong, 0);
	target_close(&target);
}

/* The register of the watch that is removed goes to another at once: what it saw before is not the new one's. */
static void a_register_that_changes_hands_takes_no_hits_along(void **state)
{
	struct target target = target_spawn("watched threads 4 1000", false);
	ph_addr cell = address_of(target.session, "cell"), beside = address_of(target.session, "beside");
	uint64_t hits = 0, wrong = 0;
	struct ph_reason reason;
	unsigned int turn = 0;

	(void)state;
	do {
		struct ph_watch *watch = watch_if_alive(target.session, turn % 2 ? beside : cell, 8, PH_WATCH_WRITE,
							count_hit, turn % 2 ? &wrong : &hits);

		turn++;
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
		if (watch && reason.kind == PH_REASON_TIMEOUT)
			ph_watch_remove(watch, NULL);
	} while (reason.kind == PH_REASON_TIMEOUT);
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(wrong, 0);
	assert_true(hits <= 4000);
	target_close(&target);
}

/* Every kind of piece after every other in the same register: the kernel refuses addresses that do not suit a length. */
static void a_register_takes_any_piece_after_any_other(void **state)
{
	static const struct {
		unsigned int offset;
		size_t len;
		enum ph_watch_access access;
	} rows[] = {
		{ 0, 8, PH_WATCH_WRITE }, { 1, 1, PH_WATCH_READ_WRITE }, { 3, 1, PH_WATCH_EXECUTE },
		{ 4, 4, PH_WATCH_WRITE }, { 6, 2, PH_WATCH_READ_WRITE }, { 1, 8, PH_WATCH_WRITE },
		{ 0, 32, PH_WATCH_WRITE }, { 3, 5, PH_WATCH_WRITE },
	};
	struct target target = target_spawn("watched plain", false);
	ph_addr cell = address_of(target.session, "cell");
	uint64_t hits = 0;

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		for (size_t k = 0; k < N_OF(rows); k++) {
			struct ph_watch *watch = watch_at(target.session, cell + rows[i].offset, rows[i].len,
							  rows[i].access, count_hit, &hits);

			ph_watch_remove(watch, NULL);
			watch = watch_at(target.session, cell + rows[k].offset, rows[k].len, rows[k].access, count_hit,
					 &hits);
			ph_watch_remove(watch, NULL);
		}
	target_expect_exit(&target, 0, "writes 12\n");
	assert_int_equal(hits, 0);
	target_close(&target);
}

static void what_cannot_be_watched_is_refused_and_nothing_is_changed(void **state)
{
	struct target target = target_spawn("watched plain", false);
	ph_addr cell = address_of(target.session, "cell");
	uint64_t hits = 0;

	(void)state;
	assert_int_equal(add_fails(target.session, cell, 0, PH_WATCH_WRITE, "no bytes"), -EINVAL);
	assert_int_equal(add_fails(target.session, cell, 33, PH_WATCH_WRITE, "reach 32"), -EINVAL);
	assert_int_equal(add_fails(target.session, cell, SIZE_MAX, PH_WATCH_WRITE, "reach 32"), -EINVAL);
	assert_int_equal(add_fails(target.session, cell + 1, 16, PH_WATCH_WRITE, "take 5"), -EINVAL);
	assert_int_equal(add_fails(target.session, 0xffffffff81000000, 8, PH_WATCH_WRITE, "kernel's"), -EINVAL);
	assert_int_equal(add_fails(target.session, 0xfffffffffffffffc, 8, PH_WATCH_WRITE, "kernel's"), -EINVAL);
	assert_int_equal(add_fails(target.session, 0x7ffffffffffc, 8, PH_WATCH_WRITE, "kernel's"), -EINVAL);
	assert_int_equal(add_fails(target.session, 8, 8, PH_WATCH_WRITE, "not mapped"), -EIO);
	assert_int_equal(add_fails(target.session, cell, 2, PH_WATCH_EXECUTE, "len is 1"), -EINVAL);
	watch_at(target.session, cell, 32, PH_WATCH_WRITE, count_hit, &hits);
	assert_int_equal(add_fails(target.session, cell, 1, PH_WATCH_WRITE, "held by watch 1 at"), -EBUSY);
	target_expect_exit(&target, 0, "writes 12\n");
	assert_int_equal(hits, 12);
	target_close(&target);
}

/* Somebody else has taken all four of this thread, as a hypervisor without any would look. */
static void no_debug_registers_are_an_error_and_nothing_is_changed(void **state)
{
	struct target target = target_spawn("watched plain", false);
	ph_addr cell = address_of(target.session, "cell");
	struct perf_event_attr attr = { .type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr), .bp_type = HW_BREAKPOINT_W,
					.bp_addr = cell, .bp_len = HW_BREAKPOINT_LEN_1, .sample_period = 1 << 30 };
	int fds[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		fds[i] = (int)syscall(SYS_perf_event_open, &attr, target.pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fds[0] < 0 || fds[3] < 0) {
		target_close(&target);
		skip();
	}
	assert_int_equal(add_fails(target.session, cell, 8, PH_WATCH_WRITE, "no debug registers"), -EOPNOTSUPP);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	target_expect_exit(&target, 0, "writes 12\n");
	target_close(&target);
}

static void an_execute_watch_triggers_once_before_the_instruction(void **state)
{
	struct target target = target_spawn("watched threads 4 50", false);
	struct record record = { .action = ACTION(PH_CONTINUE) };
	ph_addr fn = address_of(target.session, "write_cell");
	uint64_t hits = 0;

	(void)state;
	watch_at(target.session, fn, 1, PH_WATCH_EXECUTE, record_hit, &record);
	watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
	target_expect_exit(&target, 0, "writes 200\n");
	assert_int_equal(record.calls, 200);
	assert_int_equal(record.regs.rip, fn);
	assert_int_equal(hits, 200);
	target_close(&target);
}

/* The write is the function's first instruction: passed over, returned past, or made by a single step. */
static void an_execute_watch_and_a_hardware_breakpoint_take_every_move(void **state)
{
	static const struct {
		struct ph_action action;
		enum ph_mode mode;
		uint64_t writes, steps;
	} rows[] = {
		{ ACTION(PH_CONTINUE), PH_MODE_EXECUTE, 40, 0 },
		{ ACTION(PH_SKIP), PH_MODE_EXECUTE, 0, 0 },
		{ ACTION(PH_RETURN), PH_MODE_EXECUTE, 0, 0 },
		{ ACTION(PH_STEP), PH_MODE_EXECUTE, 40, 40 },
		{ ACTION(PH_CONTINUE), PH_MODE_SKIP, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * N_OF(rows); i++) {
		bool is_watch = i >= N_OF(rows);
		struct target target = target_spawn("watched threads 4 10", false);
		struct record record = { .action = rows[i % N_OF(rows)].action };
		struct ph_breakpoint_options options = { .where = "write_cell", .hardware = true, .fn = record_hit,
							 .user = &record, .mode = rows[i % N_OF(rows)].mode };
		uint64_t hits = 0, steps = 0;

		if (is_watch && options.mode == PH_MODE_SKIP) {
			target_close(&target);
			continue;
		}
		handle(target.session, PH_EVENT_STEP, 0, count_hit, &steps);
		if (is_watch)
			watch_at(target.session, address_of(target.session, "write_cell"), 1, PH_WATCH_EXECUTE, record_hit,
				 &record);
		else
			add_options(target.session, &options);
		watch_at(target.session, address_of(target.session, "cell"), 8, PH_WATCH_WRITE, count_hit, &hits);
		target_expect_exit(&target, 0, "writes 40\n");
		if (record.calls != 40 || hits != rows[i % N_OF(rows)].writes || steps != rows[i % N_OF(rows)].steps)
			fail_msg("row %zu: %lu calls, %lu writes, %lu steps", i, record.calls, hits, steps);
		target_close(&target);
	}
}

static void a_hardware_breakpoint_changes_no_byte_and_follows_its_name_through_exec(void **state)
{
	struct target target = target_spawn("watched exec", false);
	struct record record = { .action = ACTION(PH_STOP) };
	struct ph_breakpoint_options options = { .where = "write_cell", .hardware = true, .fn = record_hit, .user = &record };
	uint8_t byte;

	(void)state;
	add_options(target.session, &options);
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	raw_read(target.pid, record.address, &byte, 1);
	assert_int_not_equal(byte, 0xcc);
	record.action = ACTION(PH_CONTINUE);
	target_expect_exit(&target, 0, "writes 12\n");
	assert_int_equal(record.calls, 4);
	target_close(&target);
}

static void a_disabled_watch_gives_its_register_back(void **state)
{
	struct target target = target_spawn("watched plain", false);
	ph_addr cell = address_of(target.session, "cell");
	uint64_t first = 0, second = 0;
	struct ph_watch *watch = watch_at(target.session, cell, 32, PH_WATCH_WRITE, count_hit, &first), *other;

	(void)state;
	assert_int_equal(ph_watch_enable(watch, false, NULL), 0);
	other = watch_at(target.session, cell, 8, PH_WATCH_WRITE, count_hit, &second);
	assert_int_equal(ph_watch_enable(watch, true, NULL), -EBUSY);
	assert_int_equal(ph_watch_remove(other, NULL), 0);
	assert_int_equal(ph_watch_enable(watch, true, NULL), 0);
	assert_int_equal(ph_watch_enable(watch, true, NULL), 0);
	target_expect_exit(&target, 0, "writes 12\n");
	assert_int_equal(second, 0);
	assert_int_equal(first, 12);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(writes_of_many_threads_are_counted_exactly),
		BOUNDED(forty_writes_by_four_threads_are_forty_fifty_times),
		BOUNDED(a_watch_that_a_hook_adds_is_on_threads_that_run),
		BOUNDED(a_write_at_a_breakpoint_is_told_once),
		BOUNDED(several_registers_that_trigger_at_once_are_told_each),
		BOUNDED(writes_under_a_storm_of_signals_are_counted_exactly),
		BOUNDED(children_that_are_followed_are_watched_others_are_not),
		BOUNDED(exec_takes_a_watch_along),
		BOUNDED(an_attached_target_lives_on_unwatched_however_the_session_ends),
		BOUNDED(a_trap_that_waits_between_runs_is_told_later_or_not_at_all),
		BOUNDED(a_register_that_changes_hands_takes_no_hits_along),
		BOUNDED(a_register_takes_any_piece_after_any_other),
		BOUNDED(what_cannot_be_watched_is_refused_and_nothing_is_changed),
		BOUNDED(no_debug_registers_are_an_error_and_nothing_is_changed),
		BOUNDED(an_execute_watch_triggers_once_before_the_instruction),
		BOUNDED(an_execute_watch_and_a_hardware_breakpoint_take_every_move),
		BOUNDED(a_hardware_breakpoint_changes_no_byte_and_follows_its_name_through_exec),
		BOUNDED(a_disabled_watch_gives_its_register_back),
	};

	return RUN_TESTS(argc, argv, tests);
}
