#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum step { STEP_WAIT, STEP_STDIO, STEP_CWD, STEP_LIMIT, STEP_PERSONALITY, STEP_EXEC };

static const char *const step_names[] = {
	[STEP_WAIT] = "wait for the tracer",
	[STEP_STDIO] = "set standard input and output",
	[STEP_CWD] = "change directory",
	[STEP_LIMIT] = "set resource limits",
	[STEP_PERSONALITY] = "turn off address randomisation",
	[STEP_EXEC] = "execute",
};

struct failure {
	int code, step;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Duplicates first, above the three, since a source may be a number that another is to become. */
static int set_stdio(const int stdio[3])
{
	int copies[3] = { -1, -1, -1 };

	for (int i = 0; i < 3; i++) {
		if (stdio[i] < 0)
			continue;
		copies[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
		if (copies[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (copies[i] >= 0 && dup2(copies[i], i) < 0)
			return -errno;
	return 0;
}

static void set_signals(const struct ph_os_spawn *spawn)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction act = { .sa_handler = sigismember(&spawn->ignored, sig) == 1 ? SIG_IGN : SIG_DFL };

		sigaction(sig, &act, NULL);
	}
	sigprocmask(SIG_SETMASK, &spawn->blocked, NULL);
}

static int run_child(const struct ph_os_spawn *spawn, int go, enum step *step)
{
	char byte;
	ssize_t n;
	int r, persona;

	*step = STEP_WAIT;
	do
		n = read(go, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return -ECANCELED;
	*step = STEP_STDIO;
	r = set_stdio(spawn->stdio);
	if (r < 0)
		return r;
	*step = STEP_CWD;
	if (spawn->cwd && chdir(spawn->cwd) < 0)
		return -errno;
	*step = STEP_LIMIT;
	for (size_t i = 0; i < spawn->n_limits; i++)
		if (setrlimit((__rlimit_resource_t)spawn->limits[i].resource, &spawn->limits[i].value) < 0)
			return -errno;
	*step = STEP_PERSONALITY;
	persona = spawn->no_aslr ? personality(0xffffffff) : 0;
	if (persona < 0 || (spawn->no_aslr && personality((unsigned long)persona | ADDR_NO_RANDOMIZE) < 0))
		return -errno;
	*step = STEP_EXEC;
	set_signals(spawn);
	execve(spawn->path, spawn->argv, spawn->env);
	return -errno;
}

int ph_os_spawn_fork(const struct ph_os_spawn *spawn, struct ph_os_child *ret)
{
	int go[2] = { -1, -1 }, failure[2] = { -1, -1 }, r = 0;
	sigset_t all, old;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) < 0 || pipe2(failure, O_CLOEXEC) < 0) {
		r = -errno;
		goto fail;
	}
	/* No handler of ours may run in the child: it would act on the tracer's own state. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		struct failure said;
		enum step step;

		close(go[1]);
		said.code = run_child(spawn, go[0], &step);
		said.step = step;
		if (write(failure[1], &said, sizeof(said)) < 0)
			_exit(126);
		_exit(127);
	}
	r = pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		goto fail;
	close(go[0]);
	close(failure[1]);
	*ret = (struct ph_os_child){ .pid = pid, .go = go[1], .failure = failure[0] };
	return 0;
fail:
	for (int i = 0; i < 2; i++) {
		close_fd(&go[i]);
		close_fd(&failure[i]);
	}
	return r;
}

void ph_os_spawn_go(struct ph_os_child *child)
{
	/* A child that was killed meanwhile reads nothing; its end tells, so this failure need not. */
	send(child->go, "g", 1, MSG_NOSIGNAL);
	close_fd(&child->go);
}

int ph_os_spawn_result(struct ph_os_child *child, const char **ret_step)
{
	struct failure said = { 0 };
	ssize_t n;

	close_fd(&child->go);
	do
		n = read(child->failure, &said, sizeof(said));
	while (n < 0 && errno == EINTR);
	close_fd(&child->failure);
	if (n != sizeof(said))
		return 0;
	*ret_step = step_names[said.step];
	return said.code;
}

int ph_os_program_find(const char *name, const char *search_path, char **ret_path)
{
	const char *at = search_path ? search_path : "/bin:/usr/bin";
	int r = -ENOENT;

	if (strchr(name, '/') || !*name) {
		*ret_path = strdup(name);
		return !*name ? (free(*ret_path), -ENOENT) : *ret_path ? 0 : -ENOMEM;
	}
	for (;;) {
		size_t len = strcspn(at, ":");
		struct stat st;
		char *path;

		/* An empty entry means the current folder. */
		if (asprintf(&path, "%.*s%s%s", (int)len, at, len ? "/" : "./", name) < 0)
			return -ENOMEM;
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(path, X_OK) == 0) {
				*ret_path = path;
				return 0;
			}
			r = -EACCES;
		}
		free(path);
		if (!at[len])
			return r;
		at += len + 1;
	}
}
