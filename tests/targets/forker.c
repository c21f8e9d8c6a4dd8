/*
 * forker [MODE [N]]: makes children in one way, or in all (default): fork, vfork (child execs), spawn, clone_vm
 * (shared memory), clone_vfork, clone_sighand (shares nearly all), clone_quiet (no signal at its end), clone3, untraced
 * (CLONE_UNTRACED), untraced3 (the same by clone3), untraced_vm (with shared memory), grandchild, storm (N forks, 100).
 * Child and parent each call marker(who).
 * Output: "MODE: exit 3" for a child that lived well, "MODE: signal S" for one that did not; exit 0 when all were
 * well.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "target.h"

extern char **environ;
static char *self[] = { "forker", "child", NULL };
static long count;

PLACE int marker(const char *who)
{
	return who[0];
}

static int child(void *arg)
{
	(void)arg;
	marker("child");
	syscall(SYS_exit_group, 3);
	return 0;
}

static pid_t by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		child(NULL);
	}
	return pid;
}

static pid_t by_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		marker("vfork");
		execv("/proc/self/exe", self);
		_exit(9);
	}
	return pid;
}

static pid_t by_spawn(void)
{
	pid_t pid;

	return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, self, environ) ? -1 : pid;
}

static pid_t by_clone(int flags)
{
	static char stack[64 << 10] __attribute__((aligned(16)));

	return clone(child, stack + sizeof(stack), flags, NULL);
}

static pid_t by_clone_vm(void)
{
	return by_clone(CLONE_VM | SIGCHLD);
}

static pid_t by_clone_vfork(void)
{
	return by_clone(CLONE_VM | CLONE_VFORK | SIGCHLD);
}

static pid_t by_clone_sighand(void)
{
	return by_clone(CLONE_VM | CLONE_SIGHAND | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_IO | SIGCHLD);
}

static pid_t by_clone_quiet(void)
{
	return by_clone(0);
}

static pid_t by_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		child(NULL);
	return pid;
}

static pid_t by_untraced(void)
{
	return by_clone(CLONE_UNTRACED | SIGCHLD);
}

static pid_t by_untraced_vm(void)
{
	return by_clone(CLONE_UNTRACED | CLONE_VM | CLONE_VFORK | SIGCHLD);
}

/* struct clone_args of Linux 5.3, in read-only memory; parent and child find it as it was. */
static pid_t by_untraced3(void)
{
	static const struct {
		unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = CLONE_UNTRACED, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (*(volatile unsigned long *)&args.flags != CLONE_UNTRACED)
		_exit(9);
	if (pid == 0) {
		alarm(60);
		child(NULL);
	}
	return pid;
}

static pid_t by_grandchild(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		int status = 0;

		alarm(60);
		marker("middle");
		waitpid(by_fork(), &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	return pid;
}

static bool well(const char *mode, pid_t pid, bool quiet)
{
	int status;

	marker("parent");
	if (pid < 0 || waitpid(pid, &status, __WALL) != pid) {
		printf("%s: cannot\n", mode);
		return false;
	}
	if (WIFSIGNALED(status)) {
		printf("%s: signal %d\n", mode, WTERMSIG(status));
		return false;
	}
	if (!quiet)
		printf("%s: exit %d\n", mode, WEXITSTATUS(status));
	return WEXITSTATUS(status) == 3;
}

static pid_t by_storm(void)
{
	for (long i = 1; i < count; i++)
		if (!well("storm", by_fork(), true))
			return -1;
	return by_fork();
}

static const struct {
	const char *name;
	pid_t (*fn)(void);
} modes[] = {
	{ "fork", by_fork },
	{ "vfork", by_vfork },
	{ "spawn", by_spawn },
	{ "clone_vm", by_clone_vm },
	{ "clone_vfork", by_clone_vfork },
	{ "clone_sighand", by_clone_sighand },
	{ "clone_quiet", by_clone_quiet },
	{ "clone3", by_clone3 },
	{ "untraced", by_untraced },
	{ "untraced3", by_untraced3 },
	{ "untraced_vm", by_untraced_vm },
	{ "grandchild", by_grandchild },
	{ "storm", by_storm },
};

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "all";
	bool good = true, known = false;

	target_begin();
	if (!strcmp(mode, "child"))
		return child(NULL);
	count = target_number(argc, argv, 2, 100);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(mode, "all") && strcmp(mode, modes[i].name))
			continue;
		known = true;
		good &= well(modes[i].name, modes[i].fn(), false);
	}
	if (!known)
		return target_usage("forker [all|fork|vfork|spawn|clone_vm|clone_vfork|clone_sighand|clone_quiet|clone3|"
				    "untraced|untraced3|untraced_vm|grandchild|storm [N]]");
	return !good;
}
