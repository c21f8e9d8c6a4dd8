/*
 * descriptor - a target's open files: which there are, and ours of the same open file (proc(5), pidfd_getfd(2)).
 */
#ifndef PH_OS_DESCRIPTOR_H
#define PH_OS_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One of ours for the same open file, with its position and flags. -ENOSYS before Linux 5.6. */
int ph_os_fd_take(pid_t pid, int fd);

/* 1: both are the same open file; 0: they are not, or fd is closed; -errno: the kernel does not tell (CONFIG_KCMP). */
int ph_os_fd_is(pid_t pid, int fd, int ours);

/* The folder /proc/PID/fd, and how many are open; -ENOTSUP before Linux 6.2, which does not say. */
int ph_os_fds_open(pid_t pid);
int ph_os_fds_count(int folder);

/* Calls fn for each; stops at its first nonzero answer, and returns that. */
int ph_os_fds_each(pid_t pid, int (*fn)(int fd, void *user), void *user);

/* What it leads to: a path, "pipe:[123]"; length or -errno. */
int ph_os_fd_link(int folder, int fd, char *buf, size_t len);

/* The file once more, on its own: a pipe's other end too. */
int ph_os_fd_reopen(int folder, int fd, int flags);

/* O_… as the kernel has them, close-on-exec included; -errno. */
int ph_os_fd_flags(pid_t pid, int fd);

/* What waits in a pipe, left there: bytes, or -errno. */
ssize_t ph_os_pipe_peek(int pipe, void *buf, size_t len);
int ph_os_pipe_waiting(int pipe);

#endif
