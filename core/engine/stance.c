#include "engine/stance.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/alone.h"
#include "engine/hardware.h"
#include "engine/signal.h"
#include "engine/syscall.h"
#include "os/ptrace.h"

/* Out of the system call whose stop nobody has looked at yet. */
static int leave_unseen_call(struct ph_thread *thread, struct ph_stance *stance, struct ph_err *err)
{
	int status, r;

	stance->owes_exit = ph_syscall_keep_exit(thread, &stance->returned);
	ph_thread_take_pending(thread);
	/* It has left that call already. */
	if (thread->call.owed)
		return 0;
	ph_syscall_settle(thread);
	r = ph_alone_run(thread, PH_ALONE_OUT, 0, &status, err);
	if (r >= 0 && ph_stop_decode(status).kind != PH_STOP_INTERRUPT && ph_stop_decode(status).kind != PH_STOP_GROUP)
		ph_thread_set_pending(thread, status);
	return r;
}

/* What dispatch has not seen and border.h does not know how to keep. */
static int put_pending_aside(struct ph_thread *thread, struct ph_stance *stance, struct ph_err *err)
{
	switch (ph_stop_decode(thread->status).kind) {
	case PH_STOP_SYSCALL:
	case PH_STOP_SECCOMP:
		return leave_unseen_call(thread, stance, err);
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK_DONE:
		stance->birth = ph_thread_take_pending(thread);
		return 0;
	case PH_STOP_EXITING:
		ph_thread_take_pending(thread);
		ph_alone_die(thread);
		return 0;
	default:
		return 0;
	}
}

/* Every signal that would be delivered when the thread goes on: with one of them there it runs no instruction. */
static int take_signals(struct ph_thread *thread, struct ph_stance *stance)
{
	uint64_t waiting, mask;
	int status, r = 0;

	while (r >= 0 && thread->state == PH_THREAD_STOPPED && thread->n_deferred + 1 < PH_DEFERRED_MAX) {
		siginfo_t info;

		if (ph_os_signals_waiting(thread->tid, &waiting) < 0 || ph_os_sigmask_read(thread->tid, &mask) < 0 ||
		    !(waiting & ~mask))
			break;
		stance->has_left = true;
		r = ph_alone_run(thread, PH_ALONE_ON, 0, &status, NULL);
		switch (r < 0 ? PH_STOP_OTHER : ph_stop_decode(status).kind) {
		case PH_STOP_SIGNAL:
		case PH_STOP_TRAP:
			if (ph_os_siginfo_read(thread->tid, &info) >= 0)
				ph_signal_put_off(thread, &info);
			break;
		case PH_STOP_INTERRUPT:
		case PH_STOP_GROUP:
			break;
		default:
			if (r >= 0)
				ph_thread_set_pending(thread, status);
			return -ESRCH;
		}
	}
	return r;
}

int ph_stance_put_aside(struct ph_thread *thread, const char *op, struct ph_stance *ret, struct ph_err *err)
{
	int r = 0;

	*ret = (struct ph_stance){ .thread = ph_thread_ref(thread), .signal = thread->stop_signal,
				   .is_fault = thread->is_fault,
				   .goes_on = thread->held || ph_thread_has_pending(thread) };
	if (ph_thread_has_pending(thread))
		r = put_pending_aside(thread, ret, err);
	if (r >= 0) {
		ret->reached = true;
		r = ph_border_reach(thread, op, &ret->border, err);
	}
	if (r >= 0)
		r = ph_thread_regs_flush(thread, err);
	if (r >= 0)
		r = take_signals(thread, ret);
	if (r >= 0)
		r = ph_os_regs_read(thread->tid, &ret->regs);
	/* Its end is on the way. */
	return r == -ESRCH || thread->state != PH_THREAD_STOPPED ? 0 : r;
}

bool ph_stance_detach(struct ph_stance *stance)
{
	struct ph_thread *thread = stance->thread;

	if (thread->state != PH_THREAD_STOPPED)
		return false;
	/* The trap flag of our steps is taken out by the fetch. */
	if (thread->step_shows)
		ph_thread_regs_fetch(thread, NULL);
	ph_thread_regs_flush(thread, NULL);
	ph_hardware_disarm(thread);
	if (ph_os_detach(thread->tid, 0) < 0) {
		thread->state = PH_THREAD_EXITING;
		return false;
	}
	ph_thread_set_running(thread);
	stance->away = stance->has_left = true;
	return true;
}

static bool stands_there_still(const struct ph_stance *stance, struct user_regs_struct *ret_now)
{
	return ph_os_regs_read(stance->thread->tid, ret_now) >= 0 && ret_now->rip == stance->regs.rip &&
	       ret_now->rsp == stance->regs.rsp;
}

/* A fault is the instruction's: one that stands elsewhere now has not raised it. */
static bool is_still_due(const struct ph_stance *stance)
{
	struct user_regs_struct now;

	return stance->signal && (!stance->is_fault || stands_there_still(stance, &now));
}

/* It stood before a signal, which went by when it was detached. */
static void stand_before(struct ph_stance *stance)
{
	struct ph_thread *thread = stance->thread;

	if (syscall(SYS_tgkill, thread->process->pid, thread->tid, stance->signal) < 0 ||
	    ph_alone_meet(thread, stance->signal) < 0)
		return;
	ph_os_siginfo_write(thread->tid, &stance->border.info);
	thread->stop_signal = stance->signal;
	thread->is_fault = stance->is_fault;
}

/* Before all that came up since. What was changed meanwhile is what the call returns. */
static void owe_exit(struct ph_stance *stance)
{
	struct ph_thread *thread = stance->thread;
	struct user_regs_struct now;

	if (stance->has_left) {
		if (!stands_there_still(stance, &now))
			return;
		if (now.rax != stance->regs.rax)
			stance->returned.read.ret = (int64_t)now.rax;
	}
	if (!ph_thread_has_pending(thread) ||
	    ph_border_put_pending_aside(thread, "tell a system call", &stance->border, NULL) >= 0)
		ph_syscall_owe(thread, &stance->returned);
}

void ph_stance_resume(struct ph_stance *stance)
{
	struct ph_thread *thread = stance->thread;

	if (thread->state == PH_THREAD_STOPPED && stance->has_left && is_still_due(stance))
		stand_before(stance);
	if (stance->reached)
		ph_border_return(thread, &stance->border, true);
	if (thread->state == PH_THREAD_STOPPED) {
		if (stance->owes_exit)
			owe_exit(stance);
		ph_signal_resend(thread);
		if (stance->birth && !ph_thread_has_pending(thread))
			ph_thread_set_pending(thread, stance->birth);
		thread->held = stance->goes_on && !ph_thread_has_pending(thread);
	}
	ph_thread_unref(thread);
}
