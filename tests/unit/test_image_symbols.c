/* symbols: by name, by address, all of them, held against nm. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/symbols.h"
#include "test_image_build.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char main_source[] =
	"int shown = 1;\n"
	"static int hidden_data = 2;\n"
	"__thread int per_thread = 3;\n"
	"int from_library(void);\n"
	"int twice_0(void), twice_1(void);\n"
	"static __attribute__((noinline)) int hidden(int n) { return n + hidden_data++; }\n"
	"__attribute__((noinline)) int plain(int n) { return hidden(n) * shown + per_thread; }\n"
	"int other_name(int) __attribute__((alias(\"plain\")));\n"
	"int _plain(int) __attribute__((weak, alias(\"plain\")));\n"
	"static int fast(int n) { return n; }\n"
	"static void *choose(void) { return (void *)fast; }\n"
	"int chosen(int) __attribute__((ifunc(\"choose\")));\n"
	"__asm__(\".text\\n.globl by_hand, behind\\nby_hand: nop; nop; nop\\nbehind: ret\\n\");\n"
	"__asm__(\".globl sized\\n.type sized, @function\\nsized: nop; nop\\ninside: nop; ret\\n.size sized, 4\\n\");\n"
	"__asm__(\".globl absolute\\nabsolute = 5\\n\");\n"
	"int main(void) { return plain(1) + chosen(2) + twice_0() + twice_1(); }\n";

static const char twice_source[] =
	"static __attribute__((noinline)) int twice(int n) { return n * VALUE; }\n"
	"int NAME(void) { return twice(VALUE); }\n";

static const char library_source[] =
	"int old_way(void) { return 1; }\n"
	"int new_way(void) { return 2; }\n"
	"__asm__(\".symver old_way, way@V1\");\n"
	"__asm__(\".symver new_way, way@@V2\");\n"
	"int __dressed(void) { return 3; }\n"
	"int dressed(void) __attribute__((weak, alias(\"__dressed\")));\n";

static const char versions[] = "V1 { global: way; }; V2 { global: way; dressed; __dressed; local: *; };\n";

static int build_programs(void **state)
{
	return build_begin(state) || build_write("main.c", main_source, sizeof(main_source) - 1) ||
	       build_write("twice.c", twice_source, sizeof(twice_source) - 1) ||
	       build_write("library.c", library_source, sizeof(library_source) - 1) ||
	       build_write("versions", versions, sizeof(versions) - 1) ||
	       build_run("cc -O1 -c -DNAME=twice_0 -DVALUE=3 -o twice_0.o twice.c") ||
	       build_run("cc -O1 -c -DNAME=twice_1 -DVALUE=5 -o twice_1.o twice.c") ||
	       build_run("cc -O1 -o pie -pie -fPIE main.c twice_?.o") ||
	       build_run("cc -O1 -o fixed -no-pie -fno-pie main.c twice_?.o") ||
	       build_run("cc -O1 -o static -static main.c twice_?.o") ||
	       build_run("cc -O1 -o exported -pie -fPIE -rdynamic main.c twice_?.o && strip exported") ||
	       build_run("cp static stripped && strip stripped") ||
	       build_run("cc -O1 -shared -fPIC -o library.so -Wl,--version-script=versions library.c") ||
	       build_run("cp library.so stripped.so && strip stripped.so");
}

static struct ph_elf *open_program(const char *path)
{
	char message[PH_ERR_MESSAGE_MAX];
	struct ph_elf *elf;
	struct ph_err err;

	if (ph_elf_open(path, &elf, &err) < 0)
		fail_msg("%s", ph_err_message(&err, message, sizeof(message)));
	return elf;
}

static struct ph_symbol find(struct ph_elf *elf, const char *name)
{
	struct ph_symbol symbol;

	if (ph_symbols_find(elf, name, &symbol) < 0)
		fail_msg("%s is not found", name);
	return symbol;
}

static void finds_each_type_in_each_sort_of_program(void **state)
{
	static const struct {
		const char *name;
		enum ph_symbol_type type;
		enum ph_symbol_bind bind;
	} rows[] = {
		{ "main", PH_SYMBOL_FUNCTION, PH_SYMBOL_GLOBAL },
		{ "plain", PH_SYMBOL_FUNCTION, PH_SYMBOL_GLOBAL },
		{ "_plain", PH_SYMBOL_FUNCTION, PH_SYMBOL_WEAK },
		{ "hidden", PH_SYMBOL_FUNCTION, PH_SYMBOL_LOCAL },
		{ "shown", PH_SYMBOL_OBJECT, PH_SYMBOL_GLOBAL },
		{ "hidden_data", PH_SYMBOL_OBJECT, PH_SYMBOL_LOCAL },
		{ "chosen", PH_SYMBOL_IFUNC, PH_SYMBOL_GLOBAL },
		{ "by_hand", PH_SYMBOL_LABEL, PH_SYMBOL_GLOBAL },
		{ "sized", PH_SYMBOL_FUNCTION, PH_SYMBOL_GLOBAL },
		{ "inside", PH_SYMBOL_LABEL, PH_SYMBOL_LOCAL },
	};
	static const char *const programs[] = { "pie", "fixed", "static" };

	(void)state;
	for (size_t p = 0; p < N_OF(programs); p++) {
		struct ph_elf *elf = open_program(build_path(programs[p]));

		/* Twice over, so that some are found by a scan and some by the index. */
		for (size_t i = 0; i < 2 * N_OF(rows); i++) {
			const char *name = rows[i % N_OF(rows)].name;
			struct ph_symbol symbol = find(elf, name);

			assert_string_equal(symbol.name, name);
			assert_int_equal(symbol.type, rows[i % N_OF(rows)].type);
			assert_int_equal(symbol.bind, rows[i % N_OF(rows)].bind);
			assert_non_null(ph_elf_segment_find(elf, symbol.vaddr));
		}
		assert_int_equal(find(elf, "plain").vaddr, find(elf, "other_name").vaddr);
		assert_int_equal(find(elf, "behind").vaddr, find(elf, "by_hand").vaddr + 3);
		ph_elf_free(elf);
	}
}

