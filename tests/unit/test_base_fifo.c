#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fifo.h"

static void put(struct ph_fifo *fifo, size_t len, unsigned int *next)
{
	char *at = ph_fifo_reserve(fifo, len);

	assert_non_null(at);
	assert_true(ph_fifo_room(fifo) >= len);
	for (size_t i = 0; i < len; i++)
		at[i] = (char)(*next)++;
	ph_fifo_add(fifo, len);
}

static void take(struct ph_fifo *fifo, size_t len, unsigned int *next)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(ph_fifo_bytes(fifo)[i], (char)(*next)++);
	ph_fifo_drop(fifo, len);
}

static void bytes_go_in_the_order_in_which_they_came(void **state)
{
	struct ph_fifo fifo = { 0 };
	unsigned int in = 0, out = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		put(&fifo, (size_t)(rand() % 700), &in);
		take(&fifo, (size_t)rand() % (fifo.len + 1), &out);
		if (i % 1000 == 0)
			ph_fifo_shrink(&fifo);
		assert_int_equal(fifo.len, in - out);
	}
	take(&fifo, fifo.len, &out);
	ph_fifo_fini(&fifo);
}

static void what_comes_and_goes_takes_no_more_memory(void **state)
{
	struct ph_fifo fifo = { 0 };
	unsigned int in = 0, out = 0;

	(void)state;
	put(&fifo, 100, &in);
	for (int i = 0; i < 10000; i++) {
		put(&fifo, 1000, &in);
		take(&fifo, 1000, &out);
	}
	assert_true(fifo.room <= 8192);
	ph_fifo_fini(&fifo);
}

static void an_empty_one_keeps_no_memory_when_it_shrinks(void **state)
{
	struct ph_fifo fifo = { 0 };
	unsigned int in = 0, out = 0;

	(void)state;
	put(&fifo, 100000, &in);
	take(&fifo, 99999, &out);
	ph_fifo_shrink(&fifo);
	assert_int_equal(fifo.room, 1);
	take(&fifo, 1, &out);
	ph_fifo_shrink(&fifo);
	assert_null(fifo.memory);
	put(&fifo, 1, &in);
	ph_fifo_fini(&fifo);
}

static void more_than_there_can_be_is_refused(void **state)
{
	struct ph_fifo fifo = { 0 };
	unsigned int in = 0, out = 0;

	(void)state;
	put(&fifo, 10, &in);
	assert_null(ph_fifo_reserve(&fifo, SIZE_MAX));
	assert_null(ph_fifo_reserve(&fifo, SIZE_MAX / 4));
	take(&fifo, 10, &out);
	ph_fifo_fini(&fifo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_in_the_order_in_which_they_came),
		cmocka_unit_test(what_comes_and_goes_takes_no_more_memory),
		cmocka_unit_test(an_empty_one_keeps_no_memory_when_it_shrinks),
		cmocka_unit_test(more_than_there_can_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
