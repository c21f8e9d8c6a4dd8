#include "x86/emulate.h"

#include <errno.h>

#include "x86/zydis.h"

enum {
	CF = 1 << 0,
	PF = 1 << 2,
	AF = 1 << 4,
	ZF = 1 << 6,
	SF = 1 << 7,
	TF = 1 << 8,
	OF = 1 << 11,
	ARITHMETIC = CF | PF | AF | ZF | SF | OF,
};

/* An operation's operands and result, of `bits` bits, zero-extended. */
struct alu {
	uint64_t left, right, result;
	unsigned bits;
};

static uint64_t sign_of(const struct alu *alu, uint64_t value)
{
	return value >> (alu->bits - 1) & 1;
}

static uint64_t result_flags(const struct alu *alu)
{
	return (__builtin_parity(alu->result & 0xff) ? 0 : PF) | (alu->result ? 0 : ZF) |
	       (sign_of(alu, alu->result) ? SF : 0);
}

static uint64_t add_flags(const struct alu *alu)
{
	return (alu->result < alu->left ? CF : 0) | ((alu->left ^ alu->right ^ alu->result) & AF) |
	       (sign_of(alu, (alu->left ^ alu->result) & (alu->right ^ alu->result)) ? OF : 0);
}

static uint64_t sub_flags(const struct alu *alu)
{
	return (alu->left < alu->right ? CF : 0) | ((alu->left ^ alu->right ^ alu->result) & AF) |
	       (sign_of(alu, (alu->left ^ alu->right) & (alu->left ^ alu->result)) ? OF : 0);
}

/* and, or, xor, test clear CF and OF; AF is undefined to the manuals, and cleared by every CPU. */
static uint64_t logic_flags(const struct alu *alu)
{
	(void)alu;
	return 0;
}

static uint64_t do_add(uint64_t a, uint64_t b)
{
	return a + b;
}

static uint64_t do_sub(uint64_t a, uint64_t b)
{
	return a - b;
}

static uint64_t do_and(uint64_t a, uint64_t b)
{
	return a & b;
}

static uint64_t do_or(uint64_t a, uint64_t b)
{
	return a | b;
}

static uint64_t do_xor(uint64_t a, uint64_t b)
{
	return a ^ b;
}

enum shape {
	SHAPE_NOP,	/* goes on */
	SHAPE_MOV,	/* to = source */
	SHAPE_LEA,	/* to = address */
	SHAPE_ALU,	/* to = to op source, with flags */
	SHAPE_PUSH,	/* source is stored */
	SHAPE_JMP,
	SHAPE_JCC,
	SHAPE_CALL,
};

static const struct row {
	ZydisMnemonic mnemonic;
	enum shape shape;
	uint64_t (*result)(uint64_t a, uint64_t b);
	uint64_t (*flags)(const struct alu *alu);
	bool forgets;	/* cmp, test: only the flags */
} rows[] = {
#define JCC(condition) { .mnemonic = ZYDIS_MNEMONIC_J##condition, .shape = SHAPE_JCC }
#define ALU(name, operation, kind) \
	{ .mnemonic = ZYDIS_MNEMONIC_##name, .shape = SHAPE_ALU, .result = do_##operation, .flags = kind##_flags }
#define ALU_FORGETS(name, operation, kind) \
	{ .mnemonic = ZYDIS_MNEMONIC_##name, .shape = SHAPE_ALU, .result = do_##operation, .flags = kind##_flags, \
	  .forgets = true }
	{ .mnemonic = ZYDIS_MNEMONIC_NOP, .shape = SHAPE_NOP },
	{ .mnemonic = ZYDIS_MNEMONIC_ENDBR64, .shape = SHAPE_NOP },
	{ .mnemonic = ZYDIS_MNEMONIC_ENDBR32, .shape = SHAPE_NOP },
	{ .mnemonic = ZYDIS_MNEMONIC_PUSH, .shape = SHAPE_PUSH },
	{ .mnemonic = ZYDIS_MNEMONIC_MOV, .shape = SHAPE_MOV },
	{ .mnemonic = ZYDIS_MNEMONIC_LEA, .shape = SHAPE_LEA },
	ALU(ADD, add, add),
	ALU(SUB, sub, sub),
	ALU_FORGETS(CMP, sub, sub),
	ALU(AND, and, logic),
	ALU_FORGETS(TEST, and, logic),
	ALU(OR, or, logic),
	ALU(XOR, xor, logic),
	{ .mnemonic = ZYDIS_MNEMONIC_JMP, .shape = SHAPE_JMP },
	JCC(O), JCC(NO), JCC(B), JCC(NB), JCC(Z), JCC(NZ), JCC(BE), JCC(NBE),
	JCC(S), JCC(NS), JCC(P), JCC(NP), JCC(L), JCC(NL), JCC(LE), JCC(NLE),
	{ .mnemonic = ZYDIS_MNEMONIC_CALL, .shape = SHAPE_CALL },
#undef JCC
#undef ALU
#undef ALU_FORGETS
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool plan_register(const ZydisDecodedOperand *operand, uint8_t *ret)
{
	*ret = operand->type == ZYDIS_OPERAND_TYPE_REGISTER ? ph_zydis_reg(operand->reg.value) : PH_REG_NONE;
	return *ret != PH_REG_NONE;
}

/* A general register or a part of one: not rip, not a segment. */
static bool plan_general(const ZydisDecodedOperand *operand, uint8_t *ret)
{
	return plan_register(operand, ret) && *ret <= PH_REG_r15b;
}

static bool plan_source(const ZydisDecodedOperand *operand, struct ph_emulation *emulation)
{
	if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		emulation->from = PH_REG_NONE;
		emulation->immediate = operand->imm.value.u;
		return true;
	}
	return plan_general(operand, &emulation->from);
}

/* 66 on a branch means different things to Intel and AMD; it is rare enough to be left to the CPU. */
static bool plan_branch(const ZydisDecodedInstruction *insn, ph_addr at, struct ph_emulation *emulation)
{
	if (!ph_zydis_is_direct(insn) || (insn->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE))
		return false;
	emulation->immediate = at + insn->length + (uint64_t)insn->raw.imm[0].value.s;
	emulation->condition = insn->opcode & 0xf;
	/* A target that is not canonical faults before the branch. */
	return emulation->immediate >> 47 == 0;
}

static bool plan_operands(const struct ph_zydis *zydis, ph_addr at, enum shape shape, struct ph_emulation *emulation)
{
	const ZydisDecodedOperand *operands = zydis->operands;

	emulation->size = (uint8_t)(operands[0].size / 8);
	switch (shape) {
	case SHAPE_NOP:
		return true;
	case SHAPE_MOV:
	case SHAPE_ALU:
		return plan_general(&operands[0], &emulation->to) && plan_source(&operands[1], emulation);
	case SHAPE_LEA:
		return plan_general(&operands[0], &emulation->to) &&
		       ph_zydis_operand(&zydis->insn, &operands[1], at, &emulation->address);
	case SHAPE_PUSH:
		return zydis->insn.operand_width == 64 && plan_source(&operands[0], emulation);
	case SHAPE_JMP:
	case SHAPE_JCC:
	case SHAPE_CALL:
		return plan_branch(&zydis->insn, at, emulation);
	}
	return false;
}

int ph_emulation_plan(const uint8_t *bytes, size_t len, ph_addr at, struct ph_emulation *ret)
{
	struct ph_emulation emulation = { .to = PH_REG_NONE, .from = PH_REG_NONE };
	struct ph_zydis zydis;
	int r;

	r = ph_zydis_decode(bytes, len, &zydis);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].mnemonic != zydis.insn.mnemonic)
			continue;
		emulation.op = (uint8_t)i;
		emulation.length = zydis.insn.length;
		emulation.stores = rows[i].shape == SHAPE_PUSH || rows[i].shape == SHAPE_CALL;
		if (!plan_operands(&zydis, at, rows[i].shape, &emulation))
			break;
		*ret = emulation;
		return 0;
	}
	return -ENOTSUP;
}

