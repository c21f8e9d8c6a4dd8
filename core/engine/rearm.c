#include "engine/rearm.h"

#include <errno.h>

#include "engine/hardware.h"
#include "engine/hold.h"

int ph_rearm(struct ph_session *session, const struct ph_process *process, struct ph_err *err)
{
	struct ph_thread *thread;
	int r;

	ph_hold_session(session);
	session->has_held = session->in_run;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (thread->state != PH_THREAD_STOPPED)
			continue;
		r = ph_hardware_sync(thread, err);
		if (r != -ESRCH)
			return r;
	}
	return 0;
}
