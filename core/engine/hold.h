/*
 * hold - threads standing still, so that something can be done that none of them may see half done.
 *
 * Interrupts them all, then waits for each. One that reports something else on the way keeps that pending: nothing is
 * lost. Threads that are exiting, or wait in the kernel for a vfork child, run no program code and are left alone.
 * Resuming is dispatch.h's.
 */
#ifndef PH_ENGINE_HOLD_H
#define PH_ENGINE_HOLD_H

#include "engine/thread.h"

void ph_hold_session(struct ph_session *session);

/* The same; those that ran go on when the hook that asked, if one did, is done. */
void ph_hold_for_hook(struct ph_session *session);

/* Those of this space, but one; each is marked held if it stands still for no other reason. */
void ph_hold_space(struct ph_session *session, const struct ph_space *space, const struct ph_thread *but);

#endif
