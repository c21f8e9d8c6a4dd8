#include "os/ended.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/pidfd.h, which Debian 12 has no version of that knows them. */
#define INFO_EXIT (1u << 3)

struct info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};

#define GET_INFO _IOWR(0xff, 11, struct info)

static_assert(sizeof(struct info) == 64, "struct pidfd_info, first version");

int ph_os_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

/* The last field; the second, a name in parentheses, may hold anything (proc(5)). */
static int read_zombie(pid_t pid, int *ret_status)
{
	char path[32], text[1024], *state, *last;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	state = strrchr(text, ')');
	last = strrchr(text, ' ');
	if (!state || !last || strncmp(state, ") Z", 3) != 0)
		return -ESRCH;
	*ret_status = (int)strtol(last, NULL, 10);
	return 1;
}

int ph_os_ended(pid_t pid, int pidfd, int *ret_status)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
	struct info info = { .mask = INFO_EXIT };

	/* Below 0: a signal came. */
	if (poll(&poll_fd, 1, 0) <= 0)
		return 0;
	if (ioctl(pidfd, GET_INFO, &info) == 0 && (info.mask & INFO_EXIT)) {
		*ret_status = info.exit_code;
		return 1;
	}
	return read_zombie(pid, ret_status);
}
