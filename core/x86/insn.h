/*
 * insn - one instruction: how long it is, what the engine must know about it, how it reads.
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
#define PH_INSN_TEXT_MAX 160	/* room that ph_insn_format() never outgrows with symbol names up to 64 */

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
 */
int ph_insn_decode(const uint8_t *bytes, size_t len, struct ph_insn *ret);

/* has_relative: the address that the instruction at `at` means. */
ph_addr ph_insn_target(const struct ph_insn *insn, ph_addr at);

enum ph_insn_syntax {
	PH_INSN_INTEL,
	PH_INSN_ATT,
};

/* Writes the name of an address, "puts+0x12", into buf; false when it has none. */
typedef bool (*ph_insn_symbol)(void *arg, ph_addr addr, char *buf, size_t len);

/*
 * The instruction as text, always terminated. Addresses get the symbol's name behind them, where symbol (may be NULL)
 * knows one: "call 0x401030 <puts>", "lea rdi, [rip+0xe9d]  # 0x402004 <greeting>".
 * Returns its length; -EILSEQ and -ENODATA as above; -ENOBUFS when buf is too small.
 */
int ph_insn_format(const uint8_t *bytes, size_t len, ph_addr at, enum ph_insn_syntax syntax, ph_insn_symbol symbol,
		   void *arg, char *buf, size_t size, struct ph_insn *ret);

#endif
