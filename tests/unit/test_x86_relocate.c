/* relocate: the bytes of copies, their maps, and what is refused. tests/trace/relocate_diff runs them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "x86/insn.h"
#include "x86/relocate.h"

#define FROM ((ph_addr)0x401000)
#define NEAR ((ph_addr)0x10000)
#define FAR ((ph_addr)0x700000000000)

static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t n = 0;
	unsigned byte;
	int used;

	for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
		ret[n++] = (uint8_t)byte;
	return n;
}

static int relocate(const char *hex, ph_addr to, struct ph_copy *ret)
{
	uint8_t bytes[32];
	size_t n = from_hex(hex, bytes);

	return ph_relocate(bytes, n, FROM, to, ret);
}

/* "0 before; 6 undo 8; 13 after 401015": the map as text. */
static void write_map(const struct ph_copy *copy, char *buf, size_t len)
{
	size_t used = 0;

	for (int i = 0; i < copy->n_points; i++) {
		const struct ph_copy_point *point = &copy->points[i];

		used += (size_t)snprintf(buf + used, len - used, "%s%d ", i ? "; " : "", point->at);
		if (point->state == PH_COPY_AFTER)
			used += (size_t)snprintf(buf + used, len - used, "after %llx",
						 (unsigned long long)point->stands_for);
		else if (point->stands_for == FROM && point->state == PH_COPY_UNDO)
			used += (size_t)snprintf(buf + used, len - used, "undo %d", point->rsp_add);
		else if (point->stands_for == FROM && !point->rsp_add)
			used += (size_t)snprintf(buf + used, len - used, "before");
	}
}

struct row {
	const char *original;
	ph_addr to;
	const char *copy, *map;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t want[PH_COPY_SIZE];
		size_t want_len = from_hex(rows[i].copy, want);
		struct ph_copy copy;
		char map[160];
		int r = relocate(rows[i].original, rows[i].to, &copy);

