/*
 * typedie - types as DWARF has them, made values; for core/image alone.
 */
#ifndef PH_IMAGE_TYPEDIE_H
#define PH_IMAGE_TYPEDIE_H

#include "image/dwarf.h"
#include "image/type.h"

/* The type at die (NULL: void) as the next of the list, with all that it is made of. -EINVAL: malformed; -ENOMEM. */
int ph_typedie_add(struct ph_dwarf *dwarf, struct ph_types *types, Dwarf_Die *die, size_t *ret_index);

/* One that leads to, or has count of, an element that is in the list. */
int ph_typedie_add_pointer(struct ph_types *types, size_t element, size_t *ret_index);
int ph_typedie_add_array(struct ph_types *types, size_t element, uint64_t count, size_t *ret_index);

/* Behind typedefs and qualifiers; false: void. */
bool ph_typedie_strip(Dwarf_Die *die);

ph_type_ref ph_typedie_ref(const struct ph_dwarf *dwarf, Dwarf_Die *die);
bool ph_typedie_of(const struct ph_dwarf *dwarf, ph_type_ref ref, Dwarf_Die *ret);

#endif
