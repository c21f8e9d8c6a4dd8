/*
 * symbols - the names in one ELF file.
 *
 * .symtab and .dynsym, as the file has them: functions, data and assembly labels that have a place in a loaded
 * segment. Not what a name means in a process (a module's load address, the implementation behind an IFUNC): addresses
 * are the file's own. Nothing is read before the first question; one name costs a scan, many build an index.
 *
 * A name without a version means the default one: "memcpy" finds memcpy@@GLIBC_2.14, "memcpy@GLIBC_2.2.5" the other.
 */
#ifndef PH_IMAGE_SYMBOLS_H
#define PH_IMAGE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/spell.h"
#include "image/elf.h"
#include "image/symbol.h"

/*
 * The symbol that name means; of several, functions come first, then default versions, then globals, then the table's
 * order. -ENOENT: none; -ENOMEM.
 */
int ph_symbols_find(struct ph_elf *elf, const char *name, struct ph_symbol *ret);

/* Every place that name means, best first, one symbol an address; the caller frees *ret. -ENOENT: none; -ENOMEM. */
int ph_symbols_find_all(struct ph_elf *elf, const char *name, struct ph_symbol **ret, size_t *ret_n);

/*
 * The symbol that vaddr lies in, the innermost and of equals the one that people would write. One without a size
 * reaches to the next. -ENOENT: none; -ENOMEM.
 */
int ph_symbols_at(struct ph_elf *elf, ph_addr vaddr, struct ph_symbol *ret);

/*
 * The next symbol of all, in the tables' order; *cursor begins at 0. False after the last. What both tables have comes
 * twice.
 */
bool ph_symbols_next(struct ph_elf *elf, size_t *cursor, struct ph_symbol *ret);

/* Offers every name, without its version. */
void ph_symbols_nearest(struct ph_elf *elf, struct ph_spell *spell);

#endif
