/* asm: text to bytes and back, forms of branches, labels, sizes, and errors that say what would be right. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/asm.h"

#define HERE 0x401000

static bool lookup(void *arg, const char *name, ph_addr *ret)
{
	static const struct {
		const char *name;
		ph_addr addr;
	} symbols[] = {
		{ "check", 0x401020 }, { "libc.so.6!puts", 0x7f0000001000 }, { "table", 0x404000 }, { "low", 0x1000 },
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (strcmp(name, symbols[i].name) == 0) {
			*ret = symbols[i].addr;
			return true;
		}
	return false;
}

struct row {
	const char *text, *hex;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t buf[PH_ASM_MAX];
		char hex[512] = "", message[PH_ERR_MESSAGE_MAX];
		size_t len = 0;
		struct ph_err err;

		if (ph_asm(rows[i].text, HERE, lookup, NULL, buf, &len, &err) < 0)
			fail_msg("%s: %s", rows[i].text, ph_err_message(&err, message, sizeof(message)));
		for (size_t j = 0; j < len && j < 160; j++)
			sprintf(hex + strlen(hex), "%s%02x", j ? " " : "", buf[j]);
		assert_string_equal(hex, rows[i].hex);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows[0]))

static void what_people_patch_most(void **state)
{
	static const struct row rows[] = {
		{ "mov eax, 1; ret", "b8 01 00 00 00 c3" },
		{ "xor eax, eax\nret", "31 c0 c3" },
		{ "nop", "90" },
		{ "int3", "cc" },
		{ "mov rax, 0x1122334455667788", "48 b8 88 77 66 55 44 33 22 11" },
		{ "movabs rax, 0x1122334455667788", "48 b8 88 77 66 55 44 33 22 11" },
		{ "mov rax, -1", "48 c7 c0 ff ff ff ff" },
		{ "MOV EAX, 0xFFFFFFFF", "b8 ff ff ff ff" },
		{ "push rbp; mov rbp, rsp; leave; ret", "55 48 89 e5 c9 c3" },
		{ "ret 8", "c2 08 00" },
		{ "syscall", "0f 05" },
		{ "ud2", "0f 0b" },
		{ "", "" },
		{ " ;; # nothing\n", "" },
		{ "nop # a comment; ret\nret", "90 c3" },
	};

	(void)state;
	CHECK(rows);
}

static void numbers_in_every_form_and_width(void **state)
{
	static const struct row rows[] = {
		{ "mov al, 0xff", "b0 ff" },
		{ "mov al, -1", "b0 ff" },
		{ "add al, 0xff", "04 ff" },
		{ "add eax, 0xffffffff", "83 c0 ff" },
		{ "add eax, -1", "83 c0 ff" },
		{ "cmp ax, 0xfffe", "66 83 f8 fe" },
		{ "cmp eax, 'A'", "83 f8 41" },
		{ "cmp eax, 0b101", "83 f8 05" },
		{ "cmp eax, 1fh", "83 f8 1f" },
		{ "mov eax, 1 + 2 - 4", "b8 ff ff ff ff" },
		{ "and rsp, -16", "48 83 e4 f0" },
		{ "mov byte ptr [rax], 0xff", "c6 00 ff" },
		{ "mov dword [rax], 0xffffffff", "c7 00 ff ff ff ff" },
		{ "push -5", "6a fb" },
		{ "push 0x12345678", "68 78 56 34 12" },
		{ "shl eax, 5", "c1 e0 05" },
		{ "shl rax, cl", "48 d3 e0" },
		{ "imul eax, ebx, 5", "6b c3 05" },
		{ "int 0x80", "cd 80" },
		{ "test rax, 0x10", "48 a9 10 00 00 00" },
	};

	(void)state;
	CHECK(rows);
}

static void memory_with_and_without_sizes(void **state)
{
	static const struct row rows[] = {
		{ "mov eax, [rdi]", "8b 07" },
		{ "mov rax, qword ptr [rax+rcx*4-8]", "48 8b 44 88 f8" },
		{ "mov rax, [rax + 4*rcx - 8]", "48 8b 44 88 f8" },
		{ "mov [rsp+8], rbx", "48 89 5c 24 08" },
		{ "mov rax, [rax+rsp]", "48 8b 04 04" },
		{ "movzx eax, byte ptr [rbx]", "0f b6 03" },
		{ "lea rax, [rbx+8]", "48 8d 43 08" },
		{ "lea eax, [rdi+rsi]", "8d 04 37" },
		{ "imul eax, [rdi]", "0f af 07" },
		{ "push [rax]", "ff 30" },
		{ "jmp [rax]", "ff 20" },
		{ "call qword ptr [rax+0x10]", "ff 50 10" },
		{ "inc dword ptr [rax]", "ff 00" },
		{ "mov rax, [rip+8]", "48 8b 05 08 00 00 00" },
		{ "mov rax, [r13]", "49 8b 45 00" },
		{ "mov rax, [rax*8]", "48 8b 04 c5 00 00 00 00" },
		{ "lock add dword ptr [rax], 5", "f0 83 00 05" },
		{ "mov ecx, gs:[rax]", "65 8b 08" },
		{ "movaps xmm0, [rsp]", "0f 28 04 24" },
		{ "movsd xmm0, [rsp]", "f2 0f 10 04 24" },
		{ "shl byte ptr [rax], cl", "d2 20" },
	};

	(void)state;
	CHECK(rows);
}

static void branches_take_the_shortest_form_that_reaches(void **state)
{
	static const struct row rows[] = {
		{ "jmp 0x401010", "eb 0e" },
		{ "jmp 0x402000", "e9 fb 0f 00 00" },
		{ "call 0x401010", "e8 0b 00 00 00" },
		{ "jne 0x401010", "75 0e" },
		{ "jg 0x402000", "0f 8f fa 0f 00 00" },
		{ "nop; jmp check", "90 eb 1d" },
		{ "jmp check+2", "eb 20" },
		{ "jmp rax", "ff e0" },
		{ "again: dec ecx; jnz again", "ff c9 75 fc" },
		{ "jmp over\nnop\nover: ret", "eb 01 90 c3" },
		{ "a: b: jmp b", "eb fe" },
		{ "jrcxz 0x401000", "e3 fe" },
		{ "loop 0x401000", "e2 fe" },
		{ "jmp short 0x401010", "eb 0e" },
		{ "jmp end; end:", "eb 00" },
	};

	(void)state;
	CHECK(rows);
}

static void names_in_memory_are_relative_to_rip(void **state)
{
	static const struct row rows[] = {
		{ "mov eax, [table]", "8b 05 fa 2f 00 00" },
		{ "mov eax, [table+4]", "8b 05 fe 2f 00 00" },
		{ "lea rax, [rip+table]", "48 8d 05 f9 2f 00 00" },
		{ "lea rax, [here]; here: ret", "48 8d 05 00 00 00 00 c3" },
		{ "mov rax, libc.so.6!puts", "48 b8 00 10 00 00 00 7f 00 00" },
		{ "mov eax, table", "b8 00 40 40 00" },
		{ "mov eax, [table+rcx*4]", "8b 04 8d 00 40 40 00" },
		{ "jmp [table]", "ff 25 fa 2f 00 00" },
	};

	(void)state;
	CHECK(rows);
}

static void strings_floats_and_vectors(void **state)
{
	static const struct row rows[] = {
		{ "rep movsb", "f3 a4" },
		{ "repne scasb", "f2 ae" },
		{ "rep stosq", "f3 48 ab" },
		{ "cqo", "48 99" },
		{ "pxor xmm0, xmm0", "66 0f ef c0" },
		{ "movq xmm0, rax", "66 48 0f 6e c0" },
		{ "vaddps ymm0, ymm1, ymm2", "c5 f4 58 c2" },
		{ "fld qword ptr [rax]", "dd 00" },
		{ "fadd st(0), st(1)", "d8 c1" },
		{ "sete al", "0f 94 c0" },
		{ "cmovge eax, ecx", "0f 4d c1" },
		{ "vpaddd zmm0, zmm1, zmm2", "62 f1 75 48 fe c2" },
	};

	(void)state;
	CHECK(rows);
}

static void a_branch_grows_when_its_label_moves_away(void **state)
{
	char text[2048] = "jmp end;";
	uint8_t buf[PH_ASM_MAX];
	size_t len;

	(void)state;
	for (int i = 0; i < 126; i++)
		strcat(text, "nop;");
	strcat(text, "end: ret");
	assert_int_equal(ph_asm(text, HERE, NULL, NULL, buf, &len, NULL), 0);
	assert_int_equal(buf[0], 0xeb);
	assert_int_equal(len, 2 + 126 + 1);
	/* Two jumps in a row: the second grows, which pushes the first one's label out of reach. */
	strcpy(text, "jmp end; jmp far;");
	for (int i = 0; i < 125; i++)
		strcat(text, "nop;");
	strcat(text, "end: ");
	for (int i = 0; i < 8; i++)
		strcat(text, "nop;");
	strcat(text, "far: ret");
	assert_int_equal(ph_asm(text, HERE, NULL, NULL, buf, &len, NULL), 0);
	assert_int_equal(buf[0], 0xe9);
	assert_int_equal(buf[5], 0xe9);
	assert_int_equal(len, 5 + 5 + 125 + 8 + 1);
}

