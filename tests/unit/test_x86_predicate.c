/* predicate: the language row by row, its errors, and random expressions against an evaluator of their trees. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/predicate.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Memory of 32 bytes at BASE; everything else faults. */
#define BASE 0x7000

static const uint8_t bytes[32] = {
	0x80, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff,	/* i8 -128, u16 0xff80 */
	0x05, 0x00, 0x00, 0x00, 0xfb, 0xff, 0xff, 0xff,	/* u32 5, i32 -5 */
	0x10, 0x70, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,	/* u64 its own address */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,	/* the lowest i64 */
};

static int read_bytes(void *user, ph_addr addr, void *buf, size_t len)
{
	unsigned *reads = user;

	++*reads;
	if (addr < BASE || addr - BASE > sizeof(bytes) || len > sizeof(bytes) - (addr - BASE))
		return -EFAULT;
	memcpy(buf, bytes + (addr - BASE), len);
	return 0;
}

static const struct user_regs_struct regs = {
	.rax = 0x1122334455667788,
	.rbx = UINT64_MAX,
	.rdx = 0xffffffff,
	.rdi = 5,
	.rsi = BASE,
	.r8 = 0xabcdef0123456789,
	.rbp = BASE + 24,
	.rsp = 0x7ffffff0,
	.rip = 0x401000,
	.eflags = 0x8c5,	/* of sf zf pf cf are set, af tf df are not; not if either */
	.cs = 0x33,
	.orig_rax = (unsigned long long)-1,
	.fs_base = 0x7f0000000000,
};

static struct ph_predicate *compile(const char *text)
{
	struct ph_predicate *predicate = NULL;
	char message[PH_ERR_MESSAGE_MAX];
	struct ph_err err;

	if (ph_predicate_compile(text, &predicate, &err) < 0)
		fail_msg("%s: %s", text, ph_err_message(&err, message, sizeof(message)));
	return predicate;
}

static bool test_reading(const char *text, unsigned *reads)
{
	const struct ph_predicate_memory memory = { read_bytes, reads };
	struct ph_predicate *predicate = compile(text);
	bool result;

	*reads = 0;
	result = ph_predicate_test(predicate, &regs, &memory);
	ph_predicate_free(predicate);
	return result;
}

static bool test(const char *text)
{
	unsigned reads;

	return test_reading(text, &reads);
}

static void require_true(const char *const *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!test(rows[i]))
			fail_msg("false: %s", rows[i]);
}

static void require_false(const char *const *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (test(rows[i]))
			fail_msg("true: %s", rows[i]);
}

static void knows_registers_flags_and_numbers(void **state)
{
	static const char *const rows[] = {
		"rax == 0x1122334455667788", "eax == 0x55667788", "ax == 0x7788", "al == 0x88", "ah == 0x77",
		"r8 == 0xABCDEF0123456789", "r8d == 0x23456789", "r8w == 0x6789", "r8b == 0x89",
		"sp == rsp and pc == rip", "sp == 0x7ffffff0", "cs == 0x33", "orig_rax == 18446744073709551615",
		"fs_base == 0x7f0000000000", "ebx == 0xffffffff", "rflags == 0x8c5",
		"cf == 1 and pf == 1 and zf == 1 and sf == 1 and of == 1",
		"af == 0 and tf == 0 and df == 0 and if == 0",
		"zf", "rdi", "1", "not 0", "rdi==5", " rdi\t==\n5 ", "0X1f == 31", "010 == 10", "0xFf==255",
		"18446744073709551615 == 0xffffffffffffffff", "- 5 == -5", "-9223372036854775808 == 0x8000000000000000",
	};

	(void)state;
	require_true(rows, N_OF(rows));
	for (size_t i = 0; i < PH_REGS_COUNT; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%.10s == 0x%llx", ph_regs[i].name,
			 (unsigned long long)ph_reg_get(&regs, &ph_regs[i]));
		assert_true(test(text));
	}
	for (size_t i = 0; i < PH_FLAGS_COUNT; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%.3s == %d", ph_flags[i].name, ph_flag_get(&regs, &ph_flags[i]));
		assert_true(test(text));
	}
}

