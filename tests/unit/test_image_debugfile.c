/* debugfile: what was stripped off is found by build-id, by .gnu_debuglink and in .gnu_debugdata; what is not it, is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/debugfile.h"
#include "image/symbols.h"
#include "test_image_build.h"

static const char source[] = "static int hidden(int n) { return n + 1; }\n"
			     "int (*volatile kept)(int) = hidden;\n"
			     "int main(void) { return kept(-1); }\n";

static char warning[512];
static int warnings;

static void warn(const char *text, void *user)
{
	(void)user;
	snprintf(warning, sizeof(warning), "%s", text);
	warnings++;
}

static struct ph_elf_settings settings = { .warn = warn };

/* Every test has a folder of its own, with prog (whole), other (another build) and prog.debug in it. */
static int prepare(void **state)
{
	static const char other[] = "int main(void) { return 0; }\nint different[99];\n";

	warnings = 0;
	warning[0] = '\0';
	if (build_begin(state) < 0 || build_write("prog.c", source, sizeof(source) - 1) < 0 ||
	    build_write("other.c", other, sizeof(other) - 1) < 0)
		return -1;
	return build_run("gcc -g -Wl,--build-id -o prog prog.c && gcc -g -Wl,--build-id -o other other.c && "
			 "objcopy --only-keep-debug prog prog.debug && objcopy --only-keep-debug other other.debug && "
			 "mkdir -p root/.build-id sub/.debug");
}

static struct ph_elf *open_it(const char *name)
{
	static char root[PATH_MAX];
	struct ph_elf *elf;

	assert_int_equal(ph_elf_open(build_path(name), &elf, NULL), 0);
	snprintf(root, sizeof(root), "%s", build_path("root"));
	settings.debug_root = root;
	elf->settings = &settings;
	return elf;
}

/* Where prog.debug goes for its build-id, as a shell word. */
static const char *by_build_id(const struct ph_elf *elf)
{
	static char path[256];
	int n = snprintf(path, sizeof(path), "root/.build-id/%02x/", elf->build_id[0]);

	for (size_t i = 1; i < elf->build_id_len; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", elf->build_id[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, ".debug");
	return path;
}

static void expect_hidden(struct ph_elf *elf, bool is_there)
{
	struct ph_elf *whole = open_it("prog");
	struct ph_symbol want, got;

	assert_int_equal(ph_symbols_find(whole, "hidden", &want), 0);
	assert_int_equal(ph_symbols_find(elf, "hidden", &got), is_there ? 0 : -ENOENT);
	if (is_there)
		assert_int_equal(got.vaddr, want.vaddr);
	assert_int_equal(ph_symbols_at(elf, want.vaddr + 1, &got), is_there ? 0 : -ENOENT);
	if (is_there)
		assert_string_equal(got.name, "hidden");
	ph_elf_free(whole);
}

static void it_is_found_by_build_id(void **state)
{
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("strip -o stripped prog"), 0);
	elf = open_it("stripped");
	assert_int_equal(build_run("mkdir -p $(dirname %s) && cp prog.debug %s", by_build_id(elf), by_build_id(elf)), 0);
	assert_non_null(ph_debugfile_find(elf));
	assert_ptr_equal(ph_debugfile_find(elf), ph_debugfile_find(elf));
	expect_hidden(elf, true);
	assert_int_equal(warnings, 0);
	ph_elf_free(elf);
}

static void it_is_found_by_its_link(void **state)
{
	static const char *const places[] = { "sub/prog.debug", "sub/.debug/prog.debug", "root/%s/sub/prog.debug" };

	(void)state;
	assert_int_equal(build_run("objcopy -S --remove-section=.note.gnu.build-id --add-gnu-debuglink=prog.debug "
				   "prog sub/prog"), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct ph_elf *elf = open_it("sub/prog");
		char place[PATH_MAX];

		snprintf(place, sizeof(place), places[i], build_folder);
		assert_int_equal(build_run("mkdir -p $(dirname %s) && cp prog.debug %s", place, place), 0);
		expect_hidden(elf, true);
		assert_int_equal(warnings, 0);
		ph_elf_free(elf);
		assert_int_equal(build_run("rm %s", place), 0);
	}
}

static void what_is_nowhere_is_no_reason_to_warn(void **state)
{
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("objcopy -S --add-gnu-debuglink=prog.debug prog sub/prog"), 0);
	elf = open_it("sub/prog");
	assert_null(ph_debugfile_find(elf));
	expect_hidden(elf, false);
	assert_int_equal(warnings, 0);
	ph_elf_free(elf);
}

