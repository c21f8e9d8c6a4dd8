/* site: owners of one patched address, in the order in which they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/site.h"

/* Breakpoints and tripwires are borrowed and never looked into here: any address serves. */
static char place[64];

static struct ph_site_owner breakpoint(unsigned int id)
{
	return (struct ph_site_owner){ .breakpoint = (struct ph_breakpoint *)(void *)&place[id], .id = id };
}

static struct ph_site_owner tripwire(unsigned int n)
{
	return (struct ph_site_owner){ .tripwire = (struct ph_tripwire *)(void *)&place[n] };
}

static const char *owners(const struct ph_site *site)
{
	static char text[128];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < site->n_owners; i++) {
		assert_ptr_equal(site->owners[i].breakpoint, breakpoint(site->owners[i].id).breakpoint);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", i ? " " : "", site->owners[i].id);
	}
	return text;
}

static struct ph_site *with(const unsigned int *ids, size_t n)
{
	struct ph_site *site = ph_site_new(0x401000, 0x55);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(ph_site_owner_add(site, breakpoint(ids[i])), 0);
	return site;
}

static void a_new_site_has_no_owner_and_is_not_armed(void **state)
{
	struct ph_site *site = ph_site_new(0x401000, 0x55);

	(void)state;
	assert_int_equal(site->addr, 0x401000);
	assert_int_equal(site->original, 0x55);
	assert_false(site->armed);
	assert_string_equal(owners(site), "");
	ph_site_free(site);
	ph_site_free(NULL);
}

/* One that was disabled and comes back takes its old turn. */
static void owners_stand_in_the_order_of_their_ids(void **state)
{
	static const struct {
		unsigned int ids[6];
		size_t n;
		const char *order;
	} rows[] = {
		{ { 1, 2, 3 }, 3, "1 2 3" },
		{ { 3, 2, 1 }, 3, "1 2 3" },
		{ { 2, 9, 4, 1, 8, 3 }, 6, "1 2 3 4 8 9" },
		{ { 5 }, 1, "5" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_site *site = with(rows[i].ids, rows[i].n);

		assert_string_equal(owners(site), rows[i].order);
		ph_site_free(site);
	}
}

static void owners_leave_in_any_order(void **state)
{
	static const unsigned int ids[] = { 1, 2, 3, 4 };
	static const struct {
		unsigned int leaves[4];
		const char *left[4];
	} rows[] = {
		{ { 1, 2, 3, 4 }, { "2 3 4", "3 4", "4", "" } },
		{ { 4, 3, 2, 1 }, { "1 2 3", "1 2", "1", "" } },
		{ { 2, 4, 1, 3 }, { "1 3 4", "1 3", "3", "" } },
		{ { 9, 9, 2, 2 }, { "1 2 3 4", "1 2 3 4", "1 3 4", "1 3 4" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_site *site = with(ids, 4);

		for (int k = 0; k < 4; k++) {
			ph_site_owner_remove(site, breakpoint(rows[i].leaves[k]));
			assert_string_equal(owners(site), rows[i].left[k]);
		}
		ph_site_free(site);
	}
}

static void many_owners_fit(void **state)
{
	struct ph_site *site = ph_site_new(0x401000, 0x55);

	(void)state;
	for (unsigned int id = 50; id-- > 0;)
		assert_int_equal(ph_site_owner_add(site, breakpoint(id)), 0);
	assert_int_equal(site->n_owners, 50);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(site->owners[i].id, i);
	ph_site_free(site);
}

/* Of an engine's own tripwire and a breakpoint at one address, each leaves alone. */
static void tripwires_come_before_breakpoints(void **state)
{
	struct ph_site *site = with((const unsigned int[]){ 1, 2 }, 2);

	(void)state;
	assert_int_equal(ph_site_owner_add(site, tripwire(1)), 0);
	assert_int_equal(ph_site_owner_add(site, tripwire(2)), 0);
	assert_int_equal(site->n_owners, 4);
	assert_ptr_equal(site->owners[0].tripwire, tripwire(1).tripwire);
	assert_ptr_equal(site->owners[1].tripwire, tripwire(2).tripwire);
	ph_site_owner_remove(site, breakpoint(1));
	ph_site_owner_remove(site, tripwire(2));
	assert_int_equal(site->n_owners, 2);
	assert_ptr_equal(site->owners[0].tripwire, tripwire(1).tripwire);
	ph_site_owner_remove(site, tripwire(1));
	assert_string_equal(owners(site), "2");
	ph_site_free(site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_site_has_no_owner_and_is_not_armed),
		cmocka_unit_test(owners_stand_in_the_order_of_their_ids),
		cmocka_unit_test(owners_leave_in_any_order),
		cmocka_unit_test(many_owners_fit),
		cmocka_unit_test(tripwires_come_before_breakpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
