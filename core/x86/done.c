#include "x86/done.h"

#include "x86/regs.h"

#define PUSH  0x50
#define POP   0x58
#define LEAVE 0xc9

/* As instructions number them (Intel SDM vol. 2, table 3-1). */
static const uint8_t numbered[] = {
	PH_REG_rax, PH_REG_rcx, PH_REG_rdx, PH_REG_rbx, PH_REG_rsp, PH_REG_rbp, PH_REG_rsi, PH_REG_rdi,
};

enum ph_done ph_done_look(uint8_t opcode, const struct user_regs_struct *regs, uint64_t below, uint64_t top)
{
	uint8_t reg = numbered[opcode & 7];
	uint64_t value = ph_reg_get(regs, &ph_regs[reg]);

	switch (opcode & 0xf8) {
	case PUSH:
		/* Of rsp, what it was before. */
		return top == value + (reg == PH_REG_rsp ? sizeof(top) : 0) ? PH_DONE_YES : PH_DONE_NO;
	case POP:
		if (reg == PH_REG_rsp)
			return PH_DONE_UNKNOWN;
		return below == value ? PH_DONE_YES : PH_DONE_NO;
	default:
		break;
	}
	if (opcode != LEAVE)
		return PH_DONE_UNKNOWN;
	return below == regs->rbp ? PH_DONE_YES : PH_DONE_NO;
}
