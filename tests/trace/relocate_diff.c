/*
 * Runs real instructions at home and as relocated copies, from random states, and compares what comes of it: registers,
 * flags, vector registers, memory, faults. Then stops copies at every boundary, puts the thread back by the map, and
 * compares again. Emulated instructions are compared by the way.
 *
 *	relocate_diff [long | HEX...]	a fixed choice of 1,500 instructions; all; or these
 */
#define _GNU_SOURCE
#include "relocate_diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "x86/emulate.h"
#include "x86/disasm.h"
#include "x86/insn.h"
#include "x86/relocate.h"
#include "x86/xstate.h"
#include "x86/zydis.h"

#define SHORT_SAMPLES 1500
#define TRIALS_SHORT 4
#define TRIALS_LONG 6
#define STEPS_MAX 8

#define HOME (HOME_AT + HOME_OFFSET)
#define LANDING (HOME_AT + 0x100)	/* int3, like all of the home page */
#define HOMEWARD 0x20			/* what a short branch into itself is changed to */

#define RFLAGS_RF (UINT64_C(1) << 16)
#define RFLAGS_AC (UINT64_C(1) << 18)
#define MXCSR_DEFAULT 0x1f80u

static struct {
	unsigned long instructions, rip_relative, branches, vex, evex;
	unsigned long runs, faults, put_back, emulated, refused, unsuited, differ;
} count;

static uint64_t random_state = UINT64_C(0x123456789abcdef1);

uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static ph_addr random_place(void)
{
	static const uint64_t masks[] = { ~UINT64_C(63), ~UINT64_C(7), ~UINT64_C(0) };

	return ARENA_AT + 0x800 + (random_u64() % (ARENA_SIZE - 0x1000) & masks[random_u64() % 3]);
}

static uint64_t random_value(void)
{
	switch (random_u64() % 6) {
	case 0: return random_u64();
	case 1: return random_u64() % 256;
	case 2: return -(random_u64() % 256);
	case 3: return (uint32_t)random_u64();
	case 4: return LANDING;
	default: return random_place();
	}
}

static void randomize(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t value = random_value();

		memcpy(bytes + i, &value, n - i < 8 ? n - i : 8);
	}
}

static void random_xstate(struct outcome *state)
{
	const struct ph_xstate_layout *layout = ph_xstate_layout();
	bool is_zero = random_u64() % 4 == 0;
	uint32_t mxcsr = MXCSR_DEFAULT | (random_u64() % 4 << 13);
	uint64_t bv = 0;
	uint16_t fpu[3] = { 0x37f, (uint16_t)(random_u64() % 8 << 11), (uint16_t)(random_u64() % 2 * 0xff) };

	for (int i = 0; i < PH_XSTATE_COMPONENTS; i++) {
		if (!layout->component[i].size)
			continue;
		bv |= UINT64_C(1) << i;
		if (is_zero)
			memset(state->xstate + layout->component[i].offset, 0, layout->component[i].size);
		else
			randomize(state->xstate + layout->component[i].offset, layout->component[i].size);
	}
	if (random_u64() % 8 == 0)
		mxcsr &= ~MXCSR_DEFAULT;	/* with every exception unmasked */
	memset(state->xstate, 0, 32);
	memcpy(state->xstate, fpu, sizeof(fpu));
	memcpy(state->xstate + 24, &mxcsr, sizeof(mxcsr));
	for (int i = 0; i < 8; i++)		/* an st has 10 bytes */
		memset(state->xstate + 32 + 16 * i + 10, 0, 6);
	memcpy(state->xstate + 512, &bv, sizeof(bv));
}

static void set(struct user_regs_struct *regs, uint8_t reg, uint64_t value)
{
	if (reg != PH_REG_NONE)
		ph_reg_set(regs, &ph_regs[reg], value);
}

static void put_landing(struct outcome *state, ph_addr at)
{
	uint64_t landing = LANDING;

	if (at >= ARENA_AT && at <= ARENA_AT + ARENA_SIZE - 8)
		memcpy(state->data + (at - ARENA_AT), &landing, sizeof(landing));
}

