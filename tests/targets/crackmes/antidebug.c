/*
 * antidebug - refuses to run under a tracer, by ptrace and by /proc/self/status; then reads a line. Exit 0 and
 * "Correct!", 1 and "Wrong.", or 3 and "No debuggers!". Place: same, once for each byte compared. Secret: n0_tr4ce
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

/* xor 0x7b */
static const unsigned char secret[] = { 0x15, 0x4b, 0x24, 0x0f, 0x09, 0x4f, 0x18, 0x1e, 0x7b };

static bool has_tracer(void)
{
	char line[256];
	int pid = 0;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "TracerPid: %d", &pid) == 1)
			break;
	}
	if (file)
		fclose(file);
	return pid != 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}

__attribute__((noipa)) static bool same(unsigned char a, unsigned char b)
{
	return (a ^ 0x7b) == b;
}

int main(void)
{
	char line[64] = "";

	alarm(60);
	if (has_tracer()) {
		puts("No debuggers!");
		return 3;
	}
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(secret); i++) {
		if (!same((unsigned char)line[i], secret[i])) {
			puts("Wrong.");
			return 1;
		}
	}
	puts("Correct!");
	return 0;
}
