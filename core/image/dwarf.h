/*
 * dwarf - the debug information of one ELF file, opened and indexed by address; for core/image alone.
 *
 * The file's own, or its debug file's (debugfile.h), with the supplementary file that dwz made of what several share.
 * Opened when first asked for, and owned by the elf. Addresses are the file's own. Hostile: walks are bounded, and what
 * does not hold together is as good as absent.
 */
#ifndef PH_IMAGE_DWARF_H
#define PH_IMAGE_DWARF_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/elf.h"

#define PH_DWARF_DEPTH_MAX 64	/* of scopes in each other */

struct ph_dwarf {
	uint64_t serial;	/* no other one had, or will have, the same */
	Dwarf *debug;		/* NULL: there is none */
	struct ph_dwarf_range {
		ph_addr low, high;
		Dwarf_Off unit;	/* where its DIE is */
	} *ranges;		/* owned; of units, by low */
	size_t n_ranges;

	/* The rest is dwarf.c's. */
	Dwarf *supplement;
	struct Elf *supplement_file;
	int supplement_fd;
	Dwarf_CFI *cfi;
	bool opened, indexed, sought_cfi;
};

/* Opened at the first call; NULL: no memory. */
struct ph_dwarf *ph_dwarf_get(struct ph_elf *elf);

/* .eh_frame, and .debug_frame; NULL: none. */
Dwarf_CFI *ph_dwarf_eh_frame(struct ph_elf *elf);
Dwarf_CFI *ph_dwarf_debug_frame(struct ph_elf *elf);

/* The DIE of the compilation unit whose code is at vaddr. */
bool ph_dwarf_unit_at(struct ph_elf *elf, ph_addr vaddr, Dwarf_Die *ret);

/* Every compilation unit, in the file's order: *cursor begins at NULL; false after the last. */
bool ph_dwarf_next_unit(struct ph_dwarf *dwarf, Dwarf_CU **cursor, Dwarf_Die *ret);

/*
 * The functions, inlined calls and blocks that vaddr lies in, the outermost first; the first is the unit. Returns how
 * many, 0 when there is no debug information for it.
 */
size_t ph_dwarf_scopes_at(struct ph_elf *elf, ph_addr vaddr, Dwarf_Die scopes[PH_DWARF_DEPTH_MAX]);

/* Where a scope is entered. */
bool ph_dwarf_entry(Dwarf_Die *die, ph_addr *ret);

/* An attribute as a number; false when there is none. Also through abstract origins and specifications. */
bool ph_dwarf_udata(Dwarf_Die *die, unsigned name, uint64_t *ret);
bool ph_dwarf_flag(Dwarf_Die *die, unsigned name);

/* The DIE that an attribute refers to. */
bool ph_dwarf_ref(Dwarf_Die *die, unsigned name, Dwarf_Die *ret);

/* An attribute's text, which ends within the file, or NULL; borrowed from the file. */
const char *ph_dwarf_string(Dwarf_Attribute *attr);

/* The DIE's name, or NULL; likewise. */
const char *ph_dwarf_name(Dwarf_Die *die);

#endif
