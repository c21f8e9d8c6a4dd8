#include "os/poll.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "os/wait.h"

#define NS 1000000000

/*
 * Another thread of this process that has not blocked SIGCHLD may take it, and does not tell us; so may a parent that had
 * us started with SIGCHLD ignored. We look again after that long.
 */
#define LONGEST_SLEEP (NS / 4)

static sigset_t chld_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	return set;
}

int ph_os_poll_open(void)
{
	sigset_t chld = chld_set();
	int fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int ph_os_poll_now(struct pollfd *fds, size_t n)
{
	int r = poll(fds, n, 0);

	return r < 0 ? 0 : r;
}

int ph_os_poll_until(struct pollfd *fds, size_t n, int64_t deadline)
{
	int64_t left = deadline - ph_os_now();
	struct timespec t;
	int r;

	left = left > 0 ? left : 0;
	t = (struct timespec){ left / NS, left % NS };
	r = ppoll(fds, n, deadline == PH_WAIT_FOREVER ? NULL : &t, NULL);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : r;
}

/* Until SIGCHLD (1), a descriptor (0), the deadline, or a handler. */
static int sleep_on(struct pollfd *fds, size_t n, int64_t deadline)
{
	int64_t left = deadline == PH_WAIT_FOREVER ? LONGEST_SLEEP : deadline - ph_os_now();
	struct signalfd_siginfo info;
	struct timespec t;
	int ready;

	/* Looked at in vain: of a child that is no tracee. Statuses are looked at after it, since what comes sends another. */
	if (fds[0].revents) {
		fds[0].revents = 0;
		if (read(fds[0].fd, &info, sizeof(info)) < 0 && errno != EAGAIN)
			return -errno;
		return 1;
	}
	if (left <= 0)
		return -ETIMEDOUT;
	if (left > LONGEST_SLEEP)
		left = LONGEST_SLEEP;
	t = (struct timespec){ left / NS, left % NS };
	ready = ppoll(fds, n, &t, NULL);
	if (ready < 0)
		return -errno;
	if (ready == 0)
		return 1;
	return ready == (fds[0].revents != 0);
}

int ph_os_poll_any(struct pollfd *fds, size_t n, int64_t deadline, int *ret_status)
{
	sigset_t chld = chld_set(), old;
	int r;

	sigprocmask(SIG_BLOCK, &chld, &old);
	/* A stop from here on leaves the signal pending. One that is pending when it is let in again is dropped. */
	fds[0].revents = 0;
	while ((r = ph_os_wait_any(0, ret_status)) == -ETIMEDOUT) {
		r = sleep_on(fds, n, deadline);
		if (r <= 0)
			break;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
