/*
 * status PIN - prints nothing: exit 0 for the right number of three digits, else 1. Secret: 739
 */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long hash = 5381;

	alarm(60);
	for (const char *at = argc == 2 ? argv[1] : ""; *at; at++)
		hash = hash * 33 + (unsigned char)*at;
	return hash * 2654435761UL % 4294967296UL != 0xee3a8f28UL;
}
