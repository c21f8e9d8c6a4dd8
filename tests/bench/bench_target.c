/*
 * bench_target CALLS [THREADS [sys|few|write]]: calls bench_fn(text, x) CALLS times in all, shared out among THREADS threads (1).
 * sys: passes bench_sys each time instead, a syscall instruction (getppid), which no tracer can run from a copy as it
 * is, since it sees its own address.
 * few: makes system calls instead, getppid, every thousandth getuid.
 * write: calls bench_fn_write instead, which writes x to the eight bytes of bench_cell.
 * Output: "calls N ns T", T round the calls only.
 * CPU: BENCH_CPU pins every thread there. bench_pad is room for a relocated copy.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

long bench_fn(const char *p, long x), bench_fn_sys(const char *p, long x), bench_fn_write(const char *p, long x);
long bench_add(long a, long b);
long bench_cell;

__asm__("	.intel_syntax noprefix\n"
	"	.text\n"
	"	.globl	bench_fn, bench_pad\n"
	"	.type	bench_fn, @function\n"
	"	.balign	16\n"
	"bench_fn: push	rbp\n"
	"bench_fn_next:\n"
	"	mov	rbp, rsp\n"
	"	movzx	eax, byte ptr [rdi]\n"
	"	add	rax, rsi\n"
	"	pop	rbp\n"
	"	ret\n"
	"	.size	bench_fn, . - bench_fn\n"
	"	.globl	bench_fn_sys, bench_sys\n"
	"	.type	bench_fn_sys, @function\n"
	"	.balign	16\n"
	"bench_fn_sys: mov eax, 110\n"
	"bench_sys: syscall\n"
	"	movzx	eax, byte ptr [rdi]\n"
	"	add	rax, rsi\n"
	"	ret\n"
	"	.size	bench_fn_sys, . - bench_fn_sys\n"
	"	.globl	bench_fn_write\n"
	"	.type	bench_fn_write, @function\n"
	"	.balign	16\n"
	"bench_fn_write: mov [bench_cell], rsi\n"
	"	movzx	eax, byte ptr [rdi]\n"
	"	add	rax, rsi\n"
	"	ret\n"
	"	.size	bench_fn_write, . - bench_fn_write\n"
	"	.balign	16\n"
	"bench_pad: .fill 32, 1, 0xcc\n"
	"	.att_syntax\n");

/* For a tracer to call. */
__attribute__((noinline, used)) long bench_add(long a, long b)
{
	return a + b;
}

static const char text[32] = "sixteen bytes and some more";
static long calls_each;
static long (*called)(const char *, long) = bench_fn;
static pthread_barrier_t start, end;

static void *run_few(void *arg)
{
	static atomic_long begun;
	long first = calls_each * atomic_fetch_add(&begun, 1);

	pthread_barrier_wait(&start);
	for (long i = first; i < first + calls_each; i++)
		syscall(i % 1000 ? SYS_getppid : SYS_getuid);
	pthread_barrier_wait(&end);
	return arg;
}

static void *run(void *arg)
{
	long sum = 0;

	pthread_barrier_wait(&start);
	for (long i = 0; i < calls_each; i++)
		sum += called(text, i);
	pthread_barrier_wait(&end);
	return sum == calls_each * text[0] + calls_each * (calls_each - 1) / 2 ? arg : NULL;
}

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 1000, threads = argc > 2 ? atol(argv[2]) : 1;
	const char *cpu = getenv("BENCH_CPU");
	void *(*body)(void *) = run;
	long long from;
	pthread_t t[64];

	alarm(60);
	if (threads < 1 || threads > 64)
		return 2;
	if (cpu && *cpu) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(atoi(cpu), &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			return 3;
	}
	if (argc > 3 && strcmp(argv[3], "few") == 0)
		body = run_few;
	else if (argc > 3)
		called = strcmp(argv[3], "write") == 0 ? bench_fn_write : bench_fn_sys;
	calls_each = calls / threads;
	pthread_barrier_init(&start, NULL, threads);
	pthread_barrier_init(&end, NULL, threads);
	for (long i = 1; i < threads; i++)
		if (pthread_create(&t[i], NULL, body, t))
			return 3;
	from = bench_now();
	if (!body(t))
		return 1;
	printf("calls %ld ns %lld\n", calls_each * threads, bench_now() - from);
	for (long i = 1; i < threads; i++) {
		void *good;

		pthread_join(t[i], &good);
		if (!good)
			return 1;
	}
	return 0;
}
