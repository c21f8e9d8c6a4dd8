/*
 * oracle_loop exec|inplace CHECK CHECK_BYTE ORACLE_TARGET: finds the eight bytes that oracle_target wants by how often it passes
 * check_byte, as short as it goes in C.
 *	exec	each guess is a run of its own: fork, TRACEME, exec, an int3 planted, the line in a file
 *	inplace	one run: registers, and the pages that a guess changed, are put back to what they were at check
 * Output: "runs N ns T", on stderr "found KEY".
 */
#include <stdbool.h>

#include "clock.h"
#include "restore.h"

#define LEN 8

static uint64_t check_at, byte_at;
static char **target_argv;
static int line_fd;

static void set_line(const char *guess)
{
	char line[LEN + 1];

	memcpy(line, guess, LEN);
	line[LEN] = '\n';
	if (pwrite(line_fd, line, sizeof(line), 0) != sizeof(line))
		tracer_check(-1, "pwrite");
}

/* With the line as its input and nowhere to write; stands at its first instruction. */
static pid_t start(void)
{
	int status, null;
	pid_t pid = fork();

	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		lseek(line_fd, 0, SEEK_SET);
		dup2(line_fd, 0);
		dup2(null, 1);
		dup2(null, 2);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(target_argv[0], target_argv);
		_exit(127);
	}
	tracer_check(waitpid(pid, &status, 0), "waitpid");
	if (!WIFSTOPPED(status))
		exit(1);
	return pid;
}

/* Runs on until a trap elsewhere than at check_byte, or the end; gives the hits. */
static int count_hits(pid_t pid, struct user_regs_struct *regs, bool *ret_ended)
{
	int hits = 0, status;

	for (;;) {
		tracer_check(ptrace(PTRACE_CONT, pid, NULL, 0), "PTRACE_CONT");
		tracer_check(waitpid(pid, &status, 0), "waitpid");
		*ret_ended = !WIFSTOPPED(status);
		if (*ret_ended)
			return hits;
		tracer_check(ptrace(PTRACE_GETREGS, pid, NULL, regs), "PTRACE_GETREGS");
		if (regs->rip != byte_at + 1)
			return hits;
		hits++;
	}
}

static int run_exec(const char *guess)
{
	struct user_regs_struct regs;
	bool ended;
	pid_t pid;
	int hits;

	set_line(guess);
	pid = start();
	tracer_plant(pid, byte_at);
	hits = count_hits(pid, &regs, &ended);
	if (!ended)
		exit(1);
	return hits;
}

/* ---- In place */

static struct user_regs_struct home;
static int pagemap, memory;
static pid_t in_place;

static int run_in_place(const char *guess)
{
	struct user_regs_struct regs;
	bool ended;
	int hits;

	put_back(in_place, pagemap);
	tracer_check(ptrace(PTRACE_SETREGS, in_place, NULL, &home), "PTRACE_SETREGS");
	tracer_check(pwrite(memory, guess, LEN + 1, (off_t)home.rdi), "pwrite");
	hits = count_hits(in_place, &regs, &ended);
	if (ended)
		exit(1);
	return hits;
}

static void start_in_place(void)
{
	char path[64];
	bool ended;
	long word;

	set_line("AAAAAAAA");
	in_place = start();
	word = tracer_plant(in_place, check_at);
	if (count_hits(in_place, &home, &ended) || ended)
		exit(1);
	home.rip = check_at;
	home.orig_rax = (unsigned long long)-1;
	tracer_check(ptrace(PTRACE_POKETEXT, in_place, check_at, word), "PTRACE_POKETEXT");
	tracer_check(ptrace(PTRACE_SETREGS, in_place, NULL, &home), "PTRACE_SETREGS");
	pagemap = start_restoring(in_place);
	snprintf(path, sizeof(path), "/proc/%d/mem", in_place);
	memory = open(path, O_RDWR);
	tracer_check(memory, "mem");
	tracer_plant(in_place, (uint64_t)ptrace(PTRACE_PEEKDATA, in_place, home.rsp, NULL));
	tracer_plant(in_place, byte_at);
}

int main(int argc, char **argv)
{
	char guess[LEN + 1] = "\1\1\1\1\1\1\1\1";
	long long from;
	long tries = 0;
	bool whole;

	if (argc != 5)
		return 2;
	whole = !strcmp(argv[1], "exec");
	check_at = strtoull(argv[2], NULL, 16);
	byte_at = strtoull(argv[3], NULL, 16);
	target_argv = argv + 4;
	line_fd = memfd_create("line", 0);
	from = bench_now();
	if (!whole)
		start_in_place();
	for (int i = 0; i < LEN; i++) {
		int best = 0, most = -1;

		/* Zero and a newline are no part of a line; few will do where each costs a run. */
		for (int c = whole ? '`' : 1; c < (whole ? 127 : 256); c++, tries++) {
			int hits;

			if (c == '\n')
				c++;
			guess[i] = c == '`' && whole ? '!' : (char)c;
			hits = whole ? run_exec(guess) : run_in_place(guess);
			if (hits > most) {
				most = hits;
				best = guess[i];
			}
		}
		guess[i] = (char)best;
	}
	printf("runs %ld ns %lld\n", tries, bench_now() - from);
	fprintf(stderr, "found %s\n", guess);
	if (in_place)
		kill(in_place, SIGKILL);
	return 0;
}
