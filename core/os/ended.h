/*
 * ended - how a process ended that is not ours to wait for.
 *
 * Its exit status is its parent's: a zombie shows it in /proc/PID/stat, and later the kernel tells whoever holds a
 * descriptor of it (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15).
 */
#ifndef PH_OS_ENDED_H
#define PH_OS_ENDED_H

#include <sys/types.h>

/* A descriptor that means this process and none that has its number later; -errno. */
int ph_os_pidfd_open(pid_t pid);

/* 1: it has ended, *ret_status is its wait status. 0: it lives. -ESRCH: it has ended, and nobody knows how. */
int ph_os_ended(pid_t pid, int pidfd, int *ret_status);

#endif