static void every_operator_does_its_work(void **state)
{
	static const char *const yes[] = {
		"1 and 2", "0 or 3", "3 or 0", "not 0", "not (1 and 0)", "not not 7 == 1",
		"5 == 5", "5 ~= 6", "5 < 6", "5 <= 5", "6 > 5", "5 >= 5",
		"2 + 3 == 5", "2 - 3 == -1", "6 * 7 == 42", "12 & 10 == 8", "12 | 10 == 14", "12 ^ 10 == 6",
		"1 << 4 == 16", "256 >> 4 == 16", "~0 == rbx", "-rdi == -5", "~rdi == -6", "- -5 == 5", "~~rdi == 5",
		"(1 < 2) == 1", "(2 < 1) == 0", "(not 5) == 0",
		"(0 or 7) == 7", "(7 or 8) == 7", "(7 and 8) == 8", "(0 and 8) == 0",	/* the side that decided */
		"1 and 2 and 3", "0 or 0 or 3", "(zf and rdi or rsi) == 5", "(af and rdi or rsi) == rsi",
	};
	static const char *const no[] = {
		"0", "rcx", "1 and 0", "0 and 1", "0 or 0", "not 1", "not 2", "5 == 6", "5 ~= 5", "6 < 5", "5 < 5",
		"6 <= 5", "5 > 6", "5 > 5", "5 >= 6", "1 and 2 and 0", "0 and 1 or 0", "12 & 3", "5 - 5",
	};

	(void)state;
	require_true(yes, N_OF(yes));
	require_false(no, N_OF(no));
}

static void precedence_is_lua_s(void **state)
{
	static const char *const yes[] = {
		"1 or 1 and 0", "(1 or 1) and 0 == 0 or 1", "1 == 1 and 2 == 2", "0 == 1 or 2 == 2",
		"4 | 1 == 5", "rdi & 1 == 1", "1 | 6 ^ 2 == 5", "(1 | 6) ^ 2 == 5", "7 | 1 ^ 1 == 7",
		"1 ^ 3 & 2 == 3", "8 & 1 << 3 == 8", "1 << 2 + 1 == 8", "1 + 2 * 3 == 7", "(1 + 2) * 3 == 9",
		"10 - 3 - 2 == 5", "10 - (3 - 2) == 9", "1 << 2 << 3 == 32", "256 >> 2 >> 1 == 32",
		"64 >> 2 << 1 == 32",
		"2 * -3 == -6", "-2 * -3 == 6", "-rdi + 6 == 1", "~rdi & 7 == 2", "not 1 == 0", "not (1 == 0)",
		"not 0 + 1 == 2", "-1 + 2 == 1", "~1 + 2 == 0", "not rdi == 5 or 1", "1 - -1 == 2", "1 --1 == 2",
		"rdi -1 == 4", "0 or not 0", "not 0 and not 0",
	};
	static const char *const no[] = {
		"(1 or 1) and 0", "not rdi == 5", "1 and 0 == 1", "0 and 0 or 0 and 1",
	};

	(void)state;
	require_true(yes, N_OF(yes));
	require_false(no, N_OF(no));
}

