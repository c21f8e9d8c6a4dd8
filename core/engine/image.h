/*
 * image - the program that a process runs, as the engine needs it: which file, loaded where, which place is meant.
 *
 * Opened when first asked for: a script without names never reads a symbol table. Addresses in and out are the
 * target's; the ELF file's own stay inside.
 */
#ifndef PH_ENGINE_IMAGE_H
#define PH_ENGINE_IMAGE_H

#include "ptracehook.h"

struct ph_image;
struct ph_spell;

/* tid: a thread of the process, which has passed its exec. */
int ph_image_open(pid_t tid, struct ph_image **ret, struct ph_err *err);
void ph_image_free(struct ph_image *image);

/* True when the program has a dynamic linker: a name that it lacks may come with a library. */
bool ph_image_can_load(const struct ph_image *image);

/*
 * The address that text (DESIGN: Where) means in this program. -ENOENT: no such name, or no such module; err says so
 * with the nearest spelling. *ret_final is then true when no library could bring it either.
 */
int ph_image_resolve(struct ph_image *image, const char *text, ph_addr *ret, bool *ret_final, struct ph_err *err);

/* The nearest spelling of the name in text, into buf; false when nothing is near. */
bool ph_image_nearest(struct ph_image *image, const char *text, char *buf, size_t len);

/* "main+0x12", "crackme+0x1139" or "0x7f…": where an address is, into buf. */
void ph_image_where(struct ph_image *image, ph_addr addr, char *buf, size_t len);

#endif
