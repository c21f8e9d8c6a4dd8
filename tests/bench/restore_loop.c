/*
 * restore_loop COUNT CHECK WRONG PROGRAM: what a C tracer needs to try a guess in place. The program stands in CHECK (its
 * address), is given a guess, runs to WRONG; registers and the pages that it wrote are put back: found by one
 * PAGEMAP_SCAN that protects them anew (userfaultfd, made in the program), written by one process_vm_writev.
 * Its stdin is a line. Output: "runs N ns T".
 */
#include "clock.h"
#include "restore.h"

static void run(pid_t pid)
{
	int status;

	tracer_check(ptrace(PTRACE_CONT, pid, NULL, NULL), "PTRACE_CONT");
	tracer_check(waitpid(pid, &status, 0), "waitpid");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		exit(1);
}

int main(int argc, char **argv)
{
	uint64_t count, check, wrong;
	long long from;
	struct user_regs_struct at_check, regs;
	char guess[16], path[64];
	int pagemap, memory;
	long word;
	pid_t pid;

	if (argc != 5)
		return 2;
	count = strtoull(argv[1], NULL, 0);
	check = strtoull(argv[2], NULL, 16);
	wrong = strtoull(argv[3], NULL, 16);
	pid = tracer_spawn(argv + 4);
	word = tracer_plant(pid, check);
	tracer_plant(pid, wrong);
	run(pid);
	ptrace(PTRACE_POKETEXT, pid, check, word);
	ptrace(PTRACE_GETREGS, pid, NULL, &at_check);
	at_check.rip = check;
	at_check.orig_rax = (unsigned long long)-1;
	ptrace(PTRACE_SETREGS, pid, NULL, &at_check);
	pagemap = start_restoring(pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDWR);
	from = bench_now();
	for (uint64_t i = 0; i < count; i++) {
		put_back(pid, pagemap);
		tracer_check(ptrace(PTRACE_SETREGS, pid, NULL, &at_check), "PTRACE_SETREGS");
		snprintf(guess, sizeof(guess), "Pt4c3_m%c", (char)(33 + i % 18));
		tracer_check(pwrite(memory, guess, sizeof(guess), (off_t)at_check.rdi), "pwrite");
		run(pid);
		tracer_check(ptrace(PTRACE_GETREGS, pid, NULL, &regs), "PTRACE_GETREGS");
		tracer_sum += regs.rip;
	}
	printf("runs %llu ns %llu\n", (unsigned long long)count, (unsigned long long)(bench_now() - from));
	kill(pid, SIGKILL);
	return tracer_sum == (wrong + 1) * count ? 0 : 1;
}