static void comparisons_are_signed_when_a_side_is(void **state)
{
	static const char *const yes[] = {
		"rbx > 5", "rbx >= rdi", "5 < rbx", "0 - 1 > 0",		/* unsigned */
		"-1 < 0", "-1 < rdi", "rdi > -1", "rbx < 1 + i8[rsi] + 200", "rbx <= -1", "rbx >= -1", "0 >= -1",
		"i8[rsi] < 0", "u8[rsi] > 0", "0 > i32[rsi + 12]", "i32[rsi + 12] == -5", "i64[rbp] < 0",
		"u64[rbp] > 0",
		/* it goes through arithmetic, from either side */
		"i32[rsi + 12] + 1 < 0", "1 + i32[rsi + 12] < 0", "rdi - 6 > 5", "rdi + -6 < 5", "i8[rsi] * 2 < 0",
		"i8[rsi] & rbx < 0", "i8[rsi] | rdi < 0", "rdi ^ i8[rsi] < 0", "-i32[rsi + 8] < 0", "~i32[rsi + 8] < 0",
		"(i8[rsi]) < 0", "- -5 > rbx", "~-1 > rbx", "(0 or -1) < 0", "(-1 and rbx) < 0",
		/* of a shift, the left side's; >> fills with zeros */
		"-1 << 1 < 0", "rbx << i32[rsi + 8] > 0", "1 << 63 > 0", "-1 >> 1 > 0",
		/* ends at a read's address, at a comparison and at not */
		"u64[rbp + -0] > 0", "rbx > u8[rsi + -0]", "(-1 < 0) - 2 > 0", "not -1 - 1 > 0", "-(1) > 0",
		"0 - 5 > 0",
		"(-1 < 0) < rbx",
		/* == is of all bits */
		"rbx == -1", "edx ~= -1", "edx == 0xffffffff", "i32[rsi + 12] ~= 0xfffffffb",
	};
	static const char *const no[] = {
		"rbx < 5", "rbx < 0", "0 - 1 < 0", "-rdi < 0", "~rdi < 0", "edx == -1", "-(1) < 0", "rdi - 6 < 0",
		"u32[rsi + 12] == -5", "-1 >> 1 < 0",
	};

	(void)state;
	require_true(yes, N_OF(yes));
	require_false(no, N_OF(no));
}

static void arithmetic_wraps_and_long_shifts_give_zero(void **state)
{
	static const char *const rows[] = {
		"rbx + 1 == 0", "0 - 1 == rbx", "rbx * rbx == 1", "-0x8000000000000000 == 1 << 63",
		"9223372036854775807 + 1 == -9223372036854775808", "0x100000000 * 0x100000000 == 0",
		"1 << 63 == 0x8000000000000000", "(1 << 64) == 0", "(1 << 65) == 0", "1 << 0 == 1", "(rbx >> 64) == 0",
		"rbx >> 63 == 1", "(1 << -1) == 0", "(rbx >> rbx) == 0", "(1 << 0x100000000) == 0",
	};

	(void)state;
	require_true(rows, N_OF(rows));
}

static void reads_memory_of_every_width(void **state)
{
	static const char *const rows[] = {
		"u8[rsi] == 0x80", "u16[rsi] == 0xff80", "u32[rsi] == 0xfffeff80", "u64[rsi] == 0xfffffffffffeff80",
		"i8[rsi] == -128", "i16[rsi] == -128", "i32[rsi] == -65664", "i64[rsi] == -65664",
		"i8[rsi + 8] == 5", "i32[rsi+8] == 5", "i64[rsi + 8] == -21474836475", "u8 [ rsi ] == 0x80",
		"u64[0x7010] == 0x7010", "u64[u64[u64[rsi + 16]]] == 0x7010", "u8[rsi + u8[rsi + 8] + 3] == 5",
		"u64[rbp + -8] == 0x7010", "u64[rbp - 8] == 0x7010", "edi == 5 and u32[rsi] > 9",
		"u8[(rdi == 5 and rsi or 0)] == 0x80", "u8[0x701f] == 0x80",
	};

	(void)state;
	require_true(rows, N_OF(rows));
}

static void a_fault_anywhere_makes_the_whole_false(void **state)
{
	static const char *const rows[] = {
		"u8[0]", "not u8[0]", "u8[0] == 0", "u8[0] ~= 0", "u8[0] or 1", "not (u8[0] == 1)",
		"1 == 1 and u8[0] or 1",
		"u64[0x7019]", "u16[0x701f] or 1", "u8[0x7020] or 1", "u8[u8[0]] or 1", "i32[-1] or 1", "not i64[rbx]",
		"(0 or u8[0]) or 1", "0 * u8[0] == 0",
	};
	struct ph_predicate *predicate = compile("u8[0x7000] or 1");

	(void)state;
	require_false(rows, N_OF(rows));
	assert_false(ph_predicate_test(predicate, &regs, NULL));
	ph_predicate_free(predicate);
	ph_predicate_free(NULL);
}