		if (r < 0)
			fail_msg("%s: %s", rows[i].original, strerror(-r));
		if (copy.len != want_len || memcmp(copy.bytes, want, want_len)) {
			print_error("%s became", rows[i].original);
			for (int j = 0; j < copy.len; j++)
				print_error(" %02x", copy.bytes[j]);
			fail_msg(", not %s", rows[i].copy);
		}
		write_map(&copy, map, sizeof(map));
		assert_string_equal(map, rows[i].map);
		for (size_t j = want_len; j < PH_COPY_SIZE; j++)
			assert_int_equal(copy.bytes[j], 0xcc);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void copies_a_plain_instruction_and_jumps_back(void **state)
{
	static const struct row rows[] = {
		{ "48 89 e5", NEAR, "48 89 e5 e9 fb 0f 3f 00", "0 before; 3 after 401003" },
		{ "f3 0f 1e fa", NEAR, "f3 0f 1e fa e9 fb 0f 3f 00", "0 before; 4 after 401004" },
		{ "f3 48 a5", NEAR, "f3 48 a5 e9 fb 0f 3f 00", "0 before; 3 after 401003" },
		{ "9c", NEAR, "9c e9 fb 0f 3f 00", "0 before; 1 after 401001" },
		{ "48 89 e5", FAR, "48 89 e5 ff 25 07 00 00 00 cc cc cc cc cc cc cc 03 10 40 00 00 00 00 00",
		  "0 before; 3 after 401003" },
	};

	(void)state;
	CHECK(rows);
}

static void relocates_rip_relative_load_by_patching_only_the_displacement(void **state)
{
	static const struct row rows[] = {
		{ "48 8b 05 10 00 00 00", NEAR, "48 8b 05 10 10 3f 00 e9 fb 0f 3f 00", "0 before; 7 after 401007" },
		{ "48 8d 3d f9 ff ff ff", NEAR, "48 8d 3d f9 0f 3f 00 e9 fb 0f 3f 00", "0 before; 7 after 401007" },
		/* immediates behind the displacement, of all sizes; a 3DNow! opcode there */
		{ "83 3d 10 00 00 00 7f", NEAR, "83 3d 10 10 3f 00 7f e9 fb 0f 3f 00", "0 before; 7 after 401007" },
		{ "66 c7 05 10 00 00 00 34 12", NEAR, "66 c7 05 10 10 3f 00 34 12 e9 fb 0f 3f 00",
		  "0 before; 9 after 401009" },
		{ "48 c7 05 10 00 00 00 01 02 03 04", NEAR, "48 c7 05 10 10 3f 00 01 02 03 04 e9 fb 0f 3f 00",
		  "0 before; 11 after 40100b" },
		{ "0f 0f 05 10 00 00 00 9e", NEAR, "0f 0f 05 10 10 3f 00 9e e9 fb 0f 3f 00",
		  "0 before; 8 after 401008" },
		/* VEX, with an immediate; EVEX; XOP */
		{ "c4 e2 7d 18 05 10 00 00 00", NEAR, "c4 e2 7d 18 05 10 10 3f 00 e9 fb 0f 3f 00",
		  "0 before; 9 after 401009" },
		{ "c4 e3 7d 06 05 10 00 00 00 31", NEAR, "c4 e3 7d 06 05 10 10 3f 00 31 e9 fb 0f 3f 00",
		  "0 before; 10 after 40100a" },
		{ "62 f1 7c 48 10 05 10 00 00 00", NEAR, "62 f1 7c 48 10 05 10 10 3f 00 e9 fb 0f 3f 00",
		  "0 before; 10 after 40100a" },
		{ "8f e8 78 c0 05 10 00 00 00 03", NEAR, "8f e8 78 c0 05 10 10 3f 00 03 e9 fb 0f 3f 00",
		  "0 before; 10 after 40100a" },
		{ "ff 35 10 00 00 00", NEAR, "ff 35 10 10 3f 00 e9 fb 0f 3f 00", "0 before; 6 after 401006" },
		/* prefixes that say nothing stay where they are */
		{ "66 66 2e 48 8b 05 10 00 00 00", NEAR, "66 66 2e 48 8b 05 10 10 3f 00 e9 fb 0f 3f 00",
		  "0 before; 10 after 40100a" },
	};

	(void)state;
	CHECK(rows);
}

static void an_eip_relative_operand_reaches_everything_modulo_4_gib(void **state)
{
	static const struct row rows[] = {
		{ "67 48 8d 3d 00 00 00 00", FAR,
		  "67 48 8d 3d 00 10 40 00 ff 25 02 00 00 00 cc cc 08 10 40 00 00 00 00 00",
		  "0 before; 8 after 401008" },
	};

	(void)state;
	CHECK(rows);
}

static void jumps_go_straight_to_the_target_of_the_original(void **state)
{
	static const struct row rows[] = {
		{ "eb 10", NEAR, "e9 0d 10 3f 00", "0 before" },
		{ "eb fe", NEAR, "e9 fb 0f 3f 00", "0 before" },
		{ "e9 00 01 00 00", NEAR, "e9 00 11 3f 00", "0 before" },
		{ "f2 e9 00 01 00 00", NEAR, "e9 01 11 3f 00", "0 before" },
		{ "eb 10", FAR, "ff 25 02 00 00 00 cc cc 12 10 40 00 00 00 00 00", "0 before" },
		{ "ff e0", NEAR, "ff e0", "0 before" },
		{ "ff 64 24 08", NEAR, "ff 64 24 08", "0 before" },
		{ "ff 25 10 00 00 00", NEAR, "ff 25 10 10 3f 00", "0 before" },
		{ "c3", NEAR, "c3", "0 before" },
		{ "f3 c3", NEAR, "f3 c3", "0 before" },
		{ "c2 08 00", NEAR, "c2 08 00", "0 before" },
	};

	(void)state;
	CHECK(rows);
}

static void conditional_branches_keep_their_bytes_and_skip_the_way_back(void **state)
{
	static const struct row rows[] = {
		{ "74 10", NEAR, "74 05 e9 fb 0f 3f 00 e9 06 10 3f 00", "0 before; 2 after 401002; 7 after 401012" },
		{ "2e 74 10", NEAR, "2e 74 05 e9 fb 0f 3f 00 e9 06 10 3f 00",
		  "0 before; 3 after 401003; 8 after 401013" },
		{ "0f 85 10 00 00 00", NEAR, "0f 85 05 00 00 00 e9 fb 0f 3f 00 e9 06 10 3f 00",
		  "0 before; 6 after 401006; 11 after 401016" },
		{ "e2 10", NEAR, "e2 05 e9 fb 0f 3f 00 e9 06 10 3f 00", "0 before; 2 after 401002; 7 after 401012" },
		{ "67 e3 10", NEAR, "67 e3 05 e9 fb 0f 3f 00 e9 06 10 3f 00",
		  "0 before; 3 after 401003; 8 after 401013" },
		{ "f2 e1 10", NEAR, "f2 e1 05 e9 fb 0f 3f 00 e9 06 10 3f 00",
		  "0 before; 3 after 401003; 8 after 401013" },
		{ "74 10", FAR, "74 06 ff 25 08 00 00 00 ff 25 0a 00 00 00 cc cc 02 10 40 00 00 00 00 00 "
		  "12 10 40 00 00 00 00 00",
		  "0 before; 2 after 401002; 8 after 401012" },
	};

	(void)state;
	CHECK(rows);
}

static void a_direct_call_pushes_the_programs_own_return_address(void **state)
{
	static const struct row rows[] = {
		{ "e8 10 00 00 00", NEAR, "ff 35 0a 00 00 00 e9 0a 10 3f 00 cc cc cc cc cc 05 10 40 00 00 00 00 00",
		  "0 before; 6 after 401015" },
		{ "66 66 48 e8 10 00 00 00", NEAR,
		  "ff 35 0a 00 00 00 e9 0d 10 3f 00 cc cc cc cc cc 08 10 40 00 00 00 00 00",
		  "0 before; 6 after 401018" },
		{ "e8 10 00 00 00", FAR,
		  "ff 35 0a 00 00 00 ff 25 0c 00 00 00 cc cc cc cc 05 10 40 00 00 00 00 00 15 10 40 00 00 00 00 00",
		  "0 before; 6 after 401015" },
	};

	(void)state;
	CHECK(rows);
}

static void an_indirect_call_evaluates_its_operand_with_the_original_rsp(void **state)
{
	static const struct row rows[] = {
		{ "ff d0", NEAR, "ff 35 02 00 00 00 ff e0 02 10 40 00 00 00 00 00", "0 before; 6 undo 8" },
		{ "41 ff d4", NEAR, "ff 35 0a 00 00 00 41 ff e4 cc cc cc cc cc cc cc 03 10 40 00 00 00 00 00",
		  "0 before; 6 undo 8" },
		{ "ff 10", NEAR, "ff 30 48 8d 64 24 08 ff 35 03 00 00 00 ff 20 cc 02 10 40 00 00 00 00 00",
		  "0 before; 2 undo 8; 7 before; 13 undo 8" },
		{ "ff 14 24", NEAR,
		  "ff 34 24 48 8d 64 24 08 ff 35 0a 00 00 00 ff 64 24 08 cc cc cc cc cc cc 03 10 40 00 00 00 00 00",
		  "0 before; 3 undo 8; 8 before; 14 undo 8" },
		{ "ff 54 24 7c", NEAR,
		  "ff 74 24 7c 48 8d 64 24 08 ff 35 09 00 00 00 ff a4 24 84 00 00 00 cc cc 04 10 40 00 00 00 00 00",
		  "0 before; 4 undo 8; 9 before; 15 undo 8" },
		{ "42 ff 94 f4 00 01 00 00", NEAR,
		  "42 ff b4 f4 00 01 00 00 48 8d 64 24 08 ff 35 0d 00 00 00 42 ff a4 f4 08 01 00 00 cc cc cc cc cc "
		  "08 10 40 00 00 00 00 00", "0 before; 8 undo 8; 13 before; 19 undo 8" },
		/* r12 looks like rsp but for REX.B */
		{ "41 ff 54 24 08", NEAR,
		  "41 ff 74 24 08 48 8d 64 24 08 ff 35 08 00 00 00 41 ff 64 24 08 cc cc cc 05 10 40 00 00 00 00 00",
		  "0 before; 5 undo 8; 10 before; 16 undo 8" },
		{ "64 ff 14 25 10 00 00 00", NEAR,
		  "64 ff 34 25 10 00 00 00 48 8d 64 24 08 ff 35 0d 00 00 00 64 ff 24 25 10 00 00 00 cc cc cc cc cc "
		  "08 10 40 00 00 00 00 00", "0 before; 8 undo 8; 13 before; 19 undo 8" },
		{ "66 48 ff 15 10 00 00 00", NEAR,
		  "ff 35 12 10 3f 00 48 8d 64 24 08 ff 35 07 00 00 00 ff 25 01 10 3f 00 cc 08 10 40 00 00 00 00 00",
		  "0 before; 6 undo 8; 11 before; 17 undo 8" },
	};

	(void)state;
	CHECK(rows);
}

static void refuses_what_sees_its_own_address(void **state)
{
	static const char *const rows[] = {
		"0f 05", "0f 34", "cd 80", "cd 03", "cc", "f1", "cf", "48 cf", "0f 07", "0f 35", "0f aa",
		"9d", "66 9d",				/* popf */
		"c7 f8 00 00 00 00",			/* xbegin */
		"0f 01 d7",				/* enclu */
		"cb", "ff 18", "ff 28", "ff 2d 00 00 00 00",
		"d9 ee", "de c1", "dd 05 10 00 00 00", "dd 08",	/* x87: fip */
		"ff d4",				/* call rsp */
		"66 e8 10 00 00 00", "66 e9 10 00 00 00", "66 eb 10", "66 74 10", "66 e2 10", "66 ff d0", "66 ff 10",
		"c5 64 85 00 00 00 00",			/* jknzd */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_copy copy;

		if (relocate(rows[i], NEAR, &copy) != -ENOTSUP)
			fail_msg("%s: %d", rows[i], relocate(rows[i], NEAR, &copy));
	}
}

static void refuses_a_branch_out_of_the_canonical_addresses(void **state)
{
	static const uint8_t jmp[] = { 0xe9, 0x00, 0x00, 0x00, 0x7f };
	struct ph_copy copy;

	(void)state;
	assert_int_equal(ph_relocate(jmp, sizeof(jmp), 0x7fffff000000, 0x7fffff100000, &copy), -ENOTSUP);
	assert_int_equal(ph_relocate(jmp, sizeof(jmp), 0x7fff00000000, 0x7fffff100000, &copy), 0);
}

static void says_when_the_slot_is_too_far_for_an_operand(void **state)
{
	static const char *const rows[] = {
		"48 8b 05 10 00 00 00", "ff 25 10 00 00 00", "ff 15 10 00 00 00", "62 f1 7c 48 10 05 10 00 00 00",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_copy copy;

		assert_int_equal(relocate(rows[i], FAR, &copy), -ERANGE);
	}
}

static void reaches_operands_to_the_last_byte_of_2_gib_and_no_further(void **state)
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x05, 0, 0, 0, 0 };
	ph_addr from = 0x100000000;
	struct ph_copy copy;

	(void)state;
	assert_int_equal(ph_relocate(load, sizeof(load), from, from + 0x80000000, &copy), 0);
	assert_int_equal(ph_relocate(load, sizeof(load), from, from + 0x80000001, &copy), -ERANGE);
	assert_int_equal(ph_relocate(load, sizeof(load), from, from - 0x7fffffff, &copy), 0);
	assert_int_equal(ph_relocate(load, sizeof(load), from, from - 0x80000000, &copy), -ERANGE);
}

