#include "engine/tracking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/inject.h"
#include "os/descriptor.h"
#include "os/procfs.h"

#define REGIONS		512
#define ENTRIES		512
#define FIRST_ROOM	16384
#define USER_MODE_ONLY	1	/* of userfaultfd(2): what an unprivileged program may have */

/* -1 where it cannot be had. The target has the descriptor for a moment, while none of its threads runs. */
static int make_uffd(struct ph_thread *thread)
{
	int64_t fd, answer;
	int ours;

	if (ph_inject_syscall(thread, SYS_userfaultfd, (uint64_t[]){ O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY, 0, 0, 0, 0, 0 },
			      &fd, NULL) < 0 || fd < 0)
		return -1;
	ours = ph_os_fd_take(thread->process->pid, (int)fd);
	ph_inject_syscall(thread, SYS_close, (uint64_t[]){ (uint64_t)fd, 0, 0, 0, 0, 0 }, &answer, NULL);
	if (ours >= 0 && ph_os_uffd_begin(ours) < 0) {
		close(ours);
		ours = -1;
	}
	return ours < 0 ? -1 : ours;
}

/* A kernel may have the one and not the other (a sandbox too). */
static bool can_scan(struct ph_tracking *tracking)
{
	struct ph_os_scan scan = { .end = PH_PAGE_SIZE, .all = PH_PAGE_WATCHED | PH_PAGE_WRITTEN, .tell = PH_PAGE_WRITTEN };
	struct ph_os_region region;

	return ph_os_pages_scan(tracking->pagemap, &scan, &region, 1, NULL) >= 0;
}

int ph_tracking_new(struct ph_thread *thread, bool compares, struct ph_tracking **ret, struct ph_err *err)
{
	struct ph_tracking *tracking = calloc(1, sizeof(*tracking));
	int r;

	if (!tracking)
		return ph_err_set(err, -ENOMEM, "snapshot");
	tracking->space = thread->process->space;
	tracking->uffd = -1;
	tracking->maps = -1;
	tracking->pagemap = r = ph_os_pagemap_open(thread->tid);
	if (r >= 0)
		tracking->maps = r = ph_os_maps_open(thread->tid);
	if (r < 0) {
		ph_tracking_free(tracking);
		return ph_err_set_in(err, r, "look at pages", thread->tid);
	}
	if (!compares && can_scan(tracking))
		tracking->uffd = make_uffd(thread);
	*ret = tracking;
	return 0;
}

void ph_tracking_free(struct ph_tracking *tracking)
{
	if (!tracking)
		return;
	if (tracking->uffd >= 0)
		close(tracking->uffd);
	if (tracking->pagemap >= 0)
		close(tracking->pagemap);
	if (tracking->maps >= 0)
		close(tracking->maps);
	free(tracking->text);
	free(tracking);
}

int ph_tracking_read_maps(struct ph_tracking *tracking)
{
	size_t len = 0;

	for (;;) {
		ssize_t n;

		if (tracking->room - len < FIRST_ROOM / 2) {
			size_t room = tracking->room ? tracking->room * 2 : FIRST_ROOM;
			char *text = realloc(tracking->text, room);

			if (!text)
				return -ENOMEM;
			tracking->text = text;
			tracking->room = room;
		}
		n = pread(tracking->maps, tracking->text + len, tracking->room - len - 1, (off_t)len);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	tracking->text[len] = '\0';
	tracking->len = len;
	return 0;
}

void ph_tracking_watch(struct ph_tracking *tracking, const struct ph_maps *maps)
{
	if (tracking->uffd < 0)
		return;
	/* Shared files that may only be read, and the kernel's own pages, cannot be watched, and need not. */
	for (size_t i = 0; i < maps->count; i++)
		if (maps->entries[i].end <= PH_SPACE_END)
			ph_os_uffd_watch(tracking->uffd, maps->entries[i].start, maps->entries[i].end);
}

int ph_tracking_scan(struct ph_tracking *tracking, struct ph_os_scan scan,
		     int (*fn)(const struct ph_os_region *, void *), void *user)
{
	struct ph_os_region regions[REGIONS];

	while (scan.start < scan.end) {
		ph_addr end = scan.end;
		ssize_t n = ph_os_pages_scan(tracking->pagemap, &scan, regions, REGIONS, &end);

		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; i < n; i++) {
			int r = fn(&regions[i], user);

			if (r)
				return r;
		}
		if (n < REGIONS)
			break;
		scan.start = end;
	}
	return 0;
}

static int add_region(const struct ph_os_region *region, void *user)
{
	return ph_extents_add(user, region->start, region->end);
}

static int read_owned(struct ph_tracking *tracking, ph_addr start, ph_addr end, struct ph_extents *ret)
{
	uint64_t entries[ENTRIES];

	while (start < end) {
		size_t left = (end - start) / PH_PAGE_SIZE;
		ssize_t n = ph_os_pagemap_read(tracking->pagemap, start, entries, left < ENTRIES ? left : ENTRIES);

		if (n <= 0)
			return (int)n;
		for (ssize_t i = 0; i < n; i++, start += PH_PAGE_SIZE)
			if ((entries[i] & (PH_PAGEMAP_PRESENT | PH_PAGEMAP_SWAPPED)) && !(entries[i] & PH_PAGEMAP_FILE) &&
			    ph_extents_add(ret, start, start + PH_PAGE_SIZE) < 0)
				return -ENOMEM;
	}
	return 0;
}

int ph_tracking_add_owned(struct ph_tracking *tracking, ph_addr start, ph_addr end, struct ph_extents *ret)
{
	struct ph_os_scan scan = { .start = start, .end = end, .inverted = PH_PAGE_FILE, .all = PH_PAGE_FILE,
				   .any = PH_PAGE_PRESENT | PH_PAGE_SWAPPED, .tell = PH_PAGE_FILE };

	return tracking->uffd >= 0 ? ph_tracking_scan(tracking, scan, add_region, ret) :
				     read_owned(tracking, start, end, ret);
}

ph_addr ph_tracking_stack(const struct ph_tracking *tracking, ph_addr otherwise)
{
	const char *at = tracking->text ? strstr(tracking->text, "[stack]") : NULL;

	while (at && at > tracking->text && at[-1] != '\n')
		at--;
	return at ? strtoull(at, NULL, 16) : otherwise;
}

bool ph_tracking_is_ours(const struct ph_tracking *tracking, ph_addr start, ph_addr end)
{
	const struct ph_space *space = tracking->space;

	for (size_t i = 0; i < space->slots.n_chunks; i++)
		if (start >= space->slots.chunks[i].base && end <= space->slots.chunks[i].base + space->slots.chunks[i].size)
			return true;
	for (size_t i = 0; i < space->n_allocations; i++)
		if (start >= space->allocations[i].addr && end <= space->allocations[i].addr + space->allocations[i].size)
			return true;
	return false;
}
