/*
 * convention - where a function finds its parameters when it is entered, by the System V ABI for AMD64 (3.2.3).
 *
 * Pure, over types: a place is registers, or an offset in the stack. Vectors, long double in registers and classes that
 * are passed by reference are beyond it, and said to be unknown.
 */
#ifndef PH_IMAGE_CONVENTION_H
#define PH_IMAGE_CONVENTION_H

#include "image/type.h"

enum ph_home_kind {
	PH_HOME_UNKNOWN,
	PH_HOME_REGISTERS,
	PH_HOME_STACK,
};

struct ph_home {
	enum ph_home_kind kind;
	uint64_t offset;	/* STACK: above the return address */
	struct {
		bool is_xmm;
		unsigned n;	/* DWARF's number of a general register, or the number of an xmm */
	} parts[2];		/* REGISTERS: one for each eight bytes */
	size_t n_parts;
};

/* What earlier parameters have taken; all 0 at first. */
struct ph_homes {
	unsigned general, xmm;
	uint64_t stack;
	bool is_lost;	/* one was unknown, so that all behind it are */
};

/* hidden_result: the first general register has the address where the result goes. */
void ph_homes_begin(struct ph_homes *state, bool hidden_result);
struct ph_home ph_homes_next(struct ph_homes *state, const struct ph_types *types, size_t type);

/* Where a result is: in registers; PH_HOME_STACK: in memory, whose address is in rax. */
struct ph_home ph_home_of_result(const struct ph_types *types, size_t type);

/* Is a result of this type returned in memory that the caller provides? */
bool ph_home_is_in_memory(const struct ph_types *types, size_t type);

#endif
