/*
 * tracking - which pages of an address space were written, for the snapshots that there are of it.
 *
 * The target is made to make a userfaultfd, which is ours at once (os/pages.h). Every mapping that it can watch is given
 * to it: one that is not watched later is one that the program has made since. Without it, pages are compared.
 * Owned by the space's snapshots together: made for the first, closed by the last.
 */
#ifndef PH_ENGINE_TRACKING_H
#define PH_ENGINE_TRACKING_H

#include "base/extents.h"
#include "engine/thread.h"
#include "os/pages.h"

#define PH_PAGE_SIZE 4096ull
#define PH_SPACE_END 0x7ffffffff000ull	/* of the program's own addresses */

struct ph_maps;
struct ph_snapshot;

struct ph_tracking {
	struct ph_space *space;		/* borrowed: its snapshots count it */
	int pagemap, maps;		/* descriptors */
	int uffd;			/* -1: pages are compared */
	char *text;			/* owned; /proc/PID/maps as last read */
	size_t len, room;
	const struct ph_snapshot *latest;	/* the one that was taken or restored last */
};

/* The thread is stopped at a place of the program. compares: not by userfaultfd, whatever the kernel has. */
int ph_tracking_new(struct ph_thread *thread, bool compares, struct ph_tracking **ret, struct ph_err *err);
void ph_tracking_free(struct ph_tracking *tracking);

/* tracking->text and len. */
int ph_tracking_read_maps(struct ph_tracking *tracking);

/* Every mapping of the text, as far as that can be. */
void ph_tracking_watch(struct ph_tracking *tracking, const struct ph_maps *maps);

/* Calls fn for each region in its order; stops at its first nonzero answer, and returns that. */
int ph_tracking_scan(struct ph_tracking *tracking, struct ph_os_scan scan,
		     int (*fn)(const struct ph_os_region *, void *), void *user);

/* Adds pages that are the process's own: there, or swapped out, and no file's. By reading the page map, where need be. */
int ph_tracking_add_owned(struct ph_tracking *tracking, ph_addr start, ph_addr end, struct ph_extents *ret);

/* Where the stack begins by the maps that were last read; otherwise: it is not there. */
ph_addr ph_tracking_stack(const struct ph_tracking *tracking, ph_addr otherwise);

/* Memory that we have mapped there for ourselves or for a script, since the space's begin. */
bool ph_tracking_is_ours(const struct ph_tracking *tracking, ph_addr start, ph_addr end);

#endif
