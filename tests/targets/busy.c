/*
 * busy [THREADS]: calls tick() for ever (at most 60 s) in each of THREADS threads (1).
 * Output: "pid P", "ready"; SIGUSR2 makes it print "counter N" (N only grows), SIGUSR1 makes it end with status 7.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "target.h"

static _Atomic unsigned long counter;
static volatile sig_atomic_t ending, dumping;

static void on_signal(int n)
{
	if (n == SIGUSR1)
		ending = true;
	else
		dumping = true;
}

PLACE void tick(void)
{
	counter++;
}

static void *run(void *arg)
{
	while (!ending) {
		tick();
		if (arg && dumping) {
			dumping = false;
			printf("counter %lu\n", counter);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	target_begin();
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	for (long n = target_number(argc, argv, 1, 1); n > 1; n--) {
		pthread_t t;

		if (pthread_create(&t, NULL, run, NULL))
			return 3;
	}
	printf("pid %d\nready\n", getpid());
	run(&counter);
	return 7;
}
