/* pattern: what text is a pattern, and where it matches. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pattern.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static void tells_patterns_from_text(void **state)
{
	static const struct {
		const char *text;
		int tokens;
	} rows[] = {
		{ "48 8b", 2 },
		{ "48 8b ?? c3", 4 },
		{ "?? ??", 2 },
		{ "FF fF 0a", 3 },
		{ "", -EINVAL },
		{ "48", -EINVAL },	/* one token is text */
		{ "??", -EINVAL },
		{ "48 8", -EINVAL },
		{ "48 8b ", -EINVAL },
		{ " 48 8b", -EINVAL },
		{ "48  8b", -EINVAL },
		{ "48\t8b", -EINVAL },
		{ "48 8b\n", -EINVAL },
		{ "4 88 b", -EINVAL },
		{ "48 ?b", -EINVAL },
		{ "48 8?", -EINVAL },
		{ "48 8g", -EINVAL },
		{ "no it", -EINVAL },
		{ "0x 48", -EINVAL },
		{ "48 +1", -EINVAL },
	};
	uint8_t bytes[16], mask[16];

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_int_equal(ph_pattern_parse(rows[i].text, strlen(rows[i].text), bytes, mask), rows[i].tokens);
	/* A NUL is text like any other. */
	assert_int_equal(ph_pattern_parse("48\0" "8b", 5, bytes, mask), -EINVAL);
	assert_int_equal(ph_pattern_parse("48 \0" "b", 5, bytes, mask), -EINVAL);
}

static void parses_bytes_and_wildcards(void **state)
{
	static const char text[] = "48 ?? Fe 00";
	static const uint8_t bytes[] = { 0x48, 0, 0xfe, 0 }, mask[] = { 0xff, 0, 0xff, 0xff };
	uint8_t got_bytes[4], got_mask[4];

	(void)state;
	assert_int_equal(ph_pattern_parse(text, strlen(text), got_bytes, got_mask), 4);
	assert_memory_equal(got_bytes, bytes, 4);
	assert_memory_equal(got_mask, mask, 4);
}

/* In a block of exactly that size, so that a byte read past its end is seen by a sanitizer. */
static bool find_in(const struct ph_pattern *pattern, const char *in, size_t len, size_t *at)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool found;

	memcpy(copy, in, len);
	found = ph_pattern_find(pattern, copy, len, at);
	free(copy);
	return found;
}

static void finds_the_first_match_from_a_place_on(void **state)
{
	enum { NONE = -1 };
	static const struct {
		const char *pattern, *in;
		size_t from;
		int at;
	} rows[] = {
		{ "61 62", "abab", 0, 0 },
		{ "61 62", "abab", 1, 2 },
		{ "61 62", "abab", 2, 2 },
		{ "61 62", "abab", 3, NONE },
		{ "61 62", "aba", 1, NONE },
		{ "61 62", "aab", 0, 1 },
		{ "61 61 62", "aaaab", 0, 2 },
		{ "61 ?? 62", "abbacb", 0, 0 },
		{ "61 ?? 62", "abbacb", 1, 3 },
		{ "?? 62", "bab", 0, 1 },
		{ "?? 62", "b", 0, NONE },
		{ "?? ??", "xy", 0, 0 },
		{ "?? ??", "xyz", 1, 1 },
		{ "?? ??", "x", 0, NONE },
		{ "61 ??", "xxa", 0, NONE },
		{ "61 ??", "xxab", 0, 2 },
		{ "?? ?? 7a", "zzz", 0, 0 },
		{ "61 62", "", 0, NONE },
		{ "61 62", "ab", 5, NONE },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		uint8_t bytes[8], mask[8];
		int n = ph_pattern_parse(rows[i].pattern, strlen(rows[i].pattern), bytes, mask);
		struct ph_pattern pattern = { bytes, mask, (size_t)n };
		size_t at = rows[i].from;
		bool found = find_in(&pattern, rows[i].in, strlen(rows[i].in), &at);

		if (found != (rows[i].at != NONE) || (found && at != (size_t)rows[i].at))
			fail_msg("row %zu: %s in %s: %d at %zu", i, rows[i].pattern, rows[i].in, found, at);
	}
}

static void without_a_mask_every_byte_counts(void **state)
{
	struct ph_pattern pattern = { (const uint8_t *)"\0?", NULL, 2 };
	size_t at = 0;

	(void)state;
	assert_true(find_in(&pattern, "?\0\0?", 4, &at));
	assert_int_equal(at, 2);
	at = 3;
	assert_false(find_in(&pattern, "?\0\0?", 4, &at));
	at = 9;
	assert_false(find_in(&pattern, "?\0\0?", 4, &at));
}

static void an_empty_pattern_matches_nowhere(void **state)
{
	struct ph_pattern plain = { (const uint8_t *)"", NULL, 0 }, masked = { (const uint8_t *)"", (const uint8_t *)"", 0 };
	size_t at = 0;

	(void)state;
	assert_false(find_in(&plain, "abc", 3, &at));
	assert_false(find_in(&masked, "abc", 3, &at));
	assert_false(find_in(&plain, "", 0, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_patterns_from_text),
		cmocka_unit_test(parses_bytes_and_wildcards),
		cmocka_unit_test(finds_the_first_match_from_a_place_on),
		cmocka_unit_test(without_a_mask_every_byte_counts),
		cmocka_unit_test(an_empty_pattern_matches_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
