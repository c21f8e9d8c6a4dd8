/*
 * antidebug_parent: looks for a debugger in its parent, and among the processes around.
 * Output: as antidebug.h says.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>

#include "antidebug.h"

static char *file_of(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return slurp(path);
}

static int by_comm(void)
{
	return suspicious(file_of(getppid(), "comm"));
}

static int by_cmdline(void)
{
	return suspicious(file_of(getppid(), "cmdline"));
}

static int by_exe(void)
{
	char path[64], to[4096] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", getppid());
	return readlink(path, to, sizeof(to) - 1) >= 0 && suspicious(to);
}

static pid_t parent_in_stat(pid_t pid)
{
	const char *behind = strrchr(file_of(pid, "stat"), ')');

	return behind ? (pid_t)strtol(behind + 3, NULL, 10) : -1;
}

static int by_status(void)
{
	pid_t parent = (pid_t)field(slurp("/proc/self/status"), "PPid:");

	return parent != getppid() || suspicious(file_of(parent, "status"));
}

static int by_stat(void)
{
	pid_t parent = parent_in_stat(getpid());

	return parent != getppid() || suspicious(file_of(parent, "stat"));
}

/* The parent, and what else it has started. Others on the machine may debug what they like. */
static int among_all(void)
{
	DIR *all = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (all && (entry = readdir(all))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (isdigit((unsigned char)entry->d_name[0]) && (pid == getppid() || parent_in_stat(pid) == getppid()))
			found |= suspicious(file_of(pid, "comm"));
	}
	if (all)
		closedir(all);
	return found;
}

/* Whoever started this one is no debugger, and it can be asked for its group like anybody else. */
static int is_leader_odd(void)
{
	pid_t leader = getsid(0);

	return leader != getsid(getppid()) || suspicious(file_of(leader, "comm"));
}

int main(void)
{
	target_begin();
	verdict("comm", by_comm());
	verdict("cmdline", by_cmdline());
	verdict("exe", by_exe());
	verdict("status", by_status());
	verdict("stat", by_stat());
	verdict("processes", among_all());
	verdict("session", is_leader_odd());
	return antidebug_found;
}
