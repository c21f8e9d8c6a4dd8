/*
 * antidebug_timing: measures how long timed() takes, which does nothing, by every clock there is.
 * Output: as antidebug.h says. More than 60 ms of any clock is what a person at a prompt takes.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <x86intrin.h>

#include "antidebug.h"

#define LIMIT_NS 60000000ll

static double ticks_per_ns;

PLACE long timed(long n)
{
	return n + 1;
}

static int64_t now(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t now_by_hand(clockid_t id)
{
	struct timespec t;

	syscall(SYS_clock_gettime, id, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t now_of_day(void)
{
	struct timeval t;

	gettimeofday(&t, NULL);
	return (t.tv_sec * 1000000ll + t.tv_usec) * 1000;
}

static int64_t ticks(void)
{
	return (int64_t)((double)__rdtsc() / ticks_per_ns);
}

static int64_t ticks_with_cpu(void)
{
	unsigned int cpu;

	return (int64_t)((double)__rdtscp(&cpu) / ticks_per_ns);
}

static int64_t monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

static int64_t raw(void)
{
	return now_by_hand(CLOCK_MONOTONIC_RAW);
}

static int64_t real(void)
{
	return now(CLOCK_REALTIME);
}

static int is_slow(int64_t (*clock)(void))
{
	int64_t before = clock();

	timed(1);
	before = clock() - before;
	return before < 0 || before > LIMIT_NS;
}

static int by_seconds(void)
{
	time_t before = time(NULL);

	for (int i = 0; i < 16; i++)
		timed(i);
	return time(NULL) - before > 1;
}

/* The counter, looked at twice: the best of some is a few cycles. */
static int is_trapped(void)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 50; i++) {
		int64_t before = (int64_t)__rdtsc(), taken = (int64_t)__rdtsc() - before;

		best = taken < best ? taken : best;
	}
	return best <= 0 || best > 1000;
}

/* A sleep that was cut short, or that clocks do not agree on. */
static int sleeps(void)
{
	int64_t before = monotonic(), other = ticks(), day = now_of_day();

	usleep(100000);
	before = monotonic() - before;
	other = ticks() - other;
	day = now_of_day() - day;
	return before < 100000000 || before > 5000000000 || other < before / 2 || other > before * 2 ||
	       day < before - 20000000 || day > before + LIMIT_NS;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static int is_off(int64_t before, int64_t least)
{
	int64_t taken = monotonic() - before;

	return taken < least || taken > 5000000000;
}

#define WAIT	99000000	/* what a call waits by itself */
#define TIMER	50000000	/* what a timer has left when it is waited for, on a machine that is busy */

/* What takes a tenth of a second does so, by whatever it waits. */
static int waits(void)
{
	int64_t before = monotonic();
	struct itimerspec timer = { 0 };
	struct timespec until;
	uint64_t ticked;
	int fd, found;

	poll(NULL, 0, 100);
	found = is_off(before, WAIT);

	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	before = monotonic() + 100000000;
	timer.it_value = (struct timespec){ before / 1000000000, before % 1000000000 };
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &timer, NULL);
	found |= read(fd, &ticked, sizeof(ticked)) != sizeof(ticked) || is_off(before - 100000000, TIMER);
	close(fd);

	before = monotonic() + 100000000;
	until = (struct timespec){ before / 1000000000, before % 1000000000 };
	found |= clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0 || is_off(before - 100000000, WAIT);

	signal(SIGALRM, on_alarm);
	before = monotonic();
	ualarm(100000, 0);
	pause();
	found |= is_off(before, TIMER);
	signal(SIGALRM, SIG_DFL);
	target_begin();
	return found;
}

static void *run_timed(void *arg)
{
	timed(1);
	return arg;
}

/* A thread waits for another one, in which nothing takes time. */
static int joins(void)
{
	int64_t before = monotonic();
	pthread_t thread;

	pthread_create(&thread, NULL, run_timed, NULL);
	pthread_join(thread, NULL);
	return monotonic() - before > LIMIT_NS;
}

/* What is no time at all has to pass all the same. */
static int waits_for_a_moment(void)
{
	int64_t until = monotonic() + 20000000;

	while (monotonic() < until)
		;
	return 0;
}

static void calibrate(void)
{
	int64_t before = monotonic(), ticks_before = (int64_t)__rdtsc();

	usleep(20000);
	ticks_per_ns = (double)((int64_t)__rdtsc() - ticks_before) / (double)(monotonic() - before);
}

int main(void)
{
	target_begin();
	calibrate();
	verdict("rdtsc", is_slow(ticks));
	verdict("rdtscp", is_slow(ticks_with_cpu));
	verdict("clock_gettime", is_slow(monotonic));
	verdict("realtime", is_slow(real));
	verdict("system call", is_slow(raw));
	verdict("gettimeofday", is_slow(now_of_day));
	verdict("time", by_seconds());
	verdict("join", joins());
	verdict("pair", is_trapped());
	verdict("sleep", sleeps());
	verdict("waits", waits());
	verdict("moment", waits_for_a_moment());
	return antidebug_found;
}
