#include "x86/insn.h"

#include "x86/zydis.h"

/* What the mnemonic alone says. */
enum { SYSCALL = 1, PUSHF = 2, POPF = 4, IRET = 8, INT3 = 16, ICEBP = 32 };

static const struct {
	ZydisMnemonic mnemonic;
	uint8_t means;
} meanings[] = {
	{ ZYDIS_MNEMONIC_SYSCALL, SYSCALL },
	{ ZYDIS_MNEMONIC_SYSENTER, SYSCALL },
	{ ZYDIS_MNEMONIC_PUSHF, PUSHF },
	{ ZYDIS_MNEMONIC_PUSHFD, PUSHF },
	{ ZYDIS_MNEMONIC_PUSHFQ, PUSHF },
	{ ZYDIS_MNEMONIC_POPF, POPF },
	{ ZYDIS_MNEMONIC_POPFD, POPF },
	{ ZYDIS_MNEMONIC_POPFQ, POPF },
	{ ZYDIS_MNEMONIC_IRET, IRET },
	{ ZYDIS_MNEMONIC_IRETD, IRET },
	{ ZYDIS_MNEMONIC_IRETQ, IRET },
	{ ZYDIS_MNEMONIC_UIRET, IRET },
	{ ZYDIS_MNEMONIC_INT3, INT3 },
	{ ZYDIS_MNEMONIC_INT1, ICEBP },
};

static unsigned meaning(const ZydisDecodedInstruction *insn)
{
	if (insn->mnemonic == ZYDIS_MNEMONIC_INT)
		return insn->raw.imm[0].value.u == 0x80 ? SYSCALL : insn->raw.imm[0].value.u == 3 ? INT3 : 0;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].mnemonic == insn->mnemonic)
			return meanings[i].means;
	return 0;
}

static bool loads_ss(const struct ph_zydis *zydis)
{
	return (zydis->insn.mnemonic == ZYDIS_MNEMONIC_MOV || zydis->insn.mnemonic == ZYDIS_MNEMONIC_POP) &&
	       zydis->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       zydis->operands[0].reg.value == ZYDIS_REGISTER_SS;
}

static bool has_rep(const ZydisDecodedInstruction *insn)
{
	return insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

static void describe(const struct ph_zydis *zydis, struct ph_insn *ret)
{
	const ZydisDecodedInstruction *insn = &zydis->insn;
	unsigned means = meaning(insn);
	bool rip_relative = ph_zydis_is_rip_relative(insn);
	bool is_direct = ph_zydis_is_direct(insn), is_branch = ph_zydis_is_branch(insn);
	int64_t relative = rip_relative ? insn->raw.disp.value : is_direct ? insn->raw.imm[0].value.s : 0;

	*ret = (struct ph_insn){
		.length = insn->length,
		.is_rep_string = has_rep(insn) && (insn->meta.category == ZYDIS_CATEGORY_STRINGOP ||
						   insn->meta.category == ZYDIS_CATEGORY_IOSTRINGOP),
		.is_syscall = means & SYSCALL,
		.is_pushf = means & PUSHF,
		.is_popf = means & POPF,
		.is_iret = means & IRET,
		.is_int3 = means & INT3,
		.is_icebp = means & ICEBP,
		.is_load_ss = loads_ss(zydis),
		.is_branch = is_branch,
		.is_conditional = insn->meta.category == ZYDIS_CATEGORY_COND_BR,
		.is_call = insn->meta.category == ZYDIS_CATEGORY_CALL,
		.is_ret = insn->meta.category == ZYDIS_CATEGORY_RET && is_branch,
		.is_far = insn->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR,
		.is_direct = is_direct,
		.has_relative = rip_relative || is_direct,
		.is_relative_32 = rip_relative && insn->address_width == 32,
		.relative = relative,
	};
}

int ph_insn_decode(const uint8_t *bytes, size_t len, struct ph_insn *ret)
{
	struct ph_zydis zydis;
	int r = ph_zydis_decode(bytes, len, &zydis);

	if (r < 0)
		return r;
	describe(&zydis, ret);
	return 0;
}

ph_addr ph_insn_target(const struct ph_insn *insn, ph_addr at)
{
	ph_addr target = at + insn->length + (uint64_t)insn->relative;

	return insn->is_relative_32 ? (uint32_t)target : target;
}
