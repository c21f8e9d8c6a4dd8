/*
 * alloc - memory that scripts map in a target, for data or code of theirs.
 *
 * Whole pages, mapped and unmapped by calls that a stopped thread of the target makes (inject.h). Listed in the space
 * that it belongs to, and unmapped when the target is let go, unless it is to be kept. Children of a fork have copies,
 * which are theirs.
 */
#ifndef PH_ENGINE_ALLOC_H
#define PH_ENGINE_ALLOC_H

#include "engine/thread.h"

/* prot: PROT_…; near: within 1 GiB of there, or 0: anywhere. */
int ph_alloc_map(struct ph_thread *thread, size_t size, int prot, ph_addr near, bool keep, ph_addr *ret,
		 struct ph_err *err);

/* What ph_alloc_map gave, whole. -ENOENT: it gave no such address. */
int ph_alloc_unmap(struct ph_thread *thread, ph_addr addr, struct ph_err *err);

/* Any memory of the program, whole pages of it. */
int ph_alloc_protect(struct ph_thread *thread, ph_addr addr, size_t size, int prot, struct ph_err *err);

/* The target is about to be let go: what is not to be kept. Every thread of the space is stopped. */
void ph_alloc_unmap_all(struct ph_thread *thread);

#endif
