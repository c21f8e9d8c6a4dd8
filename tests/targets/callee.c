/*
 * callee [MODE]: functions to be called from outside, and a thread to call them on.
 *   loop (default): stands in place() three times; prints what it finds of its own afterwards: "errno 3", "left N" for
 *                   each time that jumps() led it back.
 *   blocked:        waits in read(2) of a pipe until another thread sees `go` and writes; prints "read 1".
 *   naps:           nanosleep(2) of half a second; prints "slept 0 long", or what went wrong.
 *   signalled:      sends itself SIGUSR1 in place(); prints "handled N".
 *   threads:        four threads count in `counts` until `go`; the main one stands in place().
 * Exit 0.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "target.h"

volatile int go;
volatile long counts[4];
volatile long marked;
static jmp_buf outside;
static volatile int handled;

PLACE long place(long n)
{
	return n;
}

PLACE long add(long a, long b)
{
	return a + b;
}

PLACE long sum12(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k, long l)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l;
}

PLACE double mix(long a, double x, long b, double y, float unused, double z)
{
	(void)unused;
	return (double)a * x + (double)b * y + z;
}

PLACE double nine(double a, double b, double c, double d, double e, double f, double g, double h, double i)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
}

PLACE long length(const char *text)
{
	return (long)strlen(text);
}

PLACE long fill(char *buf, long n)
{
	for (long i = 0; i < n; i++)
		buf[i] = (char)(buf[i] + i);
	return n;
}

PLACE long is_aligned(void)
{
	/* The frame pointer is right below the return address. */
	return ((unsigned long)__builtin_frame_address(0) & 15) == 0;
}

PLACE long marker(long n)
{
	marked = marked + n;
	return marked;
}

PLACE long calls_marker(long n)
{
	return marker(n) + marker(n);
}

PLACE long sets_errno(void)
{
	errno = EDOM;
	return 0;
}

/* Everything that a function may change, and some that it may not. */
PLACE long wrecks(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm1, %%xmm1\n pcmpeqd %%xmm7, %%xmm7\n pcmpeqd %%xmm15, %%xmm15\n"
			 "fldpi\n fldpi\n mov $-1, %%rbx\n mov $-1, %%r12\n mov $-1, %%r15\n std" ::: "xmm0", "xmm1", "xmm7",
			 "xmm15", "rbx", "r12", "r15", "cc");
	__asm__ volatile("cld");
	return 1;
}

PLACE long crashes(void)
{
	*(volatile int *)0x10 = 1;
	return 0;
}

PLACE long aborts(void)
{
	abort();
}

PLACE long divides(long by)
{
	return marked / by;
}

PLACE long spins(void)
{
	for (;;)
		marked = marked + 1;
	return 0;
}

PLACE long jumps(void)
{
	longjmp(outside, 1);
}

PLACE void ends(void)
{
	pthread_exit(NULL);
}

PLACE void quits(void)
{
	exit(7);
}

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static int loop(void)
{
	volatile int left = 0;

	errno = 3;
	if (setjmp(outside)) {
		left = left + 1;
		place(100);
	}
	for (long i = 0; i < 3; i++)
		place(i);
	printf("errno %d\nleft %d\nmarked %ld\n", errno, left, marked);
	return 0;
}

static void *write_when_told(void *fd)
{
	while (!go)
		usleep(1000);
	if (write((int)(long)fd, "x", 1) != 1)
		abort();
	return NULL;
}

static int blocked(void)
{
	pthread_t writer;
	char byte;
	int fds[2];
	long n;

	if (pipe(fds) < 0)
		return 1;
	pthread_create(&writer, NULL, write_when_told, (void *)(long)fds[1]);
	place(0);
	n = read(fds[0], &byte, 1);
	printf("read %ld\n", n);
	pthread_join(writer, NULL);
	return 0;
}

static int naps(void)
{
	struct timespec half = { 0, 500000000 }, from, to;
	int r;

	place(0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	r = nanosleep(&half, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("slept %d %s\n", r ? errno : 0,
	       (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >= 499 ? "long" : "short");
	return 0;
}

static int signalled(void)
{
	signal(SIGUSR1, on_usr1);
	place(0);
	raise(SIGUSR1);
	place(1);
	printf("handled %d\n", handled);
	return 0;
}

static void *count(void *n)
{
	while (!go)
		counts[(long)n]++;
	return NULL;
}

static int threads(void)
{
	pthread_t list[4];

	for (long i = 0; i < 4; i++)
		pthread_create(&list[i], NULL, count, (void *)i);
	for (int i = 0; i < 4; i++)
		while (!counts[i])
			sched_yield();
	place(0);
	go = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(list[i], NULL);
	puts("done");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} modes[] = {
		{ "loop", loop }, { "blocked", blocked }, { "naps", naps }, { "signalled", signalled }, { "threads", threads },
	};
	const char *mode = argc > 1 ? argv[1] : "loop";

	target_begin();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, mode) == 0)
			return modes[i].run();
	return target_usage("callee [loop|blocked|naps|signalled|threads]");
}
