/*
 * arrival - what a status changes at once, before anybody decides anything.
 *
 * A status is read once, by the run's loop or while threads are being held. Here it becomes state: stopped, exiting,
 * ended; a clone or fork introduces the newborn right away, so that whoever holds every thread knows of it. What is
 * left to decide stays pending for dispatch.
 */
#ifndef PH_ENGINE_ARRIVAL_H
#define PH_ENGINE_ARRIVAL_H

#include "engine/event.h"
#include "engine/thread.h"

/* Options that every tracee of a session has. */
unsigned long ph_trace_options(const struct ph_session *session);

/* True when dispatch has something to decide; false when the thread just stands still now. */
bool ph_arrival_note(struct ph_thread *thread, int status);

#endif
