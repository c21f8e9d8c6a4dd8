/*
 * redirect - a function's begin becomes a jump to another place, and the original stays callable.
 *
 * Five bytes and what is left of the last instruction are patched. What stood there is copied into memory of ours near
 * by, instruction by instruction (x86/relocate.h), and goes on behind the patch; a place further than 2 GiB is reached
 * over a second jump there. Threads in the middle of what is overwritten are moved to the copies, and back when the
 * target is let go. Refused with words where five bytes are too many, where the function jumps or returns into them, or
 * an instruction cannot run elsewhere.
 */
#ifndef PH_ENGINE_REDIRECT_H
#define PH_ENGINE_REDIRECT_H

#include "engine/patch.h"

/*
 * The thread is stopped, and makes the calls that map memory. *ret_original: where the original can be called;
 * *ret_patch is a reference of its own.
 */
int ph_redirect(struct ph_thread *thread, ph_addr addr, ph_addr to, bool keep, ph_addr *ret_original,
		struct ph_patch **ret_patch, struct ph_err *err);

/* The target is about to be let go, patches are out: threads in copies of ours go back to where they belong. */
void ph_redirect_lead_out(struct ph_session *session);

#endif
