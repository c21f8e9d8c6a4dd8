/*
 * Lines of random addresses of five real programs and libraries, as addr2line has them: our own program and library,
 * the C library where its debug file is installed, and parts of our sources as clang and gcc compile them, with
 * DWARF 4 and 5, compressed and not. 10,000 addresses; with LONG=1 as many of each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "image/lines.h"
#include "test_image_build.h"

#define SHORT_TOTAL 10000

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* An address of code, anywhere. */
static ph_addr pick(const struct ph_elf *elf, uint64_t *state)
{
	uint64_t total = 0, at;

	for (size_t i = 0; i < elf->n_segments; i++)
		total += elf->segments[i].flags & 1 ? elf->segments[i].memsz : 0;
	at = next_random(state) % total;
	for (size_t i = 0; i < elf->n_segments; i++) {
		if (!(elf->segments[i].flags & 1))
			continue;
		if (at < elf->segments[i].memsz)
			return elf->segments[i].vaddr + at;
		at -= elf->segments[i].memsz;
	}
	return elf->entry;
}

/* "dir/file.c:42 (discriminator 3)": the line, 0 when it says that it knows none; the rest of text becomes the file. */
static unsigned long split(char *text)
{
	char *colon;

	text[strcspn(text, "\n")] = '\0';
	colon = strrchr(text, ':');
	assert_non_null(colon);
	*colon = '\0';
	return strncmp(text, "??", 2) == 0 ? 0 : strtoul(colon + 1, NULL, 10);
}

static bool ends_with(const char *path, const char *tail)
{
	size_t len = strlen(path), n = strlen(tail);

	return n <= len && strcmp(path + len - n, tail) == 0;
}

/* addr2line calls code that one file includes from another by the name of the first: there, lines alone are compared. */
static void compare(const char *path, size_t n, bool with_files)
{
	ph_addr *addrs = malloc(n * sizeof(*addrs));
	char command[2 * PATH_MAX], theirs[PATH_MAX + 64];
	uint64_t state = 0x9e3779b97f4a7c15;
	unsigned wrong = 0, known = 0;
	struct ph_elf *elf;
	struct ph_err err;
	FILE *file;

	if (ph_elf_open(path, &elf, &err) < 0)
		fail_msg("%s: %s", path, err.detail);
	file = fopen(build_path("addresses"), "w");
	assert_non_null(file);
	for (size_t i = 0; i < n; i++) {
		addrs[i] = pick(elf, &state);
		fprintf(file, "0x%llx\n", (unsigned long long)addrs[i]);
	}
	fclose(file);
	snprintf(command, sizeof(command), "addr2line -e '%s' <'%s'", path, build_path("addresses"));
	file = popen(command, "r");
	assert_non_null(file);
	for (size_t i = 0; i < n; i++) {
		struct ph_line ours;
		unsigned long line;
		bool same;

		assert_non_null(fgets(theirs, sizeof(theirs), file));
		line = split(theirs);
		if (ph_lines_at(elf, addrs[i], &ours) < 0)
			ours.line = 0;
		known += ours.line != 0;
		same = ours.line == line && (!line || !with_files || ends_with(theirs, ours.file));
		if (!same && wrong++ < 20)
			fprintf(stderr, "%s 0x%llx: %s:%u, addr2line has %s:%lu\n", path, (unsigned long long)addrs[i],
				ours.line ? ours.file : "??", ours.line, theirs, line);
	}
	pclose(file);
	ph_elf_free(elf);
	free(addrs);
	assert_int_equal(wrong, 0);
	assert_true(known > n / 10);
}

static size_t share(void)
{
	return getenv("LONG") ? SHORT_TOTAL : SHORT_TOTAL / 5;
}

static void compare_built(const char *compiler, const char *flags)
{
	const char *top = getenv("TOP");

	if (!top)
		skip();
	if (build_run("command -v %s >/dev/null", compiler) != 0)
		skip();
	assert_int_equal(build_run("%s -D_GNU_SOURCE -std=gnu17 -fPIC -shared %s -I'%s/core' -o lib.so '%s'/core/image/[a-u]*.c "
				   "'%s'/core/base/*.c", compiler, flags, top, top, top), 0);
	compare(build_path("lib.so"), share(), true);
}

/* As users have it: a sanitizer's constructors have lines outside of what their units call their code. */
static void of_our_program(void **state)
{
	const char *top = getenv("TOP");
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/build/release/ptracehook", top ? top : "");
	if (!top || access(path, R_OK) < 0)
		skip();
	compare(path, share(), true);
}

static void of_the_c_library(void **state)
{
	static const char path[] = "/lib/x86_64-linux-gnu/libc.so.6";
	struct ph_line line;
	struct ph_elf *elf;
	bool has_lines = false;

	(void)state;
	if (ph_elf_open(path, &elf, NULL) < 0)
		skip();
	for (ph_addr at = elf->entry; at < elf->entry + 64 && !has_lines; at++)
		has_lines = ph_lines_at(elf, at, &line) == 0;
	ph_elf_free(elf);
	if (!has_lines)
		skip();
	compare(path, share(), false);
}

static void of_gcc_dwarf_4(void **state)
{
	(void)state;
	compare_built("gcc", "-O2 -gdwarf-4");
}

static void of_gcc_dwarf_5_compressed(void **state)
{
	(void)state;
	compare_built("gcc", "-O1 -gdwarf-5 -gz");
}

static void of_clang_dwarf_5(void **state)
{
	(void)state;
	compare_built("clang", "-O2 -gdwarf-5");
}

static void of_clang_dwarf_4_compressed(void **state)
{
	(void)state;
	compare_built("clang", "-O0 -gdwarf-4 -gz");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_our_program),
		cmocka_unit_test(of_the_c_library),
		cmocka_unit_test(of_gcc_dwarf_4),
		cmocka_unit_test(of_gcc_dwarf_5_compressed),
		cmocka_unit_test(of_clang_dwarf_5),
		cmocka_unit_test(of_clang_dwarf_4_compressed),
	};

	return cmocka_run_group_tests_name("image/addr2line", tests, build_begin, build_end);
}
