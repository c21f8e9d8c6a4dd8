/*
 * delay SECRET - thinks for three seconds about each wrong secret. Exit 0 and "Correct!", or 1 and "Wrong.".
 * Place: check. Secret: t1me_1s_up
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* the sum of the byte and of all before it */
static const unsigned char secret[] = { 0x74, 0xa5, 0x12, 0x77, 0xd6, 0x07, 0x7a, 0xd9, 0x4e, 0xbe };

__attribute__((noipa)) static bool check(const char *guess)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < sizeof(secret); i++) {
		sum += (unsigned char)guess[i];
		if (sum != secret[i])
			return false;
	}
	return guess[sizeof(secret)] == '\0';
}

int main(int argc, char **argv)
{
	char guess[64] = "";

	alarm(60);
	snprintf(guess, sizeof(guess), "%s", argc == 2 ? argv[1] : "");
	if (!check(guess)) {
		sleep(3);
		puts("Wrong.");
		return 1;
	}
	puts("Correct!");
	return 0;
}
