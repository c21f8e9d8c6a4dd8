/*
 * alarm - a deadline that ends a wait for statuses, at no cost to the waits that it does not end.
 *
 * A timer of the thread's own (timer_create(2)) sends it SIGURG, whose handler takes it out of the sleeping wait4. It is
 * set only when a deadline comes that is earlier than what it is set for: it may ring too early, and once in vain. Where
 * the waiting is over it has to be ended, as the calls that the kernel never restarts (poll(2) and nanosleep(2), which
 * scripts sleep by: signal(7)) would notice it; all others do not, by SA_RESTART. A fork of ours has none, and makes its
 * own; with its thread it goes.
 * Does not know what a deadline is for, nor whether it has passed (wait.c).
 */
#ifndef PH_OS_ALARM_H
#define PH_OS_ALARM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* It rings at this time of CLOCK_MONOTONIC, or before, and has not since it was set. */
bool ph_os_alarm_is_set(int64_t deadline);

/* 0, or -errno: there is no timer to be had, or the signal is somebody else's. Not in a signal handler. */
int ph_os_alarm_set(int64_t deadline);

/* It does not ring any more, and is set anew for the next deadline: others run now, who may change what signals do. */
void ph_os_alarm_end(void);

/* It rang after it was last set. */
bool ph_os_alarm_has_rung(void);

/* wait4(2), for as long as it has not rung: -EINTR then. */
int ph_os_alarm_wait(pid_t tid, int *ret_status, int options);

/* It is never set again by this thread. Safe in a signal handler. */
void ph_os_alarm_give_up(void);

#endif
