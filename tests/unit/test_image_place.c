/* place: every form of a "where" string, its errors, and the names of modules. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/place.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct ph_place parse(const char *text)
{
	char message[PH_ERR_MESSAGE_MAX];
	struct ph_place place;
	struct ph_err err;

	if (ph_place_parse(text, &place, &err) < 0)
		fail_msg("%s: %s", text, ph_err_message(&err, message, sizeof(message)));
	return place;
}

static void reads_addresses(void **state)
{
	static const struct {
		const char *text;
		ph_addr address;
	} rows[] = {
		{ "0x401000", 0x401000 },
		{ "0X40100F", 0x40100f },
		{ "4198400", 4198400 },
		{ "010", 10 },
		{ "0", 0 },
		{ "  0x401000\n", 0x401000 },
		{ "0xffffffffffffffff", UINT64_MAX },
		{ "18446744073709551615", UINT64_MAX },
		{ "0x401000+0x10", 0x401010 },
		{ "0x401000 - 16", 0x400ff0 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_place place = parse(rows[i].text);

		assert_int_equal(place.kind, PH_PLACE_ADDRESS);
		assert_int_equal(place.address, rows[i].address);
	}
}

static void reads_names_with_and_without_offsets(void **state)
{
	static const struct {
		const char *text, *name;
		int64_t offset;
	} rows[] = {
		{ "main", "main", 0 },
		{ "puts+0x10", "puts", 16 },
		{ "puts + 16", "puts", 16 },
		{ "puts-0x10", "puts", -16 },
		{ "crackme+0x1139", "crackme", 0x1139 },
		{ "libc-2.36.so+0x1139", "libc-2.36.so", 0x1139 },
		{ "libstdc++.so.6+0x1139", "libstdc++.so.6", 0x1139 },
		{ "crackme-two", "crackme-two", 0 },
		{ "7zip", "7zip", 0 },
		{ "7zip+0x10", "7zip", 16 },
		{ "foo.constprop.0", "foo.constprop.0", 0 },
		{ "memcpy@GLIBC_2.2.5", "memcpy@GLIBC_2.2.5", 0 },
		{ "memcpy@@GLIBC_2.14+4", "memcpy@@GLIBC_2.14", 4 },
		{ "puts@plt", "puts@plt", 0 },
		{ "puts@plt+6", "puts@plt", 6 },
		{ "_ZN3Foo3barEi", "_ZN3Foo3barEi", 0 },
		{ "Foo::bar", "Foo::bar", 0 },
		{ "Foo::bar+0x10", "Foo::bar", 16 },
		{ "Foo::bar(int, char*)", "Foo::bar(int, char*)", 0 },
		{ "Foo::bar(int, char*)+4", "Foo::bar(int, char*)", 4 },
		{ "Foo<1>::bar", "Foo<1>::bar", 0 },
		{ "Foo<-1>::bar", "Foo<-1>::bar", 0 },
		{ "Foo<(1+2)>::bar(int)", "Foo<(1+2)>::bar(int)", 0 },
		{ "::global", "::global", 0 },
		{ "operator+", "operator+", 0 },
		{ "operator++", "operator++", 0 },
		{ "operator++0x10", "operator+", 16 },
		{ "operator+++0x10", "operator++", 16 },
		{ "operator-", "operator-", 0 },
		{ "operator->", "operator->", 0 },
		{ "Vec::operator+(Vec const&)", "Vec::operator+(Vec const&)", 0 },
		{ "Vec::operator +", "Vec::operator +", 0 },
		{ "Vec::operator!", "Vec::operator!", 0 },
		{ "Vec::operator!=(Vec const&)", "Vec::operator!=(Vec const&)", 0 },
		{ "operator new(unsigned long)", "operator new(unsigned long)", 0 },
		{ "operator\"\" _km", "operator\"\" _km", 0 },
		{ "main::{lambda(int)#1}::operator()(int) const", "main::{lambda(int)#1}::operator()(int) const", 0 },
		{ "-[Foo bar]", "-[Foo bar]", 0 },
		{ "m\303\244in", "m\303\244in", 0 },
		{ "puts+0x7fffffffffffffff", "puts", INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_place place = parse(rows[i].text);

		assert_string_equal(place.name, rows[i].name);
		assert_int_equal(place.kind, PH_PLACE_SYMBOL);
		assert_int_equal(place.offset, rows[i].offset);
		assert_string_equal(place.module, "");
	}
}

static void reads_what_stands_in_a_module(void **state)
{
	static const struct {
		const char *text;
		enum ph_place_kind kind;
		const char *module, *name;
		int64_t offset;
	} rows[] = {
		{ "libc!puts", PH_PLACE_MODULE_SYMBOL, "libc", "puts", 0 },
		{ "libc.so.6!puts+0x12", PH_PLACE_MODULE_SYMBOL, "libc.so.6", "puts", 0x12 },
		{ "libc ! puts - 4", PH_PLACE_MODULE_SYMBOL, "libc", "puts", -4 },
		{ "[vdso]!clock_gettime", PH_PLACE_MODULE_SYMBOL, "[vdso]", "clock_gettime", 0 },
		{ "a (copy)!main", PH_PLACE_MODULE_SYMBOL, "a (copy)", "main", 0 },
		{ "crackme-2!main", PH_PLACE_MODULE_SYMBOL, "crackme-2", "main", 0 },
		{ "libstdc++.so.6!std::cout", PH_PLACE_MODULE_SYMBOL, "libstdc++.so.6", "std::cout", 0 },
		{ "libx!V::operator!=(V)", PH_PLACE_MODULE_SYMBOL, "libx", "V::operator!=(V)", 0 },
		{ "libx!V::operator!+0x4", PH_PLACE_MODULE_SYMBOL, "libx", "V::operator!", 4 },
		{ "/usr/lib/libc.so.6!puts", PH_PLACE_MODULE_SYMBOL, "/usr/lib/libc.so.6", "puts", 0 },
		{ "7z!main", PH_PLACE_MODULE_SYMBOL, "7z", "main", 0 },
		{ "calc!+0x1139", PH_PLACE_MODULE_OFFSET, "calc", "", 0x1139 },
		{ "calc! + 4409", PH_PLACE_MODULE_OFFSET, "calc", "", 4409 },
		{ "2048!+0x10", PH_PLACE_MODULE_OFFSET, "2048", "", 16 },
		{ "+0x1139", PH_PLACE_MAIN_OFFSET, "", "", 0x1139 },
		{ "+ 4409", PH_PLACE_MAIN_OFFSET, "", "", 4409 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_place place = parse(rows[i].text);

		assert_string_equal(place.name, rows[i].name);
		assert_string_equal(place.module, rows[i].module);
		assert_int_equal(place.kind, rows[i].kind);
		assert_int_equal(place.offset, rows[i].offset);
	}
}

static void reads_lines(void **state)
{
	static const struct {
		const char *text, *module, *file;
		unsigned line;
	} rows[] = {
		{ "file.c:42", "", "file.c", 42 },
		{ "dir/file.c:42", "", "dir/file.c", 42 },
		{ "/src/a b/file.c:1", "", "/src/a b/file.c", 1 },
		{ "foo-2.c:42", "", "foo-2.c", 42 },
		{ "c++/vec+2.cc:7", "", "c++/vec+2.cc", 7 },
		{ "Makefile:12", "", "Makefile", 12 },
		{ "2.c:3", "", "2.c", 3 },
		{ "libx!file.c:42", "libx", "file.c", 42 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_place place = parse(rows[i].text);

		assert_int_equal(place.kind, PH_PLACE_LINE);
		assert_string_equal(place.module, rows[i].module);
		assert_string_equal(place.name, rows[i].file);
		assert_int_equal(place.line, rows[i].line);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} rows[] = {
		{ "", -EINVAL, "empty place" },
		{ " \t", -EINVAL, "empty place" },
		{ "0x", -EINVAL, "address 0x is not a number" },
		{ "0x40100g", -EINVAL, "address 0x40100g is not a number" },
		{ "0x10000000000000000", -ERANGE, "address 0x10000000000000000 is too large" },
		{ "99999999999999999999", -ERANGE, "address 99999999999999999999 is too large" },
		{ "0xffffffffffffffff+1", -ERANGE, "wraps around" },
		{ "0x10-0x11", -ERANGE, "wraps around" },
		{ "puts+", -EINVAL, "no offset after the + in puts+" },
		{ "puts+0x", -EINVAL, "offset 0x is not a number" },
		{ "puts+0x1g", -EINVAL, "offset 0x1g is not a number" },
		{ "puts+12ab", -EINVAL, "offset 12ab is not a number" },
		{ "puts+main", -EINVAL, "offset main is not a number" },
		{ "puts-12ab", -EINVAL, "offset 12ab is not a number" },
		{ "puts+0x8000000000000000", -ERANGE, "offset 0x8000000000000000 is too large" },
		{ "+", -EINVAL, "no offset after the + in +" },
		{ "+0x", -EINVAL, "offset 0x is not a number" },
		{ "+main", -EINVAL, "offset main is not a number" },
		{ "-0x10", -EINVAL, "offset -0x10 is negative" },
		{ "-", -EINVAL, "offset - is negative" },
		{ "calc!", -EINVAL, "no name after calc!" },
		{ "!main", -EINVAL, "no module before the ! in !main" },
		{ "!", -EINVAL, "no module before the !" },
		{ "calc!-0x10", -EINVAL, "offset -0x10 is negative" },
		{ "calc!+", -EINVAL, "no offset after the +" },
		{ "calc!0x1139", -EINVAL, "for a place in calc write calc!+0x1139" },
		{ "file.c:", -EINVAL, "no line after file.c:" },
		{ "file.c:x", -EINVAL, "line x is not a number" },
		{ "file.c:0x10", -EINVAL, "line 0x10 is not a decimal number" },
		{ "file.c:0", -EINVAL, "line 0 in file.c:0: lines are counted from 1" },
		{ "file.c:4294967296", -ERANGE, "line 4294967296 is too large" },
		{ "file.c:42:7", -EINVAL, "a line takes no column" },
		{ "file.c:42+4", -EINVAL, "line 42+4 is not a number" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_place place = { .line = 77 };
		char message[PH_ERR_MESSAGE_MAX];
		struct ph_err err;

		assert_int_equal(ph_place_parse(rows[i].text, &place, &err), rows[i].code);
		assert_int_equal(ph_place_parse(rows[i].text, &place, NULL), rows[i].code);
		assert_int_equal(place.line, 77);
		ph_err_message(&err, message, sizeof(message));
		if (!strstr(message, rows[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, message, rows[i].says);
	}
}

static void long_names_fit_or_are_refused_whole(void **state)
{
	struct ph_place place;
	struct ph_err err;
	char text[1024];

	(void)state;
	memset(text, 'n', sizeof(text));
	text[511] = '\0';
	assert_int_equal(strlen(parse(text).name), 511);
	text[511] = 'n';
	text[512] = '\0';
	assert_int_equal(ph_place_parse(text, &place, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.detail, "has 512 characters; at most 511"));
	strcpy(text + 255, "!main");
	assert_int_equal(strlen(parse(text).module), 255);
	text[255] = 'n';
	strcpy(text + 256, "!main");
	assert_int_equal(ph_place_parse(text, &place, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.detail, "module name"));
}

static void modules_go_by_file_name_soname_and_the_beginning_of_either(void **state)
{
	static const struct {
		const char *wanted, *path, *soname;
		bool matches;
	} rows[] = {
		{ "libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6", true },
		{ "libc", "/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6", true },
		{ "libc", "/lib/libc-2.36.so", NULL, true },
		{ "libc.so", "/lib/libc.so.6", NULL, true },
		{ "libc-2.36", "/lib/libc-2.36.so", "libc.so.6", true },
		{ "libc.so.6", "/lib/libc-2.36.so", "libc.so.6", true },
		{ "libc.so.6", NULL, "libc.so.6", true },
		{ "crackme", "crackme", "", true },
		{ "crackme", "./crackme", "", true },
		{ "[vdso]", "[vdso]", "linux-vdso.so.1", true },
		{ "linux-vdso", "[vdso]", "linux-vdso.so.1", true },
		{ "x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", NULL, true },
		{ "/lib/libc.so.6", "/usr/lib/libc.so.6", NULL, true },
		{ "gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", NULL, false },
		{ "lib", "/lib/libc.so.6", "libc.so.6", false },
		{ "libcrypt", "/lib/libcrypto.so.3", "libcrypto.so.3", false },
		{ "libc", "/lib/libcap.so.2", "libcap.so.2", false },
		{ "libc.so.60", "/lib/libc.so.6", "libc.so.6", false },
		{ "", "/lib/libc.so.6", "libc.so.6", false },
		{ "libc", NULL, NULL, false },
		{ "LIBC", "/lib/libc.so.6", "libc.so.6", false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		if (ph_module_name_matches(rows[i].wanted, rows[i].path, rows[i].soname) != rows[i].matches)
			fail_msg("row %zu: %s", i, rows[i].wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(reads_names_with_and_without_offsets),
		cmocka_unit_test(reads_what_stands_in_a_module),
		cmocka_unit_test(reads_lines),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(long_names_fit_or_are_refused_whole),
		cmocka_unit_test(modules_go_by_file_name_soname_and_the_beginning_of_either),
	};

	return cmocka_run_group_tests_name("image/place", tests, NULL, NULL);
}
