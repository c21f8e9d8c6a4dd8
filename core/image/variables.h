/*
 * variables - the parameters and variables of a function, where a frame stands in it: names, types, and where they are.
 *
 * By DWARF's location expressions and lists. In a function's prologue, where code that was not optimised has yet to put
 * its parameters where debug information says that they are, they are found where the calling convention has them; one
 * that may be either stored or not, with a register that means something else by now, counts as optimised out.
 * Knows no process: registers are values, memory is read through a callback; nothing is written.
 */
#ifndef PH_IMAGE_VARIABLES_H
#define PH_IMAGE_VARIABLES_H

#include "image/elf.h"
#include "image/type.h"
#include "image/unwind.h"

enum ph_variables_which {
	PH_VARIABLES_PARAMETERS,	/* of the function, inlined ones too, that the frame stands in */
	PH_VARIABLES_LOCALS,		/* its variables that are in scope, the innermost of each name */
};

struct ph_variable {
	char *name;		/* owned */
	size_t type;		/* index in the list of types */
	bool in_memory;		/* at address; else the rest holds what it is */
	ph_addr address;
	uint8_t *bytes;		/* owned; of the type's size, in the order of memory; NULL: all of it is optimised out */
	uint8_t *lost;		/* owned; for each byte whether it is optimised out; NULL: none is */
	size_t n_bytes;
};

struct ph_variables {
	char *function;		/* owned; its name, or NULL */
	struct ph_variable *list;	/* owned; in the source's order */
	size_t n;
	struct ph_types types;
};

/* What a frame knows besides its registers. */
struct ph_variables_frame {
	const struct ph_unwind_frame *frame;
	const struct ph_unwind_memory *memory;
	bool is_before_inlined;	/* an inlined call that begins at the frame's place has not been entered */
	/* The 16 bytes of an xmm register, or -errno; NULL: they are not known. */
	int (*xmm)(void *user, unsigned n, uint8_t buf[16]);
	void *user;
};

/* -ENOENT: no debug information describes the function; -ENOMEM. */
int ph_variables_read(struct ph_elf *elf, ph_addr bias, const struct ph_variables_frame *at,
		      enum ph_variables_which which, struct ph_variables *ret);
void ph_variables_fini(struct ph_variables *variables);

#endif
