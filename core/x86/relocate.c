#include "x86/relocate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "x86/insn.h"
#include "x86/zydis.h"

#define LITERALS_MAX 3
#define RFLAGS_TF (UINT64_C(1) << 8)

/*
 * A copy while it is written. Literals are eight bytes that an instruction reads RIP-relative; they follow the code.
 * The first error stays, and all that is written after it is nothing.
 */
struct writer {
	struct ph_copy *copy;
	ph_addr from, to;
	int error;
	uint8_t n_literals;
	struct {
		uint8_t displacement_at;
		uint64_t value;
	} literals[LITERALS_MAX];
};

static void fail(struct writer *w, int error)
{
	if (!w->error)
		w->error = error;
}

static void emit(struct writer *w, const void *bytes, size_t n)
{
	if (w->error)
		return;
	if (n > (size_t)(PH_COPY_SIZE - w->copy->len)) {
		fail(w, -ENOTSUP);
		return;
	}
	memcpy(w->copy->bytes + w->copy->len, bytes, n);
	w->copy->len += (uint8_t)n;
}

static void emit_byte(struct writer *w, unsigned byte)
{
	emit(w, &(uint8_t){ (uint8_t)byte }, 1);
}

static void emit_u32(struct writer *w, uint32_t value)
{
	emit(w, &value, sizeof(value));
}

static void put_u32(struct writer *w, uint8_t at, uint32_t value)
{
	memcpy(w->copy->bytes + at, &value, sizeof(value));
}

/* The address at which the next byte will lie. */
static ph_addr here(const struct writer *w)
{
	return w->to + w->copy->len;
}

static void point(struct writer *w, enum ph_copy_state state, int rsp_add, ph_addr stands_for)
{
	assert(w->copy->n_points < PH_COPY_POINTS);
	w->copy->points[w->copy->n_points++] =
		(struct ph_copy_point){ w->copy->len, (uint8_t)state, (int8_t)rsp_add, stands_for };
}

/* A 32-bit displacement from the end of something to a place, if it reaches. */
static bool reach(ph_addr end, ph_addr target, int32_t *ret)
{
	int64_t distance = (int64_t)(target - end);

	*ret = (int32_t)distance;
	return distance >= INT32_MIN && distance <= INT32_MAX;
}

static void emit_literal_reference(struct writer *w, uint64_t value)
{
	assert(w->n_literals < LITERALS_MAX);
	w->literals[w->n_literals].displacement_at = w->copy->len;
	w->literals[w->n_literals++].value = value;
	emit_u32(w, 0);
}

/* push [rip + literal]: eight bytes in one write, as call does it. */
static void emit_push(struct writer *w, uint64_t value)
{
	emit(w, "\xff\x35", 2);
	emit_literal_reference(w, value);
}

static void emit_jump(struct writer *w, ph_addr target)
{
	int32_t distance;

	if (reach(here(w) + 5, target, &distance)) {
		emit_byte(w, 0xe9);
		emit_u32(w, (uint32_t)distance);
	} else {
		emit(w, "\xff\x25", 2);
		emit_literal_reference(w, target);
	}
}

/* Aligned: with AC set, the program's own instruction may be aligned where a literal is not. */
static void emit_literals(struct writer *w)
{
	w->copy->code_len = w->copy->len;
	while (w->n_literals && here(w) % 8 && !w->error)
		emit_byte(w, 0xcc);
	for (int i = 0; i < w->n_literals && !w->error; i++) {
		uint8_t at = w->literals[i].displacement_at;

		put_u32(w, at, w->copy->len - (at + 4u));
		emit(w, &w->literals[i].value, sizeof(w->literals[i].value));
	}
}

/* The displacement, at `at` in the copy, of an instruction that ends here: it is to mean what it meant at home. */
static void patch_displacement(struct writer *w, const ZydisDecodedInstruction *insn, uint8_t at)
{
	ph_addr target = w->from + insn->length + (uint64_t)insn->raw.disp.value;
	int32_t distance;

	/* An EIP-relative sum is cut to 32 bits, so that every displacement reaches all of them. */
	if (!reach(here(w), target, &distance) && insn->address_width != 32)
		fail(w, -ERANGE);
	if (!w->error)
		put_u32(w, at, (uint32_t)distance);
}

