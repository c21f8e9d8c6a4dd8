#include "engine/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine/inject.h"

static const char op[] = "restore";

bool ph_layout_is_special(const struct ph_map_entry *entry)
{
	return strncmp(entry->path, "[v", 2) == 0;
}

static bool is_named(const struct ph_map_entry *entry, const char *name)
{
	return strcmp(entry->path, name) == 0;
}

static int parse(const struct ph_tracking *tracking, struct ph_maps *ret)
{
	char *text = strdup(tracking->text);

	return text ? ph_os_maps_parse(text, ret) : -ENOMEM;
}

/* ---- As it is */

struct unwatched {
	struct ph_os_region *all;
	size_t n, room;
};

static int add_unwatched(const struct ph_os_region *region, void *user)
{
	struct unwatched *list = user;

	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 8;
		void *all = reallocarray(list->all, room, sizeof(*list->all));

		if (!all)
			return -ENOMEM;
		list->all = all;
		list->room = room;
	}
	list->all[list->n] = *region;
	/* What is there of it changes by itself. */
	if (list->n && list->all[list->n - 1].end == region->start)
		list->all[list->n - 1].end = region->end;
	else
		list->n++;
	return 0;
}

static int find_unwatched(struct ph_tracking *tracking, struct unwatched *ret)
{
	struct ph_os_scan scan = { .end = PH_SPACE_END, .inverted = PH_PAGE_WATCHED, .all = PH_PAGE_WATCHED,
				   .tell = PH_PAGE_WATCHED };

	*ret = (struct unwatched){ 0 };
	return tracking->uffd < 0 ? 0 : ph_tracking_scan(tracking, scan, add_unwatched, ret);
}

/* The text that was just read, and what is not watched, are from here on as they should be. */
static int accept(struct ph_layout *layout, struct ph_tracking *tracking)
{
	struct unwatched list;
	char *text = malloc(tracking->len + 1);
	int r;

	if (!text)
		return -ENOMEM;
	memcpy(text, tracking->text, tracking->len + 1);
	free(layout->accepted);
	layout->accepted = text;
	layout->accepted_len = tracking->len;
	r = find_unwatched(tracking, &list);
	free(layout->unwatched);
	layout->unwatched = list.all;
	layout->n_unwatched = list.n;
	return r;
}

int ph_layout_take(struct ph_layout *layout, struct ph_tracking *tracking, struct ph_thread *thread, struct ph_err *err)
{
	int64_t brk;
	int r = ph_inject_syscall(thread, SYS_brk, (uint64_t[6]){ 0 }, &brk, err);

	*layout = (struct ph_layout){ 0 };
	if (r < 0 && r != -ENOTSUP)
		return r;
	layout->brk = r < 0 ? 0 : (ph_addr)brk;
	r = ph_tracking_read_maps(tracking);
	if (r >= 0)
		r = parse(tracking, &layout->maps);
	if (r >= 0) {
		ph_tracking_watch(tracking, &layout->maps);
		r = accept(layout, tracking);
	}
	return r < 0 ? ph_err_set_in(err, r, "read memory map", thread->tid) : 0;
}

void ph_layout_fini(struct ph_layout *layout)
{
	ph_os_maps_fini(&layout->maps);
	free(layout->accepted);
	free(layout->unwatched);
	*layout = (struct ph_layout){ 0 };
}

struct comparison {
	const struct ph_layout *layout;
	size_t at;
};

/* The same regions, in the same order. Several of the kernel's may be one of the list's. */
static int compare(const struct ph_os_region *region, void *user)
{
	struct comparison *comparison = user;
	const struct ph_layout *layout = comparison->layout;

	while (comparison->at < layout->n_unwatched && layout->unwatched[comparison->at].end <= region->start)
		comparison->at++;
	return comparison->at == layout->n_unwatched || region->start < layout->unwatched[comparison->at].start ||
	       region->end > layout->unwatched[comparison->at].end;
}

bool ph_layout_is_as_was(const struct ph_layout *layout, struct ph_tracking *tracking)
{
	struct ph_os_scan scan = { .end = PH_SPACE_END, .inverted = PH_PAGE_WATCHED, .all = PH_PAGE_WATCHED,
				   .tell = PH_PAGE_WATCHED };
	struct comparison comparison = { .layout = layout };

	if (ph_tracking_read_maps(tracking) < 0 || tracking->len != layout->accepted_len ||
	    memcmp(tracking->text, layout->accepted, tracking->len) != 0)
		return false;
	return tracking->uffd < 0 || ph_tracking_scan(tracking, scan, compare, &comparison) == 0;
}