/* Chooses registers by which a memory operand lies inside the arena. */
static void aim(const struct ph_zydis *zydis, const ZydisDecodedOperand *operand, struct outcome *state)
{
	struct ph_operand where;
	ph_addr place = random_place();
	uint64_t index;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return;
	if (!ph_zydis_operand(&zydis->insn, operand, HOME, &where)) {
		set(&state->regs, ph_zydis_reg(operand->mem.base), place);
		return;
	}
	place -= (uint64_t)where.displacement;
	if (where.index != PH_REG_NONE && where.index != where.base) {
		index = random_u64() % 16;
		set(&state->regs, where.index, index);
		place -= index * where.scale;
	}
	if (where.base != PH_REG_NONE)
		set(&state->regs, where.base, where.index == where.base ? place / (1u + where.scale) : place);
	else if (place >> 47 == 0)	/* all that the kernel takes */
		set(&state->regs, where.segment, place);
	if (random_u64() % 2 && zydis->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		put_landing(state, ph_operand_address(&where, &state->regs));
}

static void random_outcome(const struct ph_zydis *zydis, const struct user_regs_struct *first, struct outcome *state)
{
	bool is_wild = random_u64() % 8 == 0;

	state->regs = *first;
	for (size_t i = 0; i < PH_REGS_COUNT; i++)
		if (ph_regs[i].kind == PH_REG_WHOLE && ph_regs[i].size == 8 && i != PH_REG_orig_rax)
			ph_reg_set(&state->regs, &ph_regs[i], random_value());
	state->regs.eflags = 0x202 | (random_u64() & 0xcd5);
	if (random_u64() % 16 == 0)
		state->regs.eflags |= RFLAGS_AC;
	state->regs.fs_base = state->regs.gs_base = is_wild ? random_place() : 0;
	randomize(state->data, sizeof(state->data));
	random_xstate(state);
	if (is_wild)
		return;
	state->regs.rsp = random_place() & ~UINT64_C(7);
	for (int i = 0; i < zydis->insn.operand_count; i++)
		aim(zydis, &zydis->operands[i], state);
	if (random_u64() % 2 && zydis->insn.meta.category == ZYDIS_CATEGORY_RET)
		put_landing(state, state->regs.rsp);
}

/* What is relative shall mean the arena, or an int3 that is not in the instruction itself. */
static void retarget(const struct ph_zydis *zydis, struct sample *sample)
{
	const ZydisDecodedInstruction *insn = &zydis->insn;
	int64_t relative = insn->raw.imm[0].value.s;
	uint32_t displacement;

	if (ph_zydis_is_rip_relative(insn)) {
		displacement = (uint32_t)(random_place() - (HOME + insn->length));
		memcpy(sample->bytes + insn->raw.disp.offset, &displacement, 4);
	}
	if (!ph_zydis_is_direct(insn))
		return;
	displacement = (uint32_t)(LANDING - (HOME + insn->length));
	if (insn->raw.imm[0].size == 32)
		memcpy(sample->bytes + insn->raw.imm[0].offset, &displacement, 4);
	else if (relative < 0 && relative >= -insn->length)
		sample->bytes[insn->raw.imm[0].offset] = HOMEWARD;
}

#define MXCSR_MASK_AT 28
#define MXCSR_MASK_END 32

/*
 * MXCSR_MASK is the CPU's and no thread's: XSAVE writes it only along with the SSE state, and XRSTOR ignores it (SDM
 * vol. 1, 13.7 and 13.8), so what ptrace shows there depends on when the kernel last saved.
 */
static size_t xstate_differs(const struct outcome *a, const struct outcome *b, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		if (a->xstate[i] != b->xstate[i] && (i < MXCSR_MASK_AT || i >= MXCSR_MASK_END))
			return i;
	return end;
}

static void report(const struct sample *sample, const char *what, const struct outcome *home,
		   const struct outcome *copy)
{
	struct ph_disasm line = { .text = "" };

	ph_disasm_one(sample->bytes, sample->length, HOME, PH_DISASM_INTEL, NULL, NULL, &line);
	printf("DIFFERS, %s:", what);
	for (int i = 0; i < sample->length; i++)
		printf(" %02x", sample->bytes[i]);
	printf("  %s\n", line.text);
	if (home->signal != copy->signal || home->fault_at != copy->fault_at)
		printf("  signal %d at %llx, and %d at %llx\n", home->signal, (unsigned long long)home->fault_at,
		       copy->signal, (unsigned long long)copy->fault_at);
	for (size_t i = 0; i < PH_REGS_COUNT; i++)
		if (ph_regs[i].kind == PH_REG_WHOLE &&
		    ph_reg_get(&home->regs, &ph_regs[i]) != ph_reg_get(&copy->regs, &ph_regs[i]))
			printf("  %s %llx, and %llx\n", ph_regs[i].name,
			       (unsigned long long)ph_reg_get(&home->regs, &ph_regs[i]),
			       (unsigned long long)ph_reg_get(&copy->regs, &ph_regs[i]));
	for (size_t i = 0; i < ARENA_SIZE; i++)
		if (home->data[i] != copy->data[i]) {
			printf("  memory at %llx\n", (unsigned long long)(ARENA_AT + i));
			break;
		}
	if (xstate_differs(home, copy, 0, XSTATE_MAX) < XSTATE_MAX)
		printf("  xstate at %zu\n", xstate_differs(home, copy, 0, XSTATE_MAX));
	count.differ++;
}

/* RF is what a fault leaves; the header's words only say which components are in their initial state. */
static bool is_same(const struct outcome *a, const struct outcome *b, size_t xstate_size)
{
	struct user_regs_struct left = a->regs, right = b->regs;

	left.eflags &= ~RFLAGS_RF;
	right.eflags &= ~RFLAGS_RF;
	return a->signal == b->signal && a->fault_at == b->fault_at && !memcmp(&left, &right, sizeof(left)) &&
	       !memcmp(a->data, b->data, ARENA_SIZE) && xstate_differs(a, b, 0, 464) == 464 &&
	       xstate_differs(a, b, 576, xstate_size) == xstate_size;
}

/* By the map, as the engine does it. False: no point is there. */
static bool put_back(const struct ph_copy *copy, ph_addr slot, struct user_regs_struct *regs, ph_addr *fault_at)
{
	const struct ph_copy_point *point;

	if (regs->rip - slot >= PH_COPY_SIZE)
		return true;
	point = ph_copy_find(copy, regs->rip - slot);
	if (!point)
		return false;
	if (*fault_at == regs->rip)
		*fault_at = point->stands_for;
	regs->rip = point->stands_for;
	regs->rsp += (uint64_t)(int64_t)point->rsp_add;
	return true;
}

/* The documented trace of a call whose memory holds no canonical address. */
static void forgive(const struct ph_copy *copy, const struct outcome *from, const struct outcome *home,
		    struct outcome *other)
{
	uint64_t pushed = from->regs.rsp - 8 - ARENA_AT, read;

	if (copy->check != PH_COPY_CHECK_MEMORY || home->regs.rip != HOME)
		return;
	read = ph_operand_address(&copy->target, &from->regs) - ARENA_AT;
	if (read <= ARENA_SIZE - 8 && pushed <= ARENA_SIZE - 8)
		memcpy(other->data + pushed, home->data + pushed, 8);
}

/* The CPU loads null selectors 1 and 2, and kernel addresses into fs_base; ptrace does not set them back. */
static bool is_settable(const struct user_regs_struct *regs)
{
	const uint64_t selectors[] = { regs->ds, regs->es, regs->fs, regs->gs };

	for (int i = 0; i < 4; i++)
		if (selectors[i] && (selectors[i] & 3) != 3)
			return false;
	return !(regs->fs_base >> 47 || regs->gs_base >> 47);
}

/* Steps a copy to each boundary in turn, puts the thread back, and lets it run on. */
static void try_boundaries(struct subject *subject, const struct sample *sample, const struct ph_copy *copy,
			   ph_addr slot, const struct outcome *from, const struct outcome *home)
{
	static struct outcome other;

	for (int steps = 1; steps <= STEPS_MAX; steps++) {
		struct user_regs_struct regs = from->regs;
		ph_addr none = 0;
		int signal = SIGTRAP;

		subject_load(subject, from);
		regs.rip = slot;
		subject_set_regs(subject, &regs);
		for (int i = 0; i < steps && signal == SIGTRAP; i++)
			signal = subject_step(subject);
		subject_get_regs(subject, &regs);
		if (signal != SIGTRAP || regs.rip - slot >= PH_COPY_SIZE || !is_settable(&regs))
			return;
		if (!put_back(copy, slot, &regs, &none)) {
			report(sample, "a boundary without a point", home, home);
			return;
		}
		subject_set_regs(subject, &regs);
		subject_run(subject, &other);
		forgive(copy, from, home, &other);
		if (!is_same(home, &other, subject->xstate_size))
			report(sample, "put back", home, &other);
		count.put_back++;
	}
}

static void try_emulation(const struct sample *sample, const struct outcome *from, const struct outcome *home)
{
	static struct outcome other;
	struct ph_emulation_store store;
	struct ph_emulation emulation;

	if (home->signal != SIGTRAP || ph_emulation_plan(sample->bytes, sample->length, HOME, &emulation) < 0)
		return;
	other = *home;
	other.regs = from->regs;
	other.regs.rip = HOME;
	if (ph_emulation_run(&emulation, &other.regs, &store) < 0)
		return;
	other.regs.rip++;	/* behind the int3 */
	other.regs.orig_rax = home->regs.orig_rax;
	memcpy(other.data, from->data, ARENA_SIZE);
	if (store.wanted && store.addr - ARENA_AT <= ARENA_SIZE - 8)
		memcpy(other.data + (store.addr - ARENA_AT), &store.value, 8);
	if (!is_same(home, &other, 576))
		report(sample, "emulated", home, &other);
	count.emulated++;
}

static void put_code(uint8_t *page, size_t offset, const uint8_t *bytes, size_t n)
{
	memset(page, 0xcc, PAGE);
	memcpy(page + offset, bytes, n);
}

/* False when the instruction is not to be copied at all. */
static bool try_once(struct subject *subject, const struct ph_zydis *zydis, struct sample sample,
		     const struct user_regs_struct *first, bool is_far)
{
	static struct outcome from, home, other;
	ph_addr slot = is_far ? FAR_AT : NEAR_AT;
	struct ph_copy copy;
	int r;

	retarget(zydis, &sample);
	r = ph_relocate(sample.bytes, sample.length, HOME, slot, &copy);
	if (r == -ERANGE && is_far)
		return true;
	if (r < 0) {
		if (r != -ENOTSUP)
			report(&sample, strerror(-r), &home, &home);
		return false;
	}
	random_outcome(zydis, first, &from);
	if (!ph_copy_suits(&copy, &from.regs)) {
		count.unsuited++;
		return true;
	}

	put_code(subject->arena->home, HOME_OFFSET, sample.bytes, sample.length);
	put_code(is_far ? subject->arena->far : subject->arena->near, 0, copy.bytes, copy.len);
	from.regs.rip = HOME;
	subject_load(subject, &from);
	subject_run(subject, &home);
	from.regs.rip = slot;
	subject_load(subject, &from);
	subject_run(subject, &other);
	if (!put_back(&copy, slot, &other.regs, &other.fault_at)) {
		report(&sample, "a fault without a point", &home, &other);
		return true;
	}
	forgive(&copy, &from, &home, &other);
	if (!is_same(&home, &other, subject->xstate_size))
		report(&sample, "copied", &home, &other);
	count.runs++;
	count.faults += home.regs.rip == HOME;

	/* A step shows itself to pushf, and stops a rep string instruction in its midst. */
	if (zydis->insn.meta.category != ZYDIS_CATEGORY_STRINGOP && zydis->insn.mnemonic != ZYDIS_MNEMONIC_PUSHF &&
	    zydis->insn.mnemonic != ZYDIS_MNEMONIC_PUSHFQ)
		try_boundaries(subject, &sample, &copy, slot, &from, &home);
	from.regs.rip = HOME;
	try_emulation(&sample, &from, &home);
	return true;
}

static void try_sample(struct subject *subject, const struct sample *sample, const struct user_regs_struct *first,
		       int trials)
{
	struct ph_zydis zydis;

	if (ph_zydis_decode(sample->bytes, sample->length, &zydis) < 0 || zydis.insn.length != sample->length) {
		printf("SKIP an instruction that Zydis does not know\n");
		return;
	}
	for (int i = 0; i < trials; i++)
		if (!try_once(subject, &zydis, *sample, first, i % 4 == 1)) {
			count.refused++;
			return;
		}
	count.instructions++;
	count.rip_relative += ph_zydis_is_rip_relative(&zydis.insn);
	count.branches += ph_zydis_is_branch(&zydis.insn);
	count.vex += zydis.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	count.evex += zydis.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
}

static struct sample sample_from_hex(const char *hex)
{
	struct sample sample = { .length = 0 };
	unsigned byte;
	int used;

	for (; sample.length < INSN_MAX && sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
		sample.bytes[sample.length++] = (uint8_t)byte;
	return sample;
}

static void try_all(struct subject *subject, const struct user_regs_struct *first, bool is_long)
{
	struct samples samples;
	size_t step;

	samples_pick(&samples);
	step = is_long || samples.n <= SHORT_SAMPLES ? 1 : samples.n / SHORT_SAMPLES;
	/* The rare ones come first, and are always tried. */
	for (size_t i = 0; i < samples.n; i += i < SHORT_SAMPLES / 4 ? 1 : step)
		try_sample(subject, &samples.list[i], first, is_long ? TRIALS_LONG : TRIALS_SHORT);
	samples_free(&samples);
}

int main(int argc, char **argv)
{
	bool is_long = argc > 1 && !strcmp(argv[1], "long");
	struct user_regs_struct first;
	struct subject subject;

	alarm(is_long ? 900 : 120);	/* an endless loop is a failure */
	subject_start(&subject);
	subject_get_regs(&subject, &first);
	if (argc > 1 && !is_long)
		for (int i = 1; i < argc; i++) {
			struct sample sample = sample_from_hex(argv[i]);

			try_sample(&subject, &sample, &first, 100);
		}
	else
		try_all(&subject, &first, is_long);
	subject_stop(&subject);

	printf("%lu distinct instructions (%lu RIP-relative, %lu branches, %lu VEX, %lu EVEX); %lu refused\n"
	       "%lu runs of each kind, %lu of them faults; %lu passes not suited\n"
	       "%lu put back from inside a copy; %lu emulated\n"
	       "%lu differ\n",
	       count.instructions, count.rip_relative, count.branches, count.vex, count.evex, count.refused,
	       count.runs, count.faults, count.unsuited, count.put_back, count.emulated, count.differ);
	return count.differ != 0;
}
