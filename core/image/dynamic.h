/*
 * dynamic - the dynamic section of one ELF file, and the bytes that its addresses lead to; for core/image alone.
 *
 * Works without section headers, as the dynamic linker does: on files that were robbed of them, and on those that were
 * put together from a target's memory.
 */
#ifndef PH_IMAGE_DYNAMIC_H
#define PH_IMAGE_DYNAMIC_H

#include <gelf.h>
#include <stddef.h>

#include "image/elf.h"

/* The value of the first entry with this tag; false when there is none. */
bool ph_dynamic_get(struct ph_elf *elf, int64_t tag, uint64_t *ret);

/* How many bytes of the file are loaded from vaddr on; 0: none. */
uint64_t ph_dynamic_room(const struct ph_elf *elf, ph_addr vaddr);

/* len bytes that are loaded at vaddr, owned by elf->file, aligned for any type; NULL when the file lacks them. */
const void *ph_dynamic_bytes(struct ph_elf *elf, ph_addr vaddr, uint64_t len);

#endif
