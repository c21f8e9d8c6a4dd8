/*
 * relocate - an instruction's copy that runs elsewhere with the results it has at home, and goes back by itself.
 *
 * Pure: bytes in, bytes and a map out. The original's bytes are kept, and only the displacement is patched; branches
 * and calls become other sequences. A copy changes no register, no flag and no memory that the original does not
 * change, and what it pushes are the program's own addresses.
 *
 * The map gives, for every instruction boundary of the copy, what a thread seen there has done, so that it can be put
 * back with a new rip and a corrected rsp. A fault inside the copy leaves rip at a boundary: map it in the same way
 * (si_addr too, where it is rip: SIGILL, SIGFPE, SIGTRAP). A rep string instruction that a signal interrupts stands
 * at BEFORE, with its counts advanced.
 *
 * Two traces are left. A call in a copy pushes nothing to a shadow stack: where the kernel gave the thread one, step
 * calls instead. Where memory holds no canonical address for a call, the fault finds the bytes below rsp overwritten.
 */
#ifndef PH_X86_RELOCATE_H
#define PH_X86_RELOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"
#include "x86/operand.h"

#define PH_COPY_SIZE 64		/* a slot: no copy is longer */
#define PH_COPY_POINTS 5

/*
 *	BEFORE ----------------> AFTER		one instruction does the work, a jump follows
 *	BEFORE --> UNDO... ----> (elsewhere)	a call through a register or memory
 */
enum ph_copy_state {
	PH_COPY_BEFORE,	/* nothing is done: it stands for the original's address */
	PH_COPY_UNDO,	/* begun, with nothing lost: adding rsp_add to rsp makes it BEFORE */
	PH_COPY_AFTER,	/* all is done: it stands for where the program goes on */
};

/* What ph_copy_suits() must look at before every pass. */
enum ph_copy_check {
	PH_COPY_CHECK_NONE,
	PH_COPY_CHECK_REGISTER,	/* a call through a register */
	PH_COPY_CHECK_MEMORY,	/* a call through memory */
};

struct ph_copy_point {
	uint8_t at;		/* offset in the copy */
	uint8_t state;		/* enum ph_copy_state */
	int8_t rsp_add;		/* UNDO: what to add to rsp; else 0 */
	ph_addr stands_for;	/* the new rip */
};

struct ph_copy {
	uint8_t bytes[PH_COPY_SIZE];	/* from len on: int3, so that nothing runs on behind it */
	uint8_t len;			/* with the literals behind the code */
	uint8_t code_len;		/* the instructions alone */
	uint8_t n_points;
	struct ph_copy_point points[PH_COPY_POINTS];	/* by rising offset; the first is 0, BEFORE */
	uint8_t check;			/* enum ph_copy_check */
	struct ph_operand target;	/* of what is checked: the register's value, or the memory's address */
};

/*
 * The copy, to be written at `to`, of the instruction that bytes hold and that lies at `from`.
 *
 * -EILSEQ, -ENODATA: see ph_insn_decode(). -ENOTSUP: it sees its own address, or must not run in a copy: step it.
 * -ERANGE: its operand is out of reach from there; a slot within 2 GiB of the original would do.
 */
int ph_relocate(const uint8_t *bytes, size_t len, ph_addr from, ph_addr to, struct ph_copy *ret);

/*
 * False for the rare pass that must be stepped instead, by the registers at the hit: TF is set, whose trap would show
 * the copy's inside; a call goes to an address that is not canonical, and must fault before it pushes; a call through
 * memory lies where the call itself pushes, and the copy would read it too late.
 */
bool ph_copy_suits(const struct ph_copy *copy, const struct user_regs_struct *regs);

/* The point at this offset of the copy; NULL when no thread of ours can stand there. */
const struct ph_copy_point *ph_copy_find(const struct ph_copy *copy, uint64_t offset);

#endif