static void does_not_find_what_has_no_place_in_the_file(void **state)
{
	static const char *const names[] = {
		"",	  "@",	      "absent",	    "mai",	"mainn",	"MAIN",	   "per_thread",
		"main.c", "absolute", "main@V1",    "main@@V1", "from_library", "__libc_start_main",
	};
	struct ph_elf *elf = open_program(build_path("pie"));
	struct ph_symbol symbol = { .size = 77 }, *all = NULL;
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < 2 * N_OF(names); i++) {
		assert_int_equal(ph_symbols_find(elf, names[i % N_OF(names)], &symbol), -ENOENT);
		assert_int_equal(ph_symbols_find_all(elf, names[i % N_OF(names)], PH_SYMBOLS_ALL, &all, &n), -ENOENT);
	}
	assert_int_equal(symbol.size, 77);
	assert_null(all);
	assert_int_equal(n, 77);
	ph_elf_free(elf);
}

static void finds_a_static_function_only_symtab_has(void **state)
{
	struct ph_elf *elf = open_program(build_path("pie")), *stripped = open_program(build_path("exported"));
	struct ph_symbol symbol;

	(void)state;
	assert_int_equal(find(elf, "hidden").bind, PH_SYMBOL_LOCAL);
	assert_int_equal(ph_symbols_find(stripped, "hidden", &symbol), -ENOENT);
	assert_int_equal(find(stripped, "plain").type, PH_SYMBOL_FUNCTION);
	ph_elf_free(elf);
	ph_elf_free(stripped);
}

static void a_stripped_static_program_has_no_names(void **state)
{
	struct ph_elf *elf = open_program(build_path("stripped"));
	struct ph_symbol symbol;
	struct ph_spell spell;
	size_t cursor = 0;

	(void)state;
	ph_spell_init(&spell, "main");
	ph_symbols_nearest(elf, &spell);
	assert_null(ph_spell_result(&spell));
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ph_symbols_find(elf, "main", &symbol), -ENOENT);
	assert_int_equal(ph_symbols_at(elf, elf->entry, &symbol), -ENOENT);
	assert_false(ph_symbols_next(elf, &cursor, &symbol));
	ph_elf_free(elf);
}

static void finds_every_static_function_of_one_name(void **state)
{
	struct ph_elf *elf = open_program(build_path("pie"));

	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		struct ph_symbol *all;
		size_t n;

		assert_int_equal(ph_symbols_find_all(elf, "twice", PH_SYMBOLS_ALL, &all, &n), 0);
		assert_int_equal(n, 2);
		assert_int_equal(all[0].vaddr, find(elf, "twice").vaddr);
		assert_int_not_equal(all[0].vaddr, all[1].vaddr);
		free(all);
		assert_int_equal(ph_symbols_find_all(elf, "plain", PH_SYMBOLS_ALL, &all, &n), 0);
		assert_int_equal(n, 1);
		free(all);
	}
	ph_elf_free(elf);
}

