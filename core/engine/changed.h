/*
 * changed - which pages of a target may hold something else than they did when their originals were taken.
 *
 * As tracking.h knows it, or by comparing. What somebody gave back to the kernel (madvise(2)) is found by what is not there.
 */
#ifndef PH_ENGINE_CHANGED_H
#define PH_ENGINE_CHANGED_H

#include "engine/originals.h"

/*
 * Adds the pages that may be different now. quietly: nothing but the program's own writes can have changed any, so
 * only where it may write is looked.
 */
int ph_changed_find(struct ph_originals *originals, struct ph_tracking *tracking, struct ph_thread *thread,
			      bool quietly, struct ph_extents *changed, struct ph_err *err);

/* Writes from here on are news. */
void ph_changed_protect(const struct ph_originals *originals, struct ph_tracking *tracking, bool everywhere);

#endif