static void errors_name_the_line_the_token_and_what_would_be_right(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *words;
	} rows[] = {
		{ "nop\nmvo eax, 1", 2, "there is no instruction 'mvo'; did you mean 'mov'?" },
		{ "mov eax", 1, "no form of mov takes" },
		{ "mov eax,", 1, "an operand expected at its end" },
		{ "mov eax 1", 1, "',' expected before '1'" },
		{ "mov rax, ebx", 1, "rax has 64 bits, ebx has 32" },
		{ "mov [rax], [rbx]", 1, "two operands in memory" },
		{ "mov [rax], 1", 1, "how large is what lies in memory? Write byte, word, dword, qword before the '['" },
		{ "movzx eax, [rbx]", 1, "Write byte, word before" },
		{ "mov al, 0x100", 1, "a number for 8 bits must fit" },
		{ "add rax, 0x123456789", 1, "fit in 32 with its sign" },
		{ "mov eax, [rax", 1, "']' expected at its end" },
		{ "mov eax, [rax*3]", 1, "a scale is 1, 2, 4 or 8" },
		{ "mov eax, [rax+rbx+rcx]", 1, "one base and one index" },
		{ "mov eax, [rax-rbx]", 1, "cannot be subtracted" },
		{ "mov eax, 0x12g", 1, "'g' is no digit" },
		{ "mov rax, 0x11223344556677889", 1, "more than 64 bits" },
		{ "jmp nowhere", 1, "no label, register or symbol 'nowhere'" },
		{ "again: jmp agian", 1, "did you mean 'again'?" },
		{ "a: nop; a: nop", 1, "stands here twice" },
		{ "rax: nop", 1, "is a register and no label" },
		{ "call libc.so.6!puts", 1, "further than 2 GiB" },
		{ "jrcxz 0x402000", 1, "there is no longer form" },
		{ "lock nop", 1, "cannot have this prefix" },
		{ "mov eax, rbx+1", 1, "',' expected before" },
		{ "mov eax, 1+rbx", 1, "outside of [ ]" },
		{ "\x01\xff", 1, "an instruction expected" },
		{ "fs: nop", 1, "is a register and no label" },
		{ "xchg eax, eax", 1, "no form of xchg" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[PH_ASM_MAX];
		size_t len = 77;
		struct ph_err err;
		char message[PH_ERR_MESSAGE_MAX], line[32];
		int r = ph_asm(rows[i].text, HERE, lookup, NULL, buf, &len, &err);

		if (r != -EINVAL)
			fail_msg("%s: %d", rows[i].text, r);
		assert_int_equal(len, 77);
		ph_err_message(&err, message, sizeof(message));
		snprintf(line, sizeof(line), "line %u: ", rows[i].line);
		if (!strstr(message, line) || !strstr(message, rows[i].words))
			fail_msg("%s: %s", rows[i].text, message);
	}
}

