/*
 * typed: structures of every kind, filled with known values, and functions with parameters and variables of them.
 * Output: "typed 0xADDRESS" of the_task, then "done SUM"; exit 0.
 * Labels: typed_here(task, count, ratio), in which locals are set; typed_many(12 parameters); typed_value(by value).
 * Variants: typed_slow (-O0), typed_fast (-O2, DWARF 4).
 */
#include <stdint.h>

#include "target.h"

enum state { IDLE, RUNNING = 3, WAITING = 7, GONE = -1 };

struct point {
	int x, y;
};

typedef struct {
	unsigned a : 3;
	signed b : 5;
	unsigned long long wide : 40;
	_Bool flag : 1;
} bits_t;

union number {
	uint32_t whole;
	float real;
	uint8_t bytes[4];
};

struct task {
	int pid;
	char name[16];
	enum state state;
	struct point where;
	struct point path[3];
	bits_t bits;
	union number number;
	struct {
		short inner;
		unsigned char small;
	};
	struct task *next;
	const char *title;
	int grid[2][3];
	double ratio;
	float half;
	long long big;
	unsigned long top;
	_Bool yes;
	long double precise;
	int (*call)(int);
	void *blank;
	char letter;
};

static int twice(int n)
{
	return 2 * n;
}

static struct task second = { .pid = 43, .name = "second", .state = WAITING };

struct task the_task = {
	.pid = 42, .name = "first", .state = RUNNING, .where = { 3, -4 }, .path = { { 1, 2 }, { 3, 4 }, { 5, 6 } },
	.bits = { 5, -3, 0xabcdef0123, 1 }, .number = { .real = 1.5f }, .inner = -7, .small = 200, .next = &second,
	.title = "a title", .grid = { { 1, 2, 3 }, { 4, 5, 6 } }, .ratio = 0.25, .half = 0.5f, .big = -(1ll << 62) - 1,
	.top = 0xfedcba9876543210, .yes = 1, .precise = 2.5L, .call = twice, .letter = 'Q',
};

PLACE long typed_done(long sum)
{
	return sum;
}

PLACE long typed_here(struct task *task, int count, double ratio)
{
	long total = count * 2;
	struct point here = { count, count + 1 };
	const char *words = "some words";
	static int calls = 9;
	_Bool quiet = count > 100;

	calls++;
	{
		int total = 5;

		typed_done(total + here.x);
	}
	return total + here.y + (long)ratio + task->pid + words[0] + calls + quiet;
}

PLACE long typed_many(int a, long b, char c, float d, double e, struct point f, unsigned char *g, short h, long i, int j,
		      struct task k, double l)
{
	return a + b + c + (long)d + (long)e + f.y + *g + h + i + j + k.pid + (long)l;
}

PLACE struct task typed_value(struct point at, double by)
{
	struct task made = { .pid = at.x, .ratio = by };

	return made;
}

int main(void)
{
	unsigned char seven = 7;
	long sum;

	target_begin();
	printf("typed %p\n", (void *)&the_task);
	fflush(stdout);
	sum = typed_here(&the_task, 11, 2.75);
	sum += typed_many(1, -2, 'c', 4.5f, 5.5, (struct point){ 6, 66 }, &seven, -8, 9, 10, the_task, 12.5);
	sum += typed_value((struct point){ 5, 6 }, 1.25).pid;
	printf("done %ld\n", sum);
	return 0;
}
