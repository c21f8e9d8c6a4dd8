#include "engine/life.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine/alone.h"
#include "engine/breakpoint.h"
#include "engine/guard.h"
#include "engine/handler.h"
#include "engine/hardware.h"
#include "engine/invocation.h"
#include "engine/letgo.h"
#include "engine/outcome.h"
#include "engine/patch.h"
#include "engine/placing.h"
#include "engine/resume.h"
#include "engine/snapshot.h"
#include "engine/until.h"
#include "engine/tripwire.h"
#include "engine/tsc.h"
#include "engine/untraced.h"
#include "engine/watch.h"
#include "os/procfs.h"
#include "os/ptrace.h"

#define USER_CODE_32 0x23	/* cs of 32-bit code: __USER32_CS */

void ph_life_born(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_event event = ph_resume_event(thread, PH_EVENT_THREAD);

	thread->newborn = false;
	ph_untraced_restore(thread);
	/*
	 * A copy of the memory, cleaned when it was introduced: nobody follows it, so it is on its own from here. But where
	 * our filter is, its calls fail without a tracer: it stays, in silence.
	 */
	if (process->silent && ph_process_has_own_space(process) && !process->session->calls.filtered) {
		ph_tsc_release(process);
		ph_let_go_process(process);
		return;
	}
	/* The first thread of a process is told by the fork event. */
	if (thread->tid == process->pid)
		ph_resume(thread);
	else
		ph_resume_emit(thread, &event);
}

void ph_life_forked(struct ph_thread *thread)
{
	struct ph_event event = ph_resume_event(thread, PH_EVENT_FORK);

	event.child = thread->born;
	thread->born = NULL;
	if (event.child)
		ph_resume_emit(thread, &event);
	else
		ph_resume(thread);
	ph_process_unref(event.child);
}

/* The other threads are gone without a word, and whoever called exec has the leader's id now (ptrace(2)). */
static void bury_others(struct ph_thread *survivor)
{
	struct ph_thread *thread;

	ph_list_each(thread, &survivor->process->threads, struct ph_thread, in_process)
		if (thread != survivor)
			ph_thread_retire(thread);
}

/*
 * The event's message is the id that the caller of exec had: the call is its. What was lent to it lies in memory that is
 * gone.
 */
static void take_call(struct ph_thread *survivor)
{
	struct ph_thread *caller = survivor;
	unsigned long tid;

	if (ph_os_event_message(survivor->tid, &tid) >= 0 && (pid_t)tid != survivor->tid)
		caller = ph_tracer_find(survivor->process->session->tracer, (pid_t)tid);
	if (caller) {
		ph_call_drop_loans(&caller->call);
		caller->untraced.active = false;
	}
	if (!caller || caller == survivor)
		return;
	ph_call_drop_loans(&survivor->call);
	survivor->call = caller->call;
	caller->call = (struct ph_call){ 0 };
}

/* Sites of the old program are forgotten, not taken out: by now their addresses mean the new one's memory. */
static void set_space(struct ph_process *process, struct ph_space *space)
{
	bool was_own = ph_process_has_own_space(process);
	struct ph_space *before = ph_space_ref(process->space);

	ph_tripwires_remove(process);
	ph_process_set_space(process, space);
	ph_snapshots_leave(process->session, process, "exec has replaced the program");
	if (was_own) {
		ph_breakpoints_leave(process->session, before);
		ph_patches_leave(process->session, before);
	}
	ph_space_unref(before);
}

/* Nobody looks into the program of a process that nobody follows. */
static int open_space(struct ph_thread *thread, struct ph_space **ret, struct ph_err *err)
{
	int r = ph_space_new(thread->tid, ret, err);

	if (r < 0 && r != -ESRCH && thread->process->silent && (*ret = ph_space_new_blind()))
		r = 0;
	return r;
}

bool ph_life_replace(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_session *session = process->session;
	struct ph_plan plan = { 0 };
	struct ph_breakpoint *breakpoint;
	struct ph_space *space;
	struct ph_err err = { 0 };
	int r;

	ph_thread_end_pass(thread);
	ph_invocation_replace(thread);
	r = open_space(thread, &space, &err);
	if (r < 0) {
		if (r != -ESRCH)
			ph_session_fail(session, r, &err);
		return false;
	}
	set_space(process, space);
	ph_hardware_forget(thread);
	ph_watches_prune(session);
	if (process->silent)
		return true;
	if (ph_thread_regs_fetch(thread, NULL) >= 0 && thread->view.regs.cs == USER_CODE_32) {
		ph_session_fail(session, ph_err_say(&err, -ENOEXEC, "exec", "process %d now runs a 32-bit program, which cannot be "
					 "traced here", process->pid), &err);
		return false;
	}
	ph_until_leaving(thread, false, &plan);
	ph_resume_session_plan(session, thread, PH_EVENT_EXEC, &plan, NULL);
	ph_guard_begin(thread);
	if (process == session->target)
		ph_breakpoints_forget(session);
	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		ph_placing_place(breakpoint, process, NULL);
	return true;
}

