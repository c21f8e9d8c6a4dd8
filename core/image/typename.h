/*
 * typename - what types in DWARF are called; for core/image alone.
 */
#ifndef PH_IMAGE_TYPENAME_H
#define PH_IMAGE_TYPENAME_H

#include "image/dwarf.h"
#include "image/type.h"

#define PH_TYPENAME_MAX 256

/* Behind typedefs and qualifiers; false: void. *ret_alias: the innermost typedef's name, or NULL. */
bool ph_typename_strip(Dwarf_Die *die, const char **ret_alias);

/* The name of a type for people, "struct task", without what it is made of. die NULL: void. */
void ph_typename_of(Dwarf_Die *die, const char *alias, char buf[PH_TYPENAME_MAX]);

/* "struct task **", of a pointer. */
void ph_typename_of_pointer(Dwarf_Die *die, char buf[PH_TYPENAME_MAX]);

/* "int[2][3]": the outer count before those of the elements. */
void ph_typename_of_array(const struct ph_type *element, uint64_t count, char buf[PH_TYPENAME_MAX]);

#endif
