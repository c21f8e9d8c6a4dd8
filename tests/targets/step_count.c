/*
 * step_count [-r OFFSET,SIZE] PROGRAM [ARG...]: counts the instructions of the program's own text that it executes, or of
 * this part of its file, by single steps; the rounds of one repeated string instruction are one. What the breakpoints of
 * a sweep are held against. Elsewhere it runs freely: the text is not executable meanwhile, and a fault tells when it is
 * entered. For programs of one thread.
 * Output: the program's own, and "steps N" on standard error; the program's exit status.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	PATIENCE = 200 /* steps outside before it runs freely: less than the faults cost */
};

static pid_t pid;
static int status;
static unsigned long start, end;	/* what is counted */
static unsigned long first, size;	/* its pages */
static unsigned long outside;		/* some executable place elsewhere */

/* The executable mapping of the program's own file, or the part of it at this offset of the file. */
static void find_text(unsigned long offset, unsigned long length)
{
	char path[64], exe[4096], line[4096];
	unsigned long low, high, at;
	ssize_t n;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, " r-xp ") || !strstr(line, exe) || sscanf(line, "%lx-%lx %*s %lx", &low, &high, &at) != 3)
			continue;
		start = length ? low + offset - at : low;
		end = length ? start + length : high;
	}
	if (maps)
		fclose(maps);
	first = start & -(unsigned long)PAGE;
	size = ((end + PAGE - 1) & -(unsigned long)PAGE) - first;
}

static bool is_rep_string(unsigned long rip)
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

static bool go(int request, int sig)
{
	return ptrace(request, pid, NULL, sig) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
}

/* The program itself calls mprotect, from a place where a system call is written for a moment. */
static bool protect(int prot)
{
	struct user_regs_struct before, regs;
	long word;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &before) < 0)
		return false;
	regs = before;
	word = ptrace(PTRACE_PEEKTEXT, pid, outside, NULL);
	ptrace(PTRACE_POKETEXT, pid, outside, (word & ~0xffffl) | 0x050f);
	regs.rip = outside;
	regs.rax = SYS_mprotect;
	regs.orig_rax = -1ul;
	regs.rdi = first;
	regs.rsi = size;
	regs.rdx = prot;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &regs) < 0 || !go(PTRACE_SINGLESTEP, 0))
		return false;
	ptrace(PTRACE_POKETEXT, pid, outside, word);
	return ptrace(PTRACE_SETREGS, pid, NULL, &before) == 0;
}

/* Runs until the text is entered. *ret_sig is then to be delivered. */
static bool run_outside(unsigned long rip, int *ret_sig)
{
	siginfo_t info;

	outside = rip;
	if (!protect(PROT_READ))
		return false;
	while (go(PTRACE_CONT, *ret_sig)) {
		*ret_sig = WSTOPSIG(status);
		if (*ret_sig != SIGSEGV || ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) < 0 ||
		    (unsigned long)info.si_addr - first >= size)
			continue;
		*ret_sig = 0;
		return protect(PROT_READ | PROT_EXEC);
	}
	return false;
}

int main(int argc, char **argv)
{
	unsigned long offset = 0, length = 0, last = 0, steps = 0;
	int sig = 0, patience = 0;

	if (argc > 3 && strcmp(argv[1], "-r") == 0 && sscanf(argv[2], "%li,%li", &offset, &length) == 2)
		argv += 2, argc -= 2;
	pid = argc > 1 ? fork() : -1;
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return 126;
	find_text(offset, length);
	for (;;) {
		struct user_regs_struct regs;

		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
			break;
		if (regs.rip - first >= size && patience-- <= 0) {
			if (!run_outside(regs.rip, &sig))
				break;
			patience = PATIENCE;
			continue;
		}
		if (regs.rip - first < size)
			patience = PATIENCE;
		if (regs.rip >= start && regs.rip < end && (regs.rip != last || !is_rep_string(regs.rip)))
			steps++;
		last = regs.rip;
		if (!go(PTRACE_SINGLESTEP, sig))
			break;
		sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	}
	fprintf(stderr, "steps %lu\n", steps);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
