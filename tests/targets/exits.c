/*
 * exits HOW: ends in that way: "code N", "signal N" (raise; exit 0 if it survives), "kill" (SIGKILL itself),
 * "abort", "segv", "ill", "fpe", "thread_signal N" (raise in a second thread), "exit_thread" (a second thread calls
 * exit(5)), "main_thread_exit" (main ends by pthread_exit; once it is a zombie the other calls after_main(), prints
 * "alone", exits 6), "told N" (says "ready", at a byte or the end of stdin exits N), "main_thread_told N" (says "ready",
 * calls before_exit() at a byte, then as main_thread_exit, but at another byte the other exits N), "main_thread_exec N"
 * (the same, and at that byte the other execs "told N").
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "target.h"

PLACE void after_main(void)
{
	puts("alone");
}

PLACE void before_exit(void)
{
	puts("on its way");
}

static char state_of_main(void)
{
	char path[64], line[256];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	fd = open(path, O_RDONLY);
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	return strrchr(line, ')') ? strrchr(line, ')')[2] : '?';
}

static void *left_alone(void *arg)
{
	while (state_of_main() != 'Z')
		sched_yield();
	after_main();
	exit(6);
	return arg;
}

static char told(void)
{
	char c = 0;

	return read(0, &c, 1) < 0 ? '?' : c;
}

static const char *code, *then;

static void *told_alone(void *arg)
{
	while (state_of_main() != 'Z')
		sched_yield();
	after_main();
	told();
	if (then)
		execl("/proc/thread-self/exe", "exits", then, code, NULL);
	exit(atoi(code));
	return arg;
}

static void *exit_now(void *arg)
{
	exit(5);
	return arg;
}

static void *raise_now(void *arg)
{
	raise((int)(long)arg);
	return NULL;
}

static int in_thread(void *(*fn)(void *), long arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, (void *)arg))
		return 3;
	pthread_join(t, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	int n = (int)target_number(argc, argv, 2, 0);
	pthread_t t;

	target_begin();
	if (!strcmp(how, "code"))
		return n;
	if (!strcmp(how, "signal"))
		return raise(n);
	if (!strcmp(how, "kill"))
		return kill(getpid(), SIGKILL);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		*(volatile int *)8 = 1;
	if (!strcmp(how, "ill"))
		__asm__ volatile("ud2");
	if (!strcmp(how, "fpe"))
		__asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; div %%ecx" ::: "rax", "rcx", "rdx");
	if (!strcmp(how, "thread_signal"))
		return in_thread(raise_now, n);
	if (!strcmp(how, "exit_thread"))
		return in_thread(exit_now, 0);
	if (!strcmp(how, "main_thread_exit")) {
		if (pthread_create(&t, NULL, left_alone, NULL))
			return 3;
		pthread_exit(NULL);
	}
	if (!strcmp(how, "told") || (argc > 2 && !strncmp(how, "main_thread_", 12))) {
		puts("ready");
		told();
	}
	if (!strcmp(how, "told"))
		return n;
	if (!strcmp(how, "main_thread_told") || !strcmp(how, "main_thread_exec")) {
		code = argv[2];
		then = !strcmp(how, "main_thread_exec") ? "told" : NULL;
		if (pthread_create(&t, NULL, told_alone, NULL))
			return 3;
		before_exit();
		pthread_exit(NULL);
	}
	return target_usage(
		"exits code N|signal N|kill|abort|segv|ill|fpe|thread_signal N|exit_thread|main_thread_exit|"
		"told N|main_thread_told N|main_thread_exec N");
}
