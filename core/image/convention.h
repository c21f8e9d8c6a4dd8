/*
 * convention - where a function finds its parameters when it is entered, by the System V ABI for AMD64 (3.2.3).
 *
 * Pure, over types: a place is registers, or an offset in the stack. Vectors, long double in registers and classes that
 * are passed by reference are beyond it, and said to be unknown.
 */
#ifndef PH_IMAGE_CONVENTION_H
#define PH_IMAGE_CONVENTION_H

#include "image/type.h"

enum ph_argument_kind {
	PH_ARGUMENT_UNKNOWN,
	PH_ARGUMENT_REGISTERS,
	PH_ARGUMENT_STACK,
};

struct ph_argument {
	enum ph_argument_kind kind;
	uint64_t offset;	/* STACK: above the return address */
	struct {
		bool is_xmm;
		unsigned n;	/* DWARF's number of a general register, or the number of an xmm */
	} parts[2];		/* REGISTERS: one for each eight bytes */
	size_t n_parts;
};

/* What earlier parameters have taken; all 0 at first. */
struct ph_argument_state {
	unsigned general, xmm;
	uint64_t stack;
	bool is_lost;	/* one was unknown, so that all behind it are */
};

/* hidden_result: the first general register has the address where the result goes. */
void ph_argument_begin(struct ph_argument_state *state, bool hidden_result);
struct ph_argument ph_argument_next(struct ph_argument_state *state, const struct ph_types *types, size_t type);

/* Is a result of this type returned in memory that the caller provides? */
bool ph_argument_is_in_memory(const struct ph_types *types, size_t type);

#endif
