/*
 * regs - the general registers of an x86-64 thread by name: one table, from which every other form is made.
 *
 * A row names a register or a part of one, and says where it lies in struct user_regs_struct, how wide it is and how
 * far it is shifted. The Lua view (FFI declarations, regs:all()) is generated from the same rows, so that the two
 * cannot drift. Writing follows the CPU: a 32-bit part clears the upper half, 16 and 8-bit parts keep the rest.
 *
 * Pure: values in, values out. Knows no thread and no stop (whoever holds the struct fetched it from a stopped one),
 * and no vector register (xstate.h).
 */
#ifndef PH_X86_REGS_H
#define PH_X86_REGS_H

#include <stdint.h>
#include <sys/user.h>

/*
 * WHOLE rows are the 27 fields, once each, under the names that scripts use. "sp" is the stack pointer, as in GDB and
 * Lua scripts for it, not its lowest 16 bits, which no script wants.
 */
enum ph_reg_kind {
	PH_REG_WHOLE,
	PH_REG_PART,	/* of a WHOLE one */
	PH_REG_ALIAS,	/* another name for a WHOLE one */
};

/* X(name, field of user_regs_struct, size in bytes, shift in bits, kind) */
#define PH_REGS_PARTS_OLD(X, r64, r32, r16, r8, r8h)	\
	X(r64, r64, 8, 0, PH_REG_WHOLE)			\
	X(r32, r64, 4, 0, PH_REG_PART)			\
	X(r16, r64, 2, 0, PH_REG_PART)			\
	X(r8, r64, 1, 0, PH_REG_PART)			\
	X(r8h, r64, 1, 8, PH_REG_PART)

#define PH_REGS_PARTS_NEW(X, r64)			\
	X(r64, r64, 8, 0, PH_REG_WHOLE)			\
	X(r64##d, r64, 4, 0, PH_REG_PART)		\
	X(r64##w, r64, 2, 0, PH_REG_PART)		\
	X(r64##b, r64, 1, 0, PH_REG_PART)

#define PH_REGS(X)					\
	PH_REGS_PARTS_OLD(X, rax, eax, ax, al, ah)	\
	PH_REGS_PARTS_OLD(X, rbx, ebx, bx, bl, bh)	\
	PH_REGS_PARTS_OLD(X, rcx, ecx, cx, cl, ch)	\
	PH_REGS_PARTS_OLD(X, rdx, edx, dx, dl, dh)	\
	X(rsi, rsi, 8, 0, PH_REG_WHOLE)			\
	X(esi, rsi, 4, 0, PH_REG_PART)			\
	X(si, rsi, 2, 0, PH_REG_PART)			\
	X(sil, rsi, 1, 0, PH_REG_PART)			\
	X(rdi, rdi, 8, 0, PH_REG_WHOLE)			\
	X(edi, rdi, 4, 0, PH_REG_PART)			\
	X(di, rdi, 2, 0, PH_REG_PART)			\
	X(dil, rdi, 1, 0, PH_REG_PART)			\
	X(rbp, rbp, 8, 0, PH_REG_WHOLE)			\
	X(ebp, rbp, 4, 0, PH_REG_PART)			\
	X(bp, rbp, 2, 0, PH_REG_PART)			\
	X(bpl, rbp, 1, 0, PH_REG_PART)			\
	X(rsp, rsp, 8, 0, PH_REG_WHOLE)			\
	X(esp, rsp, 4, 0, PH_REG_PART)			\
	X(sp, rsp, 8, 0, PH_REG_ALIAS)			\
	X(spl, rsp, 1, 0, PH_REG_PART)			\
	PH_REGS_PARTS_NEW(X, r8)			\
	PH_REGS_PARTS_NEW(X, r9)			\
	PH_REGS_PARTS_NEW(X, r10)			\
	PH_REGS_PARTS_NEW(X, r11)			\
	PH_REGS_PARTS_NEW(X, r12)			\
	PH_REGS_PARTS_NEW(X, r13)			\
	PH_REGS_PARTS_NEW(X, r14)			\
	PH_REGS_PARTS_NEW(X, r15)			\
	X(rip, rip, 8, 0, PH_REG_WHOLE)			\
	X(pc, rip, 8, 0, PH_REG_ALIAS)			\
	X(rflags, eflags, 8, 0, PH_REG_WHOLE)		\
	X(eflags, eflags, 4, 0, PH_REG_PART)		\
	X(cs, cs, 2, 0, PH_REG_WHOLE)			\
	X(ss, ss, 2, 0, PH_REG_WHOLE)			\
	X(ds, ds, 2, 0, PH_REG_WHOLE)			\
	X(es, es, 2, 0, PH_REG_WHOLE)			\
	X(fs, fs, 2, 0, PH_REG_WHOLE)			\
	X(gs, gs, 2, 0, PH_REG_WHOLE)			\
	X(fs_base, fs_base, 8, 0, PH_REG_WHOLE)		\
	X(gs_base, gs_base, 8, 0, PH_REG_WHOLE)		\
	X(orig_rax, orig_rax, 8, 0, PH_REG_WHOLE)

/* X(name, bit of rflags) */
#define PH_FLAGS(X)	\
	X(cf, 0)	\
	X(pf, 2)	\
	X(af, 4)	\
	X(zf, 6)	\
	X(sf, 7)	\
	X(tf, 8)	\
	X(if, 9)	\
	X(df, 10)	\
	X(of, 11)

enum ph_reg_index {
#define PH_REG_INDEX(name, field, size, shift, kind) PH_REG_##name,
	PH_REGS(PH_REG_INDEX)
#undef PH_REG_INDEX
	PH_REGS_COUNT
};

enum ph_flag_index {
#define PH_FLAG_INDEX(name, bit) PH_FLAG_##name,
	PH_FLAGS(PH_FLAG_INDEX)
#undef PH_FLAG_INDEX
	PH_FLAGS_COUNT
};

struct ph_reg {
	char name[10];
	uint8_t offset;	/* of its 64-bit field in struct user_regs_struct, in bytes */
	uint8_t size;	/* in bytes */
	uint8_t shift;	/* in bits, within the field */
	uint8_t kind;	/* enum ph_reg_kind */
};

struct ph_flag {
	char name[3];
	uint8_t bit;
};

extern const struct ph_reg ph_regs[PH_REGS_COUNT];	/* by enum ph_reg_index */
extern const struct ph_flag ph_flags[PH_FLAGS_COUNT];	/* by enum ph_flag_index */

/* Where the System V calling convention and the kernel's look for integer arguments; both answer in rax. */
#define PH_REG_ARGS_COUNT 6
extern const uint8_t ph_reg_args[PH_REG_ARGS_COUNT];		/* enum ph_reg_index */
extern const uint8_t ph_reg_syscall_args[PH_REG_ARGS_COUNT];	/* enum ph_reg_index */
#define PH_REG_RESULT PH_REG_rax

/* NULL when no register, or no flag, has that name. */
const struct ph_reg *ph_reg_find(const char *name);
const struct ph_flag *ph_flag_find(const char *name);

/* The value of one row, zero-extended. */
uint64_t ph_reg_get(const struct user_regs_struct *regs, const struct ph_reg *reg);

/* Writes the low bits of value, as many as the row is wide. */
void ph_reg_set(struct user_regs_struct *regs, const struct ph_reg *reg, uint64_t value);

int ph_flag_get(const struct user_regs_struct *regs, const struct ph_flag *flag);
void ph_flag_set(struct user_regs_struct *regs, const struct ph_flag *flag, int value);

#endif
