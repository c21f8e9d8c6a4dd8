/* convention: where parameters are, by rows of their types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/convention.h"

/* The list of types that rows name by their index. */
enum { INT, LONG, CHAR, FLOAT, DOUBLE, LDOUBLE, POINTER, INT2, MIXED, FLOATS3, BIG, PACKED, VOID, INCOMPLETE, N_TYPES };

static struct ph_type list[N_TYPES] = {
	[INT] = { .kind = PH_TYPE_INTEGER, .size = 4 },
	[LONG] = { .kind = PH_TYPE_INTEGER, .size = 8 },
	[CHAR] = { .kind = PH_TYPE_INTEGER, .size = 1 },
	[FLOAT] = { .kind = PH_TYPE_FLOAT, .size = 4 },
	[DOUBLE] = { .kind = PH_TYPE_FLOAT, .size = 8 },
	[LDOUBLE] = { .kind = PH_TYPE_FLOAT, .size = 16 },
	[POINTER] = { .kind = PH_TYPE_POINTER, .size = 8 },
	[INT2] = { .kind = PH_TYPE_STRUCT, .size = 8, .first = 0, .n = 2 },
	[MIXED] = { .kind = PH_TYPE_STRUCT, .size = 16, .first = 2, .n = 2 },
	[FLOATS3] = { .kind = PH_TYPE_ARRAY, .size = 12, .element = FLOAT, .count = 3 },
	[BIG] = { .kind = PH_TYPE_STRUCT, .size = 24, .first = 4, .n = 1 },
	[PACKED] = { .kind = PH_TYPE_STRUCT, .size = 9, .first = 5, .n = 2 },
	[VOID] = { .kind = PH_TYPE_VOID },
	[INCOMPLETE] = { .kind = PH_TYPE_STRUCT, .is_incomplete = true },
};

static struct ph_member members[] = {
	{ .type = INT, .offset = 0 },  { .type = INT, .offset = 4 },	/* INT2 */
	{ .type = DOUBLE, .offset = 0 }, { .type = LONG, .offset = 8 },	/* MIXED */
	{ .type = LONG, .offset = 0 },					/* BIG */
	{ .type = CHAR, .offset = 0 }, { .type = LONG, .offset = 1 },	/* PACKED */
};

static const struct ph_types types = { .types = list, .n = N_TYPES, .members = members, .n_members = 7 };

struct row {
	const char *signature;	/* what is expected: "rdi", "xmm0", "rdi+xmm1", "[8]" on the stack, "?" unknown */
	int parameters[10];	/* up to -1 */
	bool hidden;
};

static const struct row rows[] = {
	{ "rdi rsi rdx rcx r8 r9 [0] [8]", { INT, LONG, CHAR, POINTER, INT, INT, INT, CHAR, -1 }, false },
	{ "rdi xmm0 rsi xmm1 rdx", { INT, FLOAT, LONG, DOUBLE, POINTER, -1 }, false },
	{ "rsi xmm0", { INT, DOUBLE, -1 }, true },
	{ "rdi rsi", { INT2, INT, -1 }, false },
	{ "xmm0+rdi xmm1 rsi", { MIXED, DOUBLE, INT, -1 }, false },
	{ "xmm0+xmm1", { FLOATS3, -1 }, false },
	{ "[0] rdi [24] rsi", { BIG, INT, PACKED, LONG, -1 }, false },
	{ "[0] [16] rdi", { LDOUBLE, LDOUBLE, INT, -1 }, false },
	{ "rdi rsi rdx rcx r8 r9 [0] [16]", { INT, INT, INT, INT, INT, INT, CHAR, LDOUBLE, -1 }, false },
	{ "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 [0]",
	  { DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, -1 }, false },
	{ "rdi rsi rdx rcx r8 r9 [0] xmm0", { INT, INT, INT, INT, INT, INT, MIXED, DOUBLE, -1 }, false },
	{ "rdi ? ?", { INT, INCOMPLETE, INT, -1 }, false },
	{ "? ?", { VOID, INT, -1 }, false },
};

static void show(const struct ph_home *argument, char *buf, size_t len)
{
	static const char *const general[] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9" };

	*buf = '\0';
	if (argument->kind == PH_HOME_UNKNOWN)
		snprintf(buf, len, "?");
	else if (argument->kind == PH_HOME_STACK)
		snprintf(buf, len, "[%llu]", (unsigned long long)argument->offset);
	for (size_t i = 0; argument->kind == PH_HOME_REGISTERS && i < argument->n_parts; i++) {
		size_t at = strlen(buf);

		if (argument->parts[i].is_xmm)
			snprintf(buf + at, len - at, "%sxmm%u", i ? "+" : "", argument->parts[i].n);
		else
			snprintf(buf + at, len - at, "%s%s", i ? "+" : "", general[argument->parts[i].n]);
	}
}

static void parameters_are_where_the_convention_has_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_homes arguments;
		char text[256] = "", one[64];

		ph_homes_begin(&arguments, rows[i].hidden);
		for (size_t p = 0; rows[i].parameters[p] >= 0; p++) {
			struct ph_home argument =
				ph_homes_next(&arguments, &types, (size_t)rows[i].parameters[p]);

			show(&argument, one, sizeof(one));
			if (p)
				strcat(text, " ");
			strcat(text, one);
		}
		assert_string_equal(text, rows[i].signature);
	}
}

static void large_and_packed_results_are_in_memory(void **state)
{
	(void)state;
	assert_true(ph_home_is_in_memory(&types, BIG));
	assert_true(ph_home_is_in_memory(&types, PACKED));
	assert_false(ph_home_is_in_memory(&types, MIXED));
	assert_false(ph_home_is_in_memory(&types, LDOUBLE));
	assert_false(ph_home_is_in_memory(&types, VOID));
}

static void results_are_where_the_convention_has_them(void **state)
{
	static const struct {
		int type;
		const char *place;
	} results[] = {
		{ INT, "rax" },		{ POINTER, "rax" },   { FLOAT, "xmm0" },       { INT2, "rax" },
		{ MIXED, "xmm0+rax" },	{ FLOATS3, "xmm0+xmm1" }, { BIG, "[0]" },      { PACKED, "[0]" },
		{ LDOUBLE, "?" },	{ VOID, "?" },	      { INCOMPLETE, "?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		struct ph_home result = ph_home_of_result(&types, (size_t)results[i].type);
		char text[64];

		show(&result, text, sizeof(text));
		assert_string_equal(text, results[i].place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_where_the_convention_has_them),
		cmocka_unit_test(large_and_packed_results_are_in_memory),
		cmocka_unit_test(results_are_where_the_convention_has_them),
	};

	return cmocka_run_group_tests_name("image/convention", tests, NULL, NULL);
}
