/*
 * antidebug_environment: looks for what debuggers leave around a program: variables, descriptors, its own attributes.
 * Output: as antidebug.h says. Descriptors 3 to 9 are to be closed.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/prctl.h>

#include "antidebug.h"

static int has(const char *name)
{
	return getenv(name) != NULL;
}

/* The shell's word for what it started. */
static int is_started_by_other(const char *program)
{
	const char *value = getenv("_");

	return value && suspicious(value) && strcmp(value, program) != 0;
}

/* The same in the memory that the kernel shows. */
static int by_file(void)
{
	static const char *const names[] = { "LINES=", "COLUMNS=", "LD_PRELOAD=" };
	int fd = open("/proc/self/environ", O_RDONLY), found = 0;
	static char text[1 << 20];
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(text) - 1 && (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	for (const char *at = text; at < text + n; at += strlen(at) + 1) {
		for (size_t i = 0; i < 3; i++)
			found |= strncmp(at, names[i], strlen(names[i])) == 0;
		found |= strncmp(at, "_=", 2) == 0 && suspicious(at + 2) && !strstr(at, "antidebug");
	}
	return found;
}

static int has_descriptors(void)
{
	int found = 0;

	for (int fd = 3; fd < 10; fd++)
		found |= fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
	return found;
}

static int has_listed_descriptors(void)
{
	DIR *all = opendir("/proc/self/fd");
	struct dirent *entry;
	int found = 0;

	while (all && (entry = readdir(all))) {
		long fd = strtol(entry->d_name, NULL, 10);

		found |= fd > 2 && fd < 10 && fd != dirfd(all);
	}
	if (all)
		closedir(all);
	return found;
}

static int is_dumpable_odd(void)
{
	int before = prctl(PR_GET_DUMPABLE), hidden;

	prctl(PR_SET_DUMPABLE, 0);
	hidden = prctl(PR_GET_DUMPABLE);
	prctl(PR_SET_DUMPABLE, 1);
	return before != 1 || hidden != 0 || prctl(PR_GET_DUMPABLE) != 1;
}

/* Nobody may attach but this one, where there is Yama; a tracer that is there has to live with it. */
static int is_ptracer_odd(void)
{
	int r = prctl(PR_SET_PTRACER, getpid());

	return r < 0 && errno != EINVAL;
}

static int has_attributes(void)
{
	int tsc = 0;

	return prctl(PR_GET_SECCOMP) != 0 || prctl(PR_GET_TSC, &tsc) < 0 || tsc != PR_TSC_ENABLE;
}

int main(int argc, char **argv)
{
	(void)argc;
	target_begin();
	verdict("_", is_started_by_other(argv[0]));
	verdict("LINES", has("LINES") || has("COLUMNS"));
	verdict("LD_PRELOAD", has("LD_PRELOAD"));
	verdict("environ", by_file());
	verdict("descriptors", has_descriptors());
	verdict("listed descriptors", has_listed_descriptors());
	verdict("dumpable", is_dumpable_odd());
	verdict("ptracer", is_ptracer_odd());
	verdict("attributes", has_attributes());
	return antidebug_found;
}
