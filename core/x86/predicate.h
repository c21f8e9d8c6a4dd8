/*
 * predicate - "edi == 5 and u32[rsi] > 9": an expression over registers and memory, compiled once, tested at every hit.
 *
 * Pure: knows no thread. Memory comes through a function of the caller's, called only for what the result needs.
 * Testing allocates nothing and cannot fail: a read that faults makes the whole predicate false.
 */
#ifndef PH_X86_PREDICATE_H
#define PH_X86_PREDICATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/types.h"
#include "x86/regs.h"

#define PH_PREDICATE_LEN_MAX 4096	/* characters of text */
#define PH_PREDICATE_DEPTH_MAX 64	/* parentheses, brackets and unary operators around one another */

struct ph_predicate;

struct ph_predicate_memory {
	int (*read)(void *user, ph_addr addr, void *buf, size_t len);	/* len bytes, or below 0 when one faults */
	void *user;
};

/*
 * The language has Lua's operators and precedence, over 64-bit integers that wrap. From weakest to strongest:
 *
 *	or
 *	and
 *	== ~= < <= > >=		1 or 0; they do not chain: a < b < c is an error
 *	|
 *	^			exclusive or
 *	&
 *	<< >>			by 64 or more (a negative count is): 0; >> fills with zeros
 *	+ -
 *	*
 *	not - ~			not gives 1 or 0; as in Lua, `not a == b` means `(not a) == b`
 *
 * Values: the names in ph_regs and ph_flags, zero-extended; decimal and 0x numbers up to 64 bits, those with a minus
 * in front down to -2^63; u8[e] u16[e] u32[e] u64[e], memory at e, zero-extended; i8[e] to i64[e], sign-extended;
 * (e). True is what is not zero. `and` and `or` evaluate their right side only when the left does not decide, and
 * give, as in Lua, the side that decided.
 *
 * Whether a comparison is signed follows from the text alone: == and ~= compare all 64 bits, the others are unsigned
 * unless one of their sides is signed. Signed are: i* reads; negative literals (a minus that can only be a sign, with
 * a number right behind it); `+ - * & | ^ and or` when either side is; `<< >>` when their left side is; unary `-` and
 * `~` when their operand is. Nothing else is: no register, no u* read (whatever its address), no comparison, no `not`.
 *
 *	-1 < 0				true
 *	i32[rsi] + rdi < 10		signed: true for -5 + 3
 *	rdi - 1 < 10			unsigned: false for rdi = 0; rdi + -1 < 10 is signed, and true
 *	eax == -1			never: eax is zero-extended; eax == 0xffffffff
 *
 * -EINVAL: err says at which column (from 1) what was expected. -ENOMEM. The result is the caller's to free.
 */
int ph_predicate_compile(const char *text, struct ph_predicate **ret, struct ph_err *err);
void ph_predicate_free(struct ph_predicate *predicate);

/* memory may be NULL: every read faults. */
bool ph_predicate_test(const struct ph_predicate *predicate, const struct user_regs_struct *regs,
		       const struct ph_predicate_memory *memory);

#endif
