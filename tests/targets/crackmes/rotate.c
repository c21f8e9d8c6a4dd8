/*
 * rotate SECRET - xors and rotates each byte, by where it is, before it compares. Exit 0 and "Correct!", or 1 and
 * "Wrong.". Place: mix, called once for each byte that is compared. Secret: Sp1n_and_sp1n
 * Also built static and stripped: crackme_stripped.
 */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const unsigned char secret[] = {
	0xed, 0x63, 0xd4, 0x0c, 0xdd, 0x75, 0xec, 0xbd, 0x8b, 0x9d, 0x3b, 0xfe, 0xe9,
};

__attribute__((noipa)) static unsigned char mix(unsigned char c, unsigned int i)
{
	unsigned int by = i % 7 + 1;

	c ^= 0xa5 + 3 * i;
	return (unsigned char)(c << by | c >> (8 - by));
}

__attribute__((noipa)) static bool check(const char *guess)
{
	size_t i;

	for (i = 0; i < sizeof(secret); i++) {
		if (mix((unsigned char)guess[i], (unsigned int)i) != secret[i])
			return false;
	}
	return guess[i] == '\0';
}

int main(int argc, char **argv)
{
	bool right = argc == 2 && check(argv[1]);

	alarm(60);
	puts(right ? "Correct!" : "Wrong.");
	return !right;
}