static void a_name_means_its_default_version(void **state)
{
	static const char *const libraries[] = { "library.so", "stripped.so" };

	(void)state;
	for (size_t i = 0; i < N_OF(libraries); i++) {
		struct ph_elf *elf = open_program(build_path(libraries[i]));
		ph_addr newer = find(elf, "way@@V2").vaddr, older = find(elf, "way@V1").vaddr;
		struct ph_symbol symbol, *all;
		size_t n;

		assert_int_not_equal(newer, older);
		for (unsigned round = 0; round < 8; round++) {
			assert_int_equal(find(elf, "way").vaddr, newer);
			assert_int_equal(find(elf, "way@V2").vaddr, newer);
			assert_int_equal(find(elf, "way@V1").vaddr, older);
			assert_int_equal(ph_symbols_find(elf, "way@@V1", &symbol), -ENOENT);
			assert_int_equal(ph_symbols_find(elf, "way@V3", &symbol), -ENOENT);
			assert_int_equal(ph_symbols_find(elf, "V1", &symbol), -ENOENT);
			assert_int_equal(ph_symbols_find_all(elf, "way", PH_SYMBOLS_ALL, &all, &n), 0);
			assert_int_equal(n, 1);
			assert_int_equal(all[0].vaddr, newer);
			free(all);
		}
		assert_int_equal(ph_symbols_at(elf, find(elf, "dressed").vaddr + 1, &symbol), 0);
		assert_string_equal(symbol.name, "dressed");
		ph_elf_free(elf);
	}
}

static void an_address_lies_in_its_innermost_symbol(void **state)
{
	static const struct {
		const char *from;
		unsigned offset;
		const char *name;
	} rows[] = {
		{ "main", 0, "main" },
		{ "main", 5, "main" },
		{ "_plain", 2, "plain" },	/* fewer underscores, then the shorter */
		{ "by_hand", 0, "by_hand" },
		{ "by_hand", 2, "by_hand" },
		{ "by_hand", 3, "behind" },
		{ "sized", 1, "sized" },
		{ "inside", 0, "sized" },	/* a label does not cut a function in two */
		{ "inside", 1, "sized" },
		{ "shown", 3, "shown" },
		{ "hidden_data", 0, "hidden_data" },
	};
	struct ph_elf *elf = open_program(build_path("pie"));
	struct ph_symbol symbol;

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		assert_int_equal(ph_symbols_at(elf, find(elf, rows[i].from).vaddr + rows[i].offset, &symbol), 0);
		assert_string_equal(symbol.name, rows[i].name);
	}
	assert_int_equal(ph_symbols_at(elf, 1, &symbol), -ENOENT);
	assert_int_equal(ph_symbols_at(elf, elf->high, &symbol), -ENOENT);
	assert_int_equal(ph_symbols_at(elf, UINT64_MAX, &symbol), -ENOENT);
	ph_elf_free(elf);
}

static void the_walk_gives_each_symbol_once_a_table(void **state)
{
	struct ph_elf *elf = open_program(build_path("pie"));
	unsigned mains = 0, hidden = 0;
	struct ph_symbol symbol;
	size_t cursor = 0;

	(void)state;
	while (ph_symbols_next(elf, &cursor, &symbol)) {
		mains += strcmp(symbol.name, "main") == 0;
		hidden += strcmp(symbol.name, "hidden") == 0;
	}
	assert_false(ph_symbols_next(elf, &cursor, &symbol));
	assert_int_equal(mains, 1);
	assert_int_equal(hidden, 1);
	ph_elf_free(elf);
}

static void names_the_nearest_spelling(void **state)
{
	static const struct {
		const char *program, *wanted, *nearest;
	} rows[] = {
		{ "pie", "hiden", "hidden" },
		{ "pie", "Main", "main" },
		{ "pie", "other_naem", "other_name" },
		{ "pie", "nothing_like_any_of_these", NULL },
		{ "library.so", "wya", "way" },	/* without its version */
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_elf *elf = open_program(build_path(rows[i].program));
		struct ph_spell spell;

		ph_spell_init(&spell, rows[i].wanted);
		ph_symbols_nearest(elf, &spell);
		if (rows[i].nearest)
			assert_string_equal(ph_spell_result(&spell), rows[i].nearest);
		else
			assert_null(ph_spell_result(&spell));
		ph_elf_free(elf);
	}
}

