#include "engine/call.h"

#include <stdlib.h>
#include <string.h>

static enum ph_call_stop advance(struct ph_call *call, enum ph_stop_kind kind)
{
	bool was_in = call->in;

	switch (kind) {
	case PH_STOP_SYSCALL:
		call->in = !was_in;
		return was_in ? PH_CALL_STOP_EXIT : PH_CALL_STOP_ENTRY;
	case PH_STOP_SECCOMP:
		call->in = true;
		return was_in ? PH_CALL_STOP_AGAIN : PH_CALL_STOP_ENTRY;
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK:
	case PH_STOP_VFORK_DONE:
	case PH_STOP_EXEC:
	case PH_STOP_EXITING:
	case PH_STOP_OTHER:
		break;
	case PH_STOP_EXITED:
	case PH_STOP_KILLED:
	case PH_STOP_SIGNAL:
	case PH_STOP_TRAP:
	case PH_STOP_GROUP:
	case PH_STOP_INTERRUPT:
		call->in = false;
		break;
	}
	return PH_CALL_STOP_OTHER;
}

void ph_call_note(struct ph_call *call, enum ph_stop_kind kind)
{
	call->stop = advance(call, kind);
}

void ph_call_resumed(struct ph_call *call, enum ph_call_way way)
{
	call->view.phase = PH_CALL_OVER;
	call->view.changed = call->view.skipped = 0;
	call->emulated = way == PH_CALL_BY_SYSEMU;
	call->owed = false;
	if (way != PH_CALL_BY_SYSCALL)
		call->in = false;
	if (!call->in)
		call->told = call->wants_exit = call->left = false;
}

void ph_call_show_return(struct ph_call *call, int64_t ret)
{
	call->view.number = call->number;
	memcpy(call->view.args, call->args, sizeof(call->args));
	call->view.ret = ret;
	call->view.phase = PH_CALL_LEAVE;
}

void ph_call_drop_loans(struct ph_call *call)
{
	while (call->loans) {
		struct ph_call_loan *loan = call->loans;

		call->loans = loan->next;
		free(loan);
	}
}
