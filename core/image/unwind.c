#include "image/unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/dwarf.h"
#include "image/expression.h"

/* ---- By call frame information */

struct walk {
	const struct ph_unwind_frame *frame;
	const struct ph_unwind_memory *memory;
	ph_addr cfa;
	bool has_cfa;
};

static int read_memory(void *user, ph_addr addr, void *buf, size_t len)
{
	const struct walk *walk = user;

	return walk->memory->read(walk->memory->user, addr, buf, len);
}

static int read_reg(void *user, unsigned n, uint64_t *ret)
{
	const struct walk *walk = user;

	if (n >= PH_UNWIND_REGS || !(walk->frame->known & 1u << n))
		return -ENODATA;
	*ret = walk->frame->regs[n];
	return 0;
}

static int read_cfa(void *user, ph_addr *ret)
{
	const struct walk *walk = user;

	if (!walk->has_cfa)
		return -EINVAL;
	*ret = walk->cfa;
	return 0;
}

static int find_cfa(Dwarf_Frame *rules, const struct ph_expression_world *world, struct walk *walk)
{
	Dwarf_Op *ops;
	size_t n;
	int r;

	if (dwarf_frame_cfa(rules, &ops, &n) != 0 || n == 0)
		return -EINVAL;
	r = ph_expression_compute(world, NULL, ops, n, &walk->cfa);
	walk->has_cfa = r >= 0;
	return r;
}

/*
 * What a function has to leave as it is (System V ABI for AMD64, figure 3.4). Call frame information does not speak of
 * those that it does not touch; libdw takes them for lost once they were restored.
 */
static const uint32_t kept_by_callees = 1u << PH_UNWIND_RBX | 1u << PH_UNWIND_RBP | 1u << PH_UNWIND_R12 |
					1u << PH_UNWIND_R13 | 1u << PH_UNWIND_R14 | 1u << PH_UNWIND_R15;

/* Register n of the caller; -ENODATA: nobody knows it any more. */
static int recover(Dwarf_Frame *rules, unsigned n, const struct ph_expression_world *world, uint64_t *ret)
{
	struct ph_location location;
	const struct ph_piece *piece = &location.pieces[0];
	Dwarf_Op memory[3], *ops;
	size_t n_ops;
	int r;

	if (dwarf_frame_register(rules, (int)n, memory, &ops, &n_ops) != 0)
		return -EINVAL;
	if (n_ops == 0)
		return ops == memory && !(kept_by_callees & 1u << n) ? -ENODATA : world->reg(world->user, n, ret);
	r = ph_expression_locate(world, NULL, ops, n_ops, &location);
	if (r < 0)
		return r;
	switch (piece->kind) {
	case PH_PIECE_MEMORY:
		return world->memory(world->user, piece->value, ret, sizeof(*ret));
	case PH_PIECE_REGISTER:
		return piece->value < PH_UNWIND_REGS ? world->reg(world->user, (unsigned)piece->value, ret) : -EINVAL;
	case PH_PIECE_VALUE:
		*ret = piece->value;
		return 0;
	case PH_PIECE_LOST:
	case PH_PIECE_BYTES:
		break;
	}
	return -EINVAL;
}

static int apply(Dwarf_Frame *rules, const struct ph_unwind_frame *frame, const struct ph_unwind_memory *memory,
		 struct ph_unwind_step *ret)
{
	struct walk walk = { .frame = frame, .memory = memory };
	struct ph_expression_world world = { .user = &walk, .memory = read_memory, .reg = read_reg, .cfa = read_cfa };
	struct ph_unwind_step step = { .is_signal = false };
	int r, column = dwarf_frame_info(rules, NULL, NULL, &step.is_signal);

	if (column < 0 || column >= PH_UNWIND_REGS)
		return -EINVAL;
	r = find_cfa(rules, &world, &walk);
	if (r < 0)
		return r;
	step.cfa = walk.cfa;
	step.caller.is_exact = step.is_signal;
	for (unsigned n = 0; n < PH_UNWIND_RIP; n++)
		if (recover(rules, n, &world, &step.caller.regs[n]) >= 0)
			step.caller.known |= 1u << n;
	r = recover(rules, (unsigned)column, &world, &step.caller.regs[PH_UNWIND_RIP]);
	if (r < 0)
		return r;
	step.caller.known |= 1u << PH_UNWIND_RIP;
	/* Unless it is saved, which only signal frames do, the stack pointer is where the frame began. */
	if (!(step.caller.known & 1u << PH_UNWIND_RSP)) {
		step.caller.regs[PH_UNWIND_RSP] = step.cfa;
		step.caller.known |= 1u << PH_UNWIND_RSP;
	}
	*ret = step;
	return 0;
}

