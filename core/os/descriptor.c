#include "os/descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int ph_os_fd_take(pid_t pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), ours;

	if (pidfd < 0)
		return -errno;
	ours = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (ours < 0)
		ours = -errno;
	close(pidfd);
	return ours;
}

int ph_os_fd_is(pid_t pid, int fd, int ours)
{
	long r = syscall(SYS_kcmp, pid, getpid(), KCMP_FILE, fd, ours);

	if (r < 0)
		return errno == EBADF ? 0 : -errno;
	return r == 0;
}

int ph_os_fds_open(pid_t pid)
{
	char path[64];
	int folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -errno : folder;
}

int ph_os_fds_count(int folder)
{
	struct stat stat;

	if (fstat(folder, &stat) < 0)
		return -errno;
	return stat.st_size > 0 ? (int)stat.st_size : -ENOTSUP;
}

int ph_os_fds_each(pid_t pid, int (*fn)(int fd, void *user), void *user)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			r = fn(atoi(entry->d_name), user);
	closedir(dir);
	return r;
}

int ph_os_fd_link(int folder, int fd, char *buf, size_t len)
{
	char name[16];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", fd);
	n = readlinkat(folder, name, buf, len - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

int ph_os_fd_reopen(int folder, int fd, int flags)
{
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%d", fd);
	r = openat(folder, name, flags | O_CLOEXEC | O_NOCTTY);
	return r < 0 ? -errno : r;
}

int ph_os_fd_flags(pid_t pid, int fd)
{
	char path[64], text[256];
	const char *flags;
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -errno;
	n = read(info, text, sizeof(text) - 1);
	close(info);
	text[n < 0 ? 0 : n] = '\0';
	flags = strstr(text, "flags:");
	return flags ? (int)strtol(flags + 6, NULL, 8) : -EIO;
}

int ph_os_pipe_waiting(int pipe)
{
	int n;

	return ioctl(pipe, FIONREAD, &n) < 0 ? -errno : n;
}

ssize_t ph_os_pipe_peek(int pipe, void *buf, size_t len)
{
	int copy[2];
	ssize_t n;

	if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (len > 65536)
		fcntl(copy[1], F_SETPIPE_SZ, (int)len);
	/* tee(2) copies references to the pages, and takes nothing. */
	n = tee(pipe, copy[1], len, SPLICE_F_NONBLOCK);
	if (n < 0)
		n = errno == EAGAIN ? 0 : -errno;
	if (n > 0)
		n = read(copy[0], buf, (size_t)n);
	close(copy[0]);
	close(copy[1]);
	return n;
}
