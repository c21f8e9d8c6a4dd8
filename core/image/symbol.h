/*
 * symbol - one name of an ELF file and what it stands for. A value; symbols.h finds them, symtab.h reads them.
 */
#ifndef PH_IMAGE_SYMBOL_H
#define PH_IMAGE_SYMBOL_H

#include <stdint.h>

#include "base/types.h"

enum ph_symbol_type {
	PH_SYMBOL_LABEL,	/* assembly, of unknown type */
	PH_SYMBOL_OBJECT,
	PH_SYMBOL_FUNCTION,
	PH_SYMBOL_IFUNC,	/* vaddr is the resolver's, which returns the function's address */
};

enum ph_symbol_bind {
	PH_SYMBOL_LOCAL,
	PH_SYMBOL_WEAK,
	PH_SYMBOL_GLOBAL,
};

struct ph_symbol {
	const char *name;	/* as the table has it, perhaps with a version; borrowed from the elf */
	ph_addr vaddr;
	uint64_t size;		/* 0: not said */
	enum ph_symbol_type type;
	enum ph_symbol_bind bind;
};

#endif
