/*
 * relocation - what is filled in when an ELF file is loaded, as far as it tells whether that has been done.
 */
#ifndef PH_IMAGE_RELOCATION_H
#define PH_IMAGE_RELOCATION_H

#include "image/elf.h"

/* Where the file keeps the address of the function that an IFUNC resolver, at vaddr, has found; false: nowhere. */
bool ph_relocation_resolved_slot(struct ph_elf *elf, ph_addr resolver, ph_addr *ret);

/* A word that relocation sets to an address of the file's own, to which the bias is added; false: there is none. */
bool ph_relocation_own_word(struct ph_elf *elf, ph_addr *ret_at, ph_addr *ret_value);

#endif
