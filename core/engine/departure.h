/*
 * departure - a stopped thread goes on: what was changed is written, and the kernel is told how.
 *
 * What the stop still asks for is over by then (resume.h). Here it is decided whether it goes freely, by one step, to a
 * system call's next stop, or back into a group stop; a SIGTRAP of the program's own is led to its handler first.
 */
#ifndef PH_ENGINE_DEPARTURE_H
#define PH_ENGINE_DEPARTURE_H

#include "engine/thread.h"

/*
 * The thread may stay stopped: something came up that is pending on it now, or failed, which ends the run. False: the end
 * that its signal means is kept (brink.h), and a hook that was told of it may have put the process back.
 */
bool ph_departure(struct ph_thread *thread);

/* The same for a thread of which nothing but that is asked (usual.h). */
void ph_departure_freely(struct ph_thread *thread);

#endif