static void passes_on_what_the_decoder_says_and_touches_nothing(void **state)
{
	struct ph_copy copy, before;

	(void)state;
	memset(&copy, 0x55, sizeof(copy));
	before = copy;
	assert_int_equal(relocate("06", NEAR, &copy), -EILSEQ);
	assert_int_equal(relocate("e8 00", NEAR, &copy), -ENODATA);
	assert_int_equal(relocate("cc", NEAR, &copy), -ENOTSUP);
	assert_memory_equal(&copy, &before, sizeof(copy));
}

static void a_pass_that_would_show_the_copy_does_not_suit(void **state)
{
	static const struct {
		const char *hex;
		struct user_regs_struct regs;
		bool suits;
	} rows[] = {
		{ "90", { .rsp = 0x8000 }, true },
		{ "90", { .rsp = 0x8000, .eflags = 0x302 }, false },
		{ "ff d0", { .rsp = 0x8000, .rax = 0x401000 }, true },
		{ "ff d0", { .rsp = 0x8000, .rax = 0x800000000000 }, false },
		{ "ff d0", { .rsp = 0x8000, .rax = 0xffff800000000000 }, true },
		{ "ff 10", { .rsp = 0x8000, .rax = 0x8000 }, true },
		{ "ff 10", { .rsp = 0x8000, .rax = 0x7fff }, false },
		{ "ff 10", { .rsp = 0x8000, .rax = 0x7ff1 }, false },
		{ "ff 10", { .rsp = 0x8000, .rax = 0x7ff0 }, true },
		{ "ff 54 24 f8", { .rsp = 0x8000 }, false },
		{ "ff 54 24 f0", { .rsp = 0x8000 }, true },
		{ "64 ff 10", { .rsp = 0x8000, .rax = 0xff8, .fs_base = 0x7000 }, false },
		{ "67 ff 10", { .rsp = 0x8000, .rax = 0xffff00007ff8 }, false },
		{ "ff 15 f2 6f c0 ff", { .rsp = 0x8000 }, false },	/* [rip - …], which is 7ff8 */
		{ "ff 20", { .rsp = 0x8000, .rax = 0x7ff8 }, true },	/* a jump pushes nothing */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_copy copy;

		assert_int_equal(relocate(rows[i].hex, NEAR, &copy), 0);
		if (ph_copy_suits(&copy, &rows[i].regs) != rows[i].suits)
			fail_msg("row %zu: %s", i, rows[i].hex);
	}
}

