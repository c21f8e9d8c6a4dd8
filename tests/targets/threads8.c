/*
 * threads8 [N [M]]: N threads (8), let go together, call work(i) M times each (1000); labels: see work.h.
 * Output: "calls N*M" and exit 0 when every result was right, else "wrong K" and exit 1.
 */
#include <pthread.h>

#include "target.h"
#include "work.h"

static long times;
static pthread_barrier_t start;

struct tally {
	pthread_t thread;
	long calls, wrong;
};

static void *run(void *arg)
{
	struct tally *t = arg;

	pthread_barrier_wait(&start);
	for (long i = 0; i < times; i++) {
		t->wrong += work(i) != 2 * (uint64_t)i + 1;
		t->calls++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long n = target_number(argc, argv, 1, 8), calls = 0, wrong = 0;
	struct tally *tallies = calloc(n, sizeof(*tallies));

	target_begin();
	times = target_number(argc, argv, 2, 1000);
	pthread_barrier_init(&start, NULL, n);
	for (long i = 0; i < n; i++)
		if (pthread_create(&tallies[i].thread, NULL, run, &tallies[i]))
			return 3;
	for (long i = 0; i < n; i++) {
		pthread_join(tallies[i].thread, NULL);
		calls += tallies[i].calls;
		wrong += tallies[i].wrong;
	}
	free(tallies);
	printf("calls %ld\n", calls);
	if (wrong)
		printf("wrong %ld\n", wrong);
	return wrong != 0;
}
