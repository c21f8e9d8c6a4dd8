/*
 * attach N PID: N times: SEIZE and INTERRUPT every thread of PID, wait for each, DETACH each.
 * Output: "runs N ns T".
 */
#include <dirent.h>

#include "clock.h"
#include "tracer.h"

static int list(pid_t pid, pid_t *tids, int most)
{
	char path[64];
	struct dirent *d;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && n < most && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			tids[n++] = atoi(d->d_name);
	if (dir)
		closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	static pid_t tids[4096];
	long runs = argc == 3 ? atol(argv[1]) : 0;
	long long from = bench_now();

	for (long i = 0; i < runs; i++) {
		int n = list(atoi(argv[2]), tids, 4096), status;

		if (!n)
			return 1;
		for (int k = 0; k < n; k++) {
			tracer_check(ptrace(PTRACE_SEIZE, tids[k], NULL, PTRACE_O_TRACECLONE), "PTRACE_SEIZE");
			tracer_check(ptrace(PTRACE_INTERRUPT, tids[k], NULL, NULL), "PTRACE_INTERRUPT");
		}
		for (int k = 0; k < n; k++)
			tracer_check(waitpid(tids[k], &status, __WALL), "waitpid");
		for (int k = 0; k < n; k++)
			tracer_check(ptrace(PTRACE_DETACH, tids[k], NULL, 0), "PTRACE_DETACH");
	}
	printf("runs %ld ns %lld\n", runs, bench_now() - from);
	return 0;
}
