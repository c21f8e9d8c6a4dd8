/*
 * lines - addresses by lines of source, and lines by addresses, as DWARF's line tables have them.
 *
 * A file's name is shown as DWARF records it: relative to the folder where the compiler ran, unless it was named by an
 * absolute path. It is looked for by any end of its path that begins at a "/". Addresses are the ELF file's own.
 */
#ifndef PH_IMAGE_LINES_H
#define PH_IMAGE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/spell.h"
#include "image/elf.h"

/*
 * Where a line's code begins, ascending: in every function, inlined copy and block of its own that has code of it, the
 * first of its statements. A line without code means the next one that has some, as in GDB, in whatever function that
 * is. The caller frees *ret. -ENOENT: no such file; -ENODATA: no code for it there, or after; -ENOMEM.
 */
int ph_lines_find(struct ph_elf *elf, const char *file, unsigned line, ph_addr **ret, size_t *ret_n);

struct ph_line {
	char file[1024];
	unsigned line;
};

/* -ENOENT: nobody wrote it, or no debug information says who did. */
int ph_lines_at(struct ph_elf *elf, ph_addr vaddr, struct ph_line *ret);

/* Where the file of that line was when it was compiled: its name below the compiler's folder. -ENOENT as above. */
int ph_lines_path_at(struct ph_elf *elf, ph_addr vaddr, char *buf, size_t len);

/* Where the next row of the line table behind vaddr's begins: behind a function's entry, where its prologue ends. */
bool ph_lines_next(struct ph_elf *elf, ph_addr vaddr, ph_addr *ret);

/* Calls fn with the name of every file, without its folders, again for each unit, until it gives nonzero; returns that. */
int ph_lines_each_file(struct ph_elf *elf, int (*fn)(const char *name, void *user), void *user);

/* Calls fn with each line of a file that has code, perhaps more than once, until it gives nonzero; returns that. */
int ph_lines_each(struct ph_elf *elf, const char *file, int (*fn)(unsigned line, void *user), void *user);

/* Offers the name of every file, without its folders. */
void ph_lines_nearest(struct ph_elf *elf, struct ph_spell *spell);

#endif
