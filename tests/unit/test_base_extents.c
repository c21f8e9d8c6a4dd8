/* extents: what is added, in whatever order, is there once, sorted, and joined where it touches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/extents.h"

static const char *text_of(const struct ph_extents *extents)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < extents->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%llu-%llu ", (unsigned long long)extents->all[i].start,
				      (unsigned long long)extents->all[i].end);
	return text;
}

static void joins_what_touches_or_overlaps(void **state)
{
	static const struct {
		struct ph_extent add[5];
		const char *is;
	} rows[] = {
		{ { { 1, 2 }, { 3, 4 }, { 5, 6 } }, "1-2 3-4 5-6 " },
		{ { { 5, 6 }, { 1, 2 }, { 3, 4 } }, "1-2 3-4 5-6 " },
		{ { { 1, 2 }, { 2, 3 }, { 3, 4 } }, "1-4 " },
		{ { { 3, 4 }, { 1, 2 }, { 2, 3 } }, "1-4 " },
		{ { { 10, 20 }, { 30, 40 }, { 50, 60 }, { 15, 55 } }, "10-60 " },
		{ { { 10, 20 }, { 30, 40 }, { 50, 60 }, { 25, 45 } }, "10-20 25-45 50-60 " },
		{ { { 10, 20 }, { 12, 18 } }, "10-20 " },
		{ { { 10, 20 }, { 0, 100 } }, "0-100 " },
		{ { { 10, 20 }, { 5, 5 }, { 9, 3 } }, "10-20 " },
		{ { { 10, 20 }, { 30, 40 }, { 20, 30 } }, "10-40 " },
		{ { { 0, 1 }, { 5, 6 }, { 0, 2 } }, "0-2 5-6 " },
		{ { { UINT64_MAX - 1, UINT64_MAX }, { 0, 1 } }, "0-1 18446744073709551614-18446744073709551615 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_extents extents = { 0 };

		for (size_t j = 0; j < 5; j++)
			assert_int_equal(ph_extents_add(&extents, rows[i].add[j].start, rows[i].add[j].end), 0);
		assert_string_equal(text_of(&extents), rows[i].is);
		ph_extents_fini(&extents);
	}
}

static void is_the_set_that_a_bitmap_is(void **state)
{
	struct ph_extents extents = { 0 };
	unsigned char map[512] = { 0 };

	(void)state;
	srand(7);
	for (int round = 0; round < 2000; round++) {
		ph_addr start = (ph_addr)rand() % 500, end = start + (ph_addr)rand() % 12;

		if (round % 50 == 0) {
			ph_extents_clear(&extents);
			for (size_t i = 0; i < sizeof(map); i++)
				map[i] = 0;
		}
		assert_int_equal(ph_extents_add(&extents, start, end), 0);
		for (ph_addr at = start; at < end; at++)
			map[at] = 1;
		for (size_t i = 1; i < extents.n; i++)
			assert_true(extents.all[i - 1].end < extents.all[i].start);
		for (ph_addr at = 0; at < sizeof(map); at++) {
			size_t i = ph_extents_from(&extents, at);

			assert_int_equal(map[at], i < extents.n && extents.all[i].start <= at);
		}
	}
	ph_extents_fini(&extents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_what_touches_or_overlaps),
		cmocka_unit_test(is_the_set_that_a_bitmap_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
