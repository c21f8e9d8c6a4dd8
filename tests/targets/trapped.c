/*
 * trapped N [HOW]: calls work(i), spin(8), then edges(i), N times, in its one thread that takes SIGTRAP, while another
 * sends one after the other, each when the last is handled.
 * HOW: process (default: by kill), thread (by tgkill: the kernel takes it for one with a trap that the thread runs into at
 * that moment, so that some may be lost), alone (nobody sends any), blocked (the same, and the thread blocks it from the
 * 100th time to the last), none (nor is there a handler), beside (a thread that blocks it and has sent itself one calls
 * edges, once may_go is set; the first calls spin; "handled K" as well).
 * Output: "trapped N", without a sender "handled K"; exit 0 when each signal was handled once (thread: or lost) and each
 * call gave what it should, 1 when not.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "target.h"
#include "work.h"

/* The address behind spin's first instruction, of one byte, is where its loop begins. */
uint64_t spin(uint64_t n);
__asm__("	.intel_syntax noprefix\n"
	"	.text\n"
	"	.globl	spin\n"
	"	.type	spin, @function\n"
	"spin:	push	rbp\n"
	"1:	lea	rax, [rax + 1]\n"
	"	dec	rdi\n"
	"	jnz	1b\n"
	"	mov	eax, 7\n"
	"	pop	rbp\n"
	"	ret\n"
	"	.size	spin, . - spin\n"
	"	.att_syntax\n");

/* i + 5. Its instructions of one byte are edges_push, edges_pop, edges_leave and edges_ret; edges_add is a longer one. */
uint64_t edges(uint64_t i);
__asm__("	.intel_syntax noprefix\n"
	"	.text\n"
	"	.globl	edges, edges_push, edges_add, edges_pop, edges_leave, edges_ret\n"
	"	.type	edges, @function\n"
	"edges:	push	rbp\n"
	"	mov	rbp, rsp\n"
	"edges_push: push rbx\n"
	"	mov	ebx, 5\n"
	"edges_add: lea	rax, [rdi + rbx]\n"
	"edges_pop: pop	rbx\n"
	"edges_leave: leave\n"
	"edges_ret: ret\n"
	"	xor	eax, eax\n"
	"	ret\n"
	"	.size	edges, . - edges\n"
	"	.att_syntax\n");

/* work(i) from a caller whose rbp, which work pushes, points behind what would be a call if it were code. */
uint64_t work_by_frame(uint64_t i);
__asm__("	.intel_syntax noprefix\n"
	"	.data\n"
	"looks_called: .byte 0xe8, 0, 0, 0, 0\n"
	"looks_returned: .quad 0\n"
	"	.text\n"
	"work_by_frame:\n"
	"	push	rbp\n"
	"	lea	rbp, [rip + looks_returned]\n"
	"	call	work\n"
	"	pop	rbp\n"
	"	ret\n"
	"	.att_syntax\n");

static atomic_long handled;
static atomic_bool is_over;
static atomic_long sent;
static pthread_t worker;
static bool to_thread;

static void on_trap(int n)
{
	(void)n;
	handled++;
}

static void block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	pthread_sigmask(how, &set, NULL);
}

static void *send(void *arg)
{
	block(SIG_BLOCK);
	while (!is_over) {
		long before = handled;

		sent++;
		if (to_thread)
			pthread_kill(worker, SIGTRAP);
		else
			kill(getpid(), SIGTRAP);
		for (int i = 0; handled == before && !is_over && (!to_thread || i < 1000); i++)
			sched_yield();
	}
	return arg;
}

/* On a busy machine all would be over before it has sent any. */
static void await_sender(void)
{
	long before = sent;

	while (sent == before)
		sched_yield();
}

static atomic_bool is_there, may_go;

static void *run_beside(void *arg)
{
	block(SIG_BLOCK);
	pthread_kill(pthread_self(), SIGTRAP);
	is_there = true;
	while (!may_go)
		sched_yield();
	edges(1);
	block(SIG_UNBLOCK);
	return arg;
}

static int two_at_once(void)
{
	pthread_t beside;

	for (int i = 0; i < 100; i++)
		edges(1);
	if (pthread_create(&beside, NULL, run_beside, NULL))
		return 3;
	while (!is_there)
		sched_yield();
	spin(8);
	pthread_join(beside, NULL);
	printf("handled %ld\n", handled);
	return 0;
}

int main(int argc, char **argv)
{
	long n = target_number(argc, argv, 1, 1000);
	const char *how = argc > 2 ? argv[2] : "process";
	bool none = strcmp(how, "none") == 0, blocked = strcmp(how, "blocked") == 0, good = true;
	bool alone = none || blocked || strcmp(how, "alone") == 0;
	pthread_t sender;

	target_begin();
	to_thread = strcmp(how, "thread") == 0;
	worker = pthread_self();
	if (!none)
		signal(SIGTRAP, on_trap);
	if (strcmp(how, "beside") == 0)
		return two_at_once();
	if (!alone && pthread_create(&sender, NULL, send, NULL))
		return 3;
	for (long i = 0; i < n; i++) {
		if (blocked && i == 100)
			block(SIG_BLOCK);
		if (!alone && i % 32 == 0)
			await_sender();
		good &= work_by_frame(i) == 2 * (uint64_t)i + 1 && spin(8) == 7 && edges(i) == (uint64_t)i + 5;
	}
	if (blocked)
		block(SIG_UNBLOCK);
	if (alone) {
		printf("handled %ld\n", handled);
		return !good;
	}
	is_over = true;
	pthread_join(sender, NULL);
	/* The last one may have come after the loop, at the latest on the way out of a call. */
	sched_yield();
	printf("trapped %ld\n", n);
	return good && (to_thread ? handled <= sent : handled == sent) ? 0 : 1;
}
