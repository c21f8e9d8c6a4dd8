/*
 * spammer: writes "line N" to stdout until that fails with EPIPE, then "EPIPE" to stderr; exit 0.
 * spammer sigpipe: leaves SIGPIPE alone, so that it dies of it.
 * Place: spam(n), called for each line.
 */
#include <errno.h>
#include <signal.h>

#include "target.h"

PLACE int spam(long n)
{
	char line[32];
	int size = snprintf(line, sizeof(line), "line %ld\n", n);

	return write(1, line, size) == size;
}

int main(int argc, char **argv)
{
	(void)argv;
	target_begin();
	if (argc == 1)
		signal(SIGPIPE, SIG_IGN);
	for (long n = 1; spam(n);)
		n++;
	fputs(errno == EPIPE ? "EPIPE\n" : "error\n", stderr);
	return errno != EPIPE;
}
