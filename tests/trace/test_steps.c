/* steps: every instruction is told once, before it runs, whatever else sits on it. */
#include <signal.h>
#include <sys/mman.h>

#include "fixture.h"

static struct ph_handler *steps_add(struct ph_session *session, ph_addr from, ph_addr to, pid_t tid, ph_event_fn fn,
				    void *user)
{
	struct ph_steps_options options = { .from = from, .to = to, .thread = tid, .fn = fn, .user = user };
	char text[PH_ERR_MESSAGE_MAX];
	struct ph_handler *handler;
	struct ph_err err;

	if (ph_steps_add(session, &options, &handler, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	ph_handler_unref(handler);
	return handler;
}

/* The number that tests/targets/step_count.c prints of the same program. */
static long counted_by(const char *path)
{
	int said = memfd_create("said", MFD_CLOEXEC), before = dup(2);
	char line[256], text[64] = "";

	snprintf(line, sizeof(line), "step_count %s", path);
	dup2(said, 2);
	free(untraced_output(line, 0));
	dup2(before, 2);
	if (pread(said, text, sizeof(text) - 1, 0) < 0 || strncmp(text, "steps ", 6) != 0)
		fail_msg("step_count said '%s'", text);
	close(said);
	close(before);
	return atol(text + 6);
}

static void every_instruction_of_a_program_is_told(void **state)
{
	const char *folder = getenv("TARGETS");
	char relative[256], *path;
	struct target target;
	uint64_t steps = 0;

	(void)state;
	/* Its own name is among what it looks at: the same for both. */
	snprintf(relative, sizeof(relative), "%s/calc_static", folder ? folder : "build/targets");
	path = realpath(relative, NULL);
	assert_non_null(path);
	target = target_spawn(path, false);
	steps_add(target.session, 0, UINT64_MAX, 0, count_hit, &steps);
	target_expect_exit(&target, 0, "calc(1, 2) = 3\ncalc(4, 5) = 9\n");
	assert_int_equal(steps, counted_by(path));
	free(path);
	target_close(&target);
}

struct path {
	ph_addr base;
	uint64_t n, errors;
	ph_addr seen[64];
};

static struct ph_action note_address(const struct ph_event *event, void *user)
{
	struct path *path = user;
	struct user_regs_struct regs;

	if (ph_thread_regs_get(event->thread, &regs, NULL) < 0 || regs.rip != event->address)
		path->errors++;
	if (path->n < N_OF(path->seen))
		path->seen[path->n] = event->address - path->base;
	path->n++;
	return ACTION(PH_CONTINUE);
}

/* work: push, mov, lea, add, pop, ret. With breakpoints on it, which a copy would pass. */
/* Past the dynamic linker's work, which takes a hundred thousand steps. */
static struct target target_at_main(const char *line)
{
	struct target target = target_spawn(line, false);
	struct record record = { .action = ACTION(PH_STOP) };
	struct ph_breakpoint_options options = { .where = "main", .fn = record_hit, .user = &record, .once = true };

	add_options(target.session, &options);
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	return target;
}

static void a_range_is_told_in_order_with_breakpoints_in_it(void **state)
{
	static const ph_addr path_of_work[] = { 0, 1, 4, 8, 12, 13 };

	(void)state;
	for (int with = 0; with < 2; with++) {
		struct target target = target_at_main("threads8 1 2");
		ph_addr work = address_of(target.session, "work");
		struct path path = { .base = work };
		uint64_t hits = 0;

		if (with) {
			add_at(target.session, "work", count_hit, &hits);
			add_at(target.session, "work_middle", count_hit, &hits);
		}
		steps_add(target.session, work, work + 14, 0, note_address, &path);
		target_expect_exit(&target, 0, "calls 2\n");
		assert_int_equal(path.errors, 0);
		assert_int_equal(path.n, 12);
		for (size_t i = 0; i < 12; i++)
			assert_int_equal(path.seen[i], path_of_work[i % 6]);
		assert_int_equal(hits, with ? 4 : 0);
		target_close(&target);
	}
}

static void threads_are_told_each_exactly(void **state)
{
	struct target target = target_at_main("threads8 4 20");
	ph_addr work = address_of(target.session, "work");
	uint64_t steps = 0, hits = 0;

	(void)state;
	add_at(target.session, "work_middle", count_hit, &hits);
	steps_add(target.session, work, work + 14, 0, count_hit, &steps);
	target_expect_exit(&target, 0, "calls 80\n");
	assert_int_equal(steps, 6 * 80);
	assert_int_equal(hits, 80);
	target_close(&target);
}

struct late {
	uint64_t steps, calls;
	struct ph_handler *handler;
};

static struct ph_action start_and_stop(const struct ph_event *event, void *user)
{
	struct late *late = user;

	late->calls++;
	if (late->calls == 2)
		late->handler = steps_add(event->session, event->address, event->address + 14, 0, count_hit, &late->steps);
	if (late->calls == 4)
		ph_handler_remove(late->handler);
	return ACTION(PH_CONTINUE);
}

/* Added at the second call's first instruction, which is told, and removed at the fourth's, which has been told by then. */
static void hooks_add_and_remove_it_at_any_time(void **state)
{
	struct target target = target_at_main("threads8 1 10");
	struct late late = { 0 };

	(void)state;
	add_at(target.session, "work", start_and_stop, &late);
	target_expect_exit(&target, 0, "calls 10\n");
	assert_int_equal(late.calls, 10);
	assert_int_equal(late.steps, 6 + 6 + 1);
	target_close(&target);
}

static void only_the_thread_that_was_named_is_told(void **state)
{
	struct target target = target_at_main("threads8 4 20");
	ph_addr work = address_of(target.session, "work");
	uint64_t steps = 0;

	(void)state;
	steps_add(target.session, work, work + 14, target.pid, count_hit, &steps);
	target_expect_exit(&target, 0, "calls 80\n");
	assert_int_equal(steps, 0);	/* the first thread calls nothing */
	target_close(&target);
}

/* rep movsq of four rounds in plain(); the watch sees each. */
static void a_repeated_instruction_is_told_once_a_pass(void **state)
{
	struct target target = target_at_main("watched plain");
	struct ph_watch_options options = { .address = address_of(target.session, "cell"), .len = 32, .fn = count_hit };
	uint64_t rep = 0, hits = 0;
	struct ph_watch *watch;
	uint8_t text[1024];
	ph_addr plain = address_of(target.session, "plain");
	size_t at = 0;

	(void)state;
	raw_read(target.pid, plain, text, sizeof(text));
	while (at + 3 < sizeof(text) && memcmp(text + at, "\xf3\x48\xa5", 3) != 0)
		at++;
	assert_true(at + 3 < sizeof(text));
	options.user = &hits;
	assert_int_equal(ph_watch_add(target.session, &options, &watch, NULL), 0);
	ph_watch_unref(watch);
	steps_add(target.session, plain + at, plain + at + 1, 0, count_hit, &rep);
	target_expect_exit(&target, 0, "writes 12\n");
	assert_int_equal(rep, 1);
	assert_int_equal(hits, 12);
	target_close(&target);
}

static void a_hook_may_skip_return_and_go_elsewhere(void **state)
{
	static const struct {
		enum ph_action_kind kind;
		uint64_t calls;
	} rows[] = { { PH_SKIP, 40 }, { PH_RETURN, 40 }, { PH_CONTINUE, 40 } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_at_main("watched threads 4 10");
		struct ph_watch_options options = { .address = address_of(target.session, "cell"), .len = 8,
						    .fn = count_hit };
		ph_addr fn = address_of(target.session, "write_cell");
		struct record record = { .action = ACTION(rows[i].kind) };
		struct ph_watch *watch;
		uint64_t hits = 0;

		options.user = &hits;
		assert_int_equal(ph_watch_add(target.session, &options, &watch, NULL), 0);
		ph_watch_unref(watch);
		steps_add(target.session, fn, fn + 1, 0, record_hit, &record);
		target_expect_exit(&target, 0, "writes 40\n");
		assert_int_equal(record.calls, rows[i].calls);
		assert_int_equal(hits, rows[i].kind == PH_CONTINUE ? 40 : 0);
		target_close(&target);
	}
}

/* Its own handlers, steps, and traps are as without us (tests/targets/signals.c, insns.c). */
static void programs_that_trap_themselves_run_as_untraced(void **state)
{
	static const char *const lines[] = {
		"insns pushfq pushfw popfq lahf iretq mov_ss syscall int80 call call_rip ret_imm enter leave",
		"insns int3 int3_long icebp ud2 hlt div0 fault_load fault_store fault_push fault_jump cpuid loop_self",
	};

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		char *expected = untraced_output(lines[i], 0);
		struct target target = target_at_main(lines[i]);
		uint64_t steps = 0;

		steps_add(target.session, 0, UINT64_MAX, 0, count_hit, &steps);
		target_expect_exit(&target, 0, expected);
		assert_true(steps > 1000);
		free(expected);
		target_close(&target);
	}
}

static void an_attached_target_that_is_stepped_is_let_go_whole(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct outsider outsider = outsider_start("watched loop");
		struct ph_session *session;
		struct ph_reason reason;
		uint64_t steps = 0;
		char *rest;

		outsider_await(&outsider, "ready");
		session = attach_to(outsider.pid);
		steps_add(session, 0, UINT64_MAX, 0, count_hit, &steps);
		ph_session_run(session, 10, &reason, NULL);
		assert_true(steps > 0);
		ph_session_unref(session);
		close(outsider.in);
		outsider.in = -1;
		assert_int_equal(outsider_end(&outsider, &rest), 0);
		assert_string_equal(rest, "ended\n");
		free(rest);
	}
}

