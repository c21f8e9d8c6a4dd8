#include "x86/operand.h"

#include "x86/zydis.h"

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

uint8_t ph_zydis_reg(ZydisRegister reg)
{
	const struct ph_reg *row;

	/* Zydis says "sp" for the 16 bits that scripts cannot name. */
	if (reg == ZYDIS_REGISTER_NONE || reg == ZYDIS_REGISTER_SP)
		return PH_REG_NONE;
	row = ph_reg_find(ZydisRegisterGetString(reg));
	return row ? (uint8_t)(row - ph_regs) : PH_REG_NONE;
}

bool ph_zydis_operand(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *from, ph_addr at,
		      struct ph_operand *ret)
{
	const ZydisDecodedOperandMem *mem = &from->mem;
	struct ph_operand operand = {
		.base = ph_zydis_reg(mem->base),
		.index = ph_zydis_reg(mem->index),
		.scale = mem->scale,
		.segment = mem->segment == ZYDIS_REGISTER_FS ? PH_REG_fs_base :
			   mem->segment == ZYDIS_REGISTER_GS ? PH_REG_gs_base : PH_REG_NONE,
		.is_32 = insn->address_width == 32,
		.displacement = mem->disp.has_displacement ? mem->disp.value : 0,
	};

	if (from->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    (mem->type != ZYDIS_MEMOP_TYPE_MEM && mem->type != ZYDIS_MEMOP_TYPE_AGEN))
		return false;
	if (ph_zydis_is_rip_relative(insn)) {
		operand.base = PH_REG_NONE;
		operand.displacement = (int64_t)((uint64_t)operand.displacement + at + insn->length);
	} else if ((mem->base != ZYDIS_REGISTER_NONE && operand.base == PH_REG_NONE) ||
		   (mem->index != ZYDIS_REGISTER_NONE && operand.index == PH_REG_NONE)) {
		return false;	/* a vector of indexes, or the like */
	}
	if (mem->type == ZYDIS_MEMOP_TYPE_AGEN)
		operand.segment = PH_REG_NONE;
	*ret = operand;
	return true;
}
