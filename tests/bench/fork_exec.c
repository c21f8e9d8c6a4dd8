/*
 * fork_exec N PROGRAM [ARG...]: N times fork, TRACEME, exec, wait for the stop, go on, wait for the end: the least
 * that starting a program under a tracer costs.
 * fork_exec -r N PROGRAM [ARG...]: N times plainly run, for a program that is itself a tracer.
 * fork_exec -p N PROGRAM: N times the first, with a line on its standard input, and what it says read from a pipe.
 * Output: "runs 1 ns T", of the fastest run: what else the machine does meanwhile is not the program's. PROGRAM's own
 * output goes to /dev/null. Exit 1 when one run's status is not 0.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>

#include "clock.h"
#include "tracer.h"

extern char **environ;

static bool traced(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, 0);
	return status == 0;
}

/* Its status may be anything: the line is a guess. */
static bool piped(char **argv)
{
	static const char line[] = "a guess\n";
	int in[2], out[2], status;
	char said[4096];
	ssize_t n, total = 0;
	pid_t pid;

	tracer_check(pipe2(in, O_CLOEXEC), "pipe");
	tracer_check(pipe2(out, O_CLOEXEC), "pipe");
	tracer_check(write(in[1], line, sizeof(line) - 1), "write");
	close(in[1]);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, 0);
	while ((n = read(out[0], said, sizeof(said))) > 0)
		total += n;
	close(out[0]);
	return WIFEXITED(status) && total > 0;
}

static bool plain(char **argv)
{
	posix_spawn_file_actions_t acts;
	int status = 1;
	pid_t pid;

	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_addopen(&acts, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &acts, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&acts);
	return status == 0;
}

int main(int argc, char **argv)
{
	bool plainly = argc > 1 && !strcmp(argv[1], "-r"), pipes = argc > 1 && !strcmp(argv[1], "-p");
	char **words = argv + 1 + (plainly || pipes);
	long long best = 0;
	long n;

	if (argc < 3 + (plainly || pipes))
		return 2;
	n = atol(words[0]);
	for (long i = 0; i < n; i++) {
		long long from = bench_now(), took;

		if (!(plainly ? plain : pipes ? piped : traced)(words + 1))
			return 1;
		took = bench_now() - from;
		best = i && best < took ? best : took;
	}
	printf("runs 1 ns %lld\n", best);
	return 0;
}
