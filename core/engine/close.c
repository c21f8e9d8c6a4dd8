#include "engine/close.h"

#include <stdlib.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/cpu.h"
#include "engine/hardware.h"
#include "engine/outcome.h"
#include "engine/patch.h"
#include "engine/run.h"
#include "engine/stream.h"
#include "engine/watch.h"
#include "engine/watched.h"
#include "os/alarm.h"
#include "os/ptrace.h"
#include "os/wait.h"

#define GRACE_NS 200000000	/* for killed threads to report their ends */

void ph_session_close(struct ph_session *session)
{
	ph_run_close(session);
}

void ph_session_unref(struct ph_session *session)
{
	if (!session)
		return;
	if (--session->users == 0) {
		struct ph_process *target = session->target;

		ph_run_close(session);
		ph_session_set_outcome(session, (struct ph_reason){ .kind = session->outcome.kind,
								    .code = session->outcome.code });
		ph_streams_free(session);
		ph_breakpoints_drop(session);
		ph_watches_drop(session);
		session->target = NULL;
		ph_process_unref(target);
	}
	ph_session_drop(session);
}

void ph_tracer_free(struct ph_tracer *tracer)
{
	struct ph_session *session;

	if (!tracer)
		return;
	ph_list_each(session, &tracer->sessions, struct ph_session, in_tracer)
		ph_run_close(session);
	ph_tracer_reap_children(tracer);
	ph_watched_fini(tracer);
	ph_cpu_leave(tracer);
	free(tracer->children);
	free(tracer->elf_settings.debug_root);
	ph_map_fini(&tracer->threads);
	free(tracer->strays);
	free(tracer);
}

static void lift_all(const struct ph_process *process)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	for (size_t i = 0; thread && i < process->space->n_sorted; i++)
		if (process->space->sorted[i]->armed)
			ph_space_write_raw(process->space, thread->tid, process->space->sorted[i]->addr,
					   &process->space->sorted[i]->original, 1, NULL);
}

/* From the top down, so that the lowest has the last word. */
static void unpatch(const struct ph_session *session, const struct ph_process *process)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	for (struct ph_list *node = session->patches.prev; thread && node != &session->patches; node = node->prev) {
		const struct ph_patch *patch = PH_LIST_OF(node, struct ph_patch, in_session);

		if (patch->space == process->space && !patch->keep)
			ph_space_write_raw(process->space, thread->tid, patch->addr, patch->under, patch->len, NULL);
	}
}

/* A trap on a site of ours that nobody will handle any more: rip back over the byte. */
static int undo_trap(struct ph_thread *thread, int status)
{
	struct ph_stop stop = ph_stop_decode(status);
	struct user_regs_struct regs;
	siginfo_t info;

	if (stop.kind == PH_STOP_SIGNAL)
		return stop.value;
	if (stop.kind != PH_STOP_TRAP || thread->trapped || ph_os_siginfo_read(thread->tid, &info) < 0 ||
	    ph_os_regs_read(thread->tid, &regs) < 0)
		return 0;
	if (info.si_code == TRAP_HWBKPT && thread->armed.version)
		return 0;
	if (info.si_code != SI_KERNEL || !ph_space_site_find(thread->process->space, regs.rip - 1))
		return SIGTRAP;
	ph_os_rip_write(thread->tid, regs.rip - 1);
	return 0;
}

static void abandon_thread(struct ph_thread *thread)
{
	int status = 0, sig;

	if (thread->state == PH_THREAD_EXITING)
		return;
	if (thread->state == PH_THREAD_RUNNING) {
		ph_os_interrupt(thread->tid);
		if (ph_os_wait_one(thread->tid, &status) < 0)
			return;
		ph_thread_set_stopped(thread);
		ph_alone_take_trap(thread, &status);
		sig = undo_trap(thread, status);
	} else {
		sig = ph_thread_has_pending(thread) ? undo_trap(thread, thread->status) : thread->stop_signal;
		ph_thread_regs_flush(thread, NULL);
	}
	if (thread->step_shows && ph_thread_regs_fetch(thread, NULL) >= 0)
		ph_thread_regs_flush(thread, NULL);
	ph_hardware_disarm(thread);
	ph_os_detach(thread->tid, sig);
}

static void abandon_session(struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session) {
		if (session->spawned) {
			kill(process->pid, SIGKILL);
			continue;
		}
		lift_all(process);
		unpatch(session, process);
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			abandon_thread(thread);
	}
}

void ph_tracer_abandon(struct ph_tracer *tracer)
{
	struct ph_session *session;
	int status, tid;

	/* This may be a signal handler, which blocks all others. */
	ph_os_alarm_give_up();
	ph_list_each(session, &tracer->sessions, struct ph_session, in_tracer)
		abandon_session(session);
	/* Threads born meanwhile, whom nobody had met, and killed ones in their exit event. */
	while ((tid = ph_os_wait_any(ph_os_now() + GRACE_NS, &status)) > 0)
		ph_os_detach(tid, 0);
}
