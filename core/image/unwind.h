/*
 * unwind - from one frame of a stack to its caller's.
 *
 * By .eh_frame or .debug_frame of the ELF file that the code is in; where there is none, by what compilers and the
 * kernel usually do (ph_unwind_guess). Knows no process: registers are values, memory is read through a callback, so
 * that neither hostile call frame information nor a smashed stack can do more than end the walk.
 */
#ifndef PH_IMAGE_UNWIND_H
#define PH_IMAGE_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/elf.h"

/* DWARF's numbers (System V ABI for AMD64, figure 3.36). */
enum ph_unwind_reg {
	PH_UNWIND_RAX, PH_UNWIND_RDX, PH_UNWIND_RCX, PH_UNWIND_RBX, PH_UNWIND_RSI, PH_UNWIND_RDI, PH_UNWIND_RBP,
	PH_UNWIND_RSP, PH_UNWIND_R8, PH_UNWIND_R9, PH_UNWIND_R10, PH_UNWIND_R11, PH_UNWIND_R12, PH_UNWIND_R13,
	PH_UNWIND_R14, PH_UNWIND_R15, PH_UNWIND_RIP,
	PH_UNWIND_REGS,
};

struct ph_unwind_memory {
	void *user;
	int (*read)(void *user, ph_addr addr, void *buf, size_t len);	/* all of it, or -errno */
};

struct ph_unwind_frame {
	uint64_t regs[PH_UNWIND_REGS];
	uint32_t known;		/* bit n: regs[n] */
	bool is_exact;		/* rip is the next instruction, not behind a call: the first frame, an interrupted one */
};

/* Where in the code the frame stands, for whoever looks it up: a call may be a function's last instruction. */
static inline ph_addr ph_unwind_place(const struct ph_unwind_frame *frame)
{
	return frame->regs[PH_UNWIND_RIP] - (frame->is_exact ? 0 : 1);
}

/* How a frame leads to its caller. */
struct ph_unwind_step {
	struct ph_unwind_frame caller;
	ph_addr cfa;		/* the frame's canonical frame address */
	bool is_signal;		/* the frame is a signal's: its "caller" was interrupted */
};

/*
 * By call frame information. -ENOENT: there is none for this place; -ENODATA: it says that there is no caller; others:
 * it does not hold together, or memory cannot be read.
 */
int ph_unwind_by_cfi(struct ph_elf *elf, ph_addr bias, const struct ph_unwind_frame *frame,
		     const struct ph_unwind_memory *memory, struct ph_unwind_step *ret);

/*
 * Without. function: where the function is entered, 0 when that is not known. -ENODATA: no caller.
 *
 *	sigreturn's call	a signal frame: the kernel's copy of the registers is on the stack
 *	unreadable code		a call through a bad pointer: the return address is on top of the stack
 *	push rbp; mov rbp, rsp	at the function's entry: behind it by rbp, in it by rsp
 *	ret			the return address is on top
 *	sub rsp, N		above what it takes
 *	otherwise		near the top, what stands behind a call; by rbp, when that leads up the stack
 */
int ph_unwind_guess(ph_addr function, const struct ph_unwind_frame *frame, const struct ph_unwind_memory *memory,
		    struct ph_unwind_step *ret);

#endif
