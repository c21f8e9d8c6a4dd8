/*
 * watch CELL PROGRAM [ARG...]: the tracer of a watchpoint: the eight bytes at CELL (hex) are watched for writes by a debug
 * register, in every thread. A hit reads what triggered, clears that, and reads the value.
 * Output on stderr: "hits N".
 */
#include <stddef.h>

#include "tracer.h"

#define DEBUG_REG(n) (offsetof(struct user, u_debugreg) + (n) * sizeof(long))
#define WRITES_OF_EIGHT_BYTES 0x90001	/* DR7: register 0, for this thread */

static void arm(pid_t tid, uint64_t cell)
{
	tracer_check(ptrace(PTRACE_POKEUSER, tid, DEBUG_REG(0), cell), "PTRACE_POKEUSER");
	tracer_check(ptrace(PTRACE_POKEUSER, tid, DEBUG_REG(7), WRITES_OF_EIGHT_BYTES), "PTRACE_POKEUSER");
}

static void look_at(pid_t tid, uint64_t cell)
{
	static uint64_t old;
	uint64_t now;
	struct iovec here = { &now, sizeof(now) }, there = { (void *)cell, sizeof(now) };

	if (process_vm_readv(tid, &here, 1, &there, 1, 0) != sizeof(now))
		tracer_check(-1, "process_vm_readv");
	tracer_sum += now - old;
	old = now;
}

int main(int argc, char **argv)
{
	uint64_t cell = argc > 2 ? strtoull(argv[1], NULL, 16) : 0;
	long hits = 0;
	int status;
	pid_t pid, tid;

	if (!cell)
		return 2;
	pid = tracer_spawn(argv + 2);
	arm(pid, cell);
	tracer_check(ptrace(PTRACE_CONT, pid, NULL, 0), "PTRACE_CONT");
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		struct user_regs_struct regs;
		long what;

		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 == SIGSTOP)
			arm(tid, cell);	/* a new thread's first stop */
		what = status >> 8 == SIGTRAP ? ptrace(PTRACE_PEEKUSER, tid, DEBUG_REG(6), NULL) : 0;
		if (!(what & 1)) {
			ptrace(PTRACE_CONT, tid, NULL, tracer_signal(status));
			continue;
		}
		ptrace(PTRACE_POKEUSER, tid, DEBUG_REG(6), 0);
		tracer_check(ptrace(PTRACE_GETREGS, tid, NULL, &regs), "PTRACE_GETREGS");
		look_at(tid, cell);
		tracer_look(tid, &regs);
		hits++;
		ptrace(PTRACE_CONT, tid, NULL, 0);
	}
	fprintf(stderr, "hits %ld\n", hits);
	return 0;
}
