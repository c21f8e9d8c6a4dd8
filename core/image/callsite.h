/*
 * callsite - calls, as debug information describes them in their callers; for core/image alone.
 */
#ifndef PH_IMAGE_CALLSITE_H
#define PH_IMAGE_CALLSITE_H

#include "image/dwarf.h"

/* The call that returns to an address, in one of n scopes around it (the outermost first). */
bool ph_callsite_find(Dwarf_Die *scopes, size_t n, ph_addr return_to, Dwarf_Die *ret);

/* The function that it calls, as far as that is fixed. */
bool ph_callsite_origin(Dwarf_Die *site, Dwarf_Die *ret);

/* Calls fn for each jump into another function, in die and what is nested in it; ends at its first nonzero answer. */
int ph_callsite_each_tail(Dwarf_Die *die, int (*fn)(Dwarf_Die *site, void *user), void *user);

/* Where the instruction behind it is. */
bool ph_callsite_return(Dwarf_Die *site, ph_addr *ret);

#endif