static void the_map_knows_boundaries_only(void **state)
{
	struct ph_copy copy;

	(void)state;
	assert_int_equal(relocate("ff 10", NEAR, &copy), 0);
	assert_ptr_equal(ph_copy_find(&copy, 0), &copy.points[0]);
	assert_ptr_equal(ph_copy_find(&copy, 7), &copy.points[2]);
	assert_null(ph_copy_find(&copy, 1));
	assert_null(ph_copy_find(&copy, copy.code_len));
	assert_null(ph_copy_find(&copy, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_a_plain_instruction_and_jumps_back),
		cmocka_unit_test(relocates_rip_relative_load_by_patching_only_the_displacement),
		cmocka_unit_test(an_eip_relative_operand_reaches_everything_modulo_4_gib),
		cmocka_unit_test(jumps_go_straight_to_the_target_of_the_original),
		cmocka_unit_test(conditional_branches_keep_their_bytes_and_skip_the_way_back),
		cmocka_unit_test(a_direct_call_pushes_the_programs_own_return_address),
		cmocka_unit_test(an_indirect_call_evaluates_its_operand_with_the_original_rsp),
		cmocka_unit_test(refuses_what_sees_its_own_address),
		cmocka_unit_test(refuses_a_branch_out_of_the_canonical_addresses),
		cmocka_unit_test(says_when_the_slot_is_too_far_for_an_operand),
		cmocka_unit_test(reaches_operands_to_the_last_byte_of_2_gib_and_no_further),
		cmocka_unit_test(passes_on_what_the_decoder_says_and_touches_nothing),
		cmocka_unit_test(a_pass_that_would_show_the_copy_does_not_suit),
		cmocka_unit_test(the_map_knows_boundaries_only),
	};

	return cmocka_run_group_tests_name("x86/relocate", tests, NULL, NULL);
}
