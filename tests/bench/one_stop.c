/*
 * one_stop BENCH_FN NEXT PAD PROGRAM [ARG...]: the one-stop tracer: a copy of the instruction at BENCH_FN (NEXT is
 * the one after it) and a jump to NEXT stand in the program's room at PAD; a hit is passed by setting rip there.
 * The byte stays in for good.
 * Output on stderr: "hits N".
 */
#include <stddef.h>

#include "tracer.h"

/* The copy and the jump back, into the word or two at pad. */
static void write_copy(pid_t pid, uint64_t at, uint64_t next, uint64_t pad)
{
	unsigned char code[32];
	size_t size = next - at;
	int32_t far = (int32_t)(next - (pad + size + 5));

	for (int i = 0; i < 16; i += 8) {
		long word = ptrace(PTRACE_PEEKTEXT, pid, at + i, NULL);

		memcpy(code + i, &word, 8);
	}
	code[size] = 0xe9;
	memcpy(code + size + 1, &far, 4);
	for (size_t i = 0; i < size + 5; i += 8) {
		long word;

		memcpy(&word, code + i, 8);
		tracer_check(ptrace(PTRACE_POKETEXT, pid, pad + i, word), "PTRACE_POKETEXT");
	}
}

int main(int argc, char **argv)
{
	uint64_t at = argc > 4 ? strtoull(argv[1], NULL, 16) : 0, next = argc > 4 ? strtoull(argv[2], NULL, 16) : 0,
		 pad = argc > 4 ? strtoull(argv[3], NULL, 16) : 0;
	long hits = 0;
	int status;
	pid_t pid, tid;

	if (!at || next <= at || next - at > 15)
		return 2;
	pid = tracer_spawn(argv + 4);
	write_copy(pid, at, next, pad);
	tracer_plant(pid, at);
	tracer_check(ptrace(PTRACE_CONT, pid, NULL, 0), "PTRACE_CONT");
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		struct user_regs_struct regs;

		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 != SIGTRAP || ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0 || regs.rip != at + 1) {
			ptrace(PTRACE_CONT, tid, NULL, tracer_signal(status));
			continue;
		}
		tracer_look(tid, &regs);
		hits++;
		ptrace(PTRACE_POKEUSER, tid, offsetof(struct user, regs.rip), pad);
		ptrace(PTRACE_CONT, tid, NULL, 0);
	}
	fprintf(stderr, "hits %ld\n", hits);
	return 0;
}
