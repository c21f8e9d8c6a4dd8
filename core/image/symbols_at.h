/*
 * symbols_at - which symbol of an ELF file an address lies in.
 *
 * Of all tables, those that were stripped off included, through an index that the first question builds.
 */
#ifndef PH_IMAGE_SYMBOLS_AT_H
#define PH_IMAGE_SYMBOLS_AT_H

#include "image/elf.h"
#include "image/symbol.h"

/*
 * The symbol that vaddr lies in, the innermost and of equals the one that people would write. One without a size
 * reaches to the next. -ENOENT: none; -ENOMEM.
 */
int ph_symbols_at(struct ph_elf *elf, ph_addr vaddr, struct ph_symbol *ret);

#endif
