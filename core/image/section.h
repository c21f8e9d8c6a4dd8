/*
 * section - the sections of one ELF file as they lie in it; for core/image alone.
 */
#ifndef PH_IMAGE_SECTION_H
#define PH_IMAGE_SECTION_H

#include <gelf.h>
#include <stddef.h>

/* The first of that name, or NULL; that others are broken is no reason not to find it. */
Elf_Scn *ph_section_find(Elf *file, const char *name);

/* Its bytes, borrowed from the file; NULL when they are not all there, or compressed, or the section is NULL. */
const void *ph_section_read(Elf_Scn *section, size_t *ret_len);

#endif