static bool holds(unsigned condition, uint64_t flags)
{
	bool less = !(flags & SF) != !(flags & OF);
	const bool what[] = {
		flags & OF, flags & CF, flags & ZF, flags & (CF | ZF),
		flags & SF, flags & PF, less, less || (flags & ZF),
	};

	return what[condition >> 1] != (condition & 1);
}

static uint64_t source(const struct ph_emulation *emulation, const struct user_regs_struct *regs)
{
	return emulation->from == PH_REG_NONE ? emulation->immediate : ph_reg_get(regs, &ph_regs[emulation->from]);
}

static void run_alu(const struct row *row, const struct ph_emulation *emulation, struct user_regs_struct *regs)
{
	uint64_t mask = emulation->size == 8 ? UINT64_MAX : (UINT64_C(1) << emulation->size * 8) - 1;
	struct alu alu = {
		.left = ph_reg_get(regs, &ph_regs[emulation->to]),
		.right = source(emulation, regs) & mask,
		.bits = emulation->size * 8,
	};

	alu.result = row->result(alu.left, alu.right) & mask;
	regs->eflags = (regs->eflags & ~(uint64_t)ARITHMETIC) | result_flags(&alu) | row->flags(&alu);
	if (!row->forgets)
		ph_reg_set(regs, &ph_regs[emulation->to], alu.result);
}

static void push(struct user_regs_struct *regs, uint64_t value, struct ph_emulation_store *store)
{
	regs->rsp -= 8;
	*store = (struct ph_emulation_store){ true, regs->rsp, value };
}

int ph_emulation_run(const struct ph_emulation *emulation, struct user_regs_struct *regs,
		     struct ph_emulation_store *ret_store)
{
	const struct row *row = &rows[emulation->op];
	struct ph_emulation_store store = { .wanted = false };
	uint64_t next = regs->rip + emulation->length;

	if ((regs->eflags & TF) || (emulation->stores && !ret_store))
		return -ENOTSUP;
	switch (row->shape) {
	case SHAPE_NOP:
		break;
	case SHAPE_MOV:
		ph_reg_set(regs, &ph_regs[emulation->to], source(emulation, regs));
		break;
	case SHAPE_LEA:
		ph_reg_set(regs, &ph_regs[emulation->to], ph_operand_address(&emulation->address, regs));
		break;
	case SHAPE_ALU:
		run_alu(row, emulation, regs);
		break;
	case SHAPE_PUSH:
		push(regs, source(emulation, regs), &store);
		break;
	case SHAPE_CALL:
		push(regs, next, &store);
		next = emulation->immediate;
		break;
	case SHAPE_JMP:
		next = emulation->immediate;
		break;
	case SHAPE_JCC:
		if (holds(emulation->condition, regs->eflags))
			next = emulation->immediate;
		break;
	}
	regs->rip = next;
	if (ret_store)
		*ret_store = store;
	return 0;
}
