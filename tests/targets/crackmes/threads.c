/*
 * threads - takes the secret from the variable SECRET; each byte is compared by a thread of its own, all at once. Exit 0
 * and "Correct!", or 1 and "Wrong.". Place: agree, once for each right byte. Secret: 4ll_at_0nce
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* plus the place */
static const char secret[] = "4mnbeye7vlo";

static const char *guess;
static atomic_int agreed;

__attribute__((noipa)) static void agree(void)
{
	agreed++;
}

static void *compare(void *at)
{
	size_t i = (size_t)at;

	if (i < strlen(guess) && guess[i] + (char)i == secret[i])
		agree();
	return NULL;
}

int main(void)
{
	size_t n = strlen(secret);
	pthread_t threads[sizeof(secret)];

	alarm(60);
	guess = getenv("SECRET");
	if (!guess)
		return 2;
	for (size_t i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, compare, (void *)i);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	if (agreed != (int)n || strlen(guess) != n) {
		puts("Wrong.");
		return 1;
	}
	puts("Correct!");
	return 0;
}
