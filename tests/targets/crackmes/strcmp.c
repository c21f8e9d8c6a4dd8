/*
 * strcmp - reads a line and compares it by strcmp with what it puts together at run time. Exit 0 and "Correct!", or 1 and
 * "Wrong.". Secret: c0mpar3d_wh0le
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* xor 0x33, from the end */
static const unsigned char secret[] = {
	0x56, 0x5f, 0x03, 0x5b, 0x44, 0x6c, 0x57, 0x00, 0x41, 0x52, 0x43, 0x5e, 0x03, 0x50,
};

int main(void)
{
	char line[64] = "", right[sizeof(secret) + 1] = "";

	alarm(60);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(secret); i++)
		right[i] = (char)(secret[sizeof(secret) - 1 - i] ^ 0x33);
	if (strcmp(line, right) != 0) {
		puts("Wrong.");
		return 1;
	}
	puts("Correct!");
	return 0;
}
