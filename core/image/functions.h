/*
 * functions - which functions an address is in, by debug information: inlined calls too.
 */
#ifndef PH_IMAGE_FUNCTIONS_H
#define PH_IMAGE_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "image/lines.h"

#define PH_FUNCTIONS_MAX 64

struct ph_function {
	const char *name;	/* as the source has it, without scope or parameters; NULL: none */
	const char *linkage;	/* as the linker has it, mangled; NULL: the same */
	ph_addr entry;		/* the file's own address */
	bool is_inlined;	/* into the next one */
	bool begins;		/* at vaddr, which is the first instruction of this copy of it, or of a part of it */
	struct ph_line line;	/* what vaddr is in of it: in all but the first, the call. line 0: not known */
};

/* The innermost first. Strings are borrowed from elf. Returns how many, 0 when there is no debug information for it. */
size_t ph_functions_at(struct ph_elf *elf, ph_addr vaddr, struct ph_function ret[PH_FUNCTIONS_MAX]);

#endif
