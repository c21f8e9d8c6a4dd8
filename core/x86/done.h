/*
 * done - whether an instruction of one byte has run, as the registers and the stack tell.
 *
 * For a thread that stands behind it and may have come there without running it. A push leaves on top of the stack what
 * the register holds, a pop and a leave leave below it what they took. By chance the same may stand there before: then the
 * answer is a wrong yes, never a wrong no. Pure.
 */
#ifndef PH_X86_DONE_H
#define PH_X86_DONE_H

#include <stdint.h>
#include <sys/user.h>

enum ph_done {
	PH_DONE_UNKNOWN,	/* it leaves nothing that could be looked at */
	PH_DONE_NO,
	PH_DONE_YES,
};

/* below and top: the eight bytes under rsp, and at it. */
enum ph_done ph_done_look(uint8_t opcode, const struct user_regs_struct *regs, uint64_t below, uint64_t top);

#endif
