/*
 * crackme: reads a line, crackme_argv: takes argv[1]; the secret is Pt4c3_m3!
 * Output: "Correct!" and exit 0, or "Wrong." and exit 1.
 * Places: check (entry; al is its result), check_byte (hit once for each byte that is compared, so one more for
 * each right byte), right, wrong.
 */
#include <stdbool.h>

#include "target.h"

/* "Pt4c3_m3!" xor 0x5a, so that strings(1) does not give it away. */
static const unsigned char secret[] = { 0x0a, 0x2e, 0x6e, 0x39, 0x69, 0x05, 0x37, 0x69, 0x7b };

PLACE bool check(const char *guess)
{
	for (size_t i = 0; i < sizeof(secret); i++) {
		__asm__ volatile(".globl check_byte\ncheck_byte:");
		if ((guess[i] ^ 0x5a) != secret[i])
			return false;
	}
	return guess[sizeof(secret)] == '\0';
}

PLACE int right(void)
{
	puts("Correct!");
	return 0;
}

PLACE int wrong(void)
{
	puts("Wrong.");
	return 1;
}

int main(int argc, char **argv)
{
	char line[256] = "";

	target_begin();
#ifdef FROM_ARGV
	if (argc != 2)
		return target_usage("crackme_argv SECRET");
	snprintf(line, sizeof(line), "%s", argv[1]);
#else
	(void)argc, (void)argv;
	if (!fgets(line, sizeof(line), stdin))
		return wrong();
	line[strcspn(line, "\n")] = '\0';
#endif
	return check(line) ? right() : wrong();
}
