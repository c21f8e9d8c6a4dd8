#include "engine/changed.h"

#include <errno.h>
#include <string.h>

#define FEW 64	/* pages that are compared at once */

static int add_region(const struct ph_os_region *region, void *user)
{
	return ph_extents_add(user, region->start, region->end);
}

static int pass_over(const struct ph_os_region *region, void *user)
{
	(void)region;
	(void)user;
	return 0;
}

static int add_written(struct ph_tracking *tracking, const struct ph_extents *where, uint64_t no_file, bool protect,
		       struct ph_extents *changed)
{
	int r = 0;

	for (size_t i = 0; i < where->n && r >= 0; i++) {
		/* Where there is nothing counts as written, and would be marked as protected, page by page. */
		struct ph_os_scan scan = { .start = where->all[i].start, .end = where->all[i].end, .inverted = no_file,
					   .all = PH_PAGE_WATCHED | PH_PAGE_WRITTEN | no_file,
					   .any = PH_PAGE_PRESENT | (protect ? 0 : PH_PAGE_SWAPPED),
					   .tell = PH_PAGE_WRITTEN, .protect = protect };

		r = ph_tracking_scan(tracking, scan, changed ? add_region : pass_over, changed);
	}
	return r;
}

struct owning {
	struct ph_extents *changed, *there;
};

static int add_owned_region(const struct ph_os_region *region, void *user)
{
	struct owning *owning = user;
	int r = ph_extents_add(owning->there, region->start, region->end);
	/*
	 * What is swapped out may be a mark that the kernel left where it dropped a protected page of a file's mapping
	 * (mm/memory.c, zap_install_uffd_wp_if_needed).
	 */
	bool is_sure = (region->pages & PH_PAGE_PRESENT) && !(region->pages & PH_PAGE_WRITTEN);

	return r >= 0 && !is_sure ? ph_extents_add(owning->changed, region->start, region->end) : r;
}

/* Pages that were the process's own, and are not there: dropped by madvise(2), or a file's again. */
static int add_dropped(const struct ph_extents *owned, const struct ph_extents *there, struct ph_extents *changed)
{
	size_t at = 0;

	for (size_t i = 0; i < owned->n; i++) {
		ph_addr start = owned->all[i].start, end = owned->all[i].end;

		while (start < end) {
			while (at < there->n && there->all[at].end <= start)
				at++;
			if (at < there->n && there->all[at].start <= start) {
				start = there->all[at].end;
				continue;
			}
			if (at < there->n && there->all[at].start < end) {
				if (ph_extents_add(changed, start, there->all[at].start) < 0)
					return -ENOMEM;
				start = there->all[at].start;
				continue;
			}
			if (ph_extents_add(changed, start, end) < 0)
				return -ENOMEM;
			break;
		}
	}
	return 0;
}

static int find_written(struct ph_originals *originals, struct ph_tracking *tracking, bool quietly,
			struct ph_extents *changed)
{
	struct ph_os_scan scan = { .end = PH_SPACE_END, .inverted = PH_PAGE_FILE, .all = PH_PAGE_WATCHED | PH_PAGE_FILE,
				   .any = PH_PAGE_PRESENT | PH_PAGE_SWAPPED, .tell = PH_PAGE_WRITTEN | PH_PAGE_PRESENT };
	struct ph_extents there = { 0 };
	struct owning owning = { changed, &there };
	int r = add_written(tracking, &originals->shared, 0, false, changed);

	if (r < 0)
		return r;
	if (quietly)
		return add_written(tracking, &originals->writable, PH_PAGE_FILE, false, changed);
	r = ph_tracking_scan(tracking, scan, add_owned_region, &owning);
	if (r >= 0)
		r = add_dropped(&originals->owned, &there, changed);
	ph_extents_fini(&there);
	return r;
}

/* Without help of the kernel's: what was kept is compared, what was nothing must still be nothing. */
static int compare(struct ph_originals *originals, struct ph_tracking *tracking, struct ph_thread *thread,
		   const struct ph_original *original, struct ph_extents *changed)
{
	uint8_t now[FEW * PH_PAGE_SIZE], before[FEW * PH_PAGE_SIZE];

	if (ph_original_is_below_stack(original))
		return ph_tracking_add_owned(tracking, ph_tracking_stack(tracking, original->end), original->end, changed);
	if (original->kind == PH_ORIGINAL_ZERO || original->kind == PH_ORIGINAL_FILE)
		return ph_tracking_add_owned(tracking, original->start, original->end, changed);
	for (ph_addr at = original->start; at < original->end; at += sizeof(now)) {
		size_t len = original->end - at < sizeof(now) ? original->end - at : sizeof(now);

		if (ph_space_read(thread->process->space, thread->tid, at, now, len, NULL) < 0 ||
		    ph_original_read(originals, original, thread->tid, at, before, len) < 0) {
			if (ph_extents_add(changed, at, at + len) < 0)
				return -ENOMEM;
			continue;
		}
		for (size_t i = 0; i < len; i += PH_PAGE_SIZE)
			if (memcmp(now + i, before + i, PH_PAGE_SIZE) != 0 &&
			    ph_extents_add(changed, at + i, at + i + PH_PAGE_SIZE) < 0)
				return -ENOMEM;
	}
	return 0;
}

int ph_changed_find(struct ph_originals *originals, struct ph_tracking *tracking, struct ph_thread *thread,
			      bool quietly, struct ph_extents *changed, struct ph_err *err)
{
	int r = 0;

	if (tracking->uffd >= 0)
		r = find_written(originals, tracking, quietly, changed);
	for (size_t i = 0; tracking->uffd < 0 && i < originals->n && r >= 0; i++)
		r = compare(originals, tracking, thread, &originals->all[i], changed);
	return r < 0 ? ph_err_set_in(err, r, "find changed pages", thread->tid) : 0;
}

void ph_changed_protect(const struct ph_originals *originals, struct ph_tracking *tracking, bool everywhere)
{
	struct ph_extent all = { 0, PH_SPACE_END };

	if (tracking->uffd < 0)
		return;
	if (everywhere) {
		add_written(tracking, &(struct ph_extents){ &all, 1, 1 }, 0, true, NULL);
		return;
	}
	add_written(tracking, &originals->writable, 0, true, NULL);
	add_written(tracking, &originals->shared, 0, true, NULL);
}
