/*
 * layers [N]: calls through inlined functions, jumps into others, a recursion and a callback, N times (3).
 * Output: "layers SUM"; exit 0. Variant: layers_fast, optimised (-O2).
 * Lines that tests ask for are marked; labels: leaf, jumper.
 */
#include <stdint.h>

#include "target.h"

PLACE long leaf(long n)
{
	return n * 3 + 1;	/* line: leaf */
}

static inline __attribute__((always_inline)) long inner(long n)
{
	long twice = n * 2;

	return leaf(twice) + 1;	/* line: inner */
}

static inline __attribute__((always_inline)) long outer(long n)
{
	return inner(n) ^ 5;	/* line: outer */
}

__attribute__((noinline)) static long one(long n)
{
	return outer(n) + 7;
}

__attribute__((noinline)) static long two(long n)
{
	return outer(n + 1) - 7;
}

__attribute__((noinline, noclone)) long jumper(long n)
{
	return leaf(n + 2);	/* when optimised, a jump */
}

__attribute__((noinline)) static long down(long n)
{
	return n <= 0 ? jumper(n) : down(n - 1) + n;
}

static int compare(const void *a, const void *b)
{
	const long *one_of = a, *other = b;

	return leaf(*one_of) < leaf(*other) ? -1 : leaf(*one_of) > leaf(*other);
}

int main(int argc, char **argv)
{
	long values[] = { 5, 3, 9, 1 }, sum = 0;

	target_begin();
	for (long i = 0; i < target_number(argc, argv, 1, 3); i++) {
		sum += one(i) + two(i) + down(i % 5);
		qsort(values, 4, sizeof(values[0]), compare);
	}
	printf("layers %ld\n", sum + values[0]);
	return 0;
}
