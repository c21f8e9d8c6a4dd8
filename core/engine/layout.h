/*
 * layout - the mappings of an address space at one moment, and put back to how they were.
 *
 * Looked at by the text of /proc/PID/maps, which is compared whole, and by which mappings are watched: one that was
 * unmapped and mapped again at the same place is not. Put back by calls that the target is made to make. The stack may
 * stay as far as it has grown; memory of ours, and of scripts, that came since stays too.
 */
#ifndef PH_ENGINE_LAYOUT_H
#define PH_ENGINE_LAYOUT_H

#include "engine/tracking.h"
#include "os/procfs.h"

struct ph_layout {
	struct ph_maps maps;		/* as at that moment */
	char *accepted;			/* owned; the text that is as good as it: when it was last put back */
	size_t accepted_len;
	struct ph_os_region *unwatched;	/* owned; likewise */
	size_t n_unwatched;
	ph_addr brk;
};

int ph_layout_take(struct ph_layout *layout, struct ph_tracking *tracking, struct ph_thread *thread, struct ph_err *err);
void ph_layout_fini(struct ph_layout *layout);

/* Nothing to put back. */
bool ph_layout_is_as_was(const struct ph_layout *layout, struct ph_tracking *tracking);

/*
 * The thread is at a place of the program, every other stopped. Adds to fresh what has other contents by now: mappings
 * that were made anew. -ENOTSUP: something cannot be had back; err says what.
 */
int ph_layout_put_back(struct ph_layout *layout, struct ph_tracking *tracking, struct ph_thread *thread,
		       struct ph_extents *fresh, struct ph_err *err);

static inline bool ph_layout_is_private(const struct ph_map_entry *entry)
{
	return entry->perms[3] == 'p';
}

/* The kernel's own, the same in every process. */
bool ph_layout_is_special(const struct ph_map_entry *entry);

#endif
