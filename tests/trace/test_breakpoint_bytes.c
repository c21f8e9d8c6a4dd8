/* breakpoint bytes: what stands in memory under a breakpoint, and what reads and writes of it see. */
#include "fixture.h"

/* calc(a, b): lea rax, [rdi]; calc_add: add rax, rsi; ret. */
#define SUM "calc(1, 2) = 3\n"

/* Sites at calc (two of them), inside its instruction, and on the next one; gone in this order. */
static void original_bytes_come_back_in_any_order_of_removal(void **state)
{
	static const unsigned orders[][4] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 }, { 2, 0, 3, 1 }, { 3, 0, 2, 1 }, { 1, 0, 3, 2 },
	};
	static const ph_addr offsets[4] = { 0, 0, 1, 4 };
	struct target target = target_spawn("calc_nopie 1 2", false);
	ph_addr calc = address_of(target.session, "calc");
	uint64_t calls = 0;
	uint8_t file[16], now[16];

	(void)state;
	raw_read(target.pid, calc, file, sizeof(file));
	for (size_t i = 0; i < N_OF(orders); i++) {
		struct ph_breakpoint *breakpoints[4];
		unsigned armed[16] = { 0 };

		for (int k = 0; k < 4; k++) {
			struct ph_breakpoint_options options = { .address = calc + offsets[k], .fn = count_hit,
								 .user = &calls };

			breakpoints[k] = add_options(target.session, &options);
			armed[offsets[k]]++;
		}
		for (int k = 0; k < 4; k++) {
			assert_int_equal(ph_breakpoint_remove(breakpoints[orders[i][k]], NULL), 0);
			armed[offsets[orders[i][k]]]--;
			raw_read(target.pid, calc, now, sizeof(now));
			for (size_t n = 0; n < sizeof(now); n++)
				assert_int_equal(now[n], armed[n] ? 0xcc : file[n]);
		}
	}
	expect_text_of_file(target.pid);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(calls, 0);
	target_close(&target);
}

static void reads_never_show_our_bytes(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	struct ph_process *process = ph_session_process(target.session);
	ph_addr calc = address_of(target.session, "calc");
	uint8_t file[16], now[16];
	uint64_t calls = 0;

	(void)state;
	raw_read(target.pid, calc - 4, file, sizeof(file));
	for (ph_addr at = calc; at < calc + 8; at++) {
		struct ph_breakpoint_options options = { .address = at, .fn = count_hit, .user = &calls };

		add_options(target.session, &options);
	}
	raw_read(target.pid, calc, now, 1);
	assert_int_equal(now[0], 0xcc);
	/* Every piece of the whole, so that sites stand at its edges as well. */
	for (size_t from = 0; from <= sizeof(file); from++)
		for (size_t to = from; to <= sizeof(file); to++) {
			memset(now, 0xee, sizeof(now));
			assert_int_equal(ph_process_read(process, calc - 4 + from, now, to - from, NULL), 0);
			assert_memory_equal(now, file + from, to - from);
			if (to - from < sizeof(now))
				assert_int_equal(now[to - from], 0xee);
		}
	target_close(&target);
}

static void writes_under_a_breakpoint_change_the_original(void **state)
{
	static const uint8_t nops[] = { 0x90, 0x90, 0x90 };
	struct target target = target_spawn("calc_nopie", false);
	struct ph_process *process = ph_session_process(target.session);
	ph_addr add = address_of(target.session, "calc_add");
	uint64_t calls = 0;
	struct ph_breakpoint *breakpoint = add_at(target.session, "calc_add", count_hit, &calls);
	uint8_t now[3];

	(void)state;
	assert_int_equal(ph_process_write(process, add, nops, 3, NULL), 0);
	raw_read(target.pid, add, now, 3);
	assert_int_equal(now[0], 0xcc);
	assert_int_equal(now[1], 0x90);
	assert_int_equal(ph_process_read(process, add, now, 3, NULL), 0);
	assert_memory_equal(now, nops, 3);
	target_expect_exit(&target, 0, "calc(1, 2) = 1\ncalc(4, 5) = 4\n");
	assert_int_equal(calls, 2);
	assert_int_equal(ph_breakpoint_hits(breakpoint), 2);
	target_close(&target);
}

static void what_was_written_under_it_stays_after_removal(void **state)
{
	static const uint8_t nops[] = { 0x90, 0x90, 0x90 };
	struct target target = target_spawn("calc_nopie", false);
	struct ph_process *process = ph_session_process(target.session);
	ph_addr add = address_of(target.session, "calc_add");
	uint64_t calls = 0;
	uint8_t now[3];

	(void)state;
	for (int k = 0; k < 3; k++) {
		struct ph_breakpoint_options options = { .address = add + (ph_addr)k, .fn = count_hit, .user = &calls };
		struct ph_breakpoint *breakpoint = add_options(target.session, &options);

		assert_int_equal(ph_process_write(process, add + (ph_addr)k, nops, 1, NULL), 0);
		assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
	}
	raw_read(target.pid, add, now, 3);
	assert_memory_equal(now, nops, 3);
	target_expect_exit(&target, 0, "calc(1, 2) = 1\ncalc(4, 5) = 4\n");
	target_close(&target);
}

static void inside_an_instruction_it_has_its_true_consequence(void **state)
{
	struct target target = target_spawn("calc_nopie 1 2", false);
	struct record hit = { 0 };
	struct ph_breakpoint_options options = { .fn = record_hit, .user = &hit };

	(void)state;
	/* 48 01 f0, add rax, rsi: with a trap for the 01, REX int3; then 01 f0, add eax, esi. */
	options.address = address_of(target.session, "calc_add") + 1;
	add_options(target.session, &options);
	target_expect_exit(&target, 0, SUM);
	assert_int_equal(hit.calls, 1);
	assert_int_equal(hit.regs.rip, options.address);
	target_close(&target);
}

/* A program that writes its own code: the byte that it wrote over ours is what it means. */
static void code_that_the_target_rewrites_is_left_as_it_wrote_it(void **state)
{
	char *alone = untraced_output("jit 50", 0);
	struct target target = target_spawn("jit 50", false);
	struct record hit = { .act_at = 3, .action = ACTION(PH_STOP) };
	uint64_t calls = 0;
	struct ph_breakpoint_options options = { .fn = count_hit, .user = &calls };

	(void)state;
	add_at(target.session, "jit_here", record_hit, &hit);
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	options.address = hit.regs.rdi;
	add_options(target.session, &options);
	target_expect_exit(&target, 0, NULL);
	assert_non_null(strstr(target_output(&target), "rounds 50\n"));
	free(alone);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(original_bytes_come_back_in_any_order_of_removal),
		BOUNDED(reads_never_show_our_bytes),
		BOUNDED(writes_under_a_breakpoint_change_the_original),
		BOUNDED(what_was_written_under_it_stays_after_removal),
		BOUNDED(inside_an_instruction_it_has_its_true_consequence),
		BOUNDED(code_that_the_target_rewrites_is_left_as_it_wrote_it),
	};

	return RUN_TESTS(argc, argv, tests);
}
