/*
 * plan - what several callbacks of one stop want, as one decision. Pure.
 *
 * Strongest first: kill, detach, stop, then the last move (goto, return, skip), then step, then continue. Stop and a
 * move both hold; a signal always applies. Removal concerns one breakpoint and is done by whoever called it.
 */
#ifndef PH_ENGINE_PLAN_H
#define PH_ENGINE_PLAN_H

#include "ptracehook.h"

struct ph_plan {
	bool fail, kill, detach, stop, step, suppress;
	enum ph_action_kind move;	/* PH_GOTO, PH_RETURN, PH_SKIP; PH_CONTINUE: none */
	bool has_value;			/* move == PH_RETURN: value is the result */
	uint64_t value;
	int signal;			/* 0: none */
	struct ph_watch *watch;		/* whose hit it is; NULL: none's */
};

/* False when the action makes no sense at this event: a move or a step where no instruction is pending. */
bool ph_plan_allows(enum ph_event_kind event, enum ph_action_kind kind);

void ph_plan_add(struct ph_plan *plan, struct ph_action action);


/* What was wanted of a stop that is none any more: but for what concerns the session as a whole. */
void ph_plan_forget(struct ph_plan *plan);

#endif
