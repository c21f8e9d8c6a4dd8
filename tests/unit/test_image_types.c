/* types, lines, functions: one source, as gcc and clang compile it, with DWARF 4 and 5, compressed, apart, and by dwz. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "image/functions.h"
#include "image/symbols.h"
#include "image/types.h"
#include "test_image_build.h"

static const char source[] =
	"enum state { IDLE, RUN = 3, GONE = -1 };\n"
	"struct point { int x, y; };\n"
	"typedef struct { unsigned a : 3; int b : 5; long c : 40; } bits_t;\n"
	"struct task {\n"
	"	int pid; char name[16]; enum state state; struct point path[3]; bits_t bits;\n"
	"	union { float real; unsigned whole; }; struct task *next; const char *title; void *blank; int grid[2][3];\n"
	"	struct hidden *hidden; unsigned long top; double ratio;\n"
	"};\n"
	"struct task the_task = { .pid = 1 };\n"
	"static inline __attribute__((always_inline)) int twice(int n)\n"
	"{\n"
	"	return n * 2 + the_task.pid;	/* line 12 */\n"
	"}\n"
	"__attribute__((noinline)) int one(int n)\n"
	"{\n"
	"	return twice(n) + 1;	/* line 16 */\n"
	"}\n"
	"__attribute__((noinline)) int two(int n)\n"
	"{\n"
	"	return twice(n) - 1;	/* line 20 */\n"
	"}\n";

struct way {
	const char *name, *command;	/* makes lib.so of a.c and b.c */
};

#define COMPILE(cc, flags) cc " " flags " -shared -fPIC -o lib.so a.c b.c"

static const struct way ways[] = {
	{ "gcc, DWARF 5", COMPILE("gcc", "-O0 -gdwarf-5") },
	{ "gcc, DWARF 4, optimised", COMPILE("gcc", "-O2 -gdwarf-4") },
	{ "gcc, compressed", COMPILE("gcc", "-O1 -g -gz=zlib") },
	{ "gcc, compressed the GNU way", COMPILE("gcc", "-O1 -gdwarf-4 -gz=zlib-gnu") },
	{ "gcc, units of types", COMPILE("gcc", "-O1 -gdwarf-4 -fdebug-types-section") },
	{ "gcc, units of types, DWARF 5", COMPILE("gcc", "-O1 -gdwarf-5 -fdebug-types-section") },
	{ "clang, DWARF 5", COMPILE("clang", "-O1 -gdwarf-5") },
	{ "clang, DWARF 4", COMPILE("clang", "-O0 -gdwarf-4") },
	{ "apart, by .gnu_debuglink", COMPILE("gcc", "-O1 -g") " && objcopy --only-keep-debug lib.so lib.debug && "
	  "strip lib.so && objcopy --add-gnu-debuglink=lib.debug lib.so" },
	{ "by dwz, with a file for what two share", COMPILE("gcc", "-O1 -g -Wl,--build-id") " && cp lib.so other.so && "
	  "dwz -m common.debug -M common.debug lib.so other.so" },
};

static void with_every_way(void (*fn)(struct ph_elf *elf, const char *way))
{
	assert_int_equal(build_write("a.c", source, sizeof(source) - 1), 0);
	assert_int_equal(build_write("b.c", "struct hidden { int inside; };\nstruct hidden it = { 5 };\n", 56), 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct ph_elf *elf;

		if (build_run("%s >log 2>&1", ways[i].command) != 0) {
			if (build_run("command -v %.5s >/dev/null", ways[i].command) == 0)
				fail_msg("%s: cannot be made", ways[i].name);
			continue;
		}
		assert_int_equal(ph_elf_open(build_path("lib.so"), &elf, NULL), 0);
		fn(elf, ways[i].name);
		ph_elf_free(elf);
		build_run("rm -f lib.debug common.debug");
	}
}

static const struct ph_member *member(const struct ph_types *types, size_t of, const char *name)
{
	const struct ph_type *type = &types->types[of];

	for (size_t i = 0; i < type->n; i++)
		if (strcmp(types->members[type->first + i].name, name) == 0)
			return &types->members[type->first + i];
	return NULL;
}

static const struct ph_type *type_of(const struct ph_types *types, const char *name)
{
	const struct ph_member *found = member(types, 0, name);

	return found ? &types->types[found->type] : NULL;
}

