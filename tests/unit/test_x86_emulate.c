/* emulate: registers in, registers out. tests/trace/relocate_diff compares it with the CPU. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "x86/emulate.h"

#define AT ((ph_addr)0x401000)

enum { CF = 0x1, PF = 0x4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, DF = 0x400, OF = 0x800 };

static int plan(const char *hex, struct ph_emulation *ret)
{
	uint8_t bytes[16];
	size_t n = 0;
	unsigned byte;
	int used;

	for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
		bytes[n++] = (uint8_t)byte;
	return ph_emulation_plan(bytes, n, AT, ret);
}

struct row {
	const char *hex;
	struct user_regs_struct before, after;	/* rip 0 in after: behind the instruction */
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct user_regs_struct regs = rows[i].before, want = rows[i].after;
		struct ph_emulation emulation;

		regs.rip = AT;
		if (plan(rows[i].hex, &emulation) < 0 || ph_emulation_run(&emulation, &regs, NULL) < 0)
			fail_msg("%s", rows[i].hex);
		if (!want.rip)
			want.rip = AT + emulation.length;
		if (memcmp(&regs, &want, sizeof(regs)))
			fail_msg("%s: rax %llx, rip %llx, rflags %llx", rows[i].hex, regs.rax, regs.rip, regs.eflags);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void moves_follow_the_width_of_their_register(void **state)
{
	static const struct row rows[] = {
		{ "90", { .rax = 5 }, { .rax = 5 } },
		{ "f3 0f 1e fa", { .rax = 5 }, { .rax = 5 } },
		{ "0f 1f 44 00 00", { .rax = 5 }, { .rax = 5 } },
		{ "48 89 e5", { .rsp = 0x7ffe0000 }, { .rsp = 0x7ffe0000, .rbp = 0x7ffe0000 } },
		{ "89 c0", { .rax = 0xffffffff00000001 }, { .rax = 1 } },
		{ "48 c7 c0 ff ff ff ff", { .rax = 1 }, { .rax = UINT64_MAX } },
		{ "b8 ff ff ff ff", { .rax = UINT64_MAX }, { .rax = 0xffffffff } },
		{ "66 b8 34 12", { .rax = UINT64_MAX }, { .rax = 0xffffffffffff1234 } },
		{ "b4 12", { .rax = 0 }, { .rax = 0x1200 } },
		{ "48 8d 44 8b fc", { .rbx = 0x1000, .rcx = 2 }, { .rbx = 0x1000, .rcx = 2, .rax = 0x1004 } },
		{ "48 8d 05 10 00 00 00", { .rax = 0 }, { .rax = 0x401017 } },
		{ "8d 44 24 08", { .rsp = 0x100000000 }, { .rsp = 0x100000000, .rax = 8 } },
		{ "67 48 8d 43 08", { .rbx = 0x1ffffffff }, { .rbx = 0x1ffffffff, .rax = 7 } },
		{ "64 48 8d 03", { .rbx = 1, .fs_base = 16 }, { .rbx = 1, .fs_base = 16, .rax = 1 } },
	};

	(void)state;
	CHECK(rows);
}

static void arithmetic_sets_the_flags_that_the_cpu_sets(void **state)
{
	static const struct row rows[] = {
		{ "48 83 ec 28", { .rsp = 0x1000 }, { .rsp = 0xfd8, .eflags = PF | AF } },
		{ "48 83 ec 10", { .rsp = 0x8 }, { .rsp = -8ULL, .eflags = CF | SF } },
		{ "48 83 c4 08", { .rsp = 0x7ffffffffffffff8 },
		  { .rsp = 0x8000000000000000, .eflags = OF | SF | AF | PF } },
		{ "04 ff", { .rax = 0x101 }, { .rax = 0x100, .eflags = CF | ZF | AF | PF } },
		{ "31 c0", { .rax = UINT64_MAX, .eflags = CF | OF | AF | DF }, { .eflags = ZF | PF | DF } },
		{ "85 c0", { .rax = 0xffffffff80000000 }, { .rax = 0xffffffff80000000, .eflags = SF | PF } },
		{ "39 c8", { .rax = 1, .rcx = 2 }, { .rax = 1, .rcx = 2, .eflags = CF | SF | AF | PF } },
		{ "48 83 e4 f0", { .rsp = 0x1fff }, { .rsp = 0x1ff0, .eflags = PF } },
		{ "83 c8 ff", { .rax = 0 }, { .rax = 0xffffffff, .eflags = SF | PF } },
	};

	(void)state;
	CHECK(rows);
}

