/*
 * plt - the stubs through which one ELF file calls what others define: "puts@plt"; for core/image alone.
 *
 * A stub jumps through a slot, and a relocation says whose address the slot is for. Stubs are found by their jumps, in
 * .plt, .plt.sec and .plt.got. Nothing is read before the first question.
 */
#ifndef PH_IMAGE_PLT_H
#define PH_IMAGE_PLT_H

#include <stddef.h>

#include "image/elf.h"

struct ph_plt_entry {
	ph_addr vaddr;
	uint64_t size;
	const char *name;	/* of the function, perhaps with a version, borrowed from the elf; NULL: it has none */
	ph_addr resolver;	/* without a name: of the IFUNC resolver that finds the function */
};

struct ph_plt {
	size_t n;
	struct ph_plt_entry entries[];	/* by address */
};

/* Owned by elf; NULL: no memory. */
const struct ph_plt *ph_plt_read(struct ph_elf *elf);

/* The one that vaddr lies in, or NULL. */
const struct ph_plt_entry *ph_plt_at(struct ph_elf *elf, ph_addr vaddr);

#endif
