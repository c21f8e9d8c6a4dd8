/*
 * trapped N [HOW]: calls work(i), then spin(8), N times, in its one thread that takes SIGTRAP, while another sends one
 * after the other, each when the last is handled.
 * HOW: process (default: by kill), thread (by tgkill: the kernel takes it for one with a trap that the thread runs into at
 * that moment, so that some may be lost), alone (nobody sends any), none (nor is there a handler).
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
static long sent;
static pthread_t worker;
static bool to_thread;

static void on_trap(int n)
{
	(void)n;
	handled++;
}

static void *send(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
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

int main(int argc, char **argv)
{
	long n = target_number(argc, argv, 1, 1000);
	const char *how = argc > 2 ? argv[2] : "process";
	bool none = strcmp(how, "none") == 0, alone = none || strcmp(how, "alone") == 0, good = true;
	pthread_t sender;

	target_begin();
	to_thread = strcmp(how, "thread") == 0;
	worker = pthread_self();
	if (!none)
		signal(SIGTRAP, on_trap);
	if (!alone && pthread_create(&sender, NULL, send, NULL))
		return 3;
	for (long i = 0; i < n; i++)
		good &= work_by_frame(i) == 2 * (uint64_t)i + 1 && spin(8) == 7;
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
