/*
 * call_function ADDRESS BACK COUNT PROGRAM [ARG...]: a tracer that calls the function at ADDRESS of the program that
 * many times, with two numbers, when it has come to BACK: an int3 there is what the function returns to. Registers and
 * the XSAVE area are read and put back each time.
 * Output: "runs N ns T", T round the calls only.
 */
#include <elf.h>

#include "clock.h"
#include "tracer.h"

static void call(pid_t pid, uint64_t at, uint64_t back, const struct user_regs_struct *before)
{
	static unsigned char area[16384] __attribute__((aligned(64)));
	struct iovec xstate = { area, sizeof(area) };
	struct iovec here = { &back, sizeof(back) }, there;
	struct user_regs_struct regs = *before;
	int status;

	tracer_check(ptrace(PTRACE_GETREGS, pid, NULL, &regs), "PTRACE_GETREGS");
	tracer_check(ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &xstate), "PTRACE_GETREGSET");
	regs.rsp = ((regs.rsp - 128) & ~15ull) - 8;
	there = (struct iovec){ (void *)regs.rsp, sizeof(back) };
	if (process_vm_writev(pid, &here, 1, &there, 1, 0) != sizeof(back))
		tracer_check(-1, "process_vm_writev");
	regs.rip = at;
	regs.rdi = 1;
	regs.rsi = 2;
	regs.rax = 0;
	regs.orig_rax = -1ull;
	tracer_check(ptrace(PTRACE_SETREGS, pid, NULL, &regs), "PTRACE_SETREGS");
	tracer_check(ptrace(PTRACE_CONT, pid, NULL, 0), "PTRACE_CONT");
	tracer_check(waitpid(pid, &status, __WALL), "waitpid");
	tracer_check(ptrace(PTRACE_GETREGS, pid, NULL, &regs), "PTRACE_GETREGS");
	if (!WIFSTOPPED(status) || regs.rip != back + 1)
		exit(1);
	tracer_sum += regs.rax;
	tracer_check(ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &xstate), "PTRACE_SETREGSET");
	tracer_check(ptrace(PTRACE_SETREGS, pid, NULL, before), "PTRACE_SETREGS");
}

int main(int argc, char **argv)
{
	uint64_t at = argc > 4 ? strtoull(argv[1], NULL, 16) : 0, back = argc > 4 ? strtoull(argv[2], NULL, 16) : 0;
	long count = argc > 4 ? strtol(argv[3], NULL, 10) : 0;
	struct user_regs_struct before;
	long long start;
	pid_t pid;
	int status;

	if (!at || !back)
		return 2;
	pid = tracer_spawn(argv + 4);
	tracer_plant(pid, back);
	tracer_check(ptrace(PTRACE_CONT, pid, NULL, 0), "PTRACE_CONT");
	tracer_check(waitpid(pid, &status, __WALL), "waitpid");
	tracer_check(ptrace(PTRACE_GETREGS, pid, NULL, &before), "PTRACE_GETREGS");
	start = bench_now();
	for (long i = 0; i < count; i++)
		call(pid, at, back, &before);
	printf("runs %ld ns %lld\n", count, bench_now() - start);
	kill(pid, SIGKILL);
	return 0;
}
