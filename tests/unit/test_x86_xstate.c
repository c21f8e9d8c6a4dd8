/* xstate: registers in an XSAVE area, against a layout of our own and against this CPU's xsave. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/xstate.h"

/* As an AVX-512 machine of Intel's has it. */
static const struct ph_xstate_layout big = {
	.size = 2688,
	.features = 0xe7,
	.component = {
		[PH_XSTATE_X87] = { 0, 160 },
		[PH_XSTATE_SSE] = { 160, 256 },
		[PH_XSTATE_AVX] = { 576, 256 },
		[PH_XSTATE_OPMASK] = { 1088, 64 },
		[PH_XSTATE_ZMM_HI256] = { 1152, 512 },
		[PH_XSTATE_HI16_ZMM] = { 1664, 1024 },
	},
};

static const struct ph_xstate_layout old = {
	.size = 576,
	.features = 3,
	.component = { [PH_XSTATE_X87] = { 0, 160 }, [PH_XSTATE_SSE] = { 160, 256 } },
};

static struct ph_xreg reg(const char *name)
{
	struct ph_xreg found;

	assert_int_equal(ph_xreg_find(name, &found), 0);
	return found;
}

static uint64_t bv_of(const uint8_t *area)
{
	uint64_t bv;

	memcpy(&bv, area + 512, 8);
	return bv;
}

static void finds_registers_by_name(void **state)
{
	static const struct {
		const char *name;
		int result;
		uint8_t kind, index, size;
	} rows[] = {
		{ "xmm0", 0, PH_XREG_VECTOR, 0, 16 },
		{ "ymm15", 0, PH_XREG_VECTOR, 15, 32 },
		{ "zmm31", 0, PH_XREG_VECTOR, 31, 64 },
		{ "k7", 0, PH_XREG_OPMASK, 7, 8 },
		{ "st0", 0, PH_XREG_ST, 0, 10 },
		{ "mxcsr", 0, PH_XREG_MXCSR, 0, 4 },
		{ "xmm32", -ENOENT, 0, 0, 0 },
		{ "xmm", -ENOENT, 0, 0, 0 },
		{ "xmm01", -ENOENT, 0, 0, 0 },
		{ "xmm1 ", -ENOENT, 0, 0, 0 },
		{ "xmm100", -ENOENT, 0, 0, 0 },
		{ "k8", -ENOENT, 0, 0, 0 },
		{ "st8", -ENOENT, 0, 0, 0 },
		{ "mxcsr0", -ENOENT, 0, 0, 0 },
		{ "", -ENOENT, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_xreg found = { 0 };

		assert_int_equal(ph_xreg_find(rows[i].name, &found), rows[i].result);
		assert_int_equal(found.kind, rows[i].kind);
		assert_int_equal(found.index, rows[i].index);
		assert_int_equal(found.size, rows[i].size);
	}
}

static void every_register_keeps_what_it_is_given_and_disturbs_no_other(void **state)
{
	static const char *const names[] = {
		"zmm0", "zmm1", "zmm15", "zmm16", "zmm31", "k0", "k7", "st0", "st7", "mxcsr",
	};
	enum { N = sizeof(names) / sizeof(names[0]) };
	uint8_t area[2688] = { 0 }, given[N][PH_XREG_SIZE_MAX], got[PH_XREG_SIZE_MAX];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct ph_xreg r = reg(names[i]);

		memset(given[i], (int)i + 1, sizeof(given[i]));
		assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &r, given[i]), 0);
	}
	for (size_t i = 0; i < N; i++) {
		struct ph_xreg r = reg(names[i]);

		assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &r, got), 0);
		assert_memory_equal(got, given[i], r.size);
	}
}

static void a_narrow_write_keeps_the_rest_of_a_wide_register(void **state)
{
	uint8_t area[2688] = { 0 }, ones[64], twos[64], got[64];
	struct ph_xreg zmm = reg("zmm3"), xmm = reg("xmm3");

	(void)state;
	memset(ones, 1, sizeof(ones));
	memset(twos, 2, sizeof(twos));
	assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &zmm, ones), 0);
	assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &xmm, twos), 0);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &zmm, got), 0);
	assert_memory_equal(got, twos, 16);
	assert_memory_equal(got + 16, ones, 48);
}

static void a_component_that_is_not_in_use_reads_as_zeros_and_starts_from_them(void **state)
{
	uint8_t area[2688], got[64], zeros[64] = { 0 }, value[16] = { 9 };
	struct ph_xreg ymm2 = reg("ymm2"), ymm3 = reg("ymm3"), xmm3 = reg("xmm3");

	(void)state;
	memset(area, 0xee, sizeof(area));
	memset(area + 512, 0, 64);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &ymm3, got), 0);
	assert_memory_equal(got, zeros, 32);

	assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &xmm3, value), 0);
	assert_int_equal(bv_of(area), 1 << PH_XSTATE_SSE);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &ymm3, got), 0);
	assert_memory_equal(got, value, 16);
	assert_memory_equal(got + 16, zeros, 16);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &ymm2, got), 0);
	assert_memory_equal(got, zeros, 32);
}

static void writing_an_st_marks_the_physical_register_it_is(void **state)
{
	uint8_t area[2688] = { 0 };
	struct ph_xreg st0 = reg("st0"), st3 = reg("st3");
	long double value = -1.5L, got = 0;
	uint16_t fcw, fsw = 6 << 11;	/* TOP is 6 */

	(void)state;
	assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &st0, &value), 0);
	memcpy(&fcw, area, 2);
	assert_int_equal(fcw, 0x37f);
	assert_int_equal(area[4], 1);
	assert_int_equal(bv_of(area), 1);

	memcpy(area + 2, &fsw, 2);
	assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &st3, &value), 0);
	assert_int_equal(area[4], 1 | 1 << ((6 + 3) & 7));
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &st3, &got), 0);
	assert_true(got == value);
}

