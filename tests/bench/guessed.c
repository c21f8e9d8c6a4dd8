/*
 * guessed: reads a line, and compares it with a secret, byte by byte, in check(); stands in wrong() when it is another.
 * For snapshots: between the two no system call is made.
 */
#include <stdio.h>

#define PLACE __attribute__((noinline, noipa, used))

static const char secret[] = "Pt4c3_m3!";
static volatile int seen;

PLACE int wrong(void)
{
	return 1;
}

PLACE int check(const char *guess)
{
	for (int i = 0; i < (int)sizeof(secret) - 1; i++) {
		seen = i;
		if (guess[i] != secret[i])
			return wrong();
	}
	return 0;
}

int main(void)
{
	char line[64] = "";

	return fgets(line, sizeof(line), stdin) && check(line) == 0 ? 0 : 1;
}
