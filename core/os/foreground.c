#include "os/foreground.h"

#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "os/wait.h"

#define PATIENCE_NS 3000000000	/* of one that was asked to end */

struct terminal {
	bool ours;		/* it is our standard input, and we are in its foreground */
	struct termios modes;
};

static void look(struct terminal *ret)
{
	ret->ours = tcgetpgrp(STDIN_FILENO) == getpgrp() && tcgetattr(STDIN_FILENO, &ret->modes) == 0;
}

/* A background group that changes the terminal gets SIGTTOU, unless it is blocked. */
static void give_to(pid_t group, const struct termios *modes)
{
	sigset_t ttou, before;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &before);
	tcsetpgrp(STDIN_FILENO, group);
	if (modes)
		tcsetattr(STDIN_FILENO, TCSADRAIN, modes);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static const int keys[] = { SIGINT, SIGQUIT, SIGTSTP };

/* A debugger gives the terminal to its target's group while that runs, which may be ours: its keys are not for us. */
static void ignore_keys(struct sigaction before[], bool ignored)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		sigaction(keys[i], ignored ? &ignore : &before[i], ignored ? &before[i] : NULL);
}

static int start(const struct ph_os_foreground *program, const struct terminal *terminal, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	short flags = POSIX_SPAWN_SETSIGMASK;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &program->blocked);
	if (terminal->ours) {
		flags |= POSIX_SPAWN_SETPGROUP;
		posix_spawnattr_setpgroup(&attributes, 0);
		posix_spawn_file_actions_addtcsetpgrp_np(&actions, STDIN_FILENO);
	}
	posix_spawnattr_setflags(&attributes, flags);
	r = posix_spawn(ret, program->path, &actions, &attributes, program->argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* A handler ran; whoever interrupts us does so again and again until we have seen it. */
static void end_if_asked(const struct ph_os_foreground *program, pid_t pid, int64_t *since)
{
	if (!program->interrupt || !*program->interrupt)
		return;
	if (!*since) {
		*since = ph_os_now();
		kill(pid, SIGTERM);
	} else if (ph_os_now() - *since > PATIENCE_NS) {
		kill(pid, SIGKILL);
	}
}

static int await(const struct ph_os_foreground *program, const struct terminal *terminal, pid_t pid)
{
	int64_t asked = 0;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WUNTRACED);

		if (got == pid && !WIFSTOPPED(status))
			return status;
		if (got == pid) {
			if (terminal->ours)
				give_to(pid, NULL);
			kill(pid, SIGCONT);
		} else if (errno == EINTR) {
			end_if_asked(program, pid, &asked);
		} else {
			/* Whoever ignores SIGCHLD hears of no status. */
			return 0;
		}
	}
}

int ph_os_foreground_run(const struct ph_os_foreground *program, int *ret_status)
{
	struct sigaction before[sizeof(keys) / sizeof(keys[0])];
	struct terminal terminal;
	pid_t pid;
	int r;

	look(&terminal);
	r = start(program, &terminal, &pid);
	if (r >= 0) {
		/* Not before: the program would inherit it. */
		if (terminal.ours)
			ignore_keys(before, true);
		*ret_status = await(program, &terminal, pid);
		if (terminal.ours)
			ignore_keys(before, false);
	}
	if (terminal.ours)
		give_to(getpgrp(), &terminal.modes);
	return r;
}
