/*
 * expression - DWARF expressions, evaluated; for core/image alone.
 *
 * Pure: operations in, a location out. Registers, memory and the frame are asked for through callbacks, so a table of
 * rows tests it. Expressions are hostile: a step too many, a stack too deep, a branch to nowhere is an error. Does not
 * know what an expression describes: a caller's register (unwind.h), a variable (variables.h).
 */
#ifndef PH_IMAGE_EXPRESSION_H
#define PH_IMAGE_EXPRESSION_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"

/* What an expression may ask. Each gives 0 or -errno; one that is NULL cannot be asked. */
struct ph_expression_world {
	void *user;
	ph_addr bias;	/* added to the file's own addresses */
	int (*memory)(void *user, ph_addr addr, void *buf, size_t len);
	int (*reg)(void *user, unsigned n, uint64_t *ret);	/* DWARF's numbers */
	int (*cfa)(void *user, ph_addr *ret);
	int (*frame_base)(void *user, ph_addr *ret);
	/* The value that an expression had when the function was entered. */
	int (*entry_value)(void *user, const Dwarf_Op *ops, size_t n, uint64_t *ret);
};

enum ph_piece_kind {
	PH_PIECE_LOST,		/* optimised out */
	PH_PIECE_MEMORY,	/* at value */
	PH_PIECE_REGISTER,	/* in register number value */
	PH_PIECE_VALUE,		/* value itself */
	PH_PIECE_BYTES,		/* bytes, which are the file's */
};

struct ph_piece {
	enum ph_piece_kind kind;
	uint64_t value;
	const void *bytes;
	size_t n_bytes;
	uint64_t bits, skip;	/* how many, behind how many of the source; bits 0: the whole object */
};

#define PH_PIECES_MAX 16

struct ph_location {
	size_t n;
	struct ph_piece pieces[PH_PIECES_MAX];
};

/*
 * attr: where the operations come from, for those that refer to other parts of the file; NULL: from call frame
 * information. -EINVAL: malformed, or beyond what is bounded here; -ENOTSUP: what we do not know; -ENODATA: it is not
 * known any more; else what a callback gave.
 */
int ph_expression_locate(const struct ph_expression_world *world, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n,
			 struct ph_location *ret);

/* The same for an expression that computes a number, an address mostly. */
int ph_expression_compute(const struct ph_expression_world *world, Dwarf_Attribute *attr, const Dwarf_Op *ops,
			  size_t n, uint64_t *ret);

#endif
