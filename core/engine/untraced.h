/*
 * untraced - CLONE_UNTRACED, taken off a clone that is about to be made, so that its child is seen like any other.
 *
 * Wherever the entry of a clone or clone3 is seen. The program finds its arguments as they were, in parent and child.
 * The thread stands at the entry; for restoring, at the exit, or, the child, at its first stop.
 */
#ifndef PH_ENGINE_UNTRACED_H
#define PH_ENGINE_UNTRACED_H

#include "engine/thread.h"

void ph_untraced_strip(struct ph_thread *thread);
void ph_untraced_restore(struct ph_thread *thread);

#endif
