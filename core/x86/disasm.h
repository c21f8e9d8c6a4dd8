/*
 * disasm - instructions as text.
 *
 * One line's worth at a time, in Intel or AT&T syntax. Pure: the bytes are the caller's, and must be the program's own,
 * without any of our breakpoints in them; a callback knows the symbols, and may know none.
 */
#ifndef PH_X86_DISASM_H
#define PH_X86_DISASM_H

#include "x86/insn.h"

#define PH_DISASM_NAME_MAX 256	/* of a symbol; a longer name ends in dots */
#define PH_DISASM_TEXT_MAX 448	/* room that no instruction with such a name outgrows */

enum ph_disasm_syntax {
	PH_DISASM_INTEL,
	PH_DISASM_ATT,
};

/* Writes the name of an address, "puts+0x12", into buf as snprintf would; false when it has none. */
typedef bool (*ph_disasm_symbol)(void *arg, ph_addr addr, char *buf, size_t len);

struct ph_disasm {
	struct ph_insn insn;	/* where there is no instruction: length 1, and nothing else */
	bool is_bad;
	char text[PH_DISASM_TEXT_MAX];
};

/*
 * What stands at `at`. Addresses get the symbol's name behind them, where symbol (may be NULL) knows one:
 * "call 0x401030 <puts>", "lea rdi, [rip+0xe9d]  # 0x402004 <greeting>". A byte that begins no instruction is "(bad)".
 * -ENODATA: len bytes begin one, but more are needed.
 */
int ph_disasm_one(const uint8_t *bytes, size_t len, ph_addr at, enum ph_disasm_syntax syntax, ph_disasm_symbol symbol,
		  void *arg, struct ph_disasm *ret);

#endif
