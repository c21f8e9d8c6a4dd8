/* regs: names, parts, aliases and flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "x86/regs.h"

static const struct ph_reg *reg(const char *name)
{
	const struct ph_reg *found = ph_reg_find(name);

	assert_non_null(found);
	assert_string_equal(found->name, name);
	return found;
}

static void reads_parts_of_a_register(void **state)
{
	static const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "rax", 0x1122334455667788 },
		{ "eax", 0x55667788 },
		{ "ax", 0x7788 },
		{ "al", 0x88 },
		{ "ah", 0x77 },
		{ "rbx", 0 },
	};
	struct user_regs_struct regs = { .rax = 0x1122334455667788 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ph_reg_get(&regs, reg(rows[i].name)), rows[i].value);
}

static void writes_parts_as_the_cpu_does(void **state)
{
	static const struct {
		const char *name, *whole;
		uint64_t value, result;
	} rows[] = {
		{ "rax", "rax", 0x8000000000000001, 0x8000000000000001 },
		{ "eax", "rax", 0xffffffff00000001, 1 },
		{ "ax", "rax", 0xabcd0001, 0x1122334455660001 },
		{ "al", "rax", 0x1ff, 0x11223344556677ff },
		{ "ah", "rax", 0x1ff, 0x112233445566ff88 },
		{ "r8d", "r8", 5, 5 },
		{ "r8w", "r8", 5, 0x1122334455660005 },
		{ "r15b", "r15", 5, 0x1122334455667705 },
		{ "sil", "rsi", 5, 0x1122334455667705 },
		{ "bpl", "rbp", 5, 0x1122334455667705 },
		{ "esp", "rsp", 5, 5 },
		{ "sp", "rsp", 0xffffffff00000001, 0xffffffff00000001 },
		{ "pc", "rip", 0xffffffff00000001, 0xffffffff00000001 },
		{ "eflags", "rflags", 0x246, 0x246 },
		{ "cs", "cs", 0x10033, 0x33 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct user_regs_struct regs = { .cs = 0x2b };

		if (strcmp(rows[i].whole, "cs"))
			ph_reg_set(&regs, reg(rows[i].whole), 0x1122334455667788);
		ph_reg_set(&regs, reg(rows[i].name), rows[i].value);
		assert_int_equal(ph_reg_get(&regs, reg(rows[i].whole)), rows[i].result);
	}
}

static void every_row_is_found_by_its_name_and_keeps_what_it_is_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < PH_REGS_COUNT; i++) {
		struct user_regs_struct regs = { .rip = 0 };
		uint64_t low = ph_regs[i].size == 8 ? UINT64_MAX : (UINT64_C(1) << ph_regs[i].size * 8) - 1;

		assert_ptr_equal(reg(ph_regs[i].name), &ph_regs[i]);
		ph_reg_set(&regs, &ph_regs[i], 0xf1e2d3c4b5a69788);
		assert_int_equal(ph_reg_get(&regs, &ph_regs[i]), 0xf1e2d3c4b5a69788 & low);
	}
}

static void whole_rows_cover_every_field_once(void **state)
{
	uint8_t seen[sizeof(struct user_regs_struct)] = { 0 };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < PH_REGS_COUNT; i++)
		if (ph_regs[i].kind == PH_REG_WHOLE) {
			assert_false(seen[ph_regs[i].offset]);
			seen[ph_regs[i].offset] = 1;
			n++;
		}
	assert_int_equal(n, sizeof(struct user_regs_struct) / 8);
}

static void unknown_names_are_not_found(void **state)
{
	static const char *const names[] = { "", "RAX", "rax ", "eip", "r16", "r8l", "xmm0", "zf" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_null(ph_reg_find(names[i]));
	assert_null(ph_flag_find("rax"));
}

static void flags_are_single_bits_of_rflags(void **state)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} rows[] = {
		{ "cf", 0x1 }, { "pf", 0x4 }, { "af", 0x10 }, { "zf", 0x40 }, { "sf", 0x80 },
		{ "tf", 0x100 }, { "if", 0x200 }, { "df", 0x400 }, { "of", 0x800 },
	};

	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), PH_FLAGS_COUNT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ph_flag *flag = ph_flag_find(rows[i].name);
		struct user_regs_struct regs = { .eflags = 0 };

		assert_non_null(flag);
		ph_flag_set(&regs, flag, 1);
		assert_int_equal(regs.eflags, rows[i].bit);
		assert_int_equal(ph_flag_get(&regs, flag), 1);
		regs.eflags = UINT64_MAX;
		ph_flag_set(&regs, flag, 0);
		assert_int_equal(regs.eflags, ~rows[i].bit);
		assert_int_equal(ph_flag_get(&regs, flag), 0);
	}
}

static void arguments_are_where_the_conventions_put_them(void **state)
{
	static const char *const call[] = { "rdi", "rsi", "rdx", "rcx", "r8", "r9" };

	(void)state;
	for (size_t i = 0; i < PH_REG_ARGS_COUNT; i++) {
		assert_string_equal(ph_regs[ph_reg_args[i]].name, call[i]);
		assert_string_equal(ph_regs[ph_reg_syscall_args[i]].name, i == 3 ? "r10" : call[i]);
	}
	assert_string_equal(ph_regs[PH_REG_RESULT].name, "rax");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_parts_of_a_register),
		cmocka_unit_test(writes_parts_as_the_cpu_does),
		cmocka_unit_test(every_row_is_found_by_its_name_and_keeps_what_it_is_given),
		cmocka_unit_test(whole_rows_cover_every_field_once),
		cmocka_unit_test(unknown_names_are_not_found),
		cmocka_unit_test(flags_are_single_bits_of_rflags),
		cmocka_unit_test(arguments_are_where_the_conventions_put_them),
	};

	return cmocka_run_group_tests_name("x86/regs", tests, NULL, NULL);
}