static void what_does_not_match_is_not_used_and_warned_of_once(void **state)
{
	static const struct {
		const char *command;	/* makes sub/prog, and what is not its debug file */
		const char *words;
	} rows[] = {
		{ "objcopy -S --remove-section=.note.gnu.build-id --add-gnu-debuglink=prog.debug prog sub/prog && "
		  "cp prog.debug sub/ && printf x >>sub/prog.debug", "checksum" },
		{ "objcopy -S --add-gnu-debuglink=prog.debug prog sub/prog && cp other.debug sub/prog.debug",
		  "another build" },
		{ "strip -o sub/prog prog && mkdir -p $(dirname $ID) && cp other.debug $ID", "another build" },
		{ "strip -o sub/prog prog && mkdir -p $(dirname $ID) && "
		  "objcopy --remove-section=.note.gnu.build-id prog.debug $ID", "no build-id" },
		{ "strip -o sub/prog prog && mkdir -p $(dirname $ID) && head -c 100 prog.debug >$ID", "not used" },
		{ "strip -o sub/prog prog && mkdir -p $(dirname $ID) && echo rubbish >$ID", "not an ELF file" },
		{ "strip -o sub/prog prog && mkdir -p $(dirname $ID) && mkfifo $ID", "not a regular file" },
		{ "strip -o sub/prog prog && mkdir -p $(dirname $ID) && mkdir $ID", "not used" },
		{ "strip -o sub/prog prog && printf '../../x\\0\\0\\0\\0\\0\\0\\0\\0\\0' >link && "
		  "objcopy --add-section .gnu_debuglink=link sub/prog", "names no file" },
		{ "strip -o sub/prog prog && printf 'name' >link && objcopy --add-section .gnu_debuglink=link sub/prog",
		  "names no file" },
		{ "strip -o sub/prog prog && echo rubbish >data && objcopy --add-section .gnu_debugdata=data sub/prog",
		  "corrupt" },
		{ "strip -o sub/prog prog && xz -c prog.c >data && objcopy --add-section .gnu_debugdata=data sub/prog",
		  "not an ELF file" },
		{ "strip -o sub/prog prog && xz -c other >data && objcopy --add-section .gnu_debugdata=data sub/prog",
		  "another build" },
		{ "strip -o sub/prog prog && xz -c prog | head -c 2000 >data && "
		  "objcopy --add-section .gnu_debugdata=data sub/prog", "corrupt" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ph_elf *elf = open_it("prog");

		assert_int_equal(build_run("export ID=%s; rm -rf root sub; mkdir -p root sub; %s", by_build_id(elf),
					   rows[i].command), 0);
		ph_elf_free(elf);
		elf = open_it("sub/prog");
		warnings = 0;
		expect_hidden(elf, false);
		expect_hidden(elf, false);
		if (warnings != 1 || !strstr(warning, rows[i].words))
			fail_msg("row %zu: %d warnings, '%s'", i, warnings, warning);
		ph_elf_free(elf);
	}
}

static void its_own_names_are_enough(void **state)
{
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("objcopy --add-gnu-debuglink=prog.debug prog sub/prog && echo rubbish >sub/prog.debug"), 0);
	elf = open_it("sub/prog");
	expect_hidden(elf, true);
	assert_int_equal(warnings, 0);
	ph_elf_free(elf);
}

static void a_link_to_itself_is_none(void **state)
{
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("objcopy -S prog sub/prog && objcopy --add-gnu-debuglink=sub/prog sub/prog"), 0);
	elf = open_it("sub/prog");
	assert_null(ph_debugfile_find(elf));
	assert_int_equal(warnings, 0);
	ph_elf_free(elf);
}

static void mini_debug_information_has_names(void **state)
{
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("strip -o sub/prog prog && objcopy -S --keep-symbol=hidden prog.debug mini && xz mini && "
				   "objcopy --add-section .gnu_debugdata=mini.xz sub/prog"), 0);
	elf = open_it("sub/prog");
	assert_null(ph_debugfile_find(elf));
	assert_non_null(ph_debugfile_mini_find(elf));
	expect_hidden(elf, true);
	assert_int_equal(warnings, 0);
	ph_elf_free(elf);
}

/* A few hundred bytes that stand for gigabytes. */
static void a_bomb_is_not_unpacked(void **state)
{
	struct ph_elf *elf;

	(void)state;
	assert_int_equal(build_run("strip -o sub/prog prog && head -c 400M /dev/zero | xz -1 >data && "
				   "objcopy --add-section .gnu_debugdata=data sub/prog"), 0);
	elf = open_it("sub/prog");
	assert_null(ph_debugfile_mini_find(elf));
	assert_non_null(strstr(warning, "too large"));
	ph_elf_free(elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_found_by_build_id, prepare, build_end),
		cmocka_unit_test_setup_teardown(it_is_found_by_its_link, prepare, build_end),
		cmocka_unit_test_setup_teardown(what_is_nowhere_is_no_reason_to_warn, prepare, build_end),
		cmocka_unit_test_setup_teardown(what_does_not_match_is_not_used_and_warned_of_once, prepare, build_end),
		cmocka_unit_test_setup_teardown(its_own_names_are_enough, prepare, build_end),
		cmocka_unit_test_setup_teardown(a_link_to_itself_is_none, prepare, build_end),
		cmocka_unit_test_setup_teardown(mini_debug_information_has_names, prepare, build_end),
		cmocka_unit_test_setup_teardown(a_bomb_is_not_unpacked, prepare, build_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
