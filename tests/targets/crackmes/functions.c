/*
 * functions - reads a line; each character has a function of its own. Exit 0 and "Correct!", or 1 and "Wrong.".
 * Place: check, which calls them in their order. Secret: 0n3_by_0n3
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ONE(name) __attribute__((noipa)) static bool name(int c)

ONE(is_zero) { return c * 3 == 144; }
ONE(is_n) { return (c ^ 0x55) == 0x3b; }
ONE(is_three) { return c - 1 == 50; }
ONE(is_line) { return (c << 1) == 190; }
ONE(is_b) { return c + c / 2 == 147; }
ONE(is_y) { return c % 100 == 21 && c > 100; }
ONE(is_line_again) { return (c | 0x80) == 0xdf; }
ONE(is_zero_again) { return ~c == -49; }
ONE(is_n_again) { return c * c == 12100; }
ONE(is_three_again) { return c + 205 == 256; }
ONE(is_end) { return c == '\0'; }

__attribute__((noipa)) static bool check(const char *s)
{
	return is_zero(s[0]) && is_n(s[1]) && is_three(s[2]) && is_line(s[3]) && is_b(s[4]) && is_y(s[5]) &&
	       is_line_again(s[6]) && is_zero_again(s[7]) && is_n_again(s[8]) && is_three_again(s[9]) && is_end(s[10]);
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