void ph_life_exec(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_event event = ph_resume_event(thread, PH_EVENT_EXEC);
	char path[4096] = "";

	take_call(thread);
	bury_others(thread);
	thread->exit_told = false;	/* of the leader whose id its caller has now */
	process->asks_for_end = false;
	if (!ph_life_replace(thread))
		return;
	if (process->silent) {
		if (process->session->calls.filtered)
			ph_resume(thread);
		else
			ph_let_go_process(process);
		return;
	}
	ph_os_exe_read(process->pid, path, sizeof(path));
	event.path = path;
	ph_resume_emit(thread, &event);
}

/* A wait status that says that something ended. */
static struct ph_reason reason_of(int status)
{
	struct ph_stop stop = ph_stop_decode(status);

	return (struct ph_reason){
		stop.kind == PH_STOP_EXITED ? PH_REASON_EXIT : PH_REASON_SIGNAL,
		.code = stop.value,
		.core = stop.kind == PH_STOP_KILLED && WCOREDUMP(status),
	};
}

static void tell_exit(struct ph_thread *thread, struct ph_reason reason, struct ph_plan *plan)
{
	struct ph_event event = ph_resume_event(thread, PH_EVENT_THREAD_EXIT);

	event.reason = reason;

	if (thread->exit_told || thread->process->silent)
		return;
	thread->exit_told = true;
	ph_handler_emit(event.session, &event, plan);
}

/* PTRACE_EVENT_EXIT: still readable. From here on nothing stops the thread, so it goes on whatever the plan says. */
void ph_life_exiting(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	struct ph_plan plan = { 0 };
	unsigned long status = SIGKILL;		/* what ended it, if it is gone already */

	ph_thread_end_pass(thread);
	if (thread->process == session->target && ph_process_any_thread(thread->process) == thread)
		ph_placing_guess(session);
	ph_os_event_message(thread->tid, &status);
	tell_exit(thread, reason_of((int)status), &plan);
	ph_until_leaving(thread, true, &plan);
	ph_resume_session_plan(session, thread, PH_EVENT_THREAD_EXIT, &plan, NULL);
	if (thread->state != PH_THREAD_STOPPED)
		return;
	ph_alone_die(thread);
}

static bool has_loud_process(const struct ph_session *session)
{
	struct ph_process *process;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		if (!process->silent)
			return true;
	return false;
}

static void end_process(struct ph_process *process, struct ph_reason reason)
{
	struct ph_session *session = process->session;
	struct ph_event event = { .kind = PH_EVENT_EXIT, .session = session, .process = process, .reason = reason };
	struct ph_plan plan = { 0 };
	struct ph_thread *thread;

	process->reaped = true;
	ph_process_ref(process);
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		ph_thread_retire(thread);
	ph_snapshots_leave(session, process, "the process has ended (by SIGKILL, or as a child that is followed), and nothing "
			   "brings it back: snap:fork() makes another");
	if (ph_process_has_own_space(process)) {
		ph_breakpoints_leave(session, process->space);
		ph_patches_leave(session, process->space);
	}
	ph_tripwires_remove(process);
	ph_process_retire(process);
	if (process == session->target)
		session->target_end = reason;
	if (!process->silent && !(process == session->target && session->end_told)) {
		ph_handler_emit(session, &event, &plan);
		ph_resume_session_plan(session, NULL, PH_EVENT_EXIT, &plan, NULL);
	}
	if (!session->ended && !has_loud_process(session)) {
		ph_let_go_session(session, false);
		ph_breakpoints_retire(session);
		ph_watches_retire(session);
		ph_patches_drop(session);
		ph_handler_drop_all(session);
		ph_session_end(session, session->target_end);
	}
	ph_process_unref(process);
}

/* The kernel lets the end of a first thread be seen when the last of the others has been read. */
static void ask_for_end(struct ph_process *process)
{
	struct ph_thread *leader = ph_process_leader(process);
	struct ph_err err;
	int status, r;

	if (!process->alive || !process->asks_for_end || !leader)
		return;
	r = ph_process_end_read(process, &status);
	if (r == 1)
		ph_thread_set_pending(leader, status);
	else if (r < 0)
		ph_session_fail(process->session, ph_err_say(&err, r, "run", "the target is gone, and somebody else reaped it"),
				&err);
}

void ph_life_ended(struct ph_thread *thread, struct ph_stop stop)
{
	struct ph_process *process = thread->process;
	struct ph_reason reason = { stop.kind == PH_STOP_EXITED ? PH_REASON_EXIT : PH_REASON_SIGNAL, .code = stop.value };
	struct ph_plan plan = { 0 };

	tell_exit(thread, reason, &plan);
	if (thread->tid == process->pid) {
		end_process(process, reason);
		return;
	}
	ph_resume_session_plan(process->session, NULL, PH_EVENT_THREAD_EXIT, &plan, NULL);
	ph_process_ref(process);
	ph_thread_retire(thread);
	ask_for_end(process);
	ph_process_unref(process);
}