static void branches_go_where_the_flags_say(void **state)
{
	static const struct row rows[] = {
		{ "eb 10", { .rip = 0 }, { .rip = 0x401012 } },
		{ "e9 00 ff ff ff", { .rip = 0 }, { .rip = 0x400f05 } },
		{ "74 10", { .eflags = ZF }, { .eflags = ZF, .rip = 0x401012 } },
		{ "74 10", { .eflags = CF }, { .eflags = CF } },
		{ "0f 85 10 00 00 00", { .eflags = CF }, { .eflags = CF, .rip = 0x401016 } },
		{ "7c 10", { .eflags = SF }, { .eflags = SF, .rip = 0x401012 } },
		{ "7c 10", { .eflags = SF | OF }, { .eflags = SF | OF } },
		{ "7e 10", { .eflags = SF | OF | ZF }, { .eflags = SF | OF | ZF, .rip = 0x401012 } },
		{ "7f 10", { .eflags = SF | OF }, { .eflags = SF | OF, .rip = 0x401012 } },
		{ "76 10", { .eflags = CF }, { .eflags = CF, .rip = 0x401012 } },
		{ "7a 10", { .eflags = PF }, { .eflags = PF, .rip = 0x401012 } },
	};

	(void)state;
	CHECK(rows);
}

static void a_push_and_a_call_say_what_they_want_stored(void **state)
{
	static const struct {
		const char *hex;
		uint64_t value, rip;
	} rows[] = {
		{ "55", 0x1234, 0x401001 },
		{ "54", 0x8000, 0x401001 },		/* push rsp: as it was */
		{ "6a ff", UINT64_MAX, 0x401002 },
		{ "68 00 00 00 80", 0xffffffff80000000, 0x401005 },
		{ "e8 10 00 00 00", 0x401005, 0x401015 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct user_regs_struct regs = { .rip = AT, .rsp = 0x8000, .rbp = 0x1234 }, before = regs;
		struct ph_emulation_store store;
		struct ph_emulation emulation;

		assert_int_equal(plan(rows[i].hex, &emulation), 0);
		assert_true(emulation.stores);
		assert_int_equal(ph_emulation_run(&emulation, &regs, NULL), -ENOTSUP);
		assert_memory_equal(&regs, &before, sizeof(regs));
		assert_int_equal(ph_emulation_run(&emulation, &regs, &store), 0);
		assert_true(store.wanted);
		assert_int_equal(store.addr, 0x7ff8);
		assert_int_equal(store.value, rows[i].value);
		assert_int_equal(regs.rsp, 0x7ff8);
		assert_int_equal(regs.rip, rows[i].rip);
	}
}

static void leaves_everything_else_to_the_cpu(void **state)
{
	static const char *const rows[] = {
		"48 8b 03", "48 89 03", "48 83 03 01", "ff 33", "66 50", "8e d8", "0f 20 c0", "c3", "c9", "ff e0",
		"ff d0", "66 e9 10 00 00 00", "0f 05", "cc", "48 ff c0", "0f af c1", "66 bc 00 10",
		"a1 00 00 00 00 00 00 00 00",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_emulation emulation;

		if (plan(rows[i], &emulation) != -ENOTSUP)
			fail_msg("%s: %d", rows[i], plan(rows[i], &emulation));
	}
}

static void a_thread_with_tf_set_is_left_to_the_cpu(void **state)
{
	struct user_regs_struct regs = { .rip = AT, .eflags = TF }, before = regs;
	struct ph_emulation emulation;

	(void)state;
	assert_int_equal(plan("90", &emulation), 0);
	assert_int_equal(ph_emulation_run(&emulation, &regs, NULL), -ENOTSUP);
	assert_memory_equal(&regs, &before, sizeof(regs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_follow_the_width_of_their_register),
		cmocka_unit_test(arithmetic_sets_the_flags_that_the_cpu_sets),
		cmocka_unit_test(branches_go_where_the_flags_say),
		cmocka_unit_test(a_push_and_a_call_say_what_they_want_stored),
		cmocka_unit_test(leaves_everything_else_to_the_cpu),
		cmocka_unit_test(a_thread_with_tf_set_is_left_to_the_cpu),
	};

	return cmocka_run_group_tests_name("x86/emulate", tests, NULL, NULL);
}
