/*
 * operand - the address that a memory operand means, given the registers.
 *
 * Taken from a decoded instruction once, evaluated at every hit without decoding anything. Pure.
 */
#ifndef PH_X86_OPERAND_H
#define PH_X86_OPERAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"
#include "x86/regs.h"

#define PH_REG_NONE UINT8_MAX

/* A RIP-relative operand has no base here: displacement is then the address itself. */
struct ph_operand {
	uint8_t base;		/* enum ph_reg_index, or PH_REG_NONE */
	uint8_t index;		/* the same */
	uint8_t scale;
	uint8_t segment;	/* PH_REG_fs_base, PH_REG_gs_base or PH_REG_NONE */
	bool is_32;		/* the sum is cut to 32 bits, before the segment's base is added */
	int64_t displacement;
};

ph_addr ph_operand_address(const struct ph_operand *operand, const struct user_regs_struct *regs);

#endif
