/*
 * dispatch - one status in, hooks called, one plan made: the heart of the loop. resume.h carries the plan out.
 */
#ifndef PH_ENGINE_DISPATCH_H
#define PH_ENGINE_DISPATCH_H

#include "engine/thread.h"

/* A status of a thread that ph_arrival_note has seen. */
void ph_dispatch(struct ph_thread *thread, int status);

#endif
