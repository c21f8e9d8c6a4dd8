/*
 * crackme - what ./scripts/demo solves: a secret that is compared byte by byte, then a licence check that says no.
 *
 * Reads a line. Prints "Wrong." and exits 1; or "Correct!", then "unlicensed copy" and exits 3; or "Correct!", then
 * "Welcome." and exits 0.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* xor 0x5a, so that strings(1) does not give it away. Its end counts, too. */
static const unsigned char secret[] = {
	0x32, 0x6a, 0x6a, 0x31, 0x05, 0x2e, 0x32, 0x69, 0x05, 0x39, 0x2a, 0x2f, 0x5a,
};

/* Called for one byte after the other, and no further than the first wrong one: that is the hole. */
__attribute__((noipa)) static bool check_byte(const char *guess, size_t i)
{
	return (guess[i] ^ 0x5a) == secret[i];
}

__attribute__((noipa)) static bool is_licensed(void)
{
	return false;
}

int main(void)
{
	char guess[64] = "";

	if (!fgets(guess, sizeof(guess), stdin))
		return 1;
	guess[strcspn(guess, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(secret); i++) {
		if (!check_byte(guess, i)) {
			puts("Wrong.");
			return 1;
		}
	}
	puts("Correct!");
	if (!is_licensed()) {
		puts("unlicensed copy");
		return 3;
	}
	puts("Welcome.");
	return 0;
}
