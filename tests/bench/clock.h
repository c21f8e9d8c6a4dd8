/* The clock of every measurement here, in nanoseconds. */
#pragma once

#include <time.h>

static inline long long bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
