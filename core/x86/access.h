/*
 * access - the memory that an instruction is about to read and write, given the registers. Pure.
 *
 * For watches without debug registers, where each instruction is looked at before it is stepped.
 */
#ifndef PH_X86_ACCESS_H
#define PH_X86_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "base/types.h"

#define PH_ACCESSES_MAX 4

struct ph_access_range {
	ph_addr addr;
	uint32_t len;
	bool reads, writes;
};

/*
 * What the instruction at `at`, whose first bytes these are, touches: of a repeated one the next round. What it pushes
 * and pops counts; what depends on vectors of addresses, or on masks, does not. How many; 0 also for no instruction.
 */
size_t ph_access_find(const uint8_t *bytes, size_t len, ph_addr at, const struct user_regs_struct *regs,
		      struct ph_access_range ret[PH_ACCESSES_MAX]);

#endif
