/* list: order, removal, and a walk that survives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	char name;
	struct ph_list in_list;
};

static struct ph_list list;
static struct item items[4];

static int begin(void **state)
{
	(void)state;
	ph_list_init(&list);
	for (int i = 0; i < 4; i++) {
		items[i].name = (char)('a' + i);
		ph_list_init(&items[i].in_list);
		ph_list_add_tail(&list, &items[i].in_list);
	}
	return 0;
}

static const char *names(void)
{
	static char text[8];
	struct item *item;
	size_t n = 0;

	ph_list_each(item, &list, struct item, in_list)
		text[n++] = item->name;
	text[n] = '\0';
	return text;
}

static void walks_in_the_order_added(void **state)
{
	(void)state;
	assert_string_equal(names(), "abcd");
	assert_false(ph_list_is_empty(&list));
}

static void removes_anywhere_and_twice(void **state)
{
	(void)state;
	ph_list_remove(&items[0].in_list);
	ph_list_remove(&items[0].in_list);
	assert_string_equal(names(), "bcd");
	ph_list_remove(&items[3].in_list);
	ph_list_remove(&items[2].in_list);
	assert_string_equal(names(), "b");
	ph_list_remove(&items[1].in_list);
	assert_true(ph_list_is_empty(&list));
	assert_string_equal(names(), "");
	ph_list_add_tail(&list, &items[2].in_list);
	assert_string_equal(names(), "c");
}

static void a_walk_survives_the_removal_of_its_current_element(void **state)
{
	struct item *item;
	char seen[8] = "";

	(void)state;
	ph_list_each(item, &list, struct item, in_list) {
		strncat(seen, &item->name, 1);
		ph_list_remove(&item->in_list);
	}
	assert_string_equal(seen, "abcd");
	assert_true(ph_list_is_empty(&list));
}

static void a_walk_meets_what_is_added_behind_it(void **state)
{
	struct item more = { .name = 'e' }, *item;
	char seen[8] = "";

	(void)state;
	ph_list_each(item, &list, struct item, in_list) {
		if (item->name == 'a')
			ph_list_add_tail(&list, &more.in_list);
		strncat(seen, &item->name, 1);
	}
	assert_string_equal(seen, "abcde");
}

static void walks_nest_and_stop(void **state)
{
	struct item *outer = NULL, *inner;
	int pairs = 0;

	(void)state;
	ph_list_each(outer, &list, struct item, in_list) {
		if (outer->name == 'c')
			break;
		ph_list_each(inner, &list, struct item, in_list)
			pairs++;
	}
	assert_int_equal(pairs, 8);
	assert_non_null(outer);
	assert_int_equal(outer->name, 'c');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(walks_in_the_order_added, begin),
		cmocka_unit_test_setup(removes_anywhere_and_twice, begin),
		cmocka_unit_test_setup(a_walk_survives_the_removal_of_its_current_element, begin),
		cmocka_unit_test_setup(a_walk_meets_what_is_added_behind_it, begin),
		cmocka_unit_test_setup(walks_nest_and_stop, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
