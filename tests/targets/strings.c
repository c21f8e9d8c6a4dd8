/*
 * strings: calls greet(const char *name, int n) with known strings (below), n counting from 1.
 * Output: "N: hello, NAME" for each, exit 0. Names: plain, with spaces, empty, UTF-8, with control bytes, 300 bytes
 * long.
 */
#include "target.h"

PLACE void greet(const char *name, int n)
{
	printf("%d: hello, %s\n", n, name);
}

int main(void)
{
	static char longest[301];
	const char *names[] = { "world", "two words", "", "gr\xc3\xbc\xc3\x9f", "tab\there", longest };

	target_begin();
	memset(longest, 'x', 300);
	for (int i = 0; i < 6; i++)
		greet(names[i], i + 1);
	return 0;
}
