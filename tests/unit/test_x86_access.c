/* access: the memory that an instruction is about to touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "x86/access.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static size_t parse(const char *hex, uint8_t *ret)
{
	size_t n = 0;
	unsigned int byte;
	int used;

	for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
		ret[n++] = (uint8_t)byte;
	return n;
}

#define R 1
#define W 2

static void finds_what_an_instruction_touches(void **state)
{
	static const struct user_regs_struct regs = { .rax = 0x1000, .rbx = 0x20, .rcx = 2, .rdi = 0x3000, .rsi = 0x4000,
						      .rsp = 0x8000, .rbp = 0x9000, .fs_base = 0x70000 };
	static const struct {
		const char *hex;
		size_t n;
		struct {
			ph_addr addr;
			uint32_t len;
			int how;
		} ranges[2];
	} rows[] = {
		{ "48 89 d8", 0, { { 0 } } },					/* mov rax, rbx */
		{ "48 89 18", 1, { { 0x1000, 8, W } } },			/* mov [rax], rbx */
		{ "88 18", 1, { { 0x1000, 1, W } } },				/* mov [rax], bl */
		{ "66 89 58 02", 1, { { 0x1002, 2, W } } },			/* mov [rax+2], bx */
		{ "8b 04 58", 1, { { 0x1040, 4, R } } },			/* mov eax, [rax+rbx*2] */
		{ "48 8d 04 58", 0, { { 0 } } },				/* lea rax, [rax+rbx*2] */
		{ "48 ff 00", 1, { { 0x1000, 8, R | W } } },			/* inc qword [rax] */
		{ "48 89 05 10 00 00 00", 1, { { 0x401017, 8, W } } },		/* mov [rip+0x10], rax */
		{ "64 48 8b 04 25 28 00 00 00", 1, { { 0x70028, 8, R } } },	/* mov rax, fs:[0x28] */
		{ "50", 1, { { 0x7ff8, 8, W } } },				/* push rax */
		{ "58", 1, { { 0x8000, 8, R } } },				/* pop rax */
		{ "c3", 1, { { 0x8000, 8, R } } },				/* ret */
		{ "e8 00 00 00 00", 1, { { 0x7ff8, 8, W } } },			/* call */
		{ "ff 30", 2, { { 0x1000, 8, R }, { 0x7ff8, 8, W } } },		/* push [rax] */
		{ "ff 35 10 00 00 00", 2, { { 0x401016, 8, R }, { 0x7ff8, 8, W } } },	/* push [rip+0x10] */
		{ "8f 04 24", 2, { { 0x8008, 8, W }, { 0x8000, 8, R } } },	/* pop [rsp] */
		{ "0f 1f 00", 0, { { 0 } } },					/* nop [rax] */
		{ "48 a5", 2, { { 0x3000, 8, W }, { 0x4000, 8, R } } },		/* movsq */
		{ "f3 a4", 2, { { 0x3000, 1, W }, { 0x4000, 1, R } } },		/* rep movsb */
		{ "0f 11 00", 1, { { 0x1000, 16, W } } },			/* movups [rax], xmm0 */
		{ "0f 18 08", 0, { { 0 } } },					/* prefetcht0 [rax] */
		{ "06", 0, { { 0 } } },						/* none in 64-bit code */
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_access_range ranges[PH_ACCESSES_MAX];
		uint8_t bytes[16];
		size_t len = parse(rows[i].hex, bytes), n = ph_access_find(bytes, len, 0x401000, &regs, ranges);

		if (n != rows[i].n)
			fail_msg("%s: %zu ranges", rows[i].hex, n);
		for (size_t k = 0; k < n; k++)
			if (ranges[k].addr != rows[i].ranges[k].addr || ranges[k].len != rows[i].ranges[k].len ||
			    (ranges[k].reads ? R : 0) + (ranges[k].writes ? W : 0) != rows[i].ranges[k].how)
				fail_msg("%s: 0x%lx, %u, %d %d", rows[i].hex, ranges[k].addr, ranges[k].len, ranges[k].reads,
					 ranges[k].writes);
	}
}

static void a_repeated_instruction_without_rounds_touches_nothing(void **state)
{
	static const uint8_t rep_movsb[] = { 0xf3, 0xa4 };
	struct user_regs_struct regs = { .rdi = 0x3000, .rsi = 0x4000 };
	struct ph_access_range ranges[PH_ACCESSES_MAX];

	(void)state;
	assert_int_equal(ph_access_find(rep_movsb, sizeof(rep_movsb), 0x1000, &regs, ranges), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_an_instruction_touches),
		cmocka_unit_test(a_repeated_instruction_without_rounds_touches_nothing),
	};

	return cmocka_run_group_tests_name("x86/access", tests, NULL, NULL);
}