static void a_range_without_an_instruction_is_refused(void **state)
{
	struct ph_steps_options none = { .from = 8, .to = 8, .fn = count_hit }, backwards = { .from = 9, .to = 8, .fn = count_hit },
				one = { .from = 8, .to = 9, .fn = count_hit };
	struct target target = target_spawn("calc_static", false);
	struct ph_handler *handler;
	struct ph_err err;

	(void)state;
	assert_int_equal(ph_steps_add(target.session, &none, &handler, &err), -EINVAL);
	assert_int_equal(ph_steps_add(target.session, &backwards, &handler, &err), -EINVAL);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(ph_steps_add(target.session, &one, &handler, &err), -ESRCH);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(every_instruction_of_a_program_is_told),
		BOUNDED(a_range_is_told_in_order_with_breakpoints_in_it),
		BOUNDED(threads_are_told_each_exactly),
		BOUNDED(hooks_add_and_remove_it_at_any_time),
		BOUNDED(only_the_thread_that_was_named_is_told),
		BOUNDED(a_repeated_instruction_is_told_once_a_pass),
		BOUNDED(a_hook_may_skip_return_and_go_elsewhere),
		BOUNDED(programs_that_trap_themselves_run_as_untraced),
		BOUNDED(an_attached_target_that_is_stepped_is_let_go_whole),
		BOUNDED(a_range_without_an_instruction_is_refused),
	};

	return RUN_TESTS(argc, argv, tests);
}
