#include "os/wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "os/alarm.h"
#include "os/fault.h"
#include "os/raw.h"

#define NS 1000000000

int64_t ph_os_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static int flags_for(pid_t tid)
{
	return tid > 0 ? __WALL : __WCLONE | __WNOTHREAD;
}

static int wait_now(pid_t tid, int flags, int *ret_status)
{
	ph_os_fault_now(tid > 0 ? tid : 0);
	return (int)ph_os_raw(SYS_wait4, tid, (long)ret_status, flags_for(tid) | flags, 0);
}

static int look(pid_t tid, int *ret_status)
{
	int r = wait_now(tid, WNOHANG, ret_status);

	return r == 0 ? -ETIMEDOUT : r;
}

/*
 * Where there is no alarm. SIGCHLD is blocked from before we look until we sleep: a stop in between leaves it pending, so
 * the sleep ends at once. (Unblocked and without a handler it would be dropped.)
 */
static int sleep_until(pid_t tid, int64_t deadline, int *ret_status)
{
	sigset_t chld, old;
	int r;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	while ((r = look(tid, ret_status)) == -ETIMEDOUT) {
		int64_t left = deadline - ph_os_now();
		struct timespec t = { left / NS, left % NS };

		if (left <= 0)
			break;
		if (sigtimedwait(&chld, NULL, &t) < 0 && errno == EINTR) {
			r = -EINTR;
			break;
		}
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* What has come counts, however late it is looked for. */
static int wait_until(pid_t tid, int64_t deadline, int *ret_status)
{
	int r;

	if (!ph_os_alarm_is_set(deadline)) {
		if (deadline == 0 || ph_os_now() >= deadline)
			return look(tid, ret_status);
		if (ph_os_alarm_set(deadline) < 0)
			return sleep_until(tid, deadline, ret_status);
	}
	ph_os_fault_now(tid > 0 ? tid : 0);
	r = ph_os_alarm_wait(tid, ret_status, flags_for(tid));
	if (r == -EINTR && ph_os_alarm_has_rung() && ph_os_now() >= deadline)
		return look(tid, ret_status);
	return r;
}

int ph_os_wait_any(int64_t deadline, int *ret_status)
{
	return deadline == PH_WAIT_FOREVER ? wait_now(-1, 0, ret_status) : wait_until(-1, deadline, ret_status);
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
	/* A script goes on after this. */
	if (deadline)
		ph_os_alarm_end();
	return r;
}

int ph_os_reap(pid_t pid, int *ret_status)
{
	pid_t r = wait4(pid, ret_status, WNOHANG, NULL);

	return r < 0 ? -errno : r > 0;
}