static void reads_only_what_the_result_needs(void **state)
{
	static const struct {
		const char *text;
		unsigned reads;
		bool result;
	} rows[] = {
		{ "edi == 5 and u32[rsi] > 9", 1, true },
		{ "edi == 6 and u32[rsi] > 9", 0, false },
		{ "edi == 6 and u32[0] > 9 or 1", 0, true },
		{ "edi == 5 or u8[0]", 0, true },
		{ "edi == 6 or u8[rsi]", 1, true },
		{ "edi == 6 or u8[0]", 1, false },
		{ "0 and u8[0] and u8[0]", 0, false },
		{ "1 or u8[0] or u8[0]", 0, true },
		{ "0 and u8[0] or u8[rsi] or u8[0]", 1, true },
		{ "u8[rsi] and 0 and u8[0]", 1, false },
		{ "not (1 or u8[0])", 0, false },
		{ "u64[u64[u64[rsi + 16]]]", 3, true },
		{ "u8[0] and u8[rsi]", 1, false },
		{ "(0 and u8[0]) == 0", 0, true },
		{ "1 + (2 or u8[0]) * 3 == 7", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		unsigned reads;

		if (test_reading(rows[i].text, &reads) != rows[i].result || reads != rows[i].reads)
			fail_msg("%s: %u reads", rows[i].text, reads);
	}
}

static void require_error(const char *text, const char *message)
{
	struct ph_predicate *untouched = NULL;
	struct ph_err err;

	if (ph_predicate_compile(text, &untouched, &err) != -EINVAL)
		fail_msg("compiled: %s", text);
	assert_null(untouched);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.op, "compile predicate");
	assert_string_equal(err.detail, message);
	assert_int_equal(ph_predicate_compile(text, &untouched, NULL), -EINVAL);
}

static void errors_say_where_and_what_was_expected(void **state)
{
#define VALUE "expected a register, a number, u8[...] or '(', found "
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "column 1: " VALUE "the end" },
		{ "  ", "column 3: " VALUE "the end" },
		{ "edi ==", "column 7: " VALUE "the end" },
		{ "edi == == 5", "column 8: " VALUE "'=='" },
		{ "and 5", "column 1: " VALUE "'and'" },
		{ "edi == 5 and", "column 13: " VALUE "the end" },
		{ "()", "column 2: " VALUE "')'" },
		{ "!edi", "column 1: " VALUE "'!'; write 'not'" },
		{ "[rsi] == 5", "column 1: " VALUE "'['; write 'u64['" },
		{ "edi == \xe2\x89\xa0", "column 8: " VALUE "byte 0xe2" },
		{ "edi \x01", "column 5: expected an operator or the end, found byte 0x01" },
		{ "edi 5", "column 5: expected an operator or the end, found '5'" },
		{ "edi == 5)", "column 9: expected an operator or the end, found ')'" },
		{ "edi = 5", "column 5: expected an operator or the end, found '='; write '=='" },
		{ "edi != 5", "column 5: expected an operator or the end, found '!='; write '~='" },
		{ "edi && 5", "column 5: expected an operator or the end, found '&&'; write 'and'" },
		{ "edi || 5", "column 5: expected an operator or the end, found '||'; write 'or'" },
		{ "edi ~ 5", "column 5: expected an operator or the end, found '~'; write '^'" },
		{ "edi / 5", "column 5: expected an operator or the end, found '/'" },
		{ "edi not 5", "column 5: expected an operator or the end, found 'not'" },
		{ "1 < edi < 5", "column 9: expected parentheses around one of two comparisons, found '<'" },
		{ "1 == 1 == 1", "column 8: expected parentheses around one of two comparisons, found '=='" },
		{ "(edi == 5", "column 10: expected an operator, or ')' for column 1, found the end" },
		{ "1 + (edi == 5]", "column 14: expected an operator, or ')' for column 5, found ']'" },
		{ "u8[rsi", "column 7: expected an operator, or ']' for column 3, found the end" },
		{ "u8[rsi)", "column 7: expected an operator, or ']' for column 3, found ')'" },
		{ "u8[]", "column 4: " VALUE "']'" },
		{ "u32 == 5", "column 5: expected '[', found '=='" },
		{ "u32", "column 4: expected '[', found the end" },
		{ "rdz == 5", "column 1: expected a register or flag, found 'rdz'; did you mean 'rdx'?" },
		{ "1 + EDI", "column 5: expected a register or flag, found 'EDI'; did you mean 'edi'?" },
		{ "zero_flag", "column 1: expected a register or flag, found 'zero_flag'" },
		{ "u31[rsi]", "column 1: expected a width, found 'u31'; did you mean 'u32'?" },
		{ "xmm0", "column 1: expected a register or flag, found 'xmm0'" },
		{ "a_name_that_is_far_longer_than_anyone_needs", "column 1: expected a register or flag, found "
		  "'a_name_that_is_far_longer_than_a...'" },
		{ "edi == 5and", "column 8: expected a decimal or 0x number, found '5and'" },
		{ "1.5", "column 1: expected a decimal or 0x number, found '1.5'" },
		{ "0x", "column 1: expected a decimal or 0x number, found '0x'" },
		{ "0xg", "column 1: expected a decimal or 0x number, found '0xg'" },
		{ "1ULL", "column 1: expected a decimal or 0x number, found '1ULL'" },
		{ "18446744073709551616",
		  "column 1: expected a number of at most 64 bits, found '18446744073709551616'" },
		{ "0x10000000000000000",
		  "column 1: expected a number of at most 64 bits, found '0x10000000000000000'" },
		{ "-9223372036854775809",
		  "column 2: expected a number of at most 2^63 behind '-', found '9223372036854775809'" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		require_error(rows[i].text, rows[i].message);
}

