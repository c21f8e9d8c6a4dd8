/*
 * symtab - the symbol tables of one ELF file as they lie in it; for core/image alone.
 *
 * Every symbol of .symtab, then of .dynsym, then of what was stripped off (debugfile.h), under one running index.
 * Checks what the file claims, so that whoever walks
 * the tables need not: a symbol that it gives has a terminated name, and an address that the file loads. Does not
 * search (symbols.h).
 */
#ifndef PH_IMAGE_SYMTAB_H
#define PH_IMAGE_SYMTAB_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>

#include "image/elf.h"
#include "image/symbol.h"

struct ph_symtab {
	const Elf64_Sym *syms;	/* this and the others are borrowed from elf->file */
	size_t n;
	const char *strings;	/* the last byte is a NUL */
	size_t strings_len;
	const Elf64_Half *versions;	/* one a symbol; NULL: none */
	size_t n_versions;
	const char *verdef;	/* names of the versions, a chain of Elf64_Verdef */
	size_t verdef_len;
};

struct ph_symbol_tables {
	struct ph_symtab tables[3];	/* .symtab, .dynsym, a companion's .symtab */
	size_t n;			/* symbols in all */
	bool is_complete;		/* the companion was looked for */
	unsigned lookups;		/* by name, so far */
};

/* The file's own tables, read at the first call. NULL: no memory. */
const struct ph_symbol_tables *ph_symtab_read(struct ph_elf *elf);

/* The same with what was stripped off; no index that was read so far changes. NULL: no memory. */
const struct ph_symbol_tables *ph_symtab_complete(struct ph_elf *elf);

/* The symbol at index, if it is one that has a place. */
bool ph_symtab_get(const struct ph_elf *elf, size_t index, struct ph_symbol *ret);

/* The length of a name without its version, or limit: hostile names have no end. */
size_t ph_symtab_stem(const char *name, size_t limit);

/* The symbol, named name, is what wanted means, of which stem letters come before the version. */
bool ph_symtab_means(const struct ph_elf *elf, size_t index, const char *name, const char *wanted, size_t stem);

/* It is not the version that new programs are linked with. */
bool ph_symtab_is_old(const struct ph_elf *elf, size_t index, const char *name);

#endif
