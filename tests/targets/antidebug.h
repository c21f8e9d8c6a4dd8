/*
 * What the programs that look for a tracer share: one line for each check, "NAME: ok" or "NAME: traced", and at the end 0,
 * or 1 when any was traced.
 */
#pragma once

#include <fcntl.h>
#include <sys/wait.h>

#include "target.h"

static int antidebug_found;

static inline void verdict(const char *name, int traced)
{
	printf("%s: %s\n", name, traced ? "traced" : "ok");
	antidebug_found |= traced;
}

/* What a child finds out: fn's result, through its exit status. A child that ends in another way has been disturbed. */
static inline int in_child(int (*fn)(void))
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(fn());
	while (waitpid(child, &status, 0) < 0)
		;
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* A whole file, with a zero byte behind it; "" when it cannot be read. */
static inline char *slurp(const char *path)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n = 0, r;

	if (fd >= 0) {
		while ((r = read(fd, buf + n, sizeof(buf) - 1 - (size_t)n)) > 0)
			n += r;
		close(fd);
	}
	buf[n] = 0;
	return buf;
}

/* The number behind a word of /proc/PID/status, or -1. */
static inline long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static inline int suspicious(const char *name)
{
	static const char *const names[] = { "gdb", "lldb", "strace", "ltrace", "ptracehook", "frida", "radare2" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(name, names[i]))
			return 1;
	return 0;
}
