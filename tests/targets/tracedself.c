/*
 * tracedself: looks whether it is traced.
 * Output: "TracerPid N" (/proc/self/status), then what PTRACE_TRACEME gives, "free" and exit 0, or "traced" (EPERM)
 * and exit 1.
 */
#include <sys/ptrace.h>

#include "target.h"

PLACE long traceme(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

int main(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long r;

	target_begin();
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "TracerPid:\t", 11))
			printf("TracerPid %s", line + 11);
	r = traceme();
	puts(r == 0 ? "free" : "traced");
	return r != 0;
}
