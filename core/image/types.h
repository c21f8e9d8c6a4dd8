/*
 * types - the types that an ELF file's debug information describes, by name and by reference.
 */
#ifndef PH_IMAGE_TYPES_H
#define PH_IMAGE_TYPES_H

#include "image/elf.h"
#include "image/type.h"

/*
 * The type that text names: "struct task", "task_t", "unsigned long", "ns::Box<int>", each with "*" or "[4]" behind.
 * Units of code at near (0: none) are asked first. -ENOENT: no such type, or no debug information; -EINVAL: the text is
 * no name of a type; -ENOMEM.
 */
int ph_types_find(struct ph_elf *elf, const char *text, ph_addr near, struct ph_types *ret);

/* What a pointer leads to. A structure that is only declared where the pointer is, is looked for by its name. */
int ph_types_follow(struct ph_elf *elf, ph_type_ref ref, struct ph_types *ret);

/* A number that stands for elf's debug information, and never for another's: refs of one file mean nothing in others. */
uint64_t ph_types_serial(struct ph_elf *elf);

/* Does the file describe types? It may be opened for that. */
bool ph_types_has_any(struct ph_elf *elf);

/* The type whose name is spelled most like text's, into buf; false when none is near. */
bool ph_types_nearest(struct ph_elf *elf, const char *text, char *buf, size_t len);

#endif
