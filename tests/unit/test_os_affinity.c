#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#include "os/affinity.h"

#define HEAD "12 (a b) c) S 1 12 12 0 -1 4194560 100 0 0 0 0 0 0 0 20 0 1 0 5 1 1 2 0 0 0 0 0 0 0 0 0 0 0 0 17 "

static void finds_the_processor_behind_any_name(void **state)
{
	static const struct {
		const char *text;
		int cpu;
	} rows[] = {
		{ HEAD "3 0 0 0 0 0", 3 },	{ HEAD "0\n", 0 },	 { HEAD "8191", 8191 },
		{ HEAD "8192 0", -EINVAL },	{ HEAD "-1 0", -EINVAL }, { HEAD "x", -EINVAL },
		{ HEAD, -EINVAL },		{ "12 (a) S 1", -EINVAL }, { "", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ph_os_cpu_parse(rows[i].text), rows[i].cpu);
}

static void pins_to_a_cpu_and_goes_back(void **state)
{
	struct ph_os_cpus before, now;
	int first = 0;

	(void)state;
	assert_int_equal(ph_os_cpus_read(&before), 0);
	while (!ph_os_cpus_has(&before, first))
		first++;
	assert_int_equal(ph_os_cpu_pin(first), 0);
	assert_int_equal(ph_os_cpus_read(&now), 0);
	for (int cpu = 0; cpu < PH_CPUS_MAX; cpu++)
		assert_int_equal(ph_os_cpus_has(&now, cpu), cpu == first);
	assert_int_equal(ph_os_cpu_of(getpid()), first);
	assert_int_equal(ph_os_cpus_write(&before), 0);
	assert_int_equal(ph_os_cpus_read(&now), 0);
	assert_memory_equal(&now, &before, sizeof(now));
}

static void refuses_cpus_that_there_are_not(void **state)
{
	struct ph_os_cpus all = { { 0 } };

	(void)state;
	assert_int_equal(ph_os_cpu_pin(-1), -EINVAL);
	assert_int_equal(ph_os_cpu_pin(PH_CPUS_MAX), -EINVAL);
	assert_int_equal(ph_os_cpu_pin(PH_CPUS_MAX - 1), -EINVAL);
	assert_false(ph_os_cpus_has(&all, -1));
	assert_false(ph_os_cpus_has(&all, PH_CPUS_MAX));
	assert_int_equal(ph_os_cpu_of(0x3fffffff), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_processor_behind_any_name),
		cmocka_unit_test(pins_to_a_cpu_and_goes_back),
		cmocka_unit_test(refuses_cpus_that_there_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
