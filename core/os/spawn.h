/*
 * spawn - a child that waits to be traced, then executes.
 *
 * Not posix_spawn: the tracer must seize the child between clone and exec. Not fork: a copy of our memory, and of each
 * page that we write to meanwhile, costs more than all else about a start. So until its exec the child lives in our
 * memory, beside us: it makes plain system calls, without the C library's errno, which is ours, and touches nothing but
 * its own stack and what it reports when a step fails. It waits until it is let go.
 */
#ifndef PH_OS_SPAWN_H
#define PH_OS_SPAWN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#define PH_OS_REALTIME 32	/* the kernel's own first signal of real time (signal(7)) */

struct ph_os_limit {
	int resource;	/* RLIMIT_… */
	struct rlimit value;
};

struct ph_os_spawn {
	const char *path;	/* file to execute: no search */
	char *const *argv;
	char *const *env;
	const char *cwd;	/* NULL: ours */
	int stdio[3];		/* descriptors for 0, 1, 2; -1: ours */
	bool new_session;	/* setsid(2); the first of stdio that is a terminal becomes its controlling one */
	bool own_group;		/* setpgid(2) */
	bool no_aslr;		/* personality(2), ADDR_NO_RANDOMIZE */
	const struct ph_os_limit *limits;
	size_t n_limits;
	sigset_t ignored;	/* by the child */
	bool keeps_realtime;	/* … which ignores those of real time that we do as well */
	sigset_t blocked;	/* its signal mask */
};

struct ph_os_child {
	pid_t pid;
	struct ph_os_childhood *childhood;	/* owned: what it shares with us until then */
};

/* What spawn points to is the child's as well, until it has executed or ended. */
int ph_os_spawn_clone(const struct ph_os_spawn *spawn, struct ph_os_child *ret);

/* Lets the child execute. */
void ph_os_spawn_go(struct ph_os_child *child);

/* After the exec or the child's end: 0, or -errno of the step that failed, with its name. Frees what was kept for it. */
int ph_os_spawn_result(struct ph_os_child *child, const char **ret_step);

/*
 * The file that name means, by $PATH as execvp(3) searches it, but never a shell for what is no program: 0 and an
 * owned path, -ENOENT, or -EACCES when only files without permission were found.
 */
int ph_os_program_find(const char *name, const char *search_path, char **ret_path);

#endif
