/* spell: distances with a limit, and the nearest of many names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/spell.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static void counts_edits(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} rows[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "puts", "puts", 0 },
		{ "puts", "put", 1 },
		{ "puts", "pputs", 1 },
		{ "puts", "pots", 1 },
		{ "puts", "ptus", 1 },
		{ "puts", "upst", 2 },
		{ "kitten", "sitting", 3 },
		{ "strlen", "strlne", 1 },
		{ "ca", "abc", 3 },	/* the swapped letters are not edited again */
		{ "main", "MAIN", 1 },
		{ "readLine", "readline", 1 },
		{ "abcdef", "ghijkl", 6 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		assert_int_equal(ph_spell_distance(rows[i].a, rows[i].b, 100), rows[i].distance);
		assert_int_equal(ph_spell_distance(rows[i].b, rows[i].a, 100), rows[i].distance);
	}
}

static void stops_one_past_the_limit(void **state)
{
	(void)state;
	for (unsigned limit = 0; limit < 6; limit++) {
		assert_int_equal(ph_spell_distance("abcdef", "ghijkl", limit), limit + 1);
		assert_int_equal(ph_spell_distance("a", "abcdefgh", limit), limit + 1);
	}
	assert_int_equal(ph_spell_distance("main", "MAIN", 0), 1);
	assert_int_equal(ph_spell_distance("abxcdyef", "baxdcyfe", 3), 3);
	assert_int_equal(ph_spell_distance("abxcdyef", "baxdcyfe", 2), 3);
}

/* The same sum without cut-offs, by recursion. */
static unsigned plain(const char *a, const char *b)
{
	unsigned best, other;

	if (!a[0] || !b[0])
		return (unsigned)(strlen(a) + strlen(b));
	best = plain(a + 1, b + 1) + (a[0] != b[0]);
	other = plain(a + 1, b) + 1;
	best = other < best ? other : best;
	other = plain(a, b + 1) + 1;
	best = other < best ? other : best;
	if (a[1] && b[1] && a[0] == b[1] && a[1] == b[0]) {
		other = plain(a + 2, b + 2) + 1;
		best = other < best ? other : best;
	}
	return best;
}

static void agrees_with_the_definition_under_every_limit(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		char words[2][8] = { "", "" };

		for (unsigned w = 0; w < 2; w++) {
			for (unsigned i = 0; i < (round + w * 3) % 7; i++) {
				seed = seed * 1664525 + 1013904223;
				words[w][i] = "abc"[(seed >> 24) % 3];
			}
		}
		for (unsigned limit = 0; limit < 8; limit++) {
			unsigned distance = plain(words[0], words[1]);

			assert_int_equal(ph_spell_distance(words[0], words[1], limit),
					 distance > limit ? limit + 1 : distance);
		}
	}
}

static void long_words_are_near_themselves_only(void **state)
{
	char a[1000], b[1000];

	(void)state;
	memset(a, 'x', sizeof(a) - 1);
	memset(b, 'x', sizeof(b) - 1);
	a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
	assert_int_equal(ph_spell_distance(a, b, 3), 0);
	b[0] = 'y';
	assert_int_equal(ph_spell_distance(a, b, 3), 4);
	a[PH_SPELL_MAX - 1] = b[PH_SPELL_MAX - 1] = '\0';
	assert_int_equal(ph_spell_distance(a, b, 3), 1);
}

static void keeps_the_nearest_of_what_it_is_offered(void **state)
{
	static const struct {
		const char *wanted, *offers[5], *nearest;
	} rows[] = {
		{ "chekc_password", { "main", "check_passphrase", "check_password", "cheque" }, "check_password" },
		{ "mian", { "man", "main", "Mian2" }, "man" },	/* the first of equals */
		{ "PUTS", { "puts", "pots" }, "puts" },
		{ "puts", { "pots", "puts" }, "puts" },
		{ "puts", { "strlen", "malloc" }, NULL },
		{ "foo", { "bar", "fab" }, NULL },	/* most of a short word is not near */
		{ "foo", { "fo" }, "fo" },
		{ "x", { "y" }, "y" },
		{ "xy", { "ab" }, NULL },
		{ "PyUnicode_FromStrings", { "PyUnicode_FromString", "PyUnicode_FromFormat" }, "PyUnicode_FromString" },
		{ "main", { "", "" }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_spell spell;

		ph_spell_init(&spell, rows[i].wanted);
		for (size_t j = 0; j < N_OF(rows[i].offers) && rows[i].offers[j]; j++)
			ph_spell_offer(&spell, rows[i].offers[j]);
		if (rows[i].nearest)
			assert_string_equal(ph_spell_result(&spell), rows[i].nearest);
		else
			assert_null(ph_spell_result(&spell));
	}
}

static void a_name_too_long_to_keep_is_not_cut(void **state)
{
	char name[PH_SPELL_MAX + 1];
	struct ph_spell spell;

	(void)state;
	memset(name, 'x', PH_SPELL_MAX);
	name[PH_SPELL_MAX] = '\0';
	ph_spell_init(&spell, name);
	ph_spell_offer(&spell, name);
	assert_null(ph_spell_result(&spell));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_edits),
		cmocka_unit_test(stops_one_past_the_limit),
		cmocka_unit_test(agrees_with_the_definition_under_every_limit),
		cmocka_unit_test(long_words_are_near_themselves_only),
		cmocka_unit_test(keeps_the_nearest_of_what_it_is_offered),
		cmocka_unit_test(a_name_too_long_to_keep_is_not_cut),
	};

	return cmocka_run_group_tests_name("base/spell", tests, NULL, NULL);
}
