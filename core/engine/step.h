/*
 * step - past a site: the original instruction runs once, by itself, and the trap is back before anyone else runs.
 *
 * For what copy.h cannot lead past. The thread stands at the site's address, its hooks done; the byte is put back and
 * the thread single-steps, so the caller must hold every other thread of the space.
 */
#ifndef PH_ENGINE_STEP_H
#define PH_ENGINE_STEP_H

#include "engine/thread.h"

enum ph_step_result {
	PH_STEP_DONE,		/* passed; the thread is stopped behind it */
	PH_STEP_PENDING,	/* ended by something that dispatch has to see: it is pending on the thread */
	PH_STEP_LATER,		/* a signal came first, and is pending: the instruction is still to run */
};

/*
 * The thread's stop_signal is delivered first. site may be NULL when no byte of ours is left there. 0 and *ret, or -errno
 * when the thread could not be run.
 */
int ph_step_pass(struct ph_thread *thread, struct ph_site *site, enum ph_step_result *ret, struct ph_err *err);

/* The thread is about to go on by a step: what its instruction touches is noted for soft watches. */
void ph_step_note_touches(struct ph_thread *thread);
/* It is about to be resumed for one instruction that somebody waits for (thread->step). */
void ph_step_begin(struct ph_thread *thread);

/*
 * The thread went on by a step (thread->stepped) and is stopped by a SIGTRAP: true when that is the step's end. What is
 * known of the instruction before is settled: it has run, unless it is a repeated one that is not over.
 */
bool ph_step_has_ended(struct ph_thread *thread);

/* The length of the instruction at addr, or -EILSEQ. */
int ph_step_length(struct ph_thread *thread, ph_addr addr, struct ph_err *err);

#endif
