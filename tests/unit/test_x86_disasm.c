/* disasm: text in both syntaxes, symbols, and what is no instruction. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "x86/disasm.h"

#define HERE 0x401000

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

static bool greet(void *arg, ph_addr addr, char *buf, size_t len)
{
	return addr == *(ph_addr *)arg && snprintf(buf, len, "greet+0x2") > 0;
}

static bool long_name(void *arg, ph_addr addr, char *buf, size_t len)
{
	memset(buf, *(char *)arg, len - 1);
	buf[len - 1] = '\0';
	return addr != 0;
}

static void writes_both_syntaxes_with_symbols(void **state)
{
	static const struct {
		const char *hex, *intel, *att;
	} rows[] = {
		{ "90", "nop", "nop" },
		{ "48 83 ec 28", "sub rsp, 0x28", "sub $0x28, %rsp" },
		{ "48 8b 44 24 f8", "mov rax, [rsp-0x8]", "mov -0x8(%rsp), %rax" },
		{ "c7 00 01 00 00 00", "mov dword ptr [rax], 0x1", "movl $0x1, (%rax)" },
		{ "f3 a4", "rep movsb", "rep movsb" },
		{ "64 48 8b 04 25 28 00 00 00", "mov rax, fs:[0x28]", "mov %fs:0x28, %rax" },
		{ "e8 fb 0f 00 00", "call 0x402000 <greet+0x2>", "call 0x402000 <greet+0x2>" },
		{ "e8 00 00 00 00", "call 0x401005", "call 0x401005" },
		{ "75 fe", "jne 0x401000", "jne 0x401000" },
		{ "72 fe", "jb 0x401000", "jb 0x401000" },
		{ "77 fe", "ja 0x401000", "ja 0x401000" },
		{ "f2 74 fd", "bnd je 0x401000", "bnd je 0x401000" },
		{ "e3 fe", "jrcxz 0x401000", "jrcxz 0x401000" },
		{ "0f 94 c0", "sete al", "sete %al" },
		{ "0f 4d c1", "cmovge eax, ecx", "cmovge %ecx, %eax" },
		{ "ff e0", "jmp rax", "jmp *%rax" },
		{ "3e ff e0", "notrack jmp rax", "notrack jmp *%rax" },
		{ "41 ff 54 c4 08", "call [r12+rax*8+0x8]", "call *0x8(%r12,%rax,8)" },
		{ "c2 08 00", "ret 0x8", "ret $0x8" },
		{ "48 8d 3d f9 0f 00 00", "lea rdi, [rip+0xff9]  # 0x402000 <greet+0x2>",
		  "lea 0xff9(%rip), %rdi  # 0x402000 <greet+0x2>" },
		{ "ff 25 fa 0f 00 00", "jmp [rip+0xffa]  # 0x402000 <greet+0x2>",
		  "jmp *0xffa(%rip)  # 0x402000 <greet+0x2>" },
		{ "8b 05 fa ff ff ff", "mov eax, [rip-0x6]  # 0x401000", "mov -0x6(%rip), %eax  # 0x401000" },
	};
	ph_addr known = 0x402000;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[16];
		size_t n = from_hex(rows[i].hex, bytes);
		struct ph_disasm line;

		assert_int_equal(ph_disasm_one(bytes, n, HERE, PH_DISASM_INTEL, greet, &known, &line), 0);
		assert_string_equal(line.text, rows[i].intel);
		assert_int_equal(line.insn.length, n);
		assert_false(line.is_bad);
		assert_int_equal(ph_disasm_one(bytes, n, HERE, PH_DISASM_ATT, greet, &known, &line), 0);
		assert_string_equal(line.text, rows[i].att);
	}
}

static void a_byte_that_begins_no_instruction_is_bad_alone(void **state)
{
	static const char *const rows[] = {
		"06 90", "ea 00 00 00 00 00 00", "f0 90",
		"66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[32];
		size_t n = from_hex(rows[i], bytes);
		struct ph_disasm line;

		assert_int_equal(ph_disasm_one(bytes, n, HERE, PH_DISASM_INTEL, NULL, NULL, &line), 0);
		assert_string_equal(line.text, "(bad)");
		assert_true(line.is_bad);
		assert_int_equal(line.insn.length, 1);
		assert_false(line.insn.is_branch || line.insn.has_relative);
	}
}

static void what_is_cut_short_is_an_error_and_touches_nothing(void **state)
{
	static const char *const rows[] = { "", "48", "e8 00 00 00", "66 66 66 66" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_disasm line = { .text = "as it was" };
		uint8_t bytes[32];
		size_t n = from_hex(rows[i], bytes);

		assert_int_equal(ph_disasm_one(bytes, n, HERE, PH_DISASM_ATT, NULL, NULL, &line), -ENODATA);
		assert_string_equal(line.text, "as it was");
	}
}

static void a_name_that_is_too_long_ends_in_dots(void **state)
{
	static const uint8_t call[] = { 0xe8, 0, 0, 0, 0 };
	char expected[PH_DISASM_TEXT_MAX], filling = 'n';
	struct ph_disasm line;

	(void)state;
	assert_int_equal(ph_disasm_one(call, sizeof(call), HERE, PH_DISASM_INTEL, long_name, &filling, &line), 0);
	memset(expected, 0, sizeof(expected));
	snprintf(expected, sizeof(expected), "call 0x401005 <");
	memset(expected + strlen(expected), 'n', PH_DISASM_NAME_MAX - 4);
	strcat(expected, "...>");
	assert_string_equal(line.text, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_both_syntaxes_with_symbols),
		cmocka_unit_test(a_byte_that_begins_no_instruction_is_bad_alone),
		cmocka_unit_test(what_is_cut_short_is_an_error_and_touches_nothing),
		cmocka_unit_test(a_name_that_is_too_long_ends_in_dots),
	};

	return cmocka_run_group_tests_name("x86/disasm", tests, NULL, NULL);
}
