/*
 * emulate - the few instructions at which functions begin, done to a register set instead of run.
 *
 * For a site whose instruction needs nothing but the registers: no copy, no step. Planned once per site, run at every
 * pass without decoding. Pure: a push or a call says which eight bytes it wants stored; the caller stores them, and
 * keeps the new registers only if that worked (if not, let the CPU fault on the real instruction).
 *
 * What only the CPU can do does not happen: a debug register that watches the stored bytes does not see them.
 */
#ifndef PH_X86_EMULATE_H
#define PH_X86_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"
#include "x86/operand.h"
#include "x86/regs.h"

struct ph_emulation {
	uint8_t op;		/* index of its row in emulate.c */
	uint8_t length;		/* of the instruction */
	uint8_t to;		/* enum ph_reg_index, or PH_REG_NONE */
	uint8_t from;		/* the same; PH_REG_NONE: the immediate */
	uint8_t size;		/* of the operation, in bytes */
	uint8_t condition;	/* of a jcc: the low four bits of its opcode */
	bool stores;		/* it wants memory written */
	uint64_t immediate;	/* sign-extended; of a branch: the target */
	struct ph_operand address;	/* of a lea */
};

struct ph_emulation_store {
	bool wanted;
	ph_addr addr;
	uint64_t value;		/* eight bytes */
};

/* The instruction that bytes hold and that lies at `at`. -ENOTSUP: none of ours; -EILSEQ, -ENODATA: as decoding. */
int ph_emulation_plan(const uint8_t *bytes, size_t len, ph_addr at, struct ph_emulation *ret);

/*
 * One pass: regs, with rip at the instruction, become what they are behind it. -ENOTSUP, with nothing changed, when TF
 * is set, or when memory would be written and ret_store is NULL.
 */
int ph_emulation_run(const struct ph_emulation *emulation, struct user_regs_struct *regs,
		     struct ph_emulation_store *ret_store);

#endif
