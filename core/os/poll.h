/*
 * poll - statuses of our tracees, or descriptors that are ready, whichever come first.
 *
 * A stop makes no descriptor ready, but it sends us SIGCHLD: blocked while we look and sleep, that makes a descriptor of
 * signalfd(2) ready, which the caller keeps. Between its waits the signal is what it was.
 */
#ifndef PH_OS_POLL_H
#define PH_OS_POLL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

/* A descriptor for fds[0] below, or -errno. */
int ph_os_poll_open(void);

/* How many are ready now. */
int ph_os_poll_now(struct pollfd *fds, size_t n);

/* How many are, as soon as one is; -ETIMEDOUT, or -EINTR: a handler ran. */
int ph_os_poll_until(struct pollfd *fds, size_t n, int64_t deadline);

/*
 * The next status, as ph_os_wait_any gives it, or 0: revents says which of fds[1] to fds[n - 1] are ready. Statuses come
 * first.
 */
int ph_os_poll_any(struct pollfd *fds, size_t n, int64_t deadline, int *ret_status);

#endif
