/* spawn: which file a name means. The forking half is tested where it is used, in tests/trace. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/spawn.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

/*
 * The folder that we stand in: one/tool two/tool (both executable), one/plain (not), two/plain (executable),
 * one/only_plain (not), one/folder/ (executable, no file), tool.
 */
static const struct {
	const char *path;
	int mode;	/* 0: a folder */
} tree[] = {
	{ "one", 0 }, { "two", 0 }, { "one/folder", 0 }, { "one/tool", 0755 }, { "two/tool", 0755 },
	{ "one/plain", 0644 }, { "two/plain", 0755 }, { "one/only_plain", 0644 }, { "tool", 0755 },
};

static char top[4096];

static int make_tree(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(top, sizeof(top), "%s/ptracehook.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(top) || chdir(top) < 0)
		return -1;
	for (size_t i = 0; i < N_OF(tree); i++) {
		int fd = tree[i].mode ? open(tree[i].path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;

		if (tree[i].mode ? fd < 0 || fchmod(fd, (mode_t)tree[i].mode) < 0 : mkdir(tree[i].path, 0755) < 0)
			return -1;
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	for (size_t i = N_OF(tree); i-- > 0;)
		if (remove(tree[i].path) < 0)
			return -1;
	return chdir("/") < 0 || rmdir(top) < 0 ? -1 : 0;
}

static void names_are_searched_as_execvp_does(void **state)
{
	static const struct {
		const char *name, *search_path;
		int r;
		const char *path;
	} rows[] = {
		{ "tool", "one:two", 0, "one/tool" },
		{ "tool", "two:one", 0, "two/tool" },
		{ "tool", "none:two", 0, "two/tool" },
		{ "tool", ":two", 0, "./tool" },	/* an empty entry is this folder */
		{ "tool", "none:", 0, "./tool" },
		{ "tool", "none::two", 0, "./tool" },
		{ "tool", "", 0, "./tool" },
		{ "plain", "one:two", 0, "two/plain" },	/* one that may not be executed is passed over */
		{ "only_plain", "one:two", -EACCES, NULL },
		{ "only_plain", "one:none", -EACCES, NULL },
		{ "folder", "one", -ENOENT, NULL },	/* executable, but no program */
		{ "absent", "one:two", -ENOENT, NULL },
		{ "tool", "none", -ENOENT, NULL },
		{ "tool", "one/tool", -ENOENT, NULL },	/* an entry that is no folder */
		{ "", "one", -ENOENT, NULL },
		/* With a slash it is taken as it stands, and exec says what is wrong with it. */
		{ "./tool", "one:two", 0, "./tool" },
		{ "one/tool", "two", 0, "one/tool" },
		{ "no/such", "one", 0, "no/such" },
		{ "one/only_plain", "two", 0, "one/only_plain" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char *path = NULL;
		int r = ph_os_program_find(rows[i].name, rows[i].search_path, &path);

		if (r != rows[i].r)
			fail_msg("row %zu: %s in %s gives %d", i, rows[i].name, rows[i].search_path, r);
		if (r == 0)
			assert_string_equal(path, rows[i].path);
		free(r == 0 ? path : NULL);
	}
}

static void without_a_path_the_system_is_searched(void **state)
{
	char *path;

	(void)state;
	assert_int_equal(ph_os_program_find("sh", NULL, &path), 0);
	assert_int_equal(access(path, X_OK), 0);
	free(path);
	assert_int_equal(ph_os_program_find("tool", NULL, &path), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_searched_as_execvp_does),
		cmocka_unit_test(without_a_path_the_system_is_searched),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
