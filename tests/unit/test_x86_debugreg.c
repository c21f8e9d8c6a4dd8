/* debugreg: ranges into pieces, DR7 written, DR6 read. The numbers are the Intel SDM's (vol. 3, 18.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/debugreg.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static void splits_a_range_into_the_fewest_aligned_pieces(void **state)
{
	static const struct {
		ph_addr addr;
		size_t len;
		unsigned int n;
		struct {
			ph_addr addr;
			uint8_t len;
		} pieces[PH_DEBUG_REGS];
	} rows[] = {
		{ 0x1000, 1, 1, { { 0x1000, 1 } } },
		{ 0x1000, 2, 1, { { 0x1000, 2 } } },
		{ 0x1000, 4, 1, { { 0x1000, 4 } } },
		{ 0x1000, 8, 1, { { 0x1000, 8 } } },
		{ 0x1007, 1, 1, { { 0x1007, 1 } } },
		{ 0x1000, 3, 2, { { 0x1000, 2 }, { 0x1002, 1 } } },
		{ 0x1001, 2, 2, { { 0x1001, 1 }, { 0x1002, 1 } } },
		{ 0x1001, 3, 2, { { 0x1001, 1 }, { 0x1002, 2 } } },
		{ 0x1002, 4, 2, { { 0x1002, 2 }, { 0x1004, 2 } } },
		{ 0x1001, 8, 4, { { 0x1001, 1 }, { 0x1002, 2 }, { 0x1004, 4 }, { 0x1008, 1 } } },
		{ 0x1004, 8, 2, { { 0x1004, 4 }, { 0x1008, 4 } } },
		{ 0x1000, 16, 2, { { 0x1000, 8 }, { 0x1008, 8 } } },
		{ 0x1000, 31, 6, { { 0x1000, 8 }, { 0x1008, 8 }, { 0x1010, 8 }, { 0x1018, 4 } } },
		{ 0x1000, 32, 4, { { 0x1000, 8 }, { 0x1008, 8 }, { 0x1010, 8 }, { 0x1018, 8 } } },
		{ 0x1004, 24, 4, { { 0x1004, 4 }, { 0x1008, 8 }, { 0x1010, 8 }, { 0x1018, 4 } } },
		{ 0x1001, 16, 5, { { 0x1001, 1 }, { 0x1002, 2 }, { 0x1004, 4 }, { 0x1008, 8 } } },
		{ 0xffffffffffffffff, 1, 1, { { 0xffffffffffffffff, 1 } } },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_debug_piece pieces[PH_DEBUG_REGS] = { 0 };

		assert_int_equal(ph_debug_split(rows[i].addr, rows[i].len, PH_ACCESS_READ_WRITE, pieces), rows[i].n);
		for (size_t k = 0; k < PH_DEBUG_REGS; k++) {
			assert_int_equal(pieces[k].addr, rows[i].pieces[k].addr);
			assert_int_equal(pieces[k].len, rows[i].pieces[k].len);
			if (pieces[k].len)
				assert_int_equal(pieces[k].access, PH_ACCESS_READ_WRITE);
		}
	}
}

/* Every range that fits: the pieces cover each of its bytes once, none beside it, and are aligned. */
static void pieces_cover_the_range_and_nothing_else(void **state)
{
	(void)state;
	for (ph_addr addr = 0x2000; addr < 0x2010; addr++) {
		for (size_t len = 1; len <= PH_DEBUG_RANGE_MAX; len++) {
			struct ph_debug_piece pieces[PH_DEBUG_REGS];
			unsigned int n = ph_debug_split(addr, len, PH_ACCESS_WRITE, pieces);
			ph_addr at = addr;

			if (n > PH_DEBUG_REGS)
				continue;
			for (unsigned int k = 0; k < n; k++) {
				assert_int_equal(pieces[k].addr, at);
				assert_int_equal(at % pieces[k].len, 0);
				at += pieces[k].len;
			}
			assert_int_equal(at, addr + len);
		}
	}
}

static void encodes_the_control_register(void **state)
{
	static const struct {
		struct ph_debug_piece pieces[PH_DEBUG_REGS];
		uint64_t control;
	} rows[] = {
		{ { { 0 } }, 0 },
		{ { { 8, 1, PH_ACCESS_EXECUTE } }, 0x1 },
		{ { { 8, 1, PH_ACCESS_WRITE } }, 0x10001 },
		{ { { 8, 1, PH_ACCESS_READ_WRITE } }, 0x30001 },
		{ { { 8, 2, PH_ACCESS_WRITE } }, 0x50001 },
		{ { { 8, 4, PH_ACCESS_WRITE } }, 0xd0001 },
		{ { { 8, 8, PH_ACCESS_WRITE } }, 0x90001 },
		{ { { 8, 8, PH_ACCESS_READ_WRITE } }, 0xb0001 },
		{ { { 0 }, { 8, 4, PH_ACCESS_WRITE } }, 0xd00004 },
		{ { { 0 }, { 0 }, { 8, 4, PH_ACCESS_WRITE } }, 0xd000010 },
		{ { { 0 }, { 0 }, { 0 }, { 8, 4, PH_ACCESS_READ_WRITE } }, 0xf0000040 },
		{ { { 8, 1, PH_ACCESS_EXECUTE }, { 8, 8, PH_ACCESS_WRITE }, { 0 }, { 16, 2, PH_ACCESS_WRITE } },
		  0x50900045 },
		{ { { 0, 8, PH_ACCESS_WRITE }, { 8, 8, PH_ACCESS_WRITE }, { 16, 8, PH_ACCESS_WRITE },
		    { 24, 8, PH_ACCESS_WRITE } },
		  0x99990055 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_int_equal(ph_debug_control(rows[i].pieces), rows[i].control);
}

static void decodes_the_status_register(void **state)
{
	static const struct {
		uint64_t status;
		unsigned int triggered;
		bool was_step;
	} rows[] = {
		{ 0, 0, false },
		{ 0xffff0ff0, 0, false },
		{ 0xffff0ff1, 1, false },
		{ 0xffff0ff8, 8, false },
		{ 0xffff0fff, 15, false },
		{ 0xffff4ff0, 0, true },
		{ 0xffff4ff6, 6, true },
		{ 0xffff2ff0, 0, false },	/* an access to the registers themselves */
		{ 0xffff8ff0, 0, false },	/* a task switch */
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		assert_int_equal(ph_debug_triggered(rows[i].status), rows[i].triggered);
		assert_int_equal(ph_debug_was_step(rows[i].status), rows[i].was_step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_a_range_into_the_fewest_aligned_pieces),
		cmocka_unit_test(pieces_cover_the_range_and_nothing_else),
		cmocka_unit_test(encodes_the_control_register),
		cmocka_unit_test(decodes_the_status_register),
	};

	return cmocka_run_group_tests_name("x86/debugreg", tests, NULL, NULL);
}