static void mxcsr_is_read_always_and_brings_its_component(void **state)
{
	uint8_t area[2688] = { 0 };
	struct ph_xreg mxcsr = reg("mxcsr");
	uint32_t value = 0x1f80, got = 0;

	(void)state;
	memcpy(area + 24, &value, 4);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &mxcsr, &got), 0);
	assert_int_equal(got, 0x1f80);
	value = 0x9fc0;
	assert_int_equal(ph_xreg_set(&big, area, sizeof(area), &mxcsr, &value), 0);
	assert_int_equal(bv_of(area), 1 << PH_XSTATE_SSE);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &mxcsr, &got), 0);
	assert_int_equal(got, 0x9fc0);
}

static void registers_that_the_cpu_lacks_are_refused(void **state)
{
	static const struct {
		const char *name;
		bool on_old;
	} rows[] = {
		{ "xmm0", true }, { "xmm15", true }, { "st7", true }, { "mxcsr", true }, { "ymm0", false },
		{ "zmm0", false }, { "xmm16", false }, { "zmm31", false }, { "k0", false },
	};
	struct ph_xreg none = { PH_XREG_VECTOR, 32, 16 }, odd = { PH_XREG_VECTOR, 0, 8 }, kind = { 9, 0, 16 };
	uint8_t area[2688] = { 0 }, value[64] = { 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_xreg r = reg(rows[i].name);

		assert_int_equal(ph_xreg_set(&old, area, old.size, &r, value), rows[i].on_old ? 0 : -ENODEV);
		assert_int_equal(ph_xreg_get(&old, area, old.size, &r, value), rows[i].on_old ? 0 : -ENODEV);
		assert_int_equal(ph_xreg_get(&big, area, 575, &r, value), -ENODEV);
		assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &r, value), 0);
	}
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &none, value), -EINVAL);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &odd, value), -EINVAL);
	assert_int_equal(ph_xreg_get(&big, area, sizeof(area), &kind, value), -EINVAL);
}

static void reads_what_the_cpus_own_xsave_stored(void **state)
{
	const struct ph_xstate_layout *layout = ph_xstate_layout();
	uint8_t *area = aligned_alloc(64, (layout->size + 63) / 64 * 64);
	uint64_t pattern[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, got[8];
	long double one, two;
	struct ph_xreg xmm5 = reg("xmm5"), ymm5 = reg("ymm5"), zmm20 = reg("zmm20"), k3 = reg("k3"), st0 = reg("st0"),
		       st1 = reg("st1");

	(void)state;
	if (!(layout->features & 1 << PH_XSTATE_AVX)) {
		print_message("SKIP: this CPU has no AVX\n");
		free(area);
		skip();
	}
	memset(area, 0, layout->size);
	if (layout->features & 1 << PH_XSTATE_HI16_ZMM)
		__asm__ volatile(".byte 0x62,0xe1,0xfe,0x48,0x6f,0x22\n\t"	/* vmovdqu64 zmm20, [rdx] */
				 ".byte 0xc4,0xe1,0xf8,0x90,0x5a,0x08\n\t"	/* kmovq k3, [rdx + 8] */
				 : : "d"(pattern) : "memory");
	__asm__ volatile("vmovdqu (%1), %%ymm5\n\t"
			 "fld1\n\tfldpi\n\t"
			 "mov $-1, %%eax\n\tmov $-1, %%edx\n\t"
			 "xsave (%0)\n\t"
			 "fstp %%st\n\tfstp %%st\n\tvzeroupper"
			 : : "r"(area), "r"(pattern) : "rax", "rdx", "xmm5", "memory");
	assert_int_equal(ph_xreg_get(layout, area, layout->size, &xmm5, got), 0);
	assert_memory_equal(got, pattern, 16);
	assert_int_equal(ph_xreg_get(layout, area, layout->size, &ymm5, got), 0);
	assert_memory_equal(got, pattern, 32);
	assert_int_equal(ph_xreg_get(layout, area, layout->size, &st0, &two), 0);
	assert_int_equal(ph_xreg_get(layout, area, layout->size, &st1, &one), 0);
	assert_true(one == 1.0L);
	assert_true(two > 3.14159L && two < 3.1416L);
	if (layout->features & 1 << PH_XSTATE_HI16_ZMM) {
		assert_int_equal(ph_xreg_get(layout, area, layout->size, &zmm20, got), 0);
		assert_memory_equal(got, pattern, 64);
		assert_int_equal(ph_xreg_get(layout, area, layout->size, &k3, got), 0);
		assert_int_equal(got[0], 2);
	}
	free(area);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_registers_by_name),
		cmocka_unit_test(every_register_keeps_what_it_is_given_and_disturbs_no_other),
		cmocka_unit_test(a_narrow_write_keeps_the_rest_of_a_wide_register),
		cmocka_unit_test(a_component_that_is_not_in_use_reads_as_zeros_and_starts_from_them),
		cmocka_unit_test(writing_an_st_marks_the_physical_register_it_is),
		cmocka_unit_test(mxcsr_is_read_always_and_brings_its_component),
		cmocka_unit_test(registers_that_the_cpu_lacks_are_refused),
		cmocka_unit_test(reads_what_the_cpus_own_xsave_stored),
	};

	return cmocka_run_group_tests_name("x86/xstate", tests, NULL, NULL);
}