static char *repeat(const char *open, size_t n, const char *middle, const char *close)
{
	size_t len = n * (strlen(open) + strlen(close)) + strlen(middle) + 1;
	char *text = calloc(1, len), *at = text;

	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, close);
	return text;
}

static void length_and_nesting_have_limits(void **state)
{
	static const struct {
		const char *open, *middle, *close;
		size_t n;
		const char *message;	/* NULL: true */
	} rows[] = {
		{ "(", "1", ")", 64, NULL },
		{ "(", "1", ")", 65, "column 65: nested more than 64 deep" },
		{ "~", "1", "", 64, NULL },
		{ "not ", "1", "", 65, "column 257: nested more than 64 deep" },
		{ "u64[", "0x7010", "]", 64, NULL },
		{ "u64[", "0x7010", "]", 65, "column 260: nested more than 64 deep" },
		{ "(1)and ", "1", "", 500, NULL },	/* side by side is not nested */
		{ "1+", "1", "", 2047, NULL },
		{ "1 and", " 1", "", 1, NULL },
		{ "0==0|0^0&0<<0+0*(", "0", ")", 64, NULL },	/* as deep as the stack gets */
		{ "0 or 1 and 1==0|1^0&0<<0+0*(", "0", ")", 64, NULL },
		{ " ", "1", "", 4095, NULL },
		{ " ", "1", "", 4096, "column 4097: expected the end, more than 4096 characters" },
		{ "((((", "1", "", 5000, "column 4097: expected the end, more than 4096 characters" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char *text = repeat(rows[i].open, rows[i].n, rows[i].middle, rows[i].close);

		if (rows[i].message)
			require_error(text, rows[i].message);
		else if (!test(text))
			fail_msg("false: %s", text);
		free(text);
	}
}

/*
 * Random trees, printed with no more parentheses than they need, and valued without the text. Shares nothing with the
 * code under test: operators are rows of their own, signedness and values come from the tree.
 */
enum kind { LEAF, READ, UNARY, BINARY };

struct node {
	enum kind kind;
	int op;			/* row of the operators; READ: size, below 0 when sign-extended */
	uint64_t value;		/* LEAF */
	bool is_signed;		/* LEAF: a negative literal */
	const char *name;	/* LEAF: NULL for a number */
	const struct node *a, *b;
};

static const struct {
	const char *text;
	int binds;
} operators[] = {
	{ "or", 1 }, { "and", 2 }, { "==", 3 }, { "~=", 3 }, { "<", 3 }, { "<=", 3 }, { ">", 3 }, { ">=", 3 },
	{ "|", 4 }, { "^", 5 }, { "&", 6 }, { "<<", 7 }, { ">>", 7 }, { "+", 8 }, { "-", 8 }, { "*", 9 },
};

static const char *const prefixes[] = { "not ", "-", "~" };

#define BINDS_UNARY 10
#define NODES_MAX 64

struct tree {
	struct node nodes[NODES_MAX];
	int count;
	uint64_t seed;
};

static uint64_t pick(struct tree *tree, uint64_t n)
{
	tree->seed ^= tree->seed << 13;
	tree->seed ^= tree->seed >> 7;
	tree->seed ^= tree->seed << 17;
	return (tree->seed >> 11) % n;
}

static const struct node *grow(struct tree *tree, int depth)
{
	static const uint64_t numbers[] = { 0, 1, 2, 5, 63, 64, 0x80, 0x7000, 0x7008, 0x7010, INT64_MAX, UINT64_MAX };
	struct node *node = &tree->nodes[tree->count++];
	uint64_t what = depth ? pick(tree, 10) : 0;

	*node = (struct node){ .kind = LEAF };
	if (what >= 5) {
		node->kind = BINARY;
		node->op = (int)pick(tree, N_OF(operators));
		node->a = grow(tree, depth - 1);
		node->b = grow(tree, depth - 1);
	} else if (what >= 3) {
		node->kind = UNARY;
		node->op = (int)pick(tree, N_OF(prefixes));
		node->a = grow(tree, depth - 1);
	} else if (what == 2) {
		node->kind = READ;
		node->op = (1 << pick(tree, 4)) * (pick(tree, 2) ? 1 : -1);
		node->a = grow(tree, depth - 1);
	} else if (pick(tree, 2)) {
		const struct ph_reg *reg = &ph_regs[pick(tree, PH_REGS_COUNT)];

		node->name = reg->name;
		node->value = ph_reg_get(&regs, reg);
	} else {
		node->value = numbers[pick(tree, N_OF(numbers))];
		node->is_signed = node->value <= INT64_MAX && pick(tree, 3) == 0;
		node->value = node->is_signed ? -node->value : node->value;
	}
	return node;
}

static char *print(char *at, const struct node *node, int above);

static char *print_binary(char *at, const struct node *node, int above)
{
	int binds = operators[node->op].binds;
	bool enclose = binds < above;

	at = stpcpy(at, enclose ? "(" : "");
	at = print(at, node->a, binds == 3 ? binds + 1 : binds);
	at += sprintf(at, " %s ", operators[node->op].text);
	at = print(at, node->b, binds + 1);
	return stpcpy(at, enclose ? ")" : "");
}

static char *print(char *at, const struct node *node, int above)
{
	switch (node->kind) {
	case LEAF:
		if (node->name)
			return stpcpy(at, node->name);
		if (node->is_signed)
			return at + sprintf(at, "-%llu", (unsigned long long)-node->value);
		return at + sprintf(at, node->value & 1 ? "0x%llx" : "%llu", (unsigned long long)node->value);
	case READ:
		at += sprintf(at, "%c%d[", node->op < 0 ? 'i' : 'u', abs(node->op) * 8);
		return stpcpy(print(at, node->a, 0), "]");
	case UNARY:
		at = stpcpy(at, prefixes[node->op]);
		/* A number right behind a minus would become a negative literal. */
		if (node->op == 1 && node->a->kind == LEAF)
			return stpcpy(print(stpcpy(at, "("), node->a, 0), ")");
		return print(at, node->a, BINDS_UNARY);
	case BINARY:
		return print_binary(at, node, above);
	}
	return at;
}

static bool is_signed(const struct node *node)
{
	switch (node->kind) {
	case LEAF:
		return node->is_signed;
	case READ:
		return node->op < 0;
	case UNARY:
		return node->op != 0 && is_signed(node->a);
	case BINARY:
		switch (operators[node->op].binds) {
		case 3:
			return false;
		case 7:
			return is_signed(node->a);
		default:
			return is_signed(node->a) || is_signed(node->b);
		}
	}
	return false;
}

static int order(const struct node *node, uint64_t a, uint64_t b)
{
	uint64_t flip = is_signed(node->a) || is_signed(node->b) ? 1ull << 63 : 0;

	return (a ^ flip) < (b ^ flip) ? -1 : a != b;
}

static bool value_of(const struct node *node, uint64_t *ret);

static bool value_of_binary(const struct node *node, uint64_t *ret)
{
	const char *text = operators[node->op].text;
	uint64_t a, b;

	if (!value_of(node->a, &a))
		return false;
	if (operators[node->op].binds <= 2 && (a != 0) == (*text == 'o')) {
		*ret = a;
		return true;
	}
	if (!value_of(node->b, &b))
		return false;
	*ret = operators[node->op].binds <= 2 ? b :
	       !strcmp(text, "==") ? a == b :
	       !strcmp(text, "~=") ? a != b :
	       !strcmp(text, "<") ? order(node, a, b) < 0 :
	       !strcmp(text, "<=") ? order(node, a, b) <= 0 :
	       !strcmp(text, ">") ? order(node, a, b) > 0 :
	       !strcmp(text, ">=") ? order(node, a, b) >= 0 :
	       !strcmp(text, "|") ? a | b :
	       !strcmp(text, "^") ? a ^ b :
	       !strcmp(text, "&") ? a & b :
	       !strcmp(text, "<<") ? (b > 63 ? 0 : a << b) :
	       !strcmp(text, ">>") ? (b > 63 ? 0 : a >> b) :
	       !strcmp(text, "+") ? a + b :
	       !strcmp(text, "-") ? a - b : a * b;
	return true;
}

/* False when it faults. */
static bool value_of(const struct node *node, uint64_t *ret)
{
	unsigned reads = 0;
	uint64_t a;

	switch (node->kind) {
	case LEAF:
		*ret = node->value;
		return true;
	case READ: {
		int size = abs(node->op);
		uint64_t high = size < 8 ? UINT64_MAX << size * 8 : 0, value = 0;

		if (!value_of(node->a, &a) || read_bytes(&reads, a, &value, (size_t)size) < 0)
			return false;
		*ret = node->op < 0 && value >> (size * 8 - 1) ? value | high : value;
		return true;
	}
	case UNARY:
		if (!value_of(node->a, &a))
			return false;
		*ret = node->op == 0 ? a == 0 : node->op == 1 ? 0 - a : UINT64_MAX - a;
		return true;
	case BINARY:
		return value_of_binary(node, ret);
	}
	return false;
}

static void random_expressions_have_the_value_of_their_tree(void **state)
{
	struct tree tree = { .seed = 0x9e3779b97f4a7c15 };
	unsigned faults = 0, truths = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t value = 0;
		const struct node *root;
		char text[4096], *end;
		bool good;

		tree.count = 0;
		root = grow(&tree, 1 + i % 5);
		end = print(text, root, 0);
		good = value_of(root, &value);
		faults += !good;
		truths += good && value;
		if (test(text) != (good && value))
			fail_msg("%s is %llx", text, (unsigned long long)value);
		/* The value itself, not only whether it is true. */
		sprintf(end, ") == %llu", (unsigned long long)value);
		memmove(text + 1, text, strlen(text) + 1);
		text[0] = '(';
		if (test(text) != good)
			fail_msg("not so: %s", text);
	}
	assert_true(faults > 10000 && truths > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_registers_flags_and_numbers),
		cmocka_unit_test(every_operator_does_its_work),
		cmocka_unit_test(precedence_is_lua_s),
		cmocka_unit_test(comparisons_are_signed_when_a_side_is),
		cmocka_unit_test(arithmetic_wraps_and_long_shifts_give_zero),
		cmocka_unit_test(reads_memory_of_every_width),
		cmocka_unit_test(a_fault_anywhere_makes_the_whole_false),
		cmocka_unit_test(reads_only_what_the_result_needs),
		cmocka_unit_test(errors_say_where_and_what_was_expected),
		cmocka_unit_test(length_and_nesting_have_limits),
		cmocka_unit_test(random_expressions_have_the_value_of_their_tree),
	};

	return cmocka_run_group_tests_name("predicate", tests, NULL, NULL);
}
