/*
 * given: calls functions whose arguments and results are passed in every way that the calling convention has.
 * Output: "given SUM"; exit 0.
 * Functions: given_scalars(text, count, ratio, small, flag, hue, at), given_small(point, mixed) -> mixed, given_point(x, y)
 * -> point, given_large(large, at) -> large, given_many(ten longs, two doubles), given_wide(long double) -> long double,
 * given_rest(count, ...), given_nothing().
 * Variants: given_slow (-O0), given_fast (-O2, DWARF 4).
 */
#include <stdarg.h>
#include <stdio.h>

#include "target.h"

enum hue { RED, GREEN = 5 };

struct point {
	int x, y;
};

struct mixed {
	double ratio;
	long count;
};

struct large {
	long all[4];
};

PLACE long given_scalars(const char *text, int count, double ratio, signed char small, _Bool flag, enum hue hue, int *at)
{
	return text[0] + count + (long)ratio + small + flag + (long)hue + *at;
}

PLACE struct mixed given_small(struct point point, struct mixed mixed)
{
	return (struct mixed){ mixed.ratio * 2, mixed.count + point.x + point.y };
}

PLACE struct point given_point(int x, int y)
{
	return (struct point){ x * 2, y * 2 };
}

PLACE struct large given_large(struct large large, int at)
{
	large.all[at] = 7;
	return large;
}

PLACE double given_many(long a, long b, long c, long d, long e, long f, long g, long h, long i, short j, double x, float y)
{
	return (double)(a + b + c + d + e + f + g + h + i + j) + x + (double)y;
}

PLACE long double given_wide(long double x)
{
	return x / 2;
}

PLACE int given_rest(int count, ...)
{
	va_list list;
	int sum = 0;

	va_start(list, count);
	for (int i = 0; i < count; i++)
		sum += va_arg(list, int);
	va_end(list);
	return sum;
}

PLACE void given_nothing(void)
{
	__asm__ volatile("");
}

int main(void)
{
	struct large large = { { 1, 2, 3, 4 } };
	struct mixed mixed;
	struct point point;
	int there = -9;
	double sum = 0;

	sum += (double)given_scalars("hello", -3, 2.5, -4, 1, GREEN, &there);
	mixed = given_small((struct point){ 3, -4 }, (struct mixed){ 1.5, 99 });
	sum += mixed.ratio + (double)mixed.count;
	point = given_point(4, 5);
	sum += point.x + point.y;
	large = given_large(large, 2);
	sum += (double)(large.all[0] + large.all[2]);
	sum += given_many(1, 2, 3, 4, 5, 6, -7, 8, 9, -10, 0.5, 0.25f);
	sum += (double)given_wide(3);
	sum += given_rest(3, 10, 20, 30);
	given_nothing();
	printf("given %.2f\n", sum);
	return 0;
}
