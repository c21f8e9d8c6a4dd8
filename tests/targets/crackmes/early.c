/*
 * early - reads a line and compares it byte by byte, as far as it is right. Exit 0 and "Correct!", or 1 and "Wrong.".
 * Secret: r3w1nd_m3
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* xor 0x21 */
static const unsigned char secret[] = { 0x53, 0x12, 0x56, 0x10, 0x4f, 0x45, 0x7e, 0x4c, 0x12 };

__attribute__((noipa)) static bool check(const char *guess)
{
	for (size_t i = 0; i < sizeof(secret); i++) {
		if ((guess[i] ^ 0x21) != secret[i])
			return false;
	}
	return guess[sizeof(secret)] == '\0';
}

int main(void)
{
	char line[64] = "";

	alarm(60);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	line[strcspn(line, "\n")] = '\0';
	if (!check(line)) {
		puts("Wrong.");
		return 1;
	}
	puts("Correct!");
	return 0;
}
