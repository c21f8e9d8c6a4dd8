/*
 * watched MODE [N [M]]: touches `cell` (32 bytes, aligned to them), in ways that a watch is to count.
 *	plain		a fixed order of accesses, see below; each line of it says what it does
 *	threads N M	N threads (4), born before main_ready() is passed and after it by halves, write to cell M times each (10)
 *	fork		the child writes twice, then the parent once
 *	vfork		the same with vfork's child
 *	exec		writes once, then runs itself as `plain`
 *	syscall		read(2) fills cell
 *	loop		prints "pid N" and "ready", then writes until its standard input ends
 *	signals N	writes N times (1000) under a storm of SIGUSR1, whose handler writes to beside
 * main_ready() is called once everything stands; done() at the end.
 * Output: "writes K", the number that cell must have seen; exit 0.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

#include "target.h"

uint8_t cell[32] __attribute__((aligned(32)));
uint64_t beside;

PLACE void main_ready(void)
{
	__asm__ volatile("");
}

PLACE void done(void)
{
	__asm__ volatile("");
}

PLACE uint64_t twice(uint64_t x)
{
	return 2 * x;
}

#define STORE(suffix, reg, value, offset)                                                                            \
	__asm__ volatile("mov" suffix " %" reg "0, %1" : : "r"((uint64_t)(value)), "m"(cell[offset]) : "memory")

PLACE void write_cell(uint64_t value)
{
	STORE("q", "q", value, 0);
}

/* Each write of one instruction. */
PLACE void plain(void)
{
	uint64_t from[4] = { 1, 2, 3, 4 }, n = 4, value;
	void *to = cell, *source = from;

	main_ready();
	write_cell(1);			/* 8 bytes at 0 */
	write_cell(1);			/* an equal value */
	write_cell(0x0102030405060708);
	STORE("b", "b", 0xaa, 3);	/* 1 byte at 3 */
	STORE("w", "w", 0xbbbb, 6);	/* 2 bytes at 6 */
	STORE("l", "k", 0xcccccccc, 4);	/* 4 bytes at 4 */
	STORE("q", "q", 5, 5);		/* 8 bytes at 5 */
	STORE("b", "b", 7, 31);		/* the last byte */
	__asm__ volatile("movq %1, %0" : "=r"(value) : "m"(cell[0]));	/* a read of 8 bytes at 0 */
	__asm__ volatile("movb %1, %b0" : "=r"(value) : "m"(cell[17]));	/* a read of 1 byte at 17 */
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(n) : : "memory");	/* 8 bytes at 0, 8, 16, 24 */
	__asm__ volatile("incq %0" : "+m"(beside));			/* not cell */
	value = twice(21);
	value += twice(4);
	if (value != 50)
		exit(1);
	puts("writes 12");
}

struct work {
	pthread_t thread;
	long times;
};

static void *write_times(void *arg)
{
	const struct work *work = arg;

	for (long i = 0; i < work->times; i++)
		write_cell((uint64_t)i / 2);
	return NULL;
}

static pthread_barrier_t barrier;

static void *wait_and_write(void *arg)
{
	pthread_barrier_wait(&barrier);
	return write_times(arg);
}

static void threads(long n, long times)
{
	struct work *works = calloc((size_t)n, sizeof(*works));

	pthread_barrier_init(&barrier, NULL, (unsigned)(n / 2 + 1));
	for (long i = 0; i < n; i++) {
		works[i].times = times;
		if (i == n / 2) {
			main_ready();
			pthread_barrier_wait(&barrier);
		}
		if (pthread_create(&works[i].thread, NULL, i < n / 2 ? wait_and_write : write_times, &works[i]))
			exit(3);
	}
	for (long i = 0; i < n; i++)
		pthread_join(works[i].thread, NULL);
	free(works);
	printf("writes %ld\n", n * times);
}

static void family(pid_t (*make)(void))
{
	pid_t child;

	main_ready();
	child = make();
	if (child == 0) {
		write_cell(1);
		write_cell(2);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	write_cell(3);
	puts("writes 3");
}

static void vforked(void)
{
	pid_t child;

	main_ready();
	child = vfork();
	if (child == 0) {
		write_cell(1);
		write_cell(2);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	write_cell(3);
	puts("writes 3");
}

static void loop(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	printf("pid %d\nready\n", getpid());
	for (uint64_t i = 0; poll(&in, 1, 0) == 0; i++)
		write_cell(i);
	done();
	puts("ended");
}

static volatile sig_atomic_t storming = 1;

static void on_signal(int sig)
{
	(void)sig;
	beside++;
}

static void *storm(void *arg)
{
	pthread_t *at = arg;

	while (storming)
		pthread_kill(*at, SIGUSR1);
	return NULL;
}

static void under_signals(long times)
{
	pthread_t self = pthread_self(), thread;

	signal(SIGUSR1, on_signal);
	main_ready();
	if (pthread_create(&thread, NULL, storm, &self))
		exit(3);
	for (long i = 0; i < times; i++)
		write_cell((uint64_t)i / 2);
	storming = 0;
	pthread_join(thread, NULL);
	printf("writes %ld\n", times);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	target_begin();
	if (strcmp(mode, "plain") == 0) {
		plain();
	} else if (strcmp(mode, "threads") == 0) {
		threads(target_number(argc, argv, 2, 4), target_number(argc, argv, 3, 10));
	} else if (strcmp(mode, "fork") == 0) {
		family(fork);
	} else if (strcmp(mode, "vfork") == 0) {
		vforked();
	} else if (strcmp(mode, "exec") == 0) {
		main_ready();
		write_cell(1);
		execv("/proc/self/exe", (char *[]){ argv[0], "plain", NULL });
		return 3;
	} else if (strcmp(mode, "syscall") == 0) {
		int ends[2];

		if (pipe(ends) || write(ends[1], "12345678", 8) != 8)
			return 3;
		main_ready();
		if (read(ends[0], cell, 8) != 8)
			return 3;
		write_cell(1);
		puts("writes 1");
	} else if (strcmp(mode, "loop") == 0) {
		loop();
		return 0;
	} else if (strcmp(mode, "signals") == 0) {
		under_signals(target_number(argc, argv, 2, 1000));
	} else {
		return target_usage("watched plain|threads|fork|vfork|exec|syscall|loop|signals [N [M]]");
	}
	done();
	return 0;
}
