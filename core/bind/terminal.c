#include "bind/terminal.h"

#include <errno.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

static struct {
	bool is_open;
	bool is_given;
	struct termios ours, theirs;
	bool has_theirs;
	pid_t our_group, their_group;	/* their_group: 0: none yet */
} terminal;

bool ph_terminal_open(void)
{
	if (terminal.is_open)
		return true;
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal.ours) < 0)
		return false;
	terminal.our_group = getpgrp();
	terminal.is_open = true;
	return true;
}

/* A group in the background that changes the terminal is stopped by SIGTTOU, unless that is blocked. */
static void set(pid_t group, const struct termios *modes)
{
	sigset_t out, old;

	sigemptyset(&out);
	sigaddset(&out, SIGTTOU);
	sigprocmask(SIG_BLOCK, &out, &old);
	if (group)
		tcsetpgrp(STDIN_FILENO, group);
	/* Not TCSAFLUSH: what was typed ahead is somebody's. */
	if (modes)
		tcsetattr(STDIN_FILENO, TCSADRAIN, modes);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void take_back(void)
{
	if (getpgrp() != terminal.our_group)
		setpgid(0, terminal.our_group);
	set(terminal.our_group, &terminal.ours);
}

static bool group_lives(pid_t group)
{
	return group > 0 && (kill(-group, 0) == 0 || errno == EPERM);
}

void ph_terminal_give(pid_t pid)
{
	pid_t group = getpgid(pid);

	if (!terminal.is_open || group < 0 || tcgetpgrp(STDIN_FILENO) != terminal.our_group)
		return;
	terminal.is_given = true;
	/* Ctrl-C is for us as well: a hook that does not come to an end must hear of it. */
	if (group != terminal.our_group)
		setpgid(0, group);
	set(group_lives(terminal.their_group) ? terminal.their_group : group, terminal.has_theirs ? &terminal.theirs : NULL);
}

void ph_terminal_take(void)
{
	if (!terminal.is_given)
		return;
	terminal.is_given = false;
	terminal.their_group = tcgetpgrp(STDIN_FILENO);
	terminal.has_theirs = tcgetattr(STDIN_FILENO, &terminal.theirs) == 0;
	take_back();
}

bool ph_terminal_is_given(void)
{
	return terminal.is_given;
}

bool ph_terminal_can_be_given(void)
{
	/* The leader of the terminal's session stays in its group. */
	return terminal.is_open && getsid(0) != getpid();
}

void ph_terminal_forget(void)
{
	terminal.has_theirs = false;
	terminal.their_group = 0;
}

void ph_terminal_restore(void)
{
	if (terminal.is_open && (terminal.is_given || tcgetpgrp(STDIN_FILENO) == terminal.our_group))
		take_back();
	terminal.is_given = false;
}
