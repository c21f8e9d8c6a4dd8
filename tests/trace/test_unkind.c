/* unkind: targets that pull memory from under breakpoints and their copies, write over them, or forbid us to map. */
#include "fixture.h"

/* Stops where the target shows its code: the code's address. */
static ph_addr run_to_code(struct target *target)
{
	struct record seen = { .act_at = 1, .action = ACTION(PH_STOP) };
	struct ph_breakpoint *breakpoint = add_at(target->session, "code_here", record_hit, &seen);

	assert_int_equal(target_run(target).kind, PH_REASON_STOP);
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
	return seen.regs.rdi;
}

static void with_breakpoint_on_code(const char *line, uint64_t hits_wanted)
{
	struct target target = target_spawn(line, false);
	uint64_t hits = 0;
	struct ph_breakpoint_options options = { .address = run_to_code(&target), .fn = count_hit, .user = &hits };

	add_options(target.session, &options);
	target_expect_exit(&target, 0, "done\n");
	assert_int_equal(hits, hits_wanted);
	target_close(&target);
}

/* The byte went with the page: what is mapped there next runs as it is. */
static void a_page_that_is_unmapped_takes_its_breakpoint_along(void **state)
{
	(void)state;
	with_breakpoint_on_code("unkind unmap 10", 10);
}

static void removing_a_breakpoint_from_a_page_that_is_gone_writes_nothing(void **state)
{
	struct target target = target_spawn("unkind unmap 10", false);
	uint64_t hits = 0;
	struct ph_breakpoint_options options = { .address = run_to_code(&target), .fn = count_hit, .user = &hits };
	struct ph_breakpoint *breakpoint = add_options(target.session, &options);
	uint8_t now[6];
	static const uint8_t second[] = { 0xb8, 2, 0, 0, 0, 0xc3 };

	(void)state;
	assert_int_equal(run_to_code(&target), options.address);
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
	raw_read(target.pid, options.address, now, sizeof(now));
	assert_memory_equal(now, second, sizeof(now));
	/* And a new one is one of the new page. */
	add_options(target.session, &options);
	target_expect_exit(&target, 0, "done\n");
	assert_int_equal(hits, 20);
	target_close(&target);
}

/* The fault is the program's own, at its own address; then the pass is made. */
static void a_page_that_is_not_executable_faults_as_it_would(void **state)
{
	(void)state;
	with_breakpoint_on_code("unkind noexec 10", 10);
}

/* Our byte is still there, so it is hit; what runs is the instruction as it is by then. */
static void an_instruction_rewritten_behind_its_first_byte_runs_as_it_is_now(void **state)
{
	(void)state;
	with_breakpoint_on_code("unkind operand 100", 100);
}

static void scratch_memory_that_the_target_spoils_is_done_without(void **state)
{
	static const char *const lines[] = { "unkind drop 50", "unkind fill 50", "unkind hide 50" };
	static const char *const places[] = { "work", "work_middle", "work+1", "work+4" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], false);
		uint64_t hits[N_OF(places)] = { 0 };

		for (size_t k = 0; k < N_OF(places); k++)
			add_at(target.session, places[k], count_hit, &hits[k]);
		target_expect_exit(&target, 0, "found 1\ndone\n");
		for (size_t k = 0; k < N_OF(places); k++)
			assert_int_equal(hits[k], 100);
		assert_true(ph_session_stats(target.session).copies > 0);
		assert_true(ph_session_stats(target.session).single_steps >= 50 * N_OF(places));
		target_close(&target);
	}
}

static void a_seccomp_filter_that_forbids_mapping_is_kept(void **state)
{
	static const struct {
		const char *line;
		uint64_t calls;
		bool copies;
	} rows[] = { { "unkind filter 50", 50, false }, { "unkind late 50", 100, true } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn(rows[i].line, false);
		uint64_t entry = 0, middle = 0;

		add_at(target.session, "work", count_hit, &entry);
		add_at(target.session, "work_middle", count_hit, &middle);
		target_expect_exit(&target, 0, "filter\ndone\n");
		assert_int_equal(entry, rows[i].calls);
		assert_int_equal(middle, rows[i].calls);
		assert_int_equal(ph_session_stats(target.session).copies > 0, rows[i].copies);
		target_close(&target);
	}
}

/* Nobody can unmap the scratch memory then; it stays, and harms nobody. */
static void detach_under_a_filter_leaves_the_target_well(void **state)
{
	struct target target = target_spawn("unkind late 50", false);
	struct record hit = { .act_at = 75, .action = ACTION(PH_DETACH) };
	int status;

	(void)state;
	add_at(target.session, "work", record_hit, &hit);
	assert_int_equal(target_run(&target).kind, PH_REASON_DETACH);
	assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
	assert_int_equal(status, 0);
	assert_string_equal(target_output(&target), "filter\ndone\n");
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(a_page_that_is_unmapped_takes_its_breakpoint_along),
		BOUNDED(removing_a_breakpoint_from_a_page_that_is_gone_writes_nothing),
		BOUNDED(a_page_that_is_not_executable_faults_as_it_would),
		BOUNDED(an_instruction_rewritten_behind_its_first_byte_runs_as_it_is_now),
		BOUNDED(scratch_memory_that_the_target_spoils_is_done_without),
		BOUNDED(a_seccomp_filter_that_forbids_mapping_is_kept),
		BOUNDED(detach_under_a_filter_leaves_the_target_well),
	};

	return RUN_TESTS(argc, argv, tests);
}
