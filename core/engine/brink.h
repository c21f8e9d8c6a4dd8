/*
 * brink - a process that is about to end, and is kept there as long as there are snapshots to put it back to.
 *
 * Nothing brings a process back that has passed its exit_group, or that a signal has killed. So it is stopped before: the
 * run is over, with the reason that it would have had, and so is every further run, until a snapshot is restored, which
 * it survives, or the last one is freed, when it ends. Of the target alone; SIGKILL is no one's to hold back.
 */
#ifndef PH_ENGINE_BRINK_H
#define PH_ENGINE_BRINK_H

#include "engine/thread.h"

/*
 * The thread is about to make the system call that it stands before: true when that ends its process, which is kept,
 * unless a callback that was told has put it back: session->kept is none then.
 */
bool ph_brink_keep_from_call(struct ph_thread *thread);

/* The same of the signal that it is about to be given. */
bool ph_brink_keep_from_signal(struct ph_thread *thread, int sig);

#endif
