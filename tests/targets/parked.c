/*
 * parked [N]: a process of N threads (1) that are all blocked: for attaching to many threads.
 * Output: "pid P", then "ready" once all of them exist; ends with "bye" and 0 at a byte or the end of stdin.
 */
#include <pthread.h>

#include "target.h"

static pthread_barrier_t ready;

static void *park(void *arg)
{
	pthread_barrier_wait(&ready);
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	long n = target_number(argc, argv, 1, 1);
	pthread_attr_t attr;
	char c;

	target_begin();
	pthread_barrier_init(&ready, NULL, n);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (long i = 1; i < n; i++) {
		pthread_t t;

		if (pthread_create(&t, &attr, park, NULL))
			return 3;
	}
	pthread_barrier_wait(&ready);
	printf("pid %d\nready\n", getpid());
	if (read(0, &c, 1) < 0) {
		puts("EINTR");
		_exit(3);
	}
	puts("bye");
	_exit(0);
}
