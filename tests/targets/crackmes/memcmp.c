/*
 * memcmp FILE - reads a licence of 16 bytes from a file and compares it by memcmp. Exit 0 and "Licensed.", or 1 and
 * "Not licensed.". Secret: LIC-7d1f-90ac-42
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Each less 1 */
static const char secret[16] = "KHB,6c0e,8/`b,31";

int main(int argc, char **argv)
{
	char bytes[16] = "", right[16];
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;

	alarm(60);
	if (!file) {
		fputs("no licence\n", stderr);
		return 2;
	}
	if (fread(bytes, 1, sizeof(bytes), file) == sizeof(bytes)) {
		for (size_t i = 0; i < sizeof(right); i++)
			right[i] = (char)(secret[i] + 1);
		if (memcmp(bytes, right, sizeof(right)) == 0) {
			puts("Licensed.");
			return 0;
		}
	}
	puts("Not licensed.");
	return 1;
}
