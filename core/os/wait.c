#include "os/wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "os/fault.h"
#include "os/raw.h"

#define NS 1000000000

int64_t ph_os_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static int wait_now(pid_t tid, int flags, int *ret_status)
{
	ph_os_fault_now(tid > 0 ? tid : 0);
	return (int)ph_os_raw(SYS_wait4, tid, (long)ret_status, (tid > 0 ? __WALL : __WCLONE | __WNOTHREAD) | flags, 0);
}

static int wait_any(int flags, int *ret_status)
{
	return wait_now(-1, flags, ret_status);
}

/*
 * SIGCHLD is blocked from before we look until we sleep: a stop in between leaves it pending, so the sleep ends at
 * once. (Unblocked and without a handler it would be dropped.)
 */
static int wait_until(pid_t tid, int64_t deadline, int *ret_status)
{
	sigset_t chld, old;
	int r;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	while ((r = wait_now(tid, WNOHANG, ret_status)) == 0) {
		int64_t left = deadline - ph_os_now();
		struct timespec t = { left / NS, left % NS };

		if (left <= 0) {
			r = -ETIMEDOUT;
			break;
		}
		if (sigtimedwait(&chld, NULL, &t) < 0 && errno == EINTR) {
			r = -EINTR;
			break;
		}
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

int ph_os_wait_any(int64_t deadline, int *ret_status)
{
	int r;

	if (deadline == PH_WAIT_FOREVER)
		return wait_any(0, ret_status);
	r = wait_any(WNOHANG, ret_status);
	if (r != 0)
		return r;
	return deadline ? wait_until(-1, deadline, ret_status) : -ETIMEDOUT;
}

int ph_os_wait_one(pid_t tid, int *ret_status)
{
	pid_t r;

	ph_os_fault_now(tid);
	do
		r = wait4(tid, ret_status, __WALL, NULL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int ph_os_wait_one_until(pid_t tid, int64_t deadline, int *ret_status)
{
	int r;

	do
		r = wait_until(tid, deadline, ret_status);
	while (r == -EINTR);
	return r;
}

int ph_os_reap(pid_t pid, int *ret_status)
{
	pid_t r = wait4(pid, ret_status, WNOHANG, NULL);

	return r < 0 ? -errno : r > 0;
}