static void emit_original(struct writer *w, const ZydisDecodedInstruction *insn, const uint8_t *bytes)
{
	uint8_t at = w->copy->len;

	emit(w, bytes, insn->length);
	if (ph_zydis_is_rip_relative(insn))
		patch_displacement(w, insn, at + insn->raw.disp.offset);
}

static bool is_base_rsp(const ZydisDecodedInstruction *insn)
{
	return insn->raw.modrm.mod != 3 && insn->raw.modrm.rm == 4 && insn->raw.sib.base == 4 && !insn->raw.rex.B;
}

/* The prefixes that a memory operand needs, in their order; in 64-bit code four of them say nothing. */
static void emit_operand_prefixes(struct writer *w, const ZydisDecodedInstruction *insn)
{
	static const uint8_t kept[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67 };

	for (int i = 0; i < insn->raw.prefix_count; i++)
		if (memchr(kept, insn->raw.prefixes[i].value, sizeof(kept)))
			emit_byte(w, insn->raw.prefixes[i].value);
	if (insn->raw.rex.X || insn->raw.rex.B)
		emit_byte(w, 0x40u | (unsigned)insn->raw.rex.X << 1 | insn->raw.rex.B);
}

enum group5 { GROUP5_JMP = 4, GROUP5_PUSH = 6 };

/* Another instruction of opcode FF on a call's operand, which is to be the same though rsp is lower by rsp_moved. */
static void emit_group5(struct writer *w, const ZydisDecodedInstruction *insn, const uint8_t *bytes, enum group5 op,
			int rsp_moved)
{
	unsigned mod = insn->raw.modrm.mod, rest = (unsigned)op << 3 | insn->raw.modrm.rm;
	int64_t displacement = insn->raw.disp.size ? insn->raw.disp.value : 0;
	unsigned displacement_size = insn->raw.disp.size / 8;
	uint8_t start = w->copy->len;

	if (is_base_rsp(insn) && rsp_moved) {
		displacement += rsp_moved;
		mod = displacement == (int8_t)displacement ? 1 : 2;
		displacement_size = mod == 1 ? 1 : 4;
		if (displacement != (int32_t)displacement)
			fail(w, -ENOTSUP);
	}
	emit_operand_prefixes(w, insn);
	emit_byte(w, 0xff);
	emit_byte(w, mod << 6 | rest);
	if (insn->raw.sib.offset)
		emit(w, bytes + insn->raw.sib.offset, 1);
	emit(w, &displacement, displacement_size);
	if (ph_zydis_is_rip_relative(insn))
		patch_displacement(w, insn, w->copy->len - 4);
	if (w->copy->len - start > PH_INSN_MAX)
		fail(w, -ENOTSUP);
}

static void relocate_plain(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	emit_original(w, &zydis->insn, bytes);
	point(w, PH_COPY_AFTER, 0, w->from + zydis->insn.length);
	emit_jump(w, w->from + zydis->insn.length);
}

/* ret, jmp through a register or memory: they leave by themselves. */
static void relocate_leaving(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	emit_original(w, &zydis->insn, bytes);
}

static ph_addr direct_target(const struct writer *w, const ZydisDecodedInstruction *insn)
{
	return w->from + insn->length + (uint64_t)insn->raw.imm[0].value.s;
}

static void relocate_jmp(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	(void)bytes;
	emit_jump(w, direct_target(w, &zydis->insn));
}

/*
 *	   jcc taken		jcc, loop, jrcxz: the original, prefixes too (f2 makes a loopne of loope)
 *	   jmp next
 *	taken:
 *	   jmp target
 */
static void relocate_conditional(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	const ZydisDecodedInstruction *insn = &zydis->insn;
	uint8_t end;
	int32_t distance;

	emit_original(w, insn, bytes);
	end = w->copy->len;
	point(w, PH_COPY_AFTER, 0, w->from + insn->length);
	emit_jump(w, w->from + insn->length);

	distance = w->copy->len - end;
	if (!w->error)
		memcpy(w->copy->bytes + insn->raw.imm[0].offset, &distance, insn->raw.imm[0].size / 8);
	point(w, PH_COPY_AFTER, 0, direct_target(w, insn));
	emit_jump(w, direct_target(w, insn));
}