/* ---- Back */

struct work {
	struct ph_layout *layout;
	struct ph_tracking *tracking;
	struct ph_thread *thread;
	struct ph_extents *fresh;
	struct ph_err *err;
	ph_addr scratch;	/* a page of ours in the target, for paths; 0: none yet */
};

enum action {
	KEEP,
	UNMAP,
	MAP,
	PROTECT,
};

static int64_t call(struct work *work, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	int64_t answer;
	int r = ph_inject_syscall(work->thread, number, (uint64_t[]){ a, b, c, d, e, f }, &answer, work->err);

	return r < 0 ? r : answer;
}

static int prot_of(const struct ph_map_entry *entry)
{
	return (entry->perms[0] == 'r' ? PROT_READ : 0) | (entry->perms[1] == 'w' ? PROT_WRITE : 0) |
	       (entry->perms[2] == 'x' ? PROT_EXEC : 0);
}

static int cannot(struct work *work, const struct ph_map_entry *entry, ph_addr at, const char *why)
{
	ph_err_say(work->err, -ENOTSUP, op, "the mapping at 0x%llx (%.100s) was dropped since, and cannot be had back: %s",
		   (unsigned long long)at, *entry->path ? entry->path : "anonymous memory", why);
	return -ENOTSUP;
}

static int64_t open_in_target(struct work *work, const char *path)
{
	if (!work->scratch) {
		int64_t page = call(work, SYS_mmap, 0, PH_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				    (uint64_t)-1, 0);

		if (page < 0 && page > -4096)
			return page;
		work->scratch = (ph_addr)page;
	}
	if (strlen(path) >= PH_PAGE_SIZE ||
	    ph_space_write_raw(work->thread->process->space, work->thread->tid, work->scratch, path, strlen(path) + 1, NULL) < 0)
		return -EFAULT;
	return call(work, SYS_openat, (uint64_t)AT_FDCWD, work->scratch, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

static int map(struct work *work, const struct ph_map_entry *entry, ph_addr start, ph_addr end)
{
	int64_t fd = -1, answer;

	if (!ph_layout_is_private(entry))
		return cannot(work, entry, start, "it is shared");
	if (entry->inode) {
		fd = open_in_target(work, entry->path);
		if (fd < 0)
			return cannot(work, entry, start, "its file cannot be opened any more");
	}
	answer = call(work, SYS_mmap, start, end - start, (uint64_t)prot_of(entry),
		      MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), (uint64_t)fd,
		      fd < 0 ? 0 : entry->offset + (start - entry->start));
	if (fd >= 0)
		call(work, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	if (answer != (int64_t)start)
		return cannot(work, entry, start, "the kernel refuses it");
	if (ph_extents_add(work->fresh, start, end) < 0)
		return ph_err_set(work->err, -ENOMEM, op);
	return 0;
}

static int apply(struct work *work, enum action action, const struct ph_map_entry *before, ph_addr start, ph_addr end)
{
	int64_t answer = 0;

	switch (action) {
	case KEEP:
		return 0;
	case UNMAP:
		answer = call(work, SYS_munmap, start, end - start, 0, 0, 0, 0);
		break;
	case MAP:
		return map(work, before, start, end);
	case PROTECT:
		answer = call(work, SYS_mprotect, start, end - start, (uint64_t)prot_of(before), 0, 0, 0);
		break;
	}
	if (answer < 0 && answer > -4096)
		return ph_err_set_at(work->err, (int)answer, op, work->thread->tid, start);
	return 0;
}

/* Whose pages may be the same ones: content is looked after by whoever tracks pages. */
static bool are_alike(const struct ph_map_entry *a, const struct ph_map_entry *b)
{
	return a->perms[3] == b->perms[3] && a->inode == b->inode &&
	       (!a->inode || a->offset - a->start == b->offset - b->start);
}

static enum action plan(const struct work *work, const struct ph_map_entry *before, const struct ph_map_entry *now,
			ph_addr start, ph_addr end)
{
	if (!before && !now)
		return KEEP;
	if (!before)
		return ph_layout_is_special(now) || is_named(now, "[stack]") ||
				       ph_tracking_is_ours(work->tracking, start, end) ? KEEP : UNMAP;
	if (ph_layout_is_special(before))
		return KEEP;
	if (!now || !are_alike(before, now))
		return MAP;
	return memcmp(before->perms, now->perms, 3) == 0 ? KEEP : PROTECT;
}

/* Walks both lists together, in pieces over which neither changes; pieces of one kind are one call. */
static int put_pieces(struct work *work, const struct ph_maps *now)
{
	const struct ph_maps *before = &work->layout->maps;
	const struct ph_map_entry *last = NULL;
	enum action pending = KEEP;
	ph_addr at = 0, from = 0;
	size_t i = 0, j = 0;

	while (i < before->count || j < now->count) {
		const struct ph_map_entry *a = i < before->count ? &before->entries[i] : NULL;
		const struct ph_map_entry *b = j < now->count ? &now->entries[j] : NULL;
		ph_addr start = at, end = UINT64_MAX;
		enum action action;
		int r;

		if (a && a->start > at)
			end = a->start, a = NULL;
		else if (a)
			end = a->end;
		if (b && b->start > at)
			end = b->start < end ? b->start : end, b = NULL;
		else if (b && b->end < end)
			end = b->end;
		action = plan(work, a, b, start, end);
		if (action != pending || (action != UNMAP && a != last)) {
			r = apply(work, pending, last, from, at);
			if (r < 0)
				return r;
			from = start;
		}
		pending = action;
		last = a;
		at = end;
		while (i < before->count && before->entries[i].end <= at)
			i++;
		while (j < now->count && now->entries[j].end <= at)
			j++;
	}
	return apply(work, pending, last, from, at);
}

static const struct ph_map_entry *heap_of(const struct ph_maps *maps)
{
	const struct ph_map_entry *heap = NULL;

	for (size_t i = 0; i < maps->count; i++)
		if (is_named(&maps->entries[i], "[heap]"))
			heap = &maps->entries[i];
	return heap;
}

/* First of all, since what brk(2) gives is no mapping like others. */
static int put_brk(struct work *work, const struct ph_maps *now)
{
	const struct ph_map_entry *before = heap_of(&work->layout->maps), *heap = heap_of(now);
	ph_addr end = heap ? heap->end : 0;

	if (!work->layout->brk || end == (before ? before->end : 0))
		return 0;
	call(work, SYS_brk, work->layout->brk, 0, 0, 0, 0, 0);
	/* What it gave again is new. */
	if (before && (!heap || before->end > end) &&
	    ph_extents_add(work->fresh, heap ? end : before->start, before->end) < 0)
		return ph_err_set(work->err, -ENOMEM, op);
	return 1;
}

static int read_now(struct work *work, struct ph_maps *ret)
{
	int r = ph_tracking_read_maps(work->tracking);

	if (r >= 0)
		r = parse(work->tracking, ret);
	return r < 0 ? ph_err_set_in(work->err, r, "read memory map", work->thread->tid) : 0;
}

/* Mapped again at their places: alike, but not the pages that were there. */
static int add_replaced(struct work *work)
{
	struct unwatched list;
	int r = find_unwatched(work->tracking, &list);

	for (size_t i = 0; i < list.n && r >= 0; i++) {
		struct comparison comparison = { .layout = work->layout };

		if (compare(&list.all[i], &comparison) && !ph_tracking_is_ours(work->tracking, list.all[i].start, list.all[i].end))
			r = ph_extents_add(work->fresh, list.all[i].start, list.all[i].end);
	}
	free(list.all);
	return r < 0 ? ph_err_set(work->err, r, op) : 0;
}

int ph_layout_put_back(struct ph_layout *layout, struct ph_tracking *tracking, struct ph_thread *thread,
		       struct ph_extents *fresh, struct ph_err *err)
{
	struct work work = { layout, tracking, thread, fresh, err, 0 };
	struct ph_maps now;
	int r = read_now(&work, &now);

	if (r < 0)
		return r;
	r = put_brk(&work, &now);
	if (r > 0) {
		ph_os_maps_fini(&now);
		r = read_now(&work, &now);
		if (r < 0)
			return r;
	}
	if (r >= 0)
		r = put_pieces(&work, &now);
	ph_os_maps_fini(&now);
	if (work.scratch)
		call(&work, SYS_munmap, work.scratch, PH_PAGE_SIZE, 0, 0, 0, 0);
	if (r >= 0)
		r = add_replaced(&work);
	if (r >= 0)
		r = read_now(&work, &now);
	if (r < 0)
		return r;
	ph_tracking_watch(tracking, &now);
	ph_os_maps_fini(&now);
	r = accept(layout, tracking);
	return r < 0 ? ph_err_set(err, r, op) : 0;
}
