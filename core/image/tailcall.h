/*
 * tailcall - functions that are on no stack any more, since each ended in a jump into the next.
 *
 * A caller's debug information says whom it called; when somebody else runs, that one has jumped there, perhaps through
 * others. Only what is certain is told: one chain of jumps, and no other, that leads from the one to the other.
 */
#ifndef PH_IMAGE_TAILCALL_H
#define PH_IMAGE_TAILCALL_H

#include "image/elf.h"

#define PH_TAILCALLS_MAX 8

/*
 * The file's own addresses behind the jumps, the innermost first, of functions of elf between a call that returns to
 * return_to (the own address of caller_elf, which may be elf) and the function that is entered at entry. How many.
 */
size_t ph_tailcalls_find(struct ph_elf *elf, ph_addr entry, struct ph_elf *caller_elf, ph_addr return_to,
			 ph_addr ret[PH_TAILCALLS_MAX]);

#endif
