/*
 * step_count PROGRAM [ARG...]: counts the instructions of the program's own text that it executes, by single steps;
 * the rounds of one repeated string instruction are one. What the breakpoints of a sweep are held against.
 * Output: the program's own, and "steps N" on standard error; the program's exit status.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* The executable mapping of the program's own file. */
static void find_text(pid_t pid, unsigned long *start, unsigned long *end)
{
	char path[64], exe[4096], line[4096];
	ssize_t n;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, " r-xp ") && strstr(line, exe))
			sscanf(line, "%lx-%lx", start, end);
	if (maps)
		fclose(maps);
}

static bool is_rep_string(pid_t pid, unsigned long rip)
{
	uint8_t bytes[4] = { 0 };
	struct iovec here = { bytes, sizeof(bytes) }, there = { (void *)rip, sizeof(bytes) };
	size_t i = 0;

	if (process_vm_readv(pid, &here, 1, &there, 1, 0) <= 0)
		return false;
	while (i < 2 && (bytes[i] == 0x66 || (bytes[i] & 0xf0) == 0x40))
		i++;
	if (bytes[i] != 0xf2 && bytes[i] != 0xf3)
		return false;
	i++;
	if ((bytes[i] & 0xf0) == 0x40)
		i++;
	return (bytes[i] >= 0xa4 && bytes[i] <= 0xa7) || (bytes[i] >= 0xaa && bytes[i] <= 0xaf);
}

int main(int argc, char **argv)
{
	unsigned long start = 0, end = 0, last = 0, steps = 0;
	int status, sig = 0;
	pid_t pid = argc > 1 ? fork() : -1;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return 126;
	find_text(pid, &start, &end);
	for (;;) {
		struct user_regs_struct regs;

		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
			break;
		if (regs.rip >= start && regs.rip < end && (regs.rip != last || !is_rep_string(pid, regs.rip)))
			steps++;
		last = regs.rip;
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, sig) < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			break;
		sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	}
	fprintf(stderr, "steps %lu\n", steps);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
