/*
 * What every target shares: a bound on its life, lines that are out at once, places to break on.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A function that a hook may sit on: called for real, never inlined, cloned or dropped. */
#define PLACE __attribute__((noinline, noipa, used))

static inline void target_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* A long run of the tests has more for it to do. */
	alarm(getenv("LONG") ? 600 : 60);
}

static inline int target_usage(const char *line)
{
	fprintf(stderr, "usage: %s\n", line);
	return 2;
}

/* The n-th argument as a number, or what it is when left out. */
static inline long target_number(int argc, char **argv, int n, long otherwise)
{
	return n < argc ? strtol(argv[n], NULL, 0) : otherwise;
}
