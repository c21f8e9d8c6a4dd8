#include "os/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/procfs.h"

/* linux/fs.h and linux/userfaultfd.h of Linux 6.7. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, all, any, tell;
};

#define PAGEMAP_SCAN	       _IOWR('f', 16, struct scan_arg)
#define SCAN_PROTECT	       1ull
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC       (1ull << 15)

_Static_assert(sizeof(struct scan_arg) == 96, "struct pm_scan_arg");

static int open_of(pid_t tid, const char *name)
{
	char path[PH_OS_TASK_PATH_MAX];
	int fd = open(ph_os_task_path(path, tid, name), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ph_os_pagemap_open(pid_t tid)
{
	return open_of(tid, "pagemap");
}

int ph_os_maps_open(pid_t tid)
{
	return open_of(tid, "maps");
}

ssize_t ph_os_pages_scan(int pagemap, const struct ph_os_scan *scan, struct ph_os_region *regions, size_t room,
			 ph_addr *ret_end)
{
	struct scan_arg arg = {
		.size = sizeof(arg), .flags = scan->protect ? SCAN_PROTECT : 0, .start = scan->start, .end = scan->end,
		.vec = (uint64_t)(uintptr_t)regions, .vec_len = room, .inverted = scan->inverted,
		.all = scan->all, .any = scan->any, .tell = scan->tell,
	};
	int r;

	ph_os_calls.made++;
	r = ioctl(pagemap, PAGEMAP_SCAN, &arg);
	if (r < 0)
		return -errno;
	if (ret_end)
		*ret_end = arg.walk_end;
	return r;
}

ssize_t ph_os_pagemap_read(int pagemap, ph_addr addr, uint64_t *entries, size_t n)
{
	ssize_t r = pread(pagemap, entries, n * sizeof(*entries), (off_t)(addr / 4096 * sizeof(*entries)));

	return r < 0 ? -errno : r / (ssize_t)sizeof(*entries);
}

int ph_os_uffd_begin(int uffd)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED };

	return ioctl(uffd, UFFDIO_API, &api) < 0 ? -errno : 0;
}

int ph_os_uffd_watch(int uffd, ph_addr start, ph_addr end)
{
	struct uffdio_register arg = { .range = { start, end - start }, .mode = UFFDIO_REGISTER_MODE_WP };

	return ioctl(uffd, UFFDIO_REGISTER, &arg) < 0 ? -errno : 0;
}
