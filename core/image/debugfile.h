/*
 * debugfile - the files that hold what was stripped from an ELF file: its full symbol table and its DWARF.
 *
 * Three ways lead to one: the build-id, under the debug root (ROOT/.build-id/ab/cdef.debug); the name in
 * .gnu_debuglink, beside the file, in .debug/ there and under ROOT/FOLDER; and .gnu_debugdata, a small ELF file inside
 * the file, compressed, with names only. A file that does not match (another build-id, another checksum) or cannot be
 * read is not used, and warned of once (ph_elf_warn). Nothing is opened before the first question.
 */
#ifndef PH_IMAGE_DEBUGFILE_H
#define PH_IMAGE_DEBUGFILE_H

#include "image/elf.h"

/* The separate debug file, owned by elf; NULL: there is none. Its addresses are the same as elf's. */
struct ph_elf *ph_debugfile_find(struct ph_elf *elf);

/* What .gnu_debugdata holds, owned by elf; NULL: nothing. It has symbols, and no DWARF. */
struct ph_elf *ph_debugfile_mini_find(struct ph_elf *elf);

#endif
