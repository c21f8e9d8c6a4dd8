/*
 * twin - a fork of a target, made by one of its own threads for us, that stands still.
 *
 * Traced from its first moment, before it has run an instruction, and told to nobody: no event, no place in the session.
 * No wait of the target's, nor of its parent's, finds it, short of one with __WALL or __WCLONE. It dies with us.
 */
#ifndef PH_ENGINE_TWIN_H
#define PH_ENGINE_TWIN_H

#include "engine/thread.h"

/* The thread is stopped at a place of the program. It stands behind the call that made it. */
int ph_twin_make(struct ph_thread *thread, pid_t *ret, struct ph_err *err);

/* thread: one of the target's that can be made to call, so that nothing is left of it there; or NULL. */
void ph_twin_end(struct ph_thread *thread, pid_t twin);

#endif