static void a_file_that_shrinks_while_open_has_no_symbols(void **state)
{
	struct ph_symbol symbol;
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("cp pie shrunk"), 0);
	elf = open_program(build_path("shrunk"));
	assert_int_equal(truncate(build_path("shrunk"), 100), 0);
	assert_int_equal(ph_symbols_find(elf, "main", &symbol), -ENOENT);
	assert_int_equal(ph_symbols_at(elf, elf->entry, &symbol), -ENOENT);
	ph_elf_free(elf);
}

/* ---- Against nm */

static bool walk_to(struct ph_elf *elf, const char *name, ph_addr vaddr, struct ph_symbol *ret)
{
	size_t cursor = 0;

	while (ph_symbols_next(elf, &cursor, ret))
		if (ret->vaddr == vaddr && strcmp(ret->name, name) == 0)
			return true;
	return false;
}

static void check_place(struct ph_elf *elf, const char *name, ph_addr vaddr)
{
	struct ph_symbol listed, at;

	assert_true(walk_to(elf, name, vaddr, &listed));
	if (listed.size == 0)
		return;
	assert_int_equal(ph_symbols_at(elf, vaddr, &at), 0);
	assert_int_equal(at.vaddr, vaddr);
	assert_int_equal(ph_symbols_at(elf, vaddr + listed.size - 1, &at), 0);
	assert_in_range(vaddr + listed.size - 1, at.vaddr, at.vaddr + at.size - 1);
}

/* Every function that nm lists is there and where nm says; the name leads to it, or to another one of that name. */
static size_t compare_with_nm(const char *path, const char *options)
{
	char command[PATH_MAX + 64], type, name[4096];
	struct ph_elf *elf = open_program(path);
	unsigned long long vaddr;
	size_t n = 0;
	FILE *nm;

	snprintf(command, sizeof(command), "nm --defined-only %s '%s'", options, path);
	nm = popen(command, "r");
	assert_non_null(nm);
	while (fscanf(nm, "%llx %c %4095s", &vaddr, &type, name) == 3) {
		struct ph_symbol found, listed;
		char *version = strchr(name, '@');

		if (!strchr("TtWi", type))
			continue;
		found = find(elf, name);
		assert_true(found.vaddr == vaddr || walk_to(elf, found.name, found.vaddr, &listed));
		if (!version && n++ < 2000)
			check_place(elf, name, vaddr);
	}
	assert_int_equal(pclose(nm), 0);
	ph_elf_free(elf);
	return n;
}

static void agrees_with_nm(void **state)
{
	static const char *const real[] = { "/usr/bin/python3", "/bin/sh", "/lib/x86_64-linux-gnu/libc.so.6" };
	char self[PATH_MAX];

	(void)state;
	assert_true(compare_with_nm(build_path("pie"), "") > 10);
	assert_true(compare_with_nm(build_path("fixed"), "") > 10);
	assert_true(compare_with_nm(build_path("static"), "") > 1000);
	assert_true(compare_with_nm(build_path("library.so"), "") > 3);
	assert_non_null(realpath("/proc/self/exe", self));
	assert_true(compare_with_nm(self, "") > 10);
	for (size_t i = 0; i < N_OF(real); i++)
		if (access(real[i], R_OK) == 0)
			compare_with_nm(real[i], "-D");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_type_in_each_sort_of_program),
		cmocka_unit_test(does_not_find_what_has_no_place_in_the_file),
		cmocka_unit_test(finds_a_static_function_only_symtab_has),
		cmocka_unit_test(a_stripped_static_program_has_no_names),
		cmocka_unit_test(finds_every_static_function_of_one_name),
		cmocka_unit_test(a_name_means_its_default_version),
		cmocka_unit_test(an_address_lies_in_its_innermost_symbol),
		cmocka_unit_test(the_walk_gives_each_symbol_once_a_table),
		cmocka_unit_test(names_the_nearest_spelling),
		cmocka_unit_test(a_file_that_shrinks_while_open_has_no_symbols),
		cmocka_unit_test(agrees_with_nm),
	};

	return cmocka_run_group_tests_name("image/symbols", tests, build_programs, build_end);
}
