#include "engine/tsc.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine/hold.h"
#include "engine/inject.h"

static int set(struct ph_thread *thread, bool trap, struct ph_err *err)
{
	int64_t answer;
	int r;

	if (thread->call.view.phase == PH_CALL_ENTER)
		return ph_err_say(err, -EBUSY, "trap the time stamp counter", "thread %d stands at the entry of a system call",
				  thread->tid);
	r = ph_inject_syscall(thread, SYS_prctl, (uint64_t[]){ PR_SET_TSC, trap ? PR_TSC_SIGSEGV : PR_TSC_ENABLE, 0, 0, 0, 0 },
			      &answer, err);
	if (r >= 0 && answer < 0)
		r = ph_err_set(err, (int)answer, "prctl(PR_SET_TSC)");
	return r < 0 ? ph_err_wrap(err, r, "trap the time stamp counter") : 0;
}

static int set_all(struct ph_session *session, bool trap, struct ph_err *err)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session) {
		ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
			int r = process->silent || thread->state != PH_THREAD_STOPPED ? 0 : set(thread, trap, err);

			if (r < 0 && r != -ESRCH)
				return r;
		}
	}
	return 0;
}

int ph_tsc_trap(struct ph_session *session, bool on, struct ph_err *err)
{
	int r = ph_session_check(session, "trap the time stamp counter", err);

	if (r < 0 || session->traps_tsc == on)
		return r;
	ph_hold_session(session);
	session->has_held = session->in_run;
	r = set_all(session, on, err);
	if (r < 0 && on)
		set_all(session, false, NULL);
	else if (r >= 0)
		session->traps_tsc = on;
	return r;
}

void ph_tsc_release(struct ph_process *process)
{
	struct ph_thread *thread;

	if (!process->session->traps_tsc)
		return;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state == PH_THREAD_STOPPED)
			set(thread, false, NULL);
}
