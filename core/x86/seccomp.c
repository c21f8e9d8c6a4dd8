#include "x86/seccomp.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

/* Indices of the first instructions of the three lists are filled in when they are known. */
struct program {
	struct sock_filter *insns;
	size_t length;
	bool full;
};

static size_t put(struct program *program, struct sock_filter insn)
{
	if (program->length == PH_SECCOMP_ROOM) {
		program->full = true;
		return 0;
	}
	program->insns[program->length] = insn;
	return program->length++;
}

static void load(struct program *program, size_t offset)
{
	put(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void answer(struct program *program, uint32_t value)
{
	put(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* The next instruction, which answers, only when the comparison holds. */
static void unless(struct program *program, uint16_t how, uint32_t value)
{
	put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | how | BPF_K, value, 0, 1));
}

static void trace_if(struct program *program, uint32_t number)
{
	unless(program, BPF_JEQ, number);
	answer(program, SECCOMP_RET_TRACE | PH_SECCOMP_DATA);
}

/* clone's flags are its first argument in every table (clone(2)), whose lower half comes first. */
static void trace_untraced(struct program *program, uint32_t clone)
{
	put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, clone, 0, 4));
	load(program, offsetof(struct seccomp_data, args));
	unless(program, BPF_JSET, CLONE_UNTRACED);
	answer(program, SECCOMP_RET_TRACE | PH_SECCOMP_DATA);
	answer(program, SECCOMP_RET_ALLOW);
}

static void list(struct program *program, const struct ph_call_set *set, enum ph_abi abi)
{
	uint32_t bit = abi == PH_ABI_X32 ? PH_X32_BIT : 0;
	uint32_t clone = ph_abi_clones[abi].clone, clone3 = ph_abi_clones[abi].clone3;

	for (uint32_t number = 0; number < PH_CALLS_MAX; number++)
		if (ph_call_set_has(set, abi, number | bit) && (number | bit) != clone3)
			trace_if(program, number | bit);
	trace_if(program, clone3);
	if (!ph_call_set_has(set, abi, clone))
		trace_untraced(program, clone);
	answer(program, SECCOMP_RET_ALLOW);
}

size_t ph_seccomp_build(const struct ph_call_set *set, struct sock_filter ret[PH_SECCOMP_ROOM])
{
	struct program program = { .insns = ret };
	size_t to_i386, to_x32;

	if (set->all) {
		answer(&program, SECCOMP_RET_TRACE | PH_SECCOMP_DATA);
		return program.length;
	}
	load(&program, offsetof(struct seccomp_data, arch));
	/* Jumps on a condition reach 255 instructions, the plain one any. */
	put(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ph_abi_arch(PH_ABI_X86_64), 1, 0));
	to_i386 = put(&program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	load(&program, offsetof(struct seccomp_data, nr));
	/* -1 has the bit of x32 too, and is in no list. */
	put(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PH_X32_BIT, 0, 1));
	to_x32 = put(&program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	list(&program, set, PH_ABI_X86_64);
	ret[to_x32].k = (uint32_t)(program.length - to_x32 - 1);
	list(&program, set, PH_ABI_X32);
	ret[to_i386].k = (uint32_t)(program.length - to_i386 - 1);
	load(&program, offsetof(struct seccomp_data, nr));
	list(&program, set, PH_ABI_I386);
	return program.full ? 0 : program.length;
}
