/*
 * tsc - the time stamp counter kept from a session's threads: reading it raises SIGSEGV, which hooks may answer.
 *
 * A setting of each thread (PR_SET_TSC in prctl(2)), made by calls that stopped threads of the target make (inject.h);
 * those born to them have it too, and it outlives exec. Undone when the target is let go.
 */
#ifndef PH_ENGINE_TSC_H
#define PH_ENGINE_TSC_H

#include "engine/thread.h"

/*
 * Every thread of the session, from here on. -ENOTSUP: a seccomp filter in the target forbids the call; -EBUSY: a
 * thread stands at the entry of a system call.
 */
int ph_tsc_trap(struct ph_session *session, bool on, struct ph_err *err);

/* The process is about to be let go: its stopped threads may read it again. */
void ph_tsc_release(struct ph_process *process);

#endif
