/*
 * frames WHAT [N [THREADS]]: functions that are entered and left in every way there is.
 *
 *	recurse		each thread calls deep(N), which calls itself N times
 *	jump		each thread calls jumper N times; each call goes down N % 8 times and then jumps out by longjmp
 *	throw		the same by an exception, through frames with destructors
 *	plunge		each thread calls jumper and thrower N - 1, which go all the way down before they jump and throw
 *	mixed		recurse, jump and throw in turns
 *	tail		tail_first(i) N times, which ends in a jump to tail_last(i)
 *	signal		interrupted(i) N times, in which a handler, on a stack of its own, calls in_handler(i)
 *	leap		the same, but the handler leaves by siglongjmp
 *	gone		gone() in each thread, which ends in pthread_exit
 *	exit		leaver(7), which ends in exit(7)
 *	alike		alike(1.5, 2, "text", -3): a double, an unsigned char, a string, a long
 *	many		many(1, …, 8, 9.5): stack arguments
 *
 * Output: "sum S", what the calls gave; exit 0.
 */
#include <csetjmp>
#include <csignal>
#include <pthread.h>

extern "C" {
#include "target.h"

static long n = 1;
static const char *what = "recurse";
static __thread long sum;
static __thread jmp_buf env;
static __thread sigjmp_buf signal_env;
static __thread long level;

PLACE long deep(long left)
{
	return left <= 1 ? 1 : deep(left - 1) + 1;
}

PLACE long jumper(long left)
{
	if (left == 0 && level >= 0)
		longjmp(env, 1);
	return left < 0 ? 0 : jumper(left - 1) + 1;
}

struct counted {
	counted() { level++; }
	~counted() { level--; }
};

PLACE long thrower(long left)
{
	counted here;

	if (left == 0)
		throw 5L;
	return thrower(left - 1) + 1;
}

PLACE long catcher(long left)
{
	try {
		return thrower(left);
	} catch (long value) {
		return value;
	}
}

PLACE long tail_last(long i)
{
	return i + 1;
}

long tail_first(long i);
__asm__(".text\n.globl tail_first\n.type tail_first, @function\ntail_first:\n\tadd $10, %rdi\n\tjmp tail_last\n"
	".size tail_first, . - tail_first\n");

PLACE long in_handler(long i)
{
	return i * 2;
}

static void on_signal(int)
{
	sum += in_handler(1);
	if (strcmp(what, "leap") == 0)
		siglongjmp(signal_env, 1);
}

PLACE long interrupted(long i)
{
	raise(SIGUSR1);
	return i;
}

PLACE void gone(void)
{
	pthread_exit(nullptr);
}

PLACE void leaver(int code)
{
	exit(code);
}

PLACE float alike(double a, unsigned char b, const char *text, long c)
{
	return (float)(a + b + (double)strlen(text) + (double)c);
}

PLACE double many(int a, int b, int c, int d, int e, int f, short g, int h, double i)
{
	return a + b + c + d + e + f + g + h + i;
}

PLACE void jump_once(long left)
{
	if (setjmp(env) == 0)
		sum += jumper(left);
	else
		sum += 3;
}

PLACE void leap_once(long i)
{
	if (sigsetjmp(signal_env, 1) == 0)
		sum += interrupted(i);
	else
		sum += 4;
}

static void use_own_stack(void)
{
	stack_t stack = {};
	struct sigaction action = {};

	stack.ss_size = 65536;
	stack.ss_sp = malloc(stack.ss_size);
	sigaltstack(&stack, nullptr);
	action.sa_handler = on_signal;
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &action, nullptr);
}

static void work(const char *how)
{
	if (strcmp(how, "recurse") == 0)
		sum += deep(n);
	for (long i = 0; i < n; i++) {
		if (strcmp(how, "jump") == 0)
			jump_once(i % 8);
		else if (strcmp(how, "throw") == 0)
			sum += catcher(i % 8);
		else if (strcmp(how, "tail") == 0)
			sum += tail_first(i);
		else if (strcmp(how, "signal") == 0)
			sum += interrupted(i);
		else if (strcmp(how, "leap") == 0)
			leap_once(i);
	}
	if (strcmp(how, "plunge") == 0) {
		jump_once(n - 1);
		sum += catcher(n - 1);
	}
	if (strcmp(how, "gone") == 0)
		gone();
	if (strcmp(how, "exit") == 0)
		leaver(7);
}

static void *run(void *)
{
	use_own_stack();
	if (strcmp(what, "mixed") == 0) {
		work("jump");
		work("recurse");
		work("throw");
	} else {
		work(what);
	}
	return (void *)sum;
}

PLACE void done(void)
{
	__asm__ volatile("");
}
}

int main(int argc, char **argv)
{
	long threads = target_number(argc, argv, 3, 1), total = 0;
	pthread_attr_t attr;
	pthread_t ids[64];

	target_begin();
	what = argc > 1 ? argv[1] : what;
	n = target_number(argc, argv, 2, 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16 << 20);
	if (strcmp(what, "alike") == 0) {
		printf("sum %g\n", (double)alike(1.5, 2, "text", -3));
		return 0;
	}
	if (strcmp(what, "many") == 0) {
		printf("sum %g\n", many(1, 2, 3, 4, 5, 6, -7, 8, 9.5));
		return 0;
	}
	for (long i = 0; i < threads; i++)
		pthread_create(&ids[i], &attr, run, nullptr);
	for (long i = 0; i < threads; i++) {
		void *result = nullptr;

		pthread_join(ids[i], &result);
		total += (long)result;
	}
	done();
	printf("sum %ld\n", total);
	return 0;
}