static void relocate_call_direct(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	ph_addr target = direct_target(w, &zydis->insn);

	(void)bytes;
	emit_push(w, w->from + zydis->insn.length);
	point(w, PH_COPY_AFTER, 0, target);
	emit_jump(w, target);
}

static void relocate_call_register(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	if (zydis->operands[0].reg.value == ZYDIS_REGISTER_RSP)
		fail(w, -ENOTSUP);
	w->copy->check = PH_COPY_CHECK_REGISTER;
	w->copy->target = (struct ph_operand){
		.base = ph_zydis_reg(zydis->operands[0].reg.value),
		.index = PH_REG_NONE,
		.segment = PH_REG_NONE,
	};
	emit_push(w, w->from + zydis->insn.length);
	point(w, PH_COPY_UNDO, 8, w->from);
	emit_group5(w, &zydis->insn, bytes, GROUP5_JMP, 8);
}

/*
 *	push [operand]		a fault of the operand's, or of the stack's, comes before anything is changed; what is
 *	lea rsp, [rsp + 8]	written lies where the call pushes. rsp is back, without touching a flag.
 *	push [return address]
 *	jmp [operand]
 */
static void relocate_call_memory(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes)
{
	w->copy->check = PH_COPY_CHECK_MEMORY;
	if (!ph_zydis_operand(&zydis->insn, &zydis->operands[0], w->from, &w->copy->target))
		fail(w, -ENOTSUP);
	emit_group5(w, &zydis->insn, bytes, GROUP5_PUSH, 0);
	point(w, PH_COPY_UNDO, 8, w->from);
	emit(w, "\x48\x8d\x64\x24\x08", 5);
	point(w, PH_COPY_BEFORE, 0, w->from);
	emit_push(w, w->from + zydis->insn.length);
	point(w, PH_COPY_UNDO, 8, w->from);
	emit_group5(w, &zydis->insn, bytes, GROUP5_JMP, 8);
}

/* Instructions that must run at home, and why. */
static const ZydisMnemonic refused[] = {
	/* the kernel, or the CPU in rcx, keeps the address that follows */
	ZYDIS_MNEMONIC_SYSCALL, ZYDIS_MNEMONIC_SYSENTER, ZYDIS_MNEMONIC_INT, ZYDIS_MNEMONIC_INT1,
	ZYDIS_MNEMONIC_INT3, ZYDIS_MNEMONIC_INTO, ZYDIS_MNEMONIC_ENCLU,
	/* go elsewhere by themselves, with another state */
	ZYDIS_MNEMONIC_IRET, ZYDIS_MNEMONIC_IRETD, ZYDIS_MNEMONIC_IRETQ, ZYDIS_MNEMONIC_UIRET,
	ZYDIS_MNEMONIC_SYSRET, ZYDIS_MNEMONIC_SYSEXIT, ZYDIS_MNEMONIC_RSM,
	/* the jump behind it would run inside the transaction, and an abort would come back into the copy */
	ZYDIS_MNEMONIC_XBEGIN,
	/* may set TF, whose trap would come behind our jump, one instruction too early for the program */
	ZYDIS_MNEMONIC_POPF, ZYDIS_MNEMONIC_POPFD, ZYDIS_MNEMONIC_POPFQ,
};

/* All other x87 instructions note their own address, which fnstenv, fxsave and every signal frame show. */
static const ZydisMnemonic x87_control[] = {
	ZYDIS_MNEMONIC_FNINIT, ZYDIS_MNEMONIC_FNCLEX, ZYDIS_MNEMONIC_FLDCW, ZYDIS_MNEMONIC_FNSTCW,
	ZYDIS_MNEMONIC_FNSTSW, ZYDIS_MNEMONIC_FNSTENV, ZYDIS_MNEMONIC_FLDENV, ZYDIS_MNEMONIC_FNSAVE,
	ZYDIS_MNEMONIC_FRSTOR, ZYDIS_MNEMONIC_FWAIT,
};

