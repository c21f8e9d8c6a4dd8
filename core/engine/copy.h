/*
 * copy - the usual way past a site: a copy of its instruction out of line, which jumps back by itself.
 *
 * One stop a hit; the site stays armed, other threads are not stopped. Scratch memory is mapped in the target when the
 * first site needs it, near enough for the operands, and unmapped when the target is let go. What cannot be copied is
 * emulated where that changes nothing but rip, or stepped (step.h).
 */
#ifndef PH_ENGINE_COPY_H
#define PH_ENGINE_COPY_H

#include "engine/thread.h"

/*
 * The thread stands at the site's address, its hooks done. True: its rip is set so that resuming it passes the site;
 * false: step.
 */
bool ph_copy_pass(struct ph_thread *thread, struct ph_site *site);

struct ph_maps;

/* The gap between mappings, of this size at least, that lies nearest, and within reach of displacements; or 0. */
ph_addr ph_copy_find_gap(const struct ph_maps *maps, ph_addr near, size_t size);

/* The address of an int3 in scratch memory, for a function to return to. */
int ph_copy_return_trap(struct ph_thread *thread, ph_addr *ret, struct ph_err *err);

/* Unmaps the scratch memory. Every thread of the space is stopped, and none is in a copy. */
void ph_copy_unmap(struct ph_thread *thread);

#endif
