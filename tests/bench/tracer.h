/*
 * What the two C tracers share: starting the target, planting a byte, the work of one hit.
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t tracer_sum;

static inline void tracer_check(long r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(1);
}

/* fork, TRACEME, exec; the target stands at its first instruction, threads will be followed. */
static inline pid_t tracer_spawn(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[0], argv);
		_exit(127);
	}
	tracer_check(waitpid(pid, &status, 0), "waitpid");
	if (!WIFSTOPPED(status))
		exit(1);
	tracer_check(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE),
		     "PTRACE_SETOPTIONS");
	return pid;
}

/* One word of text with its first byte replaced; gives the word as it was. */
static inline long tracer_plant(pid_t pid, uint64_t at)
{
	long word = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);

	tracer_check(ptrace(PTRACE_POKETEXT, pid, at, (word & ~0xffL) | 0xcc), "PTRACE_POKETEXT");
	return word;
}

/* What the hook does: two registers, sixteen bytes through one of them. */
static inline void tracer_look(pid_t pid, const struct user_regs_struct *regs)
{
	unsigned char bytes[16];
	struct iovec here = { bytes, sizeof(bytes) }, there = { (void *)regs->rdi, sizeof(bytes) };

	if (process_vm_readv(pid, &here, 1, &there, 1, 0) != sizeof(bytes))
		tracer_check(-1, "process_vm_readv");
	tracer_sum += regs->rdi + regs->rsi + bytes[0] + bytes[15];
}

/*
 * What to send on with a stop that is no hit: nothing with a thread's birth and its first stop, else the signal.
 */
static inline int tracer_signal(int status)
{
	int sig = WSTOPSIG(status);

	return status >> 16 || sig == SIGSTOP || sig == SIGTRAP ? 0 : sig;
}
