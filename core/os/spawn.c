#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/raw.h"

enum step { STEP_WAIT, STEP_STDIO, STEP_SESSION, STEP_CWD, STEP_LIMIT, STEP_PERSONALITY, STEP_EXEC };

static const char *const step_names[] = {
	[STEP_WAIT] = "wait for the tracer",
	[STEP_STDIO] = "set standard input and output",
	[STEP_SESSION] = "begin a session",
	[STEP_CWD] = "change directory",
	[STEP_LIMIT] = "set resource limits",
	[STEP_PERSONALITY] = "turn off address randomisation",
	[STEP_EXEC] = "execute",
};

#define STACK 16384

struct ph_os_childhood {
	const struct ph_os_spawn *spawn;
	pid_t parent;
	uint32_t go;		/* a futex: 1 lets it execute */
	int code, step;		/* what failed; 0: nothing yet */
	_Alignas(16) char stack[STACK];
};

/* ---- In the child, which shares our memory */

/* Duplicates first, above the three, since a source may be a number that another is to become. */
static int set_stdio(const int stdio[3])
{
	long copies[3] = { -1, -1, -1 }, r;

	for (int i = 0; i < 3; i++) {
		if (stdio[i] < 0)
			continue;
		copies[i] = ph_os_raw(SYS_fcntl, stdio[i], F_DUPFD_CLOEXEC, 3, 0);
		if (copies[i] < 0)
			return (int)copies[i];
	}
	for (int i = 0; i < 3; i++) {
		r = copies[i] >= 0 ? ph_os_raw(SYS_dup2, copies[i], i, 0, 0) : 0;
		if (r < 0)
			return (int)r;
	}
	return 0;
}

/* Without one that is a terminal it has none; that is no failure. */
static int leave_session(const int stdio[3])
{
	long r = ph_os_raw(SYS_setsid, 0, 0, 0, 0);

	for (int i = 0; r >= 0 && i < 3; i++)
		if (stdio[i] >= 0 && ph_os_raw(SYS_ioctl, i, TIOCSCTTY, 0, 0) == 0)
			return 0;
	return r < 0 ? (int)r : 0;
}

/* Until the tracer lets it go. One that the tracer's end leaves behind is killed, and was by then seized by nobody. */
static int await_go(const struct ph_os_childhood *childhood)
{
	ph_os_raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	if (ph_os_raw(SYS_getppid, 0, 0, 0, 0) != childhood->parent)
		return -ECANCELED;
	while (!__atomic_load_n(&childhood->go, __ATOMIC_ACQUIRE))
		ph_os_raw(SYS_futex, (long)&childhood->go, FUTEX_WAIT_PRIVATE, 0, 0);
	ph_os_raw(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0);
	return 0;
}

/*
 * Before any signal is let in: a handler of ours would act on the tracer's own state. Those of real time are half of all
 * calls of a start, which who has not touched them saves.
 */
static void set_signals(const struct ph_os_spawn *spawn)
{
	/* The kernel's own layout (asm/signal.h): handler, flags, restorer, mask. */
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} act = { .handler = SIG_DFL };
	const long size = sizeof(act.mask);

	for (int sig = 1; sig < NSIG; sig++) {
		bool ignored = sigismember(&spawn->ignored, sig) == 1;

		act.handler = ignored ? SIG_IGN : SIG_DFL;
		if (ignored || sig < PH_OS_REALTIME || !spawn->keeps_realtime)
			ph_os_raw(SYS_rt_sigaction, sig, (long)&act, 0, size);
	}
	ph_os_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&spawn->blocked, 0, size);
}

static int run_child(struct ph_os_childhood *childhood)
{
	const struct ph_os_spawn *spawn = childhood->spawn;
	long r, persona;

	childhood->step = STEP_WAIT;
	r = await_go(childhood);
	if (r < 0)
		return (int)r;
	childhood->step = STEP_STDIO;
	r = set_stdio(spawn->stdio);
	if (r < 0)
		return (int)r;
	childhood->step = STEP_SESSION;
	r = spawn->new_session ? leave_session(spawn->stdio) : 0;
	if (r < 0)
		return (int)r;
	if (spawn->own_group && !spawn->new_session)
		ph_os_raw(SYS_setpgid, 0, 0, 0, 0);
	childhood->step = STEP_CWD;
	r = spawn->cwd ? ph_os_raw(SYS_chdir, (long)spawn->cwd, 0, 0, 0) : 0;
	if (r < 0)
		return (int)r;
	childhood->step = STEP_LIMIT;
	for (size_t i = 0; i < spawn->n_limits; i++) {
		r = ph_os_raw(SYS_setrlimit, spawn->limits[i].resource, (long)&spawn->limits[i].value, 0, 0);
		if (r < 0)
			return (int)r;
	}
	childhood->step = STEP_PERSONALITY;
	persona = spawn->no_aslr ? ph_os_raw(SYS_personality, 0xffffffff, 0, 0, 0) : 0;
	r = spawn->no_aslr && persona >= 0 ? ph_os_raw(SYS_personality, persona | ADDR_NO_RANDOMIZE, 0, 0, 0) : persona;
	if (r < 0)
		return (int)r;
	childhood->step = STEP_EXEC;
	set_signals(spawn);
	return (int)ph_os_raw(SYS_execve, (long)spawn->path, (long)spawn->argv, (long)spawn->env, 0);
}

/* What it returns becomes the exit status, by a system call of clone(3)'s own. */
static int child_main(void *user)
{
	struct ph_os_childhood *childhood = user;

	childhood->code = run_child(childhood);
	return 127;
}

/* ---- In the tracer */

int ph_os_spawn_clone(const struct ph_os_spawn *spawn, struct ph_os_child *ret)
{
	struct ph_os_child child = { .childhood = malloc(sizeof(*child.childhood)) };
	sigset_t all, old;
	int r = 0;

	if (!child.childhood)
		return -ENOMEM;
	child.childhood->spawn = spawn;
	child.childhood->parent = getpid();
	child.childhood->go = 0;
	child.childhood->code = 0;
	/* No handler of ours may run in the child: it would act on the tracer's own state. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	child.pid = clone(child_main, child.childhood->stack + STACK, CLONE_VM | SIGCHLD, child.childhood);
	r = child.pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r < 0) {
		free(child.childhood);
		return r;
	}
	*ret = child;
	return 0;
}

void ph_os_spawn_go(struct ph_os_child *child)
{
	__atomic_store_n(&child->childhood->go, 1, __ATOMIC_RELEASE);
	ph_os_raw(SYS_futex, (long)&child->childhood->go, FUTEX_WAKE_PRIVATE, 1, 0);
}

int ph_os_spawn_result(struct ph_os_child *child, const char **ret_step)
{
	int code = child->childhood->code;

	if (code)
		*ret_step = step_names[child->childhood->step];
	free(child->childhood);
	child->childhood = NULL;
	return code;
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
