/*
 * spawn - a child that waits to be traced, then executes.
 *
 * fork, not posix_spawn: the tracer must seize the child between fork and exec. The child sets itself up with
 * async-signal-safe calls only, waits on a socket until it is let go (send can keep SIGPIPE away, a pipe cannot), and reports a failed step through a close-on-exec
 * pipe: a successful exec closes it, so end of file means success.
 */
#ifndef PH_OS_SPAWN_H
#define PH_OS_SPAWN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

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
	bool no_aslr;		/* personality(2), ADDR_NO_RANDOMIZE */
	const struct ph_os_limit *limits;
	size_t n_limits;
	sigset_t ignored;	/* what the caller's own caller ignored: so does the child */
	sigset_t blocked;	/* its signal mask */
};

struct ph_os_child {
	pid_t pid;
	int go;		/* written to: the child goes on to exec */
	int failure;	/* read from: what failed, or end of file */
};

int ph_os_spawn_fork(const struct ph_os_spawn *spawn, struct ph_os_child *ret);

/* Lets the child execute. */
void ph_os_spawn_go(struct ph_os_child *child);

/* After the exec or the child's end: 0, or -errno of the step that failed, with its name. Closes what is open. */
int ph_os_spawn_result(struct ph_os_child *child, const char **ret_step);

/*
 * The file that name means, by $PATH as execvp(3) searches it, but never a shell for what is no program: 0 and an
 * owned path, -ENOENT, or -EACCES when only files without permission were found.
 */
int ph_os_program_find(const char *name, const char *search_path, char **ret_path);

#endif
