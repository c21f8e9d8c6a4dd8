/*
 * reader: answers "got: LINE" to each line of stdin through handle_line(line), till its end; then "lines N", exit
 * 0.
 */
#include "target.h"

PLACE void handle_line(const char *line)
{
	printf("got: %s\n", line);
}

int main(void)
{
	char line[4096];
	long n = 0;

	target_begin();
	for (; fgets(line, sizeof(line), stdin); n++) {
		line[strcspn(line, "\n")] = '\0';
		handle_line(line);
	}
	printf("lines %ld\n", n);
	return 0;
}
