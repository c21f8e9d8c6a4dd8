/*
 * extents - sets of addresses, as sorted ranges that do not touch.
 *
 * Ranges are [start, end). Adding behind the last one, the usual case, costs no search.
 */
#ifndef PH_BASE_EXTENTS_H
#define PH_BASE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/types.h"

struct ph_extent {
	ph_addr start, end;
};

struct ph_extents {
	struct ph_extent *all;	/* owned */
	size_t n, room;
};

void ph_extents_fini(struct ph_extents *extents);
int ph_extents_add(struct ph_extents *extents, ph_addr start, ph_addr end);	/* 0 or -ENOMEM */
int ph_extents_add_all(struct ph_extents *extents, const struct ph_extents *others);

/* The index of the first one that ends behind addr; n: there is none. */
size_t ph_extents_from(const struct ph_extents *extents, ph_addr addr);

uint64_t ph_extents_total(const struct ph_extents *extents);

static inline void ph_extents_clear(struct ph_extents *extents)
{
	extents->n = 0;
}

#endif