static Dwarf_Frame *find_rules(Dwarf_CFI *cfi, ph_addr vaddr)
{
	Dwarf_Frame *rules;

	return cfi && dwarf_cfi_addrframe(cfi, vaddr, &rules) == 0 ? rules : NULL;
}

int ph_unwind_by_cfi(struct ph_elf *elf, ph_addr bias, const struct ph_unwind_frame *frame,
		     const struct ph_unwind_memory *memory, struct ph_unwind_step *ret)
{
	ph_addr vaddr = ph_unwind_place(frame) - bias;
	Dwarf_Frame *rules = find_rules(ph_dwarf_eh_frame(elf), vaddr);
	int r;

	if (!rules)
		rules = find_rules(ph_dwarf_debug_frame(elf), vaddr);
	if (!rules)
		return -ENOENT;
	r = apply(rules, frame, memory, ret);
	free(rules);
	return r;
}

/* ---- Without it */

/* mov $15, %rax; syscall: what signal handlers return to. */
static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 };

/* A signal's frame once the handler has returned: at rsp struct ucontext, whose uc_mcontext has the registers. */
#define MCONTEXT_AT 40

#define WORDS_SOUGHT 4	/* on top of the stack, for a return address */

static const uint8_t mcontext_order[] = {
	PH_UNWIND_R8,  PH_UNWIND_R9,  PH_UNWIND_R10, PH_UNWIND_R11, PH_UNWIND_R12, PH_UNWIND_R13,
	PH_UNWIND_R14, PH_UNWIND_R15, PH_UNWIND_RDI, PH_UNWIND_RSI, PH_UNWIND_RBP, PH_UNWIND_RBX,
	PH_UNWIND_RDX, PH_UNWIND_RAX, PH_UNWIND_RCX, PH_UNWIND_RSP, PH_UNWIND_RIP,
};

struct guess {
	const struct ph_unwind_frame *frame;
	const struct ph_unwind_memory *memory;
};

static uint64_t reg(const struct guess *guess, enum ph_unwind_reg n)
{
	return guess->frame->known & 1u << n ? guess->frame->regs[n] : 0;
}

static int read_at(const struct guess *guess, ph_addr addr, void *buf, size_t len)
{
	return guess->memory->read(guess->memory->user, addr, buf, len);
}

static int leave_signal(const struct guess *guess, struct ph_unwind_step *ret)
{
	struct ph_unwind_step step = { .cfa = reg(guess, PH_UNWIND_RSP), .is_signal = true };
	uint64_t saved[PH_UNWIND_REGS];
	int r = read_at(guess, step.cfa + MCONTEXT_AT, saved, sizeof(saved));

	if (r < 0)
		return r;
	for (size_t i = 0; i < PH_UNWIND_REGS; i++)
		step.caller.regs[mcontext_order[i]] = saved[i];
	step.caller.known = (1u << PH_UNWIND_REGS) - 1;
	step.caller.is_exact = true;
	*ret = step;
	return 0;
}

/* The return address is at `at`; saved_rbp: where the caller's rbp is, 0: still in the register. */
static int leave_at(const struct guess *guess, ph_addr at, ph_addr saved_rbp, struct ph_unwind_step *ret)
{
	static const uint8_t kept[] = { PH_UNWIND_RBX, PH_UNWIND_R12, PH_UNWIND_R13, PH_UNWIND_R14, PH_UNWIND_R15 };
	struct ph_unwind_step step = { .cfa = at + 8 };
	uint64_t *regs = step.caller.regs;
	int r = read_at(guess, at, &regs[PH_UNWIND_RIP], sizeof(*regs));

	if (r >= 0 && saved_rbp)
		r = read_at(guess, saved_rbp, &regs[PH_UNWIND_RBP], sizeof(*regs));
	else if (r >= 0)
		regs[PH_UNWIND_RBP] = reg(guess, PH_UNWIND_RBP);
	if (r < 0)
		return r;
	regs[PH_UNWIND_RSP] = step.cfa;
	step.caller.known = 1u << PH_UNWIND_RIP | 1u << PH_UNWIND_RBP | 1u << PH_UNWIND_RSP;
	for (size_t i = 0; i < sizeof(kept); i++) {
		regs[kept[i]] = guess->frame->regs[kept[i]];
		step.caller.known |= guess->frame->known & 1u << kept[i];
	}
	*ret = step;
	return regs[PH_UNWIND_RIP] ? 0 : -ENODATA;
}

static int leave_by_rbp(const struct guess *guess, struct ph_unwind_step *ret)
{
	ph_addr rbp = reg(guess, PH_UNWIND_RBP);

	return rbp >= reg(guess, PH_UNWIND_RSP) && rbp % 8 == 0 ? leave_at(guess, rbp + 8, rbp, ret) : -ENODATA;
}

