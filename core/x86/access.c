#include "x86/access.h"

#include "x86/zydis.h"

static bool is_rep(const ZydisDecodedInstruction *insn)
{
	return insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

static bool only_names_memory(const ZydisDecodedInstruction *insn)
{
	return insn->meta.category == ZYDIS_CATEGORY_PREFETCH || insn->meta.category == ZYDIS_CATEGORY_NOP ||
	       insn->meta.category == ZYDIS_CATEGORY_WIDENOP;
}

/* A push writes below the stack pointer that it finds, and a pop into memory takes the one that it leaves. */
static bool address_of(const struct ph_zydis *zydis, const ZydisDecodedOperand *from, ph_addr at,
		       const struct user_regs_struct *regs, ph_addr *ret)
{
	uint32_t size = from->size / 8;
	struct ph_operand operand;

	if (from->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && from->mem.base == ZYDIS_REGISTER_RSP) {
		*ret = regs->rsp - (from->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? size : 0);
		return true;
	}
	if (!ph_zydis_operand(&zydis->insn, from, at, &operand))
		return false;
	*ret = ph_operand_address(&operand, regs);
	if (zydis->insn.mnemonic == ZYDIS_MNEMONIC_POP && from->mem.base == ZYDIS_REGISTER_RSP)
		*ret += size;
	return true;
}

size_t ph_access_find(const uint8_t *bytes, size_t len, ph_addr at, const struct user_regs_struct *regs,
		      struct ph_access_range ret[PH_ACCESSES_MAX])
{
	struct ph_zydis zydis;
	size_t n = 0;

	if (ph_zydis_decode(bytes, len, &zydis) < 0 || only_names_memory(&zydis.insn) ||
	    (is_rep(&zydis.insn) && regs->rcx == 0))
		return 0;
	for (size_t i = 0; i < zydis.insn.operand_count && n < PH_ACCESSES_MAX; i++) {
		const ZydisDecodedOperand *from = &zydis.operands[i];
		ph_addr addr;

		if (from->type != ZYDIS_OPERAND_TYPE_MEMORY || from->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
		    from->size < 8 || !address_of(&zydis, from, at, regs, &addr))
			continue;
		ret[n++] = (struct ph_access_range){
			.addr = addr, .len = from->size / 8,
			.reads = from->actions & ZYDIS_OPERAND_ACTION_MASK_READ,
			.writes = from->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE,
		};
	}
	return n;
}
