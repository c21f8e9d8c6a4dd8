#include "engine/plan.h"

bool ph_plan_allows(enum ph_event_kind event, enum ph_action_kind kind)
{
	switch (kind) {
	case PH_CONTINUE:
	case PH_STOP:
	case PH_DETACH:
	case PH_KILL:
	case PH_REMOVE:
	case PH_FAIL:
	case PH_WAIT:
		return true;
	case PH_SIGNAL:
		/* Nobody is left to get it. */
		return event != PH_EVENT_EXIT && event != PH_EVENT_THREAD_EXIT;
	case PH_SUPPRESS:
		return event == PH_EVENT_SIGNAL;
	case PH_STEP:
		return event == PH_EVENT_BREAKPOINT || event == PH_EVENT_WATCH_EXECUTE;
	case PH_SKIP:
	case PH_RETURN:
	case PH_GOTO:
		return event == PH_EVENT_BREAKPOINT || event == PH_EVENT_WATCH_EXECUTE || event == PH_EVENT_INSTRUCTION;
	}
	return false;
}

void ph_plan_add(struct ph_plan *plan, struct ph_action action)
{
	switch (action.kind) {
	case PH_CONTINUE:
	case PH_REMOVE:
	case PH_WAIT:
		break;
	case PH_FAIL:
		plan->fail = true;
		break;
	case PH_KILL:
		plan->kill = true;
		break;
	case PH_DETACH:
		plan->detach = true;
		break;
	case PH_STOP:
		plan->stop = true;
		break;
	case PH_STEP:
		plan->step = true;
		break;
	case PH_SUPPRESS:
		plan->suppress = true;
		break;
	case PH_SIGNAL:
		plan->signal = (int)action.value;
		break;
	case PH_SKIP:
	case PH_RETURN:
	case PH_GOTO:
		plan->move = action.kind;
		plan->has_value = action.has_value;
		plan->value = action.value;
		break;
	}
}

void ph_plan_forget(struct ph_plan *plan)
{
	*plan = (struct ph_plan){ .fail = plan->fail };
}
