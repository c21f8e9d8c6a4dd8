/*
 * putback - the originals of a snapshot, written into the target again where it has changed them.
 *
 * What the program may write goes in batches of one call; code, page by page, as bytes of ours that stand there now stay.
 * What comes from the twin is read through a buffer, and kept when it was wanted a second time.
 */
#ifndef PH_ENGINE_PUTBACK_H
#define PH_ENGINE_PUTBACK_H

#include "engine/originals.h"

/* Everything is stopped. changed: sorted; what of it is no original is left as it is. */
int ph_originals_put_back(struct ph_originals *originals, struct ph_thread *thread, const struct ph_extents *changed,
			  struct ph_err *err);

#endif
