/*
 * asm - assembler text to bytes, in Intel syntax.
 *
 * Statements are split by ';' or newline, '#' begins a comment. Operands are registers, numbers, memory with or without
 * a size ("dword ptr [rax+rcx*4-8]", "fs:[0x28]") and names: labels of the text ("again:"), else what the caller's
 * function knows. A branch's operand is an address; its shortest form that reaches is taken. "[name]" and
 * "[rip+name]" are relative to rip where they reach, "[rip+8]" is a displacement.
 *
 * Pure: text in, bytes out, for the address where they will stand. What was encoded is decoded again and compared, so
 * that an instruction is never another one in silence. Errors say the line, what is wrong there, and what would be
 * right. Zydis' encoder does the encoding; masks, rounding and broadcasts of AVX-512 cannot be written.
 */
#ifndef PH_X86_ASM_H
#define PH_X86_ASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PH_ASM_MAX 4096	/* bytes that one text may become */

/* The address that a name means; false: none. */
typedef bool (*ph_asm_symbol)(void *arg, const char *name, ph_addr *ret);

/*
 * The bytes into buf, which has room for PH_ASM_MAX. symbol may be NULL. -EINVAL: what is wrong is in err; -E2BIG: too
 * much of it; -ENOMEM.
 */
int ph_asm(const char *text, ph_addr at, ph_asm_symbol symbol, void *arg, uint8_t *buf, size_t *ret_len,
	   struct ph_err *err);

#endif
