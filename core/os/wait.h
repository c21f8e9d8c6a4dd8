/*
 * wait - statuses of our tracees, and of nobody else.
 *
 * A script's own children (io.popen, os.execute, a C module's) must stay for it to reap. With __WCLONE and without
 * __WALL the kernel reports tracees of the caller in every state, but of its untraced children only those whose exit
 * signal is not SIGCHLD (kernel/exit.c, eligible_child: `if (ptrace || …) return 1`). __WNOTHREAD leaves out tracees
 * of other threads of this process, whom only they may handle.
 */
#ifndef PH_OS_WAIT_H
#define PH_OS_WAIT_H

#include <stdint.h>
#include <sys/types.h>

#define PH_WAIT_FOREVER INT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t ph_os_now(void);

/*
 * The next status of any tracee: its tid, or -EINTR (a signal handler ran), -ECHILD (no tracee is left), -ETIMEDOUT
 * (deadline, in ph_os_now's time, passed; PH_WAIT_FOREVER never does, 0 only looks).
 */
int ph_os_wait_any(int64_t deadline, int *ret_status);

/* The next status of this tracee; a handler that runs meanwhile does not end the wait. tid, or -errno. */
int ph_os_wait_one(pid_t tid, int *ret_status);

/* The same, or -ETIMEDOUT. */
int ph_os_wait_one_until(pid_t tid, int64_t deadline, int *ret_status);

/* Reaps a child of ours that is no tracee any more, without waiting. 1 when it was, 0 when it lives, -errno. */
int ph_os_reap(pid_t pid, int *ret_status);

#endif
