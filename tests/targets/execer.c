/*
 * execer self N: execs itself N times;
 * thread N: the same, each time from a second thread, with a third one running;
 * prog PROGRAM [ARG...], thread_prog PROGRAM [ARG...]: execs that;
 * missing: an exec that fails, and goes on.
 * Output: "left N" in each image, "done" and exit 0 at the last; missing: "ENOENT", "done". marker(n) runs before
 * each exec.
 */
#include <errno.h>
#include <pthread.h>

#include "target.h"

static char **next;

PLACE long marker(long n)
{
	return n;
}

static void *exec_next(void *arg)
{
	execvp(next[0], next);
	puts(errno == ENOENT ? "ENOENT" : strerror(errno));
	return arg;
}

static void *spin(void *arg)
{
	for (;;)
		marker(-1);
	return arg;
}

static void exec_from_thread(void)
{
	pthread_t busy, t;

	if (pthread_create(&busy, NULL, spin, NULL) || pthread_create(&t, NULL, exec_next, NULL))
		exit(3);
	pthread_join(t, NULL);
	exit(4);
}

static int again(char **argv, long left)
{
	char number[32];

	printf("left %ld\n", left);
	if (left <= 0) {
		puts("done");
		return 0;
	}
	snprintf(number, sizeof(number), "%ld", left - 1);
	next = (char *[]){ "/proc/self/exe", argv[1], number, NULL };
	marker(left);
	if (argv[1][0] == 't')
		exec_from_thread();
	exec_next(NULL);
	return 4;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	target_begin();
	if (!strcmp(how, "self") || !strcmp(how, "thread"))
		return again(argv, target_number(argc, argv, 2, 3));
	if (!strcmp(how, "missing")) {
		next = (char *[]){ "/no/such/program", NULL };
		marker(0);
		exec_next(NULL);
		puts("done");
		return 0;
	}
	if (argc < 3)
		return target_usage(
			"execer self N|thread N|prog PROGRAM [ARG...]|thread_prog PROGRAM [ARG...]|missing");
	next = argv + 2;
	marker(0);
	if (!strcmp(how, "thread_prog"))
		exec_from_thread();
	exec_next(NULL);
	return 4;
}