/* Does a call stand before addr? Five bytes with a displacement, or two to seven with a register or memory operand. */
static bool is_behind_call(const struct guess *guess, ph_addr addr)
{
	uint8_t code[7];

	if (addr < sizeof(code) || read_at(guess, addr - sizeof(code), code, sizeof(code)) < 0)
		return false;
	if (code[2] == 0xe8)
		return true;
	for (size_t i = 0; i + 1 < sizeof(code); i++)
		if (code[i] == 0xff && (code[i + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/* Where a return address is, among the few words on top of the stack of a function that has pushed little; 0: nowhere. */
static ph_addr find_return_address(const struct guess *guess)
{
	ph_addr rsp = reg(guess, PH_UNWIND_RSP), value;

	for (ph_addr at = rsp; guess->frame->is_exact && at < rsp + 8 * WORDS_SOUGHT; at += 8)
		if (read_at(guess, at, &value, sizeof(value)) >= 0 && is_behind_call(guess, value))
			return at;
	return 0;
}

/* What a function begins with. */
struct prologue {
	size_t push, moved;	/* offsets of push rbp, and of what follows mov rbp, rsp; moved 0: it is another kind */
	size_t room, behind;	/* bytes that sub rsp takes, and the offset of what follows it; behind 0: it has none */
};

static struct prologue read_prologue(const uint8_t *code, size_t len)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t moves[][3] = { { 0x48, 0x89, 0xe5 }, { 0x48, 0x8b, 0xec } };
	static const uint8_t sub_rsp[] = { 0x48, 0x83, 0xec };
	struct prologue prologue = { 0 };

	if (len >= sizeof(endbr64) && memcmp(code, endbr64, sizeof(endbr64)) == 0)
		prologue.push = sizeof(endbr64);
	if (prologue.push + 4 <= len && memcmp(code + prologue.push, sub_rsp, sizeof(sub_rsp)) == 0) {
		prologue.room = code[prologue.push + 3];
		prologue.behind = prologue.push + 4;
	}
	if (prologue.push + 4 > len || code[prologue.push] != 0x55)
		return prologue;
	for (size_t i = 0; i < 2; i++)
		if (memcmp(code + prologue.push + 1, moves[i], sizeof(moves[i])) == 0)
			prologue.moved = prologue.push + 4;
	return prologue;
}

/* The function is known, so where in it the frame stands says what is on the stack. */
static int leave_function(const struct guess *guess, ph_addr function, struct ph_unwind_step *ret)
{
	ph_addr rsp = reg(guess, PH_UNWIND_RSP), at = reg(guess, PH_UNWIND_RIP) - function;
	uint8_t code[8] = { 0 };
	struct prologue prologue;

	if (read_at(guess, function, code, sizeof(code)) < 0)
		return -ENOENT;
	prologue = read_prologue(code, sizeof(code));
	if (at == 0 || ((prologue.moved || prologue.behind) && at <= prologue.push))
		return leave_at(guess, rsp, 0, ret);
	if (prologue.behind)
		return leave_at(guess, rsp + prologue.room, 0, ret);
	if (prologue.moved && at < prologue.moved)
		return leave_at(guess, rsp + 8, rsp, ret);
	if (prologue.moved)
		return leave_at(guess, reg(guess, PH_UNWIND_RBP) + 8, reg(guess, PH_UNWIND_RBP), ret);
	return -ENOENT;
}

int ph_unwind_guess(ph_addr function, const struct ph_unwind_frame *frame, const struct ph_unwind_memory *memory,
		    struct ph_unwind_step *ret)
{
	struct guess guess = { frame, memory };
	ph_addr rip = reg(&guess, PH_UNWIND_RIP), rsp = reg(&guess, PH_UNWIND_RSP);
	uint8_t code[sizeof(sigreturn)] = { 0 };
	ph_addr at;
	int r;

	if (read_at(&guess, rip, code, sizeof(code)) >= 0 && memcmp(code, sigreturn, sizeof(code)) == 0)
		return leave_signal(&guess, ret);
	/* Where even one byte of code cannot be read, a call through a bad pointer has just been made, or returns there. */
	if (read_at(&guess, rip, code, 1) < 0)
		return frame->is_exact ? leave_at(&guess, rsp, 0, ret) : -ENODATA;
	if (frame->is_exact && (code[0] == 0xc3 || (code[0] == 0xf3 && code[1] == 0xc3)))
		return leave_at(&guess, rsp, 0, ret);
	r = function ? leave_function(&guess, function, ret) : -ENOENT;
	if (r != -ENOENT)
		return r;
	at = find_return_address(&guess);
	return at ? leave_at(&guess, at, 0, ret) : leave_by_rbp(&guess, ret);
}
