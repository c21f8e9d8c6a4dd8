/*
 * procfs - what /proc says of a process: threads, state, memory map, auxiliary vector (proc(5)).
 *
 * Everything here is a snapshot that may be out of date when it returns. Parsers are pure and separate, for tests.
 */
#ifndef PH_OS_PROCFS_H
#define PH_OS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/types.h"

#define PH_OS_TASK_PATH_MAX 64

/* "/proc/TID/task/TID/name", of at most 16 bytes. Without printf, which no other step of a start needs. */
const char *ph_os_task_path(char buf[PH_OS_TASK_PATH_MAX], pid_t tid, const char *name);

struct ph_os_status {
	char name[64];
	char state;	/* R S D T t Z X I */
	pid_t tgid;
	pid_t tracer;	/* 0: none */
	uid_t uid;	/* real */
	bool kthread;
	int seccomp;	/* 0: none, 1: strict, 2: filters */
	int filters;	/* how many; 0: none, or a kernel before 5.9 */
	uint64_t caught;	/* signals that have a handler: bit n - 1 is signal n */
	uint64_t ignored;	/* likewise */
};

int ph_os_status_parse(const char *text, struct ph_os_status *ret);
int ph_os_status_read(pid_t pid, struct ph_os_status *ret);

/* Calls fn for each thread that /proc/PID/task lists; stops at its first nonzero answer and returns it. */
int ph_os_tasks_each(pid_t pid, int (*fn)(pid_t tid, void *user), void *user);

/* The same for the children of one thread. -ENOENT: a kernel without CONFIG_PROC_CHILDREN, or the thread is gone. */
int ph_os_children_each(pid_t pid, pid_t tid, int (*fn)(pid_t child, void *user), void *user);

/* The path of the program, as the kernel knows it (" (deleted)" included); length or -errno. */
int ph_os_exe_read(pid_t pid, char *buf, size_t len);

/* Opens the program's file itself, also one that was deleted or replaced. */
int ph_os_exe_open(pid_t pid);

/* The value of an AT_ entry; -ENOENT when the vector lacks it. */
int ph_os_auxv_read(pid_t tid, unsigned long type, uint64_t *ret);

struct ph_map_entry {
	ph_addr start, end;
	char perms[5];	/* "r-xp" */
	uint64_t offset;
	uint64_t inode;		/* 0: no file */
	const char *path;	/* "" when none; borrowed from the list */
};

struct ph_maps {
	struct ph_map_entry *entries;	/* owned, by address */
	size_t count;
	char *text;	/* owned; the paths stand in it */
};

/* Takes text over, also on failure. */
int ph_os_maps_parse(char *text, struct ph_maps *ret);
int ph_os_maps_read(pid_t tid, struct ph_maps *ret);
void ph_os_maps_fini(struct ph_maps *maps);
const struct ph_map_entry *ph_os_maps_find(const struct ph_maps *maps, ph_addr addr);

/* Opens the very file that is mapped there, wherever its name leads by now. -EPERM: only for CAP_CHECKPOINT_RESTORE. */
int ph_os_map_file_open(pid_t tid, const struct ph_map_entry *entry);

/* A number from a one-line file such as /proc/sys/kernel/yama/ptrace_scope, or -errno. */
int ph_os_number_read(const char *path);

#endif
