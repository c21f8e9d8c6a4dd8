/*
 * originals - the contents of a target's memory at one moment.
 *
 *	kept	bytes of ours
 *	twin	in a fork of the target that never runs (twin.h): for much memory
 *	zero	anonymous memory that nobody had touched
 *	file	a file's own page, read again when somebody wants it
 *
 * Kept are all pages that were the process's own, and shared memory that it may write. Bytes of ours are not seen: sites
 * and patches of the moment do not show, those of later stay. The engine's scratch memory is left alone.
 */
#ifndef PH_ENGINE_ORIGINALS_H
#define PH_ENGINE_ORIGINALS_H

#include "engine/layout.h"

#define PH_ORIGINALS_PIECE ((size_t)256 << 10)	/* what the caches hold */

enum ph_original_kind {
	PH_ORIGINAL_KEPT,
	PH_ORIGINAL_TWIN,
	PH_ORIGINAL_ZERO,
	PH_ORIGINAL_FILE,
};

struct ph_original {
	ph_addr start, end;
	enum ph_original_kind kind;
	bool writable, shared;
	size_t offset;				/* KEPT: in bytes */
	const struct ph_map_entry *entry;	/* FILE: borrowed from the layout */
};

struct ph_original_trap {
	ph_addr addr;
	uint8_t byte;
};

struct ph_originals {
	struct ph_original *all;	/* owned, sorted */
	size_t n, room;
	uint8_t *bytes;			/* owned, mapped */
	size_t size;
	pid_t twin;			/* 0: none */
	int twin_memory;		/* a descriptor of its memory */
	struct ph_original_trap *traps;	/* owned; the sites that the twin has in its memory */
	size_t n_traps;
	struct ph_extents owned;	/* pages that were the process's own */
	struct ph_extents writable, shared;	/* where the program writes without asking the kernel */
	uint8_t *buffer;		/* owned, of PH_ORIGINALS_PIECE bytes; what goes from the twin to the target */

	/* What was put back from the twin once, and, when it was again, kept behind the other bytes: room is for so many more. */
	struct ph_extents warm;
	size_t room_warm;
	struct ph_original *kept;	/* owned; found to be so while putting back, sorted, not in all yet */
	size_t n_kept, room_kept;
};

/* Everything is stopped. limit: of bytes to keep; past it a twin is made. */
int ph_originals_take(struct ph_originals *originals, struct ph_tracking *tracking, const struct ph_layout *layout,
		      struct ph_thread *thread, size_t limit, struct ph_err *err);

/* thread: one of the target that can be made to call, or NULL. */
void ph_originals_fini(struct ph_originals *originals, struct ph_thread *thread);

/* Where the stack could grow: nothing, then. */
static inline bool ph_original_is_below_stack(const struct ph_original *original)
{
	return original->end == original->entry->start;
}

/* The first that ends behind addr; NULL: none does. */
const struct ph_original *ph_originals_find(const struct ph_originals *originals, ph_addr addr);

/* len bytes as they were; -EIO at the first that was not there. The target may be gone, but for files and a twin. */
int ph_originals_read(struct ph_originals *originals, pid_t tid, ph_addr addr, void *buf, size_t len, struct ph_err *err);

/* The same of one piece, within it. */
int ph_original_read(const struct ph_originals *originals, const struct ph_original *original, pid_t tid, ph_addr addr,
		     void *buf, size_t len);

#endif
