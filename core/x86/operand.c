#include "x86/operand.h"

static uint64_t value_of(uint8_t reg, const struct user_regs_struct *regs)
{
	return reg == PH_REG_NONE ? 0 : ph_reg_get(regs, &ph_regs[reg]);
}

ph_addr ph_operand_address(const struct ph_operand *operand, const struct user_regs_struct *regs)
{
	uint64_t sum = value_of(operand->base, regs) + value_of(operand->index, regs) * operand->scale +
		       (uint64_t)operand->displacement;

	if (operand->is_32)
		sum = (uint32_t)sum;
	return sum + value_of(operand->segment, regs);
}
