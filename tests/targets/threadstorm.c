/*
 * threadstorm [N [ABREAST]]: N short threads (1000), ABREAST (8) at a time; each calls work(i) once and ends
 * (work.h).
 * Output: "threads N" and exit 0 when every result was right, else exit 1.
 */
#include <pthread.h>

#include "target.h"
#include "work.h"

static void *run(void *arg)
{
	return (void *)(uintptr_t)work((uintptr_t)arg);
}

int main(int argc, char **argv)
{
	long n = target_number(argc, argv, 1, 1000), abreast = target_number(argc, argv, 2, 8), wrong = 0;
	pthread_t *threads = calloc(abreast, sizeof(*threads));

	target_begin();
	for (long i = 0; i < n; i += abreast) {
		long m = n - i < abreast ? n - i : abreast;

		for (long k = 0; k < m; k++)
			if (pthread_create(&threads[k], NULL, run, (void *)(i + k)))
				return 3;
		for (long k = 0; k < m; k++) {
			void *result;

			pthread_join(threads[k], &result);
			wrong += (uintptr_t)result != 2 * (uintptr_t)(i + k) + 1;
		}
	}
	free(threads);
	printf("threads %ld\n", n);
	return wrong != 0;
}
