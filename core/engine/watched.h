/*
 * watched - descriptors that the loop looks after, beside tracees: a terminal, a target's pipes.
 *
 * While there is none the wait is one plain wait for statuses. Knows nothing of what is read or written; the functions
 * are ptracehook.h's. An entry is its adder's, until ph_watched_remove.
 */
#ifndef PH_ENGINE_WATCHED_H
#define PH_ENGINE_WATCHED_H

#include "engine/tracer.h"

/*
 * The next status, as ph_os_wait_any gives it, or 0: descriptors were ready, and their functions have been called. Neither
 * keeps the other waiting.
 */
int ph_watched_wait(struct ph_tracer *tracer, int64_t deadline, int *ret_status);

/*
 * It can wait: while no other is looked after, stops come first, and it is looked at when none has come for five
 * milliseconds. So a target that says little and ends wakes us for its end alone.
 */
void ph_watched_set_patient(struct ph_watched *watched, bool patient);

/* Entries that are left stay their adders', and are looked at no more. */
void ph_watched_fini(struct ph_tracer *tracer);

#endif
