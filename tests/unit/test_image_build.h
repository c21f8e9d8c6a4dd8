/*
 * Programs compiled on the spot, for the tests of core/image: in a folder of the test's own that goes with it. Header
 * only, so that each test stays one file.
 */
#ifndef PH_TEST_IMAGE_BUILD_H
#define PH_TEST_IMAGE_BUILD_H

#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char build_folder[PATH_MAX];

static inline int build_begin(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(build_folder, sizeof(build_folder), "%s/ph-image-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(build_folder) ? 0 : -1;
}

static inline int build_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int build_end(void **state)
{
	(void)state;
	return nftw(build_folder, build_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file in the folder; good for four calls. */
static inline const char *build_path(const char *name)
{
	static char paths[4][PATH_MAX + 64];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", build_folder, name);
	return path;
}

/* Runs a command in the folder; its exit status. */
__attribute__((format(printf, 1, 2))) static inline int build_run(const char *fmt, ...)
{
	char command[PATH_MAX + 1024];
	int len = snprintf(command, sizeof(command), "cd '%s' && ", build_folder);
	va_list args;

	va_start(args, fmt);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, args);
	va_end(args);
	return system(command);
}

static inline int build_write(const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(build_path(name), "w");

	if (!file)
		return -1;
	len -= fwrite(bytes, 1, len, file);
	return fclose(file) || len ? -1 : 0;
}

#endif
