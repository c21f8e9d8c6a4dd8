/*
 * placing - breakpoints put where they mean: a place resolved in each process, and resolved again when more is known.
 *
 * A place that nothing has yet waits: for a library (loader.h calls the retry), for the program's choice of a function
 * (ifunc.h), for memory to be mapped. The functions that add and enable breakpoints are here too, since they place.
 */
#ifndef PH_ENGINE_PLACING_H
#define PH_ENGINE_PLACING_H

#include "engine/breakpoint.h"

/* Its places in this process, anew: after a fork that is followed, and after exec. Pending when it has none there. */
int ph_placing_place(struct ph_breakpoint *breakpoint, struct ph_process *process, struct ph_err *err);

/* Those that wait, once more: something was loaded in this process, or chosen. */
void ph_placing_retry(struct ph_process *process);

/* All breakpoints of the session use debug registers from here on, or none has changed (-EBUSY). */
int ph_placing_use_hardware(struct ph_session *session, struct ph_err *err);

/* What those that were never anywhere might have meant, looked for while their target can still be read. */
void ph_placing_guess(struct ph_session *session);

#endif
