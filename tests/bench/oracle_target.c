/*
 * oracle_target - reads a line and compares it byte by byte with "bestkey!"; exit 0 when it is right, else 1.
 * Places: check(line), whose result is in eax; check_byte, once for each byte compared: a nop, so that who puts an int3
 * there may simply go on behind it.
 */
#include <stdio.h>
#include <string.h>

static const char secret[] = "bestkey!";

__attribute__((noipa)) int check(const char *line);

__attribute__((noipa)) int check(const char *line)
{
	for (int i = 0; i < 9; i++) {
		__asm__ volatile(".globl check_byte\ncheck_byte: nop");
		if (line[i] != secret[i])
			return 0;
	}
	return 1;
}

int main(void)
{
	char line[64] = "";

	if (!fgets(line, sizeof(line), stdin))
		return 2;
	line[strcspn(line, "\n")] = '\0';
	return !check(line);
}
