/*
 * insn - one instruction: how long it is, what the engine must know about it. How it reads: disasm.h.
 *
 * Decodes 64-bit code with Zydis, which no file outside x86/ may include. Pure: the bytes are the caller's, and must
 * be the program's own, without any of our breakpoints in them.
 */
#ifndef PH_X86_INSN_H
#define PH_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"

#define PH_INSN_MAX 15		/* bytes; the CPU faults on longer ones */

struct ph_insn {
	uint8_t length;
	bool is_rep_string : 1;	/* rep, repe or repne on a string instruction: one pass, many steps */
	bool is_syscall : 1;	/* syscall, sysenter, int 0x80 */
	bool is_pushf : 1;
	bool is_popf : 1;
	bool is_iret : 1;
	bool is_int3 : 1;	/* CC, and CD 03 */
	bool is_icebp : 1;	/* F1 */
	bool is_load_ss : 1;	/* mov ss, pop ss: the CPU takes no debug trap until one instruction later */
	bool is_branch : 1;	/* any that may go elsewhere by itself: jumps, loops, calls, returns */
	bool is_conditional : 1; /* a branch that may also fall through */
	bool is_call : 1;
	bool is_ret : 1;
	bool is_far : 1;	/* a branch that loads cs */
	bool is_direct : 1;	/* a branch whose target is in the instruction */
	bool has_relative : 1;	/* a RIP-relative operand, or a direct branch: elsewhere, it means another place */
	bool is_relative_32 : 1; /* that operand is EIP-relative: the sum is cut to 32 bits */
	int64_t relative;	/* has_relative: what is added to the next instruction's address */
};

/*
 * -EILSEQ: no instruction in 64-bit code, or longer than 15 bytes, or one that is too new for Zydis.
 * -ENODATA: len bytes begin one, but more are needed.
 * -ELIBACC: Zydis is not on this machine.
 */
int ph_insn_decode(const uint8_t *bytes, size_t len, struct ph_insn *ret);

/* has_relative: the address that the instruction at `at` means. */
ph_addr ph_insn_target(const struct ph_insn *insn, ph_addr at);

#endif