static bool is_among(ZydisMnemonic mnemonic, const ZydisMnemonic *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == mnemonic)
			return true;
	return false;
}

#define IS_AMONG(mnemonic, list) is_among(mnemonic, list, sizeof(list) / sizeof((list)[0]))

/*
 * Without REX.W, Intel ignores 66 on a near branch, while AMD cuts the new rip to 16 bits. jkzd and jknzd, branches
 * with a VEX prefix, are one coprocessor's; others fault.
 */
static bool is_vendors_branch(const ZydisDecodedInstruction *insn)
{
	if (ph_zydis_is_direct(insn) && insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return true;
	return (insn->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) && !insn->raw.rex.W &&
	       (ph_zydis_is_direct(insn) || insn->meta.category == ZYDIS_CATEGORY_CALL);
}

/* The kernel's half included. Behind the edge, the fault belongs to the branch itself, not to where it goes. */
static bool is_canonical(ph_addr addr)
{
	return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

/* By the escape opcodes: Zydis counts fisttp as SSE3. fwait is no escape, and control in any case. */
static bool is_x87(const ZydisDecodedInstruction *insn)
{
	return insn->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	       (insn->opcode & 0xf8) == 0xd8;
}

static bool must_run_at_home(const ZydisDecodedInstruction *insn, ph_addr from)
{
	if (IS_AMONG(insn->mnemonic, refused) || insn->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return true;
	if (is_x87(insn) && !IS_AMONG(insn->mnemonic, x87_control))
		return true;
	return is_vendors_branch(insn) ||
	       (ph_zydis_is_direct(insn) &&
		!is_canonical(from + insn->length + (uint64_t)insn->raw.imm[0].value.s));
}

typedef void (*relocate_fn)(struct writer *w, const struct ph_zydis *zydis, const uint8_t *bytes);

static relocate_fn way_of(const struct ph_zydis *zydis)
{
	bool is_direct = ph_zydis_is_direct(&zydis->insn);

	if (!ph_zydis_is_branch(&zydis->insn))
		return relocate_plain;
	if (zydis->insn.meta.category == ZYDIS_CATEGORY_COND_BR)
		return relocate_conditional;
	if (zydis->insn.meta.category != ZYDIS_CATEGORY_CALL)
		return is_direct ? relocate_jmp : relocate_leaving;
	if (is_direct)
		return relocate_call_direct;
	return zydis->operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? relocate_call_memory : relocate_call_register;
}

int ph_relocate(const uint8_t *bytes, size_t len, ph_addr from, ph_addr to, struct ph_copy *ret)
{
	struct ph_copy copy = { .len = 0 };
	struct writer w = { .copy = &copy, .from = from, .to = to };
	struct ph_zydis zydis;
	int r;

	r = ph_zydis_decode(bytes, len, &zydis);
	if (r < 0)
		return r;
	if (must_run_at_home(&zydis.insn, from))
		return -ENOTSUP;

	memset(copy.bytes, 0xcc, sizeof(copy.bytes));
	point(&w, PH_COPY_BEFORE, 0, from);
	way_of(&zydis)(&w, &zydis, bytes);
	emit_literals(&w);
	if (w.error)
		return w.error;
	*ret = copy;
	return 0;
}

bool ph_copy_suits(const struct ph_copy *copy, const struct user_regs_struct *regs)
{
	ph_addr target;

	if (regs->eflags & RFLAGS_TF)
		return false;
	if (copy->check == PH_COPY_CHECK_NONE)
		return true;
	target = ph_operand_address(&copy->target, regs);
	if (copy->check == PH_COPY_CHECK_REGISTER)
		return is_canonical(target);
	/* Eight bytes are read, eight below rsp are written. */
	return target - (regs->rsp - 8) + 7 > 14;
}

const struct ph_copy_point *ph_copy_find(const struct ph_copy *copy, uint64_t offset)
{
	for (int i = 0; i < copy->n_points; i++)
		if (copy->points[i].at == offset)
			return &copy->points[i];
	return NULL;
}
