/*
 * antidebug_watchdog: as malware does it: a child traces this process as long as it lives, so that nobody else can, and
 * passes on its signals; a thread keeps looking; the rest is mixed.
 * Output: as antidebug.h says.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <x86intrin.h>

#include "antidebug.h"

static volatile sig_atomic_t usr1, traps;
static volatile int is_over, seen_by_thread;

static void on_usr1(int sig)
{
	(void)sig;
	usr1++;
}

static void on_trap(int sig)
{
	(void)sig;
	traps++;
}

/* Its own tracer is the guardian, or nobody; kept open, and read from the start each time. */
static void *keep_looking(void *arg)
{
	pid_t guardian = *(pid_t *)arg;
	int fd = open("/proc/self/status", O_RDONLY);
	char text[4096];

	do {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		long tracer;

		text[n > 0 ? n : 0] = 0;
		tracer = field(text, "TracerPid:");
		seen_by_thread |= tracer != 0 && tracer != guardian;
	} while (!is_over);
	close(fd);
	return NULL;
}

/* Passes signals on until SIGUSR2, which it keeps and ends at. Says "1" when it has attached. */
static int guard(pid_t parent, int tell)
{
	int status, sig = 0, n = 0;

	if (ptrace(PTRACE_ATTACH, parent, 0, 0) < 0 || waitpid(parent, &status, 0) != parent || !WIFSTOPPED(status))
		return 1;
	if (write(tell, "1", 1) != 1)
		return 2;
	for (;;) {
		if (ptrace(PTRACE_CONT, parent, 0, sig) < 0 || waitpid(parent, &status, 0) != parent)
			return 3;
		if (!WIFSTOPPED(status))
			return 4;
		sig = WSTOPSIG(status);
		if (sig == SIGUSR2)
			break;
		n += sig == SIGUSR1;
	}
	return ptrace(PTRACE_DETACH, parent, 0, 0) < 0 || n != 2 ? 5 : 0;
}

static pid_t start_guardian(int *ret_attached)
{
	pid_t parent = getpid(), child;
	int ends[2];
	char c;

	if (pipe(ends) < 0)
		abort();
	fflush(stdout);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		_exit(guard(parent, ends[1]));
	}
	prctl(PR_SET_PTRACER, child);
	close(ends[1]);
	*ret_attached = read(ends[0], &c, 1) == 1;
	close(ends[0]);
	return child;
}

static int is_int3_taken(void)
{
	__asm__ volatile("int3");
	return traps != 1;
}

static int is_slow(void)
{
	int64_t before = (int64_t)__rdtsc();

	__asm__ volatile("" ::: "memory");
	return (int64_t)__rdtsc() - before > 1000000;
}

int main(void)
{
	int attached, status = -1;
	pthread_t thread;
	pid_t guardian;
	char path[64];

	target_begin();
	signal(SIGUSR1, on_usr1);
	signal(SIGTRAP, on_trap);
	prctl(PR_SET_DUMPABLE, 1);
	guardian = start_guardian(&attached);
	verdict("guardian", !attached);
	if (attached) {
		/* A thread that nobody traces would be none of the guardian's. */
		verdict("tracer", field(slurp("/proc/self/status"), "TracerPid:") != guardian);
		raise(SIGUSR1);
		raise(SIGUSR1);
		verdict("signals", usr1 != 2);
		raise(SIGUSR2);
	}
	while (waitpid(guardian, &status, 0) < 0 && errno == EINTR)
		;
	verdict("guardian's end", status != 0);
	pthread_create(&thread, NULL, keep_looking, &guardian);
	verdict("int3", is_int3_taken());
	verdict("rdtsc", is_slow());
	snprintf(path, sizeof(path), "/proc/%d/comm", getppid());
	verdict("parent", suspicious(slurp(path)));
	is_over = 1;
	pthread_join(thread, NULL);
	verdict("thread", seen_by_thread);
	verdict("traceme", ptrace(PTRACE_TRACEME, 0, 0, 0) < 0);
	verdict("parent is tracer", field(slurp("/proc/self/status"), "TracerPid:") != getppid());
	return antidebug_found;
}
