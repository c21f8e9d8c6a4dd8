/*
 * pass - breakpoints of one place called, and what they want of the thread that came there.
 *
 * For both kinds of place: a site (dispatch.h), and a debug register (watch_hit.h). Each caller resumes by itself.
 */
#ifndef PH_ENGINE_PASS_H
#define PH_ENGINE_PASS_H

#include "engine/plan.h"
#include "engine/thread.h"

struct ph_pass {
	struct ph_plan plan;
	enum ph_event_kind kind;	/* what the stop is to whoever asked for one */
	struct ph_breakpoint *last;	/* the one that wanted what is to be reported; the caller's to keep alive */
	bool skip;			/* one of those that ran has PH_MODE_SKIP */
};

/* Calls the breakpoint's function, if this pass is a hit of it. */
void ph_pass_call(struct ph_pass *pass, struct ph_thread *thread, struct ph_breakpoint *breakpoint, ph_addr addr);

/* rip as the hooks left it, or as their plan says; else the pass is still to be made (thread->pass). */
int ph_pass_move(struct ph_thread *thread, ph_addr addr, const struct ph_pass *pass, struct ph_err *err);

/* The same for an instruction on which no pass of a site depends: moves and skips are made at once. */
int ph_pass_go(struct ph_thread *thread, ph_addr addr, const struct ph_pass *pass, struct ph_err *err);

/* For hooks that had waited, wherever the thread has come to: a site there is still to be hit, unless they move it. */
int ph_pass_late(struct ph_thread *thread, const struct ph_plan *plan, struct ph_err *err);

#endif