static void too_much_is_refused(void **state)
{
	uint8_t buf[PH_ASM_MAX];
	char *text = malloc(8 * PH_ASM_MAX + 64);
	size_t len, used = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < PH_ASM_MAX; i++)
		used += (size_t)sprintf(text + used, "nop;");
	assert_int_equal(ph_asm(text, HERE, NULL, NULL, buf, &len, NULL), 0);
	assert_int_equal(len, PH_ASM_MAX);
	strcpy(text + used, "nop");
	assert_int_equal(ph_asm(text, HERE, NULL, NULL, buf, &len, NULL), -E2BIG);
	for (used = 0; used < 4 * 1000;)
		used += (size_t)sprintf(text + used, "ret;");
	sprintf(text + used, "mov rax, 0x1122334455667788");
	assert_int_equal(ph_asm(text, HERE, NULL, NULL, buf, &len, NULL), 0);
	assert_int_equal(len, 1010);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_people_patch_most),
		cmocka_unit_test(numbers_in_every_form_and_width),
		cmocka_unit_test(memory_with_and_without_sizes),
		cmocka_unit_test(branches_take_the_shortest_form_that_reaches),
		cmocka_unit_test(names_in_memory_are_relative_to_rip),
		cmocka_unit_test(strings_floats_and_vectors),
		cmocka_unit_test(a_branch_grows_when_its_label_moves_away),
		cmocka_unit_test(errors_name_the_line_the_token_and_what_would_be_right),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
