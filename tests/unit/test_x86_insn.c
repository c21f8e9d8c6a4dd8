/* insn: lengths, kinds and targets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "x86/insn.h"

/* "48 89 e5" into bytes; returns how many. */
static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t n = 0;
	unsigned byte;
	int used;

	for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
		ret[n++] = (uint8_t)byte;
	return n;
}

static struct ph_insn decoded(const char *hex)
{
	struct ph_insn insn;
	uint8_t bytes[64];
	size_t n = from_hex(hex, bytes);

	assert_int_equal(ph_insn_decode(bytes, n, &insn), 0);
	assert_int_equal(insn.length, n);
	return insn;
}

/* Every property as a letter, so that a row says exactly which ones hold. */
static const char *letters(const struct ph_insn *insn)
{
	static char text[20];

	snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s", insn->is_rep_string ? "R" : "",
		 insn->is_syscall ? "Y" : "", insn->is_pushf ? "u" : "", insn->is_popf ? "o" : "",
		 insn->is_iret ? "i" : "", insn->is_int3 ? "3" : "", insn->is_icebp ? "1" : "",
		 insn->is_load_ss ? "s" : "", insn->is_branch ? "b" : "", insn->is_conditional ? "c" : "",
		 insn->is_call ? "C" : "", insn->is_ret ? "r" : "", insn->is_far ? "f" : "", insn->is_direct ? "d" : "",
		 insn->has_relative ? "x" : "", insn->is_relative_32 ? "e" : "");
	return text;
}

static void says_what_the_engine_must_know(void **state)
{
	static const struct {
		const char *hex, *letters;
	} rows[] = {
		{ "90", "" },
		{ "48 89 e5", "" },
		{ "f3 0f 1e fa", "" },			/* endbr64 */
		{ "f3 90", "" },			/* pause */
		{ "f3 a4", "R" },			/* rep movsb */
		{ "f3 48 ab", "R" },			/* rep stosq */
		{ "f2 ae", "R" },			/* repne scasb */
		{ "f3 a6", "R" },			/* repe cmpsb */
		{ "f3 6c", "R" },			/* rep insb */
		{ "a4", "" },				/* movsb */
		{ "f3 0f b8 c0", "" },			/* popcnt: f3 is part of its name */
		{ "0f 05", "Y" },			/* syscall */
		{ "0f 34", "Y" },			/* sysenter */
		{ "cd 80", "Y" },			/* int 0x80 */
		{ "cd 21", "" },
		{ "9c", "u" },
		{ "66 9c", "u" },
		{ "9d", "o" },
		{ "48 cf", "i" },
		{ "cc", "3" },
		{ "cd 03", "3" },
		{ "f1", "1" },
		{ "8e d0", "s" },			/* mov ss, ax */
		{ "8e d8", "" },			/* mov ds, ax */
		{ "eb fe", "bdx" },
		{ "e9 00 00 00 00", "bdx" },
		{ "74 00", "bcdx" },
		{ "0f 84 00 00 00 00", "bcdx" },
		{ "e2 00", "bcdx" },			/* loop */
		{ "67 e3 00", "bcdx" },			/* jecxz */
		{ "e8 00 00 00 00", "bCdx" },
		{ "ff d0", "bC" },			/* call rax */
		{ "ff 15 00 00 00 00", "bCx" },		/* call [rip] */
		{ "ff e0", "b" },			/* jmp rax */
		{ "ff 2d 00 00 00 00", "bfx" },		/* jmp far [rip] */
		{ "c3", "br" },
		{ "c2 08 00", "br" },
		{ "cb", "brf" },
		{ "c7 f8 00 00 00 00", "bcdx" },	/* xbegin */
		{ "48 8d 3d 00 00 00 00", "x" },
		{ "67 48 8d 3d 00 00 00 00", "xe" },	/* lea rdi, [eip] */
		{ "c5 fc 28 05 00 00 00 00", "x" },	/* vmovaps ymm0, [rip] */
		{ "62 f1 7c 48 28 05 00 00 00 00", "x" },/* vmovaps zmm0, [rip] */
		{ "48 8b 04 25 00 00 00 00", "" },	/* mov rax, [0] */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_insn insn = decoded(rows[i].hex);

		if (strcmp(letters(&insn), rows[i].letters))
			fail_msg("%s: %s, not %s", rows[i].hex, letters(&insn), rows[i].letters);
	}
}

static void tells_cut_short_from_no_instruction(void **state)
{
	static const struct {
		const char *hex;
		int error;
	} rows[] = {
		{ "", -ENODATA },
		{ "48", -ENODATA },
		{ "e8 00 00 00", -ENODATA },
		{ "66 66 66 66", -ENODATA },
		{ "06", -EILSEQ },			/* push es: not in 64-bit code */
		{ "ea 00 00 00 00 00 00", -EILSEQ },	/* jmp far ptr */
		{ "0f ff ff", 0 },			/* ud0 */
		{ "f0 90", -EILSEQ },			/* lock nop */
		{ "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", 0 },
		{ "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", -EILSEQ },
		{ "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", -EILSEQ },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[64];
		size_t n = from_hex(rows[i].hex, bytes);
		struct ph_insn insn;

		if (ph_insn_decode(bytes, n, &insn) != rows[i].error)
			fail_msg("%s: %d, not %d", rows[i].hex, ph_insn_decode(bytes, n, &insn), rows[i].error);
	}
}

static void finds_the_target_of_what_is_relative(void **state)
{
	static const struct {
		const char *hex;
		ph_addr at, target;
	} rows[] = {
		{ "eb fe", 0x401000, 0x401000 },
		{ "e8 fb ff ff ff", 0x401000, 0x401000 },
		{ "0f 84 00 00 00 80", 0x7fffff000000, 0x7fff7f000006 },
		{ "48 8b 05 10 00 00 00", 0x401000, 0x401017 },
		{ "c7 05 10 00 00 00 01 02 03 04", 0x401000, 0x40101a },	/* behind the immediate, too */
		{ "67 8b 05 00 00 00 00", 0x7fff12345678, 0x1234567f },
		{ "67 8b 05 00 00 00 80", 0x80000000, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_insn insn = decoded(rows[i].hex);

		assert_int_equal(ph_insn_target(&insn, rows[i].at), rows[i].target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_the_engine_must_know),
		cmocka_unit_test(tells_cut_short_from_no_instruction),
		cmocka_unit_test(finds_the_target_of_what_is_relative),
	};

	return cmocka_run_group_tests_name("x86/insn", tests, NULL, NULL);
}
