/* cxx: names of C++ and Rust as people write them, against names as compilers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/cxx.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Functions of tests/targets/shapes.cc and others, as g++ and rustc name them. */
#define AREA	    "_ZNK6shapes3Box4areaEv"
#define SCALE_INT   "_ZN6shapes3Box5scaleEi"
#define SCALE_DOUBLE "_ZN6shapes3Box5scaleEd"
#define SCALE_WHY   "_ZN6shapes3Box5scaleEiPKc"
#define LESS	    "_ZNK6shapes3BoxltERKS0_"
#define CALL	    "_ZNK6shapes3BoxclEi"
#define BOX	    "_ZN6shapes3BoxC2Ei"
#define NO_BOX	    "_ZN6shapes3BoxD1Ev"
#define PUSH_INT    "_ZN6shapes5StackIiE4pushEi"
#define TWICE_INT   "_ZN6shapes5twiceIiEET_S1_"
#define HIDDEN	    "_ZN12_GLOBAL__N_16hiddenEi"
#define PLAIN	    "_Z5plaini"
#define COLD	    "_Z5plaini.cold"
#define NEW	    "_Znwm"
#define TAGGED	    "_Z6taggedB5cxx11v"
#define RUST	    "_ZN4core3fmt5write17h01e6b3c0d5a2f7c8E"
#define RUST_V0	    "_RNvC6_123foo3bar"

static void names_match_as_people_write_them(void **state)
{
	static const struct {
		const char *wanted, *mangled;
		bool matches;
	} rows[] = {
		{ "shapes::Box::area", AREA, true },
		{ "shapes::Box::area()", AREA, true },
		{ "shapes::Box::area() const", AREA, true },
		{ "Box::area", AREA, false },
		{ "area", AREA, false },
		{ "shapes::Box::are", AREA, false },
		{ "shapes::Box::area(int)", AREA, false },
		{ "shapes::Box::scale", SCALE_INT, true },
		{ "shapes::Box::scale", SCALE_DOUBLE, true },
		{ "shapes::Box::scale", SCALE_WHY, true },
		{ "shapes::Box::scale(int)", SCALE_INT, true },
		{ "shapes::Box::scale(int)", SCALE_DOUBLE, false },
		{ "shapes::Box::scale(int)", SCALE_WHY, false },
		{ " shapes::Box::scale ( int , char const * ) ", SCALE_WHY, true },
		{ "shapes::Box::scale(int,const char*)", SCALE_WHY, true },
		{ "shapes::Box::operator<", LESS, true },
		{ "shapes::Box::operator<(shapes::Box const&)", LESS, true },
		{ "shapes::Box::operator<(const shapes::Box&) const", LESS, true },
		{ "shapes::Box::operator<", CALL, false },
		{ "shapes::Box::operator()", CALL, true },
		{ "shapes::Box::operator()(int)", CALL, true },
		{ "shapes::Box::operator()(char)", CALL, false },
		{ "shapes::Box::Box", BOX, true },
		{ "shapes::Box::Box(int)", BOX, true },
		{ "shapes::Box::~Box", NO_BOX, true },
		{ "shapes::Box::Box", NO_BOX, false },
		{ "shapes::Stack::push", PUSH_INT, true },
		{ "shapes::Stack<int>::push", PUSH_INT, true },
		{ "shapes::Stack<char>::push", PUSH_INT, false },
		{ "shapes::Stack<int>::push(int)", PUSH_INT, true },
		{ "shapes::twice", TWICE_INT, true },
		{ "shapes::twice<int>", TWICE_INT, true },
		{ "int shapes::twice<int>(int)", TWICE_INT, true },
		{ "(anonymous namespace)::hidden", HIDDEN, true },
		{ "(anonymous namespace)::hidden(int)", HIDDEN, true },
		{ "hidden", HIDDEN, false },
		{ "plain", PLAIN, true },
		{ "plain(int)", PLAIN, true },
		{ "plain", COLD, false },
		{ "operator new", NEW, true },
		{ "operator new(unsigned long)", NEW, true },
		{ "operator new", PLAIN, false },
		{ "tagged", TAGGED, true },
		{ "core::fmt::write", RUST, true },
		{ "123foo::bar", RUST_V0, true },
		{ "plain", "plain", false },
		{ "plain", "_Z", false },
		{ "plain", "", false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_cxx_wanted wanted;

		assert_true(ph_cxx_want(rows[i].wanted, &wanted));
		if (ph_cxx_matches(&wanted, rows[i].mangled) != rows[i].matches)
			fail_msg("row %zu: '%s' and %s", i, rows[i].wanted, rows[i].mangled);
	}
}

static void demangling_says_what_c_filt_says(void **state)
{
	static const struct {
		const char *mangled, *whole, *bare;
	} rows[] = {
		{ AREA, "shapes::Box::area() const", "shapes::Box::area" },
		{ SCALE_WHY, "shapes::Box::scale(int, char const*)", "shapes::Box::scale" },
		{ TWICE_INT, "int shapes::twice<int>(int)", "shapes::twice<int>" },
		{ HIDDEN, "(anonymous namespace)::hidden(int)", "(anonymous namespace)::hidden" },
		{ RUST, "core::fmt::write", "core::fmt::write" },
		{ "main", NULL, NULL },
		{ "_Zzz", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char buf[256];

		assert_int_equal(ph_cxx_demangle(rows[i].mangled, true, buf, sizeof(buf)), rows[i].whole != NULL);
		if (rows[i].whole)
			assert_string_equal(buf, rows[i].whole);
		assert_int_equal(ph_cxx_demangle(rows[i].mangled, false, buf, sizeof(buf)), rows[i].bare != NULL);
		if (rows[i].bare)
			assert_string_equal(buf, rows[i].bare);
	}
}

static void a_name_that_does_not_fit_is_left_as_it_is(void **state)
{
	char buf[64];

	(void)state;
	for (size_t len = 1; len < sizeof(buf); len++) {
		bool good = ph_cxx_demangle(SCALE_WHY, true, buf, len);

		assert_int_equal(good, len > strlen("shapes::Box::scale(int, char const*)"));
	}
}

/* Each level doubles what the one before it stands for: thirty would be a gigabyte. */
static void a_short_name_for_an_endless_one_is_left_as_it_is(void **state)
{
	char mangled[512] = "_Z1fSt4pairIiiE", buf[4096];
	struct ph_cxx_wanted wanted;

	(void)state;
	for (int i = 0; i < 30; i++) {
		char level[32];

		snprintf(level, sizeof(level), "S_IS%d_S%d_E", i, i);
		strcat(mangled, level);
	}
	ph_cxx_demangle(mangled, true, buf, sizeof(buf));
	assert_true(ph_cxx_want("f(int)", &wanted));
	assert_false(ph_cxx_matches(&wanted, mangled));
}

static void a_name_that_is_too_long_is_not_sought(void **state)
{
	char name[1024];
	struct ph_cxx_wanted wanted;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(ph_cxx_want(name, &wanted));
	assert_false(ph_cxx_want("", &wanted));
	assert_false(ph_cxx_want("  ", &wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_match_as_people_write_them),
		cmocka_unit_test(demangling_says_what_c_filt_says),
		cmocka_unit_test(a_name_that_does_not_fit_is_left_as_it_is),
		cmocka_unit_test(a_short_name_for_an_endless_one_is_left_as_it_is),
		cmocka_unit_test(a_name_that_is_too_long_is_not_sought),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
