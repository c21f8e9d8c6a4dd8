/*
 * two_stop BENCH_FN PROGRAM [ARG...]: the textbook tracer, two stops a hit: it takes its byte out, single-steps,
 * puts it back. Other threads run through the hole meanwhile.
 * Output on stderr: "hits N".
 */
#include "tracer.h"

int main(int argc, char **argv)
{
	uint64_t at = argc > 2 ? strtoull(argv[1], NULL, 16) : 0;
	long hits = 0, word, trap;
	int status;
	pid_t pid, tid;

	if (!at)
		return 2;
	pid = tracer_spawn(argv + 2);
	word = tracer_plant(pid, at);
	trap = (word & ~0xffL) | 0xcc;
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
		regs.rip = at;
		ptrace(PTRACE_POKETEXT, tid, at, word);
		ptrace(PTRACE_SETREGS, tid, NULL, &regs);
		ptrace(PTRACE_SINGLESTEP, tid, NULL, 0);
		waitpid(tid, &status, __WALL);
		ptrace(PTRACE_POKETEXT, tid, at, trap);
		ptrace(PTRACE_CONT, tid, NULL, 0);
	}
	fprintf(stderr, "hits %ld\n", hits);
	return 0;
}
