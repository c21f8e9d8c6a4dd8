/* map: 64-bit keys to pointers, held against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"

static int things[2];

static void empty_map_finds_and_removes_nothing(void **state)
{
	struct ph_map map = { 0 };

	(void)state;
	assert_null(ph_map_find(&map, 1));
	assert_null(ph_map_remove(&map, 1));
	ph_map_fini(&map);
}

static void extreme_keys_are_keys_like_others(void **state)
{
	static const uint64_t keys[] = { 0, 1, UINT64_MAX, UINT64_MAX - 1, 1ull << 63 };
	struct ph_map map = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_null(ph_map_find(&map, keys[i]));
		assert_int_equal(ph_map_add(&map, keys[i], &things[i & 1]), 0);
		assert_ptr_equal(ph_map_find(&map, keys[i]), &things[i & 1]);
	}
	assert_int_equal(map.count, 5);
	ph_map_fini(&map);
}

static void adding_again_replaces(void **state)
{
	struct ph_map map = { 0 };

	(void)state;
	assert_int_equal(ph_map_add(&map, 7, &things[0]), 0);
	assert_int_equal(ph_map_add(&map, 7, &things[1]), 0);
	assert_int_equal(map.count, 1);
	assert_ptr_equal(ph_map_remove(&map, 7), &things[1]);
	assert_null(ph_map_remove(&map, 7));
	assert_int_equal(map.count, 0);
	ph_map_fini(&map);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Keys like thread ids, like addresses of instructions, and like pages: what differs sits in other bits each time. */
static void agrees_with_an_array_whatever_is_added_and_removed(void **state)
{
	static const struct {
		uint64_t base, stride;
	} rows[] = {
		{ 1, 1 }, { 0x401000, 1 }, { 0x7f0000000000, 4096 }, { 0, 1ull << 44 }, { 0xffffffff00000000, 0x10001 },
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		enum { KEYS = 300 };
		void *model[KEYS] = { 0 };
		struct ph_map map = { 0 };
		size_t count = 0;
		uint64_t seed = 88172645463325252ull;

		for (int step = 0; step < 20000; step++) {
			uint64_t at = next_random(&seed) % KEYS, key = rows[row].base + at * rows[row].stride;
			void *value = &model[at];

			if (next_random(&seed) & 1) {
				count += !model[at];
				assert_int_equal(ph_map_add(&map, key, value), 0);
				model[at] = value;
			} else {
				count -= model[at] != NULL;
				assert_ptr_equal(ph_map_remove(&map, key), model[at]);
				model[at] = NULL;
			}
			assert_int_equal(map.count, count);
			at = next_random(&seed) % KEYS;
			assert_ptr_equal(ph_map_find(&map, rows[row].base + at * rows[row].stride), model[at]);
		}
		for (uint64_t at = 0; at < KEYS; at++)
			assert_ptr_equal(ph_map_find(&map, rows[row].base + at * rows[row].stride), model[at]);
		ph_map_fini(&map);
	}
}

static void a_finished_map_is_empty(void **state)
{
	struct ph_map map = { 0 };

	(void)state;
	assert_int_equal(ph_map_add(&map, 1, &things[0]), 0);
	ph_map_fini(&map);
	assert_null(ph_map_find(&map, 1));
	assert_int_equal(ph_map_add(&map, 2, &things[1]), 0);
	assert_ptr_equal(ph_map_find(&map, 2), &things[1]);
	ph_map_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map_finds_and_removes_nothing),
		cmocka_unit_test(extreme_keys_are_keys_like_others),
		cmocka_unit_test(adding_again_replaces),
		cmocka_unit_test(agrees_with_an_array_whatever_is_added_and_removed),
		cmocka_unit_test(a_finished_map_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
