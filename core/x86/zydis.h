/*
 * zydis - the one way in which x86/ asks Zydis to decode. Private to x86/.
 *
 * The library is loaded when something is first decoded: mapping and relocating it costs every start some 50 us, and
 * Debian has no archive of it.
 */
#ifndef PH_X86_ZYDIS_H
#define PH_X86_ZYDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

#include "x86/operand.h"

#define PH_ZYDIS_FUNCTIONS(X) \
	X(ZydisDecoderInit) X(ZydisDecoderDecodeFull) X(ZydisEncoderEncodeInstruction) X(ZydisFormatterInit) \
	X(ZydisFormatterSetProperty) X(ZydisFormatterFormatInstruction) X(ZydisMnemonicGetString) \
	X(ZydisRegisterGetString) X(ZydisRegisterGetWidth)

struct ph_zydis_library {
#define PH_ZYDIS_POINTER(name) __typeof__(name) *name;
	PH_ZYDIS_FUNCTIONS(PH_ZYDIS_POINTER)
#undef PH_ZYDIS_POINTER
};

/* NULL when the library is not there. Whatever was decoded proves that it is. */
const struct ph_zydis_library *ph_zydis(void);

struct ph_zydis {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* Errors as ph_insn_decode()'s. */
int ph_zydis_decode(const uint8_t *bytes, size_t len, struct ph_zydis *ret);

/* enum ph_reg_index; PH_REG_NONE for a register that is not among ours. */
uint8_t ph_zydis_reg(ZydisRegister reg);

/* False when it is no memory operand, or has more than one address. */
bool ph_zydis_operand(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *from, ph_addr at,
		      struct ph_operand *ret);

/* True when the memory operand is RIP-relative (or EIP-relative), whatever the encoding. */
static inline bool ph_zydis_is_rip_relative(const ZydisDecodedInstruction *insn)
{
	/* ModRM mod 00, rm 101: [rip + disp32]. mov to and from cr and dr ignores mod, and has no displacement. */
	return (insn->attributes & ZYDIS_ATTRIB_HAS_MODRM) && insn->raw.modrm.mod == 0 && insn->raw.modrm.rm == 5 &&
	       insn->raw.disp.size == 32;
}

/* The first operand in the text is a signed number that is added to the next instruction's address. */
static inline bool ph_zydis_is_direct(const ZydisDecodedInstruction *insn)
{
	return insn->raw.imm[0].is_relative;
}

/* xbegin is no branch to Zydis' categories, though it may go to its target. */
static inline bool ph_zydis_is_branch(const ZydisDecodedInstruction *insn)
{
	return insn->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || ph_zydis_is_direct(insn);
}

#endif