#define CHECK(condition)                                                                                             \
	do {                                                                                                         \
		if (!(condition))                                                                                    \
			fail_msg("%s: %s", way, #condition);                                                         \
	} while (0)

static void check_task(struct ph_elf *elf, const char *way)
{
	struct ph_types types, more;
	const struct ph_member *c;

	CHECK(ph_types_find(elf, "struct task", 0, &types) == 0);
	CHECK(types.types[0].kind == PH_TYPE_STRUCT && strcmp(types.types[0].name, "struct task") == 0);
	CHECK(types.types[0].size == 136 && types.types[0].n == 13);
	CHECK(type_of(&types, "pid")->kind == PH_TYPE_INTEGER && type_of(&types, "pid")->is_signed);
	CHECK(type_of(&types, "name")->count == 16 && types.types[type_of(&types, "name")->element].is_char);
	CHECK(type_of(&types, "state")->kind == PH_TYPE_ENUM && type_of(&types, "state")->n == 3);
	CHECK(strcmp(types.enumerators[type_of(&types, "state")->first + 1].name, "RUN") == 0);
	CHECK(types.enumerators[type_of(&types, "state")->first + 2].value == -1);
	CHECK(strcmp(type_of(&types, "path")->name, "struct point[3]") == 0 && type_of(&types, "path")->size == 24);
	CHECK(strcmp(type_of(&types, "grid")->name, "int[2][3]") == 0 && type_of(&types, "grid")->count == 2);
	CHECK(strcmp(type_of(&types, "bits")->name, "bits_t") == 0);
	c = member(&types, member(&types, 0, "bits")->type, "c");
	CHECK(c && c->bits == 40 && c->offset * 8 + c->bit == 8);
	CHECK(member(&types, 0, "")->offset == 56 && types.types[member(&types, 0, "")->type].kind == PH_TYPE_UNION);
	CHECK(strcmp(type_of(&types, "next")->name, "struct task *") == 0 && type_of(&types, "next")->ref);
	CHECK(strcmp(type_of(&types, "title")->name, "char *") == 0);
	CHECK(strcmp(type_of(&types, "blank")->name, "void *") == 0 && !type_of(&types, "blank")->ref);
	CHECK(type_of(&types, "top")->size == 8 && !type_of(&types, "top")->is_signed);
	CHECK(type_of(&types, "ratio")->kind == PH_TYPE_FLOAT);
	CHECK(ph_types_follow(elf, type_of(&types, "next")->ref, &more) == 0);
	CHECK(strcmp(more.types[0].name, "struct task") == 0 && more.types[0].n == 13);
	ph_types_fini(&more);
	/* Only declared where the pointer is; another unit has it. */
	CHECK(ph_types_follow(elf, type_of(&types, "hidden")->ref, &more) == 0);
	CHECK(strcmp(more.types[0].name, "struct hidden") == 0 && more.types[0].n == 1 && !more.types[0].is_incomplete);
	ph_types_fini(&more);
	ph_types_fini(&types);
}

static void structures_are_the_same_however_they_were_compiled(void **state)
{
	(void)state;
	with_every_way(check_task);
}

static void check_lines(struct ph_elf *elf, const char *way)
{
	struct ph_symbol one, two;
	struct ph_line line;
	ph_addr *found;
	size_t n;

	CHECK(ph_symbols_find(elf, "one", &one) == 0 && ph_symbols_find(elf, "two", &two) == 0);
	CHECK(ph_lines_at(elf, one.vaddr, &line) == 0 && strcmp(line.file, "a.c") == 0);
	CHECK(line.line >= 10 && line.line <= 16);
	CHECK(ph_lines_find(elf, "a.c", 12, &found, &n) == 0 && n == 2);
	CHECK(found[0] >= one.vaddr && found[0] < two.vaddr && found[1] >= two.vaddr);
	free(found);
	CHECK(ph_lines_find(elf, "a.c", 16, &found, &n) == 0 && n == 1);
	CHECK(found[0] >= one.vaddr && found[0] < one.vaddr + one.size);
	free(found);
	/* No code at 2: the next that has some. */
	CHECK(ph_lines_find(elf, "a.c", 2, &found, &n) == 0 && n >= 1);
	free(found);
	CHECK(ph_lines_find(elf, "a.c", 999, &found, &n) == -ENODATA);
	CHECK(ph_lines_find(elf, "c.c", 12, &found, &n) == -ENOENT);
	CHECK(ph_lines_find(elf, ".c", 12, &found, &n) == -ENOENT);
	CHECK(ph_lines_at(elf, elf->high + 5, &line) == -ENOENT);
}

static void lines_are_found_in_every_inlined_copy(void **state)
{
	(void)state;
	with_every_way(check_lines);
}

static void check_functions(struct ph_elf *elf, const char *way)
{
	struct ph_function functions[PH_FUNCTIONS_MAX];
	struct ph_symbol one;
	bool inlined = false;

	CHECK(ph_symbols_find(elf, "one", &one) == 0);
	for (ph_addr at = one.vaddr; at < one.vaddr + one.size; at++) {
		size_t n = ph_functions_at(elf, at, functions);

		CHECK(n >= 1 && strcmp(functions[n - 1].name, "one") == 0 && functions[n - 1].entry == one.vaddr);
		CHECK(n <= 2 && !functions[n - 1].is_inlined);
		if (n < 2)
			continue;
		inlined = true;
		CHECK(strcmp(functions[0].name, "twice") == 0 && functions[0].is_inlined);
		CHECK(functions[1].line.line == 16);
	}
	CHECK(inlined);
}

static void inlined_calls_are_functions_of_their_own(void **state)
{
	(void)state;
	with_every_way(check_functions);
}

static void check_names(struct ph_elf *elf, const char *way)
{
	static const struct {
		const char *text, *name;
		int r;
	} rows[] = {
		{ "task", "struct task", 0 },	       { "bits_t", "bits_t", 0 },
		{ "unsigned long", NULL, 0 },	       { "long unsigned int", NULL, 0 },
		{ "unsigned", "unsigned int", 0 },     { " struct  task", "struct task", 0 },
		{ "struct task *", "struct task *", 0 }, { "struct task**", "struct task **", 0 },
		{ "int[4]", "int[4]", 0 },	       { "int [2] [3]", "int[2][3]", 0 },
		{ "char*[2]", "char *[2]", 0 },	       { "const struct task", "struct task", 0 },
		{ "void*", "void *", 0 },	       { "enum state", "enum state", 0 },
		{ "union task", NULL, -ENOENT },       { "struct bits_t", NULL, -ENOENT },
		{ "enum task", NULL, -ENOENT },	       { "tas", NULL, -ENOENT },
		{ "", NULL, -EINVAL },		       { "*", NULL, -EINVAL },
		{ "int[", NULL, -EINVAL },	       { "int[0]", NULL, -EINVAL },
		{ "int[99999999999999999999]", NULL, -EINVAL }, { "int[2]x", NULL, -EINVAL },
		{ "struct task[0xffffffffffffffff]", NULL, -EINVAL },
	};
	char nearest[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_types types;
		int r = ph_types_find(elf, rows[i].text, 0, &types);

		if (r != rows[i].r)
			fail_msg("%s: '%s' gives %d", way, rows[i].text, r);
		if (r < 0)
			continue;
		if (rows[i].name && strcmp(types.types[0].name, rows[i].name) != 0)
			fail_msg("%s: '%s' is called '%s'", way, rows[i].text, types.types[0].name);
		ph_types_fini(&types);
	}
	CHECK(ph_types_nearest(elf, "struct taks", nearest, sizeof(nearest)) && strcmp(nearest, "struct task") == 0);
	CHECK(ph_types_nearest(elf, "bit_t", nearest, sizeof(nearest)) && strcmp(nearest, "bits_t") == 0);
	CHECK(!ph_types_nearest(elf, "nothing_like_it", nearest, sizeof(nearest)));
}

static void types_have_the_names_that_c_gives_them(void **state)
{
	(void)state;
	with_every_way(check_names);
}

static void a_file_without_debug_information_has_none(void **state)
{
	struct ph_elf *elf;
	struct ph_types types;
	struct ph_line line;
	ph_addr *found;
	size_t n;

	(void)state;
	assert_int_equal(build_write("a.c", source, sizeof(source) - 1), 0);
	assert_int_equal(build_run("gcc -shared -fPIC -o plain.so a.c"), 0);
	assert_int_equal(ph_elf_open(build_path("plain.so"), &elf, NULL), 0);
	assert_false(ph_types_has_any(elf));
	assert_int_equal(ph_types_find(elf, "int", 0, &types), -ENOENT);
	assert_int_equal(ph_lines_find(elf, "a.c", 12, &found, &n), -ENOENT);
	assert_int_equal(ph_lines_at(elf, elf->entry, &line), -ENOENT);
	ph_elf_free(elf);
}

static unsigned warnings;

static void count_warning(const char *text, void *user)
{
	(void)user;
	assert_true(strstr(text, "the file 'common.debug' with its other half is not there") ||
		    strstr(text, "it is cut off"));
	warnings++;
}

static void texts_that_do_not_end_are_not_read(void **state)
{
	static const struct ph_elf_settings settings = { .warn = count_warning };
	static const char *const sections[] = { ".debug_str", ".debug_line_str" };
	struct ph_elf *elf;
	struct ph_line line;

	(void)state;
	assert_int_equal(build_write("a.c", source, sizeof(source) - 1), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(build_run("gcc -gdwarf-5 -shared -fPIC -o cut.so a.c && printf abcdef >six && "
					   "objcopy --update-section %s=six cut.so", sections[i]), 0);
		assert_int_equal(ph_elf_open(build_path("cut.so"), &elf, NULL), 0);
		elf->settings = &settings;
		warnings = 0;
		assert_false(ph_types_has_any(elf));
		assert_int_equal(ph_lines_at(elf, elf->low + 0x1150, &line), -ENOENT);
		assert_int_equal(warnings, 1);
		ph_elf_free(elf);
	}
}

/* "b.c" is a text inside the DIEs: it ends with the section, or not at all. */
static void a_name_that_its_section_cuts_off_is_none(void **state)
{
	struct ph_elf *elf;
	struct ph_types types;

	(void)state;
	assert_int_equal(build_write("b.c", "struct hi { int x; }; struct hi b;\n", 35), 0);
	assert_int_equal(build_run("gcc -gdwarf-4 -shared -fPIC -o whole.so b.c && "
				   "objcopy -O binary --only-section=.debug_info --set-section-flags .debug_info=alloc "
				   "whole.so info"), 0);
	for (unsigned len = 20; len < 140; len++) {
		assert_int_equal(build_run("head -c %u info >part && cp whole.so cut.so && "
					   "objcopy --update-section .debug_info=part cut.so", len), 0);
		assert_int_equal(ph_elf_open(build_path("cut.so"), &elf, NULL), 0);
		if (ph_types_find(elf, "struct hi", 0, &types) == 0) {
			assert_string_equal(types.types[0].name, "struct hi");
			ph_types_fini(&types);
		}
		ph_elf_free(elf);
	}
}

static void a_supplementary_file_that_is_gone_or_of_another_build_is_warned_of_once(void **state)
{
	static const struct ph_elf_settings settings = { .warn = count_warning };
	struct ph_elf *elf;
	struct ph_line line;

	(void)state;
	if (build_run("command -v dwz >/dev/null") != 0)
		skip();
	assert_int_equal(build_write("a.c", source, sizeof(source) - 1), 0);
	assert_int_equal(build_write("b.c", "struct hidden { int inside; };\nstruct hidden it = { 5 };\n", 56), 0);
	for (int i = 0; i < 3; i++) {
		static const char *const spoil[] = { "rm common.debug", "cp plain.so common.debug", "rm common.debug && mkfifo common.debug" };

		assert_int_equal(build_run("%s >log 2>&1", ways[9].command), 0);
		assert_int_equal(build_run("gcc -shared -fPIC -o plain.so a.c && %s", spoil[i]), 0);
		assert_int_equal(ph_elf_open(build_path("lib.so"), &elf, NULL), 0);
		elf->settings = &settings;
		warnings = 0;
		assert_int_equal(ph_lines_at(elf, elf->low + 0x1200, &line), -ENOENT);
		assert_false(ph_types_has_any(elf));
		assert_int_equal(warnings, 1);
		ph_elf_free(elf);
		assert_int_equal(build_run("rm -f common.debug"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structures_are_the_same_however_they_were_compiled),
		cmocka_unit_test(lines_are_found_in_every_inlined_copy),
		cmocka_unit_test(inlined_calls_are_functions_of_their_own),
		cmocka_unit_test(types_have_the_names_that_c_gives_them),
		cmocka_unit_test(a_file_without_debug_information_has_none),
		cmocka_unit_test(texts_that_do_not_end_are_not_read),
		cmocka_unit_test(a_name_that_its_section_cuts_off_is_none),
		cmocka_unit_test(a_supplementary_file_that_is_gone_or_of_another_build_is_warned_of_once),
	};

	return cmocka_run_group_tests_name("image/types", tests, build_begin, build_end);
}
