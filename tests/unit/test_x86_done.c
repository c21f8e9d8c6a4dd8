/* done: what instructions of one byte leave behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/done.h"

#define OTHER 0x77

static const struct user_regs_struct regs = {
	.rax = 1, .rcx = 2, .rdx = 3, .rbx = 4, .rsp = 0x1000, .rbp = 6, .rsi = 7, .rdi = 8,
};

static void assert_done(uint8_t opcode, uint64_t below, uint64_t top, enum ph_done expected)
{
	if (ph_done_look(opcode, &regs, below, top) != expected)
		fail_msg("%#x with %#lx below and %#lx on top", opcode, below, top);
}

static void a_push_leaves_what_the_register_holds_on_top(void **state)
{
	static const uint64_t values[] = { 1, 2, 3, 4, 0x1008, 6, 7, 8 };

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		assert_done(0x50 + i, OTHER, values[i], PH_DONE_YES);
		assert_done(0x50 + i, values[i], OTHER, PH_DONE_NO);
	}
}

static void a_pop_leaves_what_it_took_below(void **state)
{
	static const uint64_t values[] = { 1, 2, 3, 4, 0x1000, 6, 7, 8 };

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		assert_done(0x58 + i, values[i], OTHER, i == 4 ? PH_DONE_UNKNOWN : PH_DONE_YES);
		assert_done(0x58 + i, OTHER, values[i], i == 4 ? PH_DONE_UNKNOWN : PH_DONE_NO);
	}
}

static void a_leave_leaves_the_frame_below(void **state)
{
	(void)state;
	assert_done(0xc9, 6, OTHER, PH_DONE_YES);
	assert_done(0xc9, OTHER, 6, PH_DONE_NO);
}

static void others_leave_nothing(void **state)
{
	static const uint8_t opcodes[] = { 0x90, 0xc3, 0x99, 0x9c, 0xaa, 0xcc, 0xf4, 0xc8, 0xca };

	(void)state;
	for (size_t i = 0; i < sizeof(opcodes); i++)
		assert_done(opcodes[i], 6, 6, PH_DONE_UNKNOWN);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_push_leaves_what_the_register_holds_on_top),
		cmocka_unit_test(a_pop_leaves_what_it_took_below),
		cmocka_unit_test(a_leave_leaves_the_frame_below),
		cmocka_unit_test(others_leave_nothing),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
