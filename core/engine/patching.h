/*
 * patching - patches go in and out while no thread is in the middle of what changes.
 *
 * Threads of the address space are held meanwhile. One that stands where no instruction begins afterwards is a reason
 * to refuse; when the target is let go, it is stepped to where one does. Its functions that scripts use are the public
 * ones (ptracehook.h).
 */
#ifndef PH_ENGINE_PATCHING_H
#define PH_ENGINE_PATCHING_H

#include "engine/patch.h"

/*
 * The memory is all of one mapping, which a patch may have: -EIO with words when it is not, *ret_code when it is code.
 */
int ph_patching_check(struct ph_thread *thread, ph_addr addr, size_t len, bool *ret_code, struct ph_err *err);

/* The target is about to be let go: all but those to keep, out. Threads are stopped, and sites are out. */
void ph_patches_restore_all(struct ph_session *session);

#endif
