#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int set_modes(int fd, const struct ph_os_pty *pty)
{
	struct winsize size = { .ws_row = pty->rows, .ws_col = pty->columns };
	struct termios modes;

	if ((size.ws_row || size.ws_col) && ioctl(fd, TIOCSWINSZ, &size) < 0)
		return -errno;
	if (!pty->raw && !pty->no_echo)
		return 0;
	if (tcgetattr(fd, &modes) < 0)
		return -errno;
	if (pty->raw)
		cfmakeraw(&modes);
	if (pty->no_echo)
		modes.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	return tcsetattr(fd, TCSANOW, &modes) < 0 ? -errno : 0;
}

int ph_os_pty_open(const struct ph_os_pty *pty, int *ret_ours, int *ret_theirs)
{
	int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), theirs = -1, r = 0;

	if (ours < 0)
		return -errno;
	if (grantpt(ours) < 0 || unlockpt(ours) < 0)
		r = -errno;
	/* Not by its name, which may lie in a /dev/pts that is not mounted here. */
	if (r == 0 && (theirs = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r == 0)
		r = set_modes(theirs, pty);
	if (r < 0) {
		close(ours);
		if (theirs >= 0)
			close(theirs);
		return r;
	}
	*ret_ours = ours;
	*ret_theirs = theirs;
	return 0;
}

int ph_os_pty_end_byte(int fd)
{
	struct termios modes;

	if (tcgetattr(fd, &modes) < 0 || !(modes.c_lflag & ICANON))
		return -1;
	return modes.c_cc[VEOF] == _POSIX_VDISABLE ? -1 : modes.c_cc[VEOF];
}

void ph_os_terminal_copy_size(int from, int to)
{
	struct winsize size;
	int before = errno;

	if (ioctl(from, TIOCGWINSZ, &size) == 0 && (size.ws_row || size.ws_col))
		ioctl(to, TIOCSWINSZ, &size);
	errno = before;
}

int ph_os_terminal_make_raw(int fd, struct termios *ret_before)
{
	struct termios modes;

	if (tcgetattr(fd, &modes) < 0)
		return -errno;
	*ret_before = modes;
	cfmakeraw(&modes);
	return tcsetattr(fd, TCSADRAIN, &modes) < 0 ? -errno : 0;
}

void ph_os_terminal_restore(int fd, const struct termios *before)
{
	tcsetattr(fd, TCSADRAIN, before);
}
