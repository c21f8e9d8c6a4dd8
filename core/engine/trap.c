#include "engine/trap.h"

#include "engine/alone.h"
#include "engine/behind.h"
#include "engine/hardware.h"
#include "engine/signal.h"
#include "os/ptrace.h"

/* A step's, or a debug register's. A step that ended on such an access says TRAP_TRACE, as the program's own steps do. */
static bool is_debug_trap(struct ph_thread *thread, const siginfo_t *info)
{
	if (thread->stepped && ph_trap_ends_step(info->si_code, thread->told_at, thread->view.regs.rip) &&
	    !(thread->view.regs.eflags & PH_TRAP_FLAG))
		return true;
	if (!thread->armed.version)
		return false;
	return info->si_code == TRAP_HWBKPT || (info->si_code == TRAP_TRACE && !(thread->view.regs.eflags & PH_TRAP_FLAG) &&
						ph_hardware_has_hits(thread));
}

enum ph_trap_kind ph_trap_look(struct ph_thread *thread, bool *ret_sent)
{
	struct ph_space *space = thread->process->space;
	struct ph_site *site;
	siginfo_t info;
	ph_addr at;

	*ret_sent = false;
	if (ph_os_siginfo_read(thread->tid, &info) < 0 || ph_thread_regs_fetch(thread, NULL) < 0)
		return PH_TRAP_OWN;
	if (is_debug_trap(thread, &info))
		return PH_TRAP_DEBUG;
	/* An int3 in our own memory (ph_inside_rescue) waits as it is. */
	if (thread->left_copy)
		return PH_TRAP_OWN;
	at = thread->view.regs.rip - 1;
	site = ph_space_site_find(space, at);
	if (site && site->armed && info.si_code <= 0 && ph_behind_has_run(thread, site)) {
		*ret_sent = true;
		return PH_TRAP_BREAKPOINT;
	}
	return ph_trap_decode(info.si_code, site && site->armed, ph_space_was_trap(space, thread->tid, at));
}

void ph_trap_defer(struct ph_thread *thread, int status)
{
	enum ph_trap_kind kind = PH_TRAP_OWN;
	bool sent = false;
	siginfo_t info;

	ph_thread_set_pending(thread, status);
	if (ph_stop_decode(status).kind == PH_STOP_TRAP)
		kind = ph_trap_look(thread, &sent);
	if (kind != PH_TRAP_BREAKPOINT && kind != PH_TRAP_STALE)
		return;
	thread->trapped = thread->view.regs.rip - 1;
	ph_thread_set_rip(thread, thread->trapped);
	thread->unguarded = thread->process->guard.on;
	if (sent && ph_os_siginfo_read(thread->tid, &info) >= 0 && ph_signal_put_off(thread, &info) >= 0)
		ph_signal_resend(thread);
}

void ph_trap_take_queued(struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;
	int status;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (thread->state == PH_THREAD_STOPPED && !ph_thread_has_pending(thread) &&
			    !thread->stop_signal && ph_alone_take_trap(thread, &status))
				ph_trap_defer(thread, status);
}
