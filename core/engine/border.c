#include "engine/border.h"

#include <errno.h>

#include "engine/alone.h"
#include "engine/event.h"
#include "engine/signal.h"
#include "os/ptrace.h"

/* The event that the thread stands in, from what the kernel says of its stop (ptrace(2)); -1: none. */
static int event_of(const struct ph_thread *thread, siginfo_t *ret)
{
	if (ph_os_siginfo_read(thread->tid, ret) < 0 || ret->si_signo != SIGTRAP)
		return -1;
	if (ret->si_code == (SIGTRAP | 0x80))
		return PH_STOP_SYSCALL;
	return ret->si_code >> 8 > 0 ? (int)ph_stop_decode((ret->si_code << 8) | 0x7f).kind : -1;
}

static int busy(const struct ph_thread *thread, const char *op, const char *what, struct ph_err *err)
{
	return ph_err_say(err, -EBUSY, op, "thread %d stands in the middle of %s: let it go on first, or call on another thread",
			  thread->tid, what);
}

/* To where a call that it was in has left its result. */
static int leave_kernel(struct ph_thread *thread, const char *op, bool *ret_regroup, struct ph_err *err)
{
	for (;;) {
		struct ph_stop stop;
		siginfo_t info;
		int status, r = ph_alone_run(thread, PH_ALONE_OUT, 0, &status, err);

		if (r < 0)
			return r;
		stop = ph_stop_decode(status);
		*ret_regroup |= stop.kind == PH_STOP_GROUP;
		/* The same, while there is a group stop (kernel/signal.c, do_jobctl_trap). */
		if (stop.kind == PH_STOP_INTERRUPT || stop.kind == PH_STOP_GROUP)
			return 0;
		if (stop.kind == PH_STOP_SIGNAL && ph_os_siginfo_read(thread->tid, &info) >= 0 &&
		    ph_signal_put_off(thread, &info) >= 0)
			continue;
		ph_thread_set_pending(thread, status);
		return ph_err_set_in(err, -ESRCH, op, thread->tid);
	}
}

#define CALL_INSN_LENGTH 2	/* `syscall` and `int 0x80` alike (Intel SDM vol. 2) */

/* True when it stands at the entry of a system call; its registers are fetched then. */
static bool is_at_entry(struct ph_thread *thread, struct ph_border_entry *entry)
{
	siginfo_t info;
	int event = event_of(thread, &info);

	entry->by_filter = event == PH_STOP_SECCOMP;
	return (event == PH_STOP_SECCOMP || event == PH_STOP_SYSCALL) && ph_thread_regs_fetch(thread, NULL) >= 0 &&
	       (int64_t)thread->fetched.rax == -ENOSYS && (int64_t)thread->fetched.orig_rax >= 0;
}

/* The call is not made: a number below zero is none to the kernel (kernel/entry/common.c). */
static int leave_entry(struct ph_thread *thread, const char *op, struct ph_border *border, struct ph_err *err)
{
	struct ph_border_entry *entry = &border->entry;
	struct user_regs_struct *regs = &thread->view.regs;
	int r;

	if (border->call.loans)
		return busy(thread, op, "a system call whose strings were set", err);
	entry->wanted = *regs;
	entry->regs = thread->fetched;
	*regs = thread->fetched;
	regs->orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	r = leave_kernel(thread, op, &border->regroup, err);
	if (r >= 0)
		r = ph_thread_regs_fetch(thread, err);
	if (r < 0)
		return r;
	regs->rip -= CALL_INSN_LENGTH;
	regs->rax = entry->regs.orig_rax;
	regs->orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	r = ph_thread_regs_flush(thread, err);
	entry->regs = thread->fetched;
	entry->left = r >= 0;
	return r;
}

/* To its next stop of this kind. False: something else came up, and is pending. */
static bool run_to(struct ph_thread *thread, enum ph_alone_how how, enum ph_stop_kind wanted, bool *ret_regroup)
{
	for (;;) {
		struct ph_stop stop;
		siginfo_t info;
		int status;

		if (ph_alone_run(thread, how, 0, &status, NULL) < 0)
			return false;
		stop = ph_stop_decode(status);
		*ret_regroup |= stop.kind == PH_STOP_GROUP;
		if (stop.kind == wanted)
			return true;
		if (stop.kind == PH_STOP_INTERRUPT || stop.kind == PH_STOP_GROUP)
			continue;
		if (stop.kind == PH_STOP_SIGNAL && ph_os_siginfo_read(thread->tid, &info) >= 0 &&
		    ph_signal_put_off(thread, &info) >= 0)
			continue;
		ph_thread_set_pending(thread, status);
		return false;
	}
}

static bool is_where_it_left(const struct ph_thread *thread, const struct ph_border_entry *entry)
{
	return thread->state == PH_THREAD_STOPPED && !ph_thread_has_pending(thread) && !thread->stop_signal &&
	       thread->fetched.rip == entry->regs.rip && thread->fetched.rsp == entry->regs.rsp &&
	       thread->fetched.rax == entry->regs.rax;
}

/* By its instruction, with every signal blocked: none may come in between, whose handler would make other calls. */
static bool enter_again(struct ph_thread *thread, const struct ph_border_entry *entry)
{
	bool regroup = false, entered;
	uint64_t mask;

	if (ph_thread_regs_fetch(thread, NULL) < 0 || !is_where_it_left(thread, entry) ||
	    ph_os_sigmask_read(thread->tid, &mask) < 0 || ph_os_sigmask_write(thread->tid, UINT64_MAX) < 0)
		return false;
	thread->view.regs = entry->regs;
	thread->view.dirty = PH_DIRTY_ANY;
	entered = run_to(thread, PH_ALONE_SYSCALL, PH_STOP_SYSCALL, &regroup) &&
		  (!entry->by_filter || run_to(thread, PH_ALONE_ON, PH_STOP_SECCOMP, &regroup));
	if (thread->state != PH_THREAD_STOPPED)
		return false;
	ph_os_sigmask_write(thread->tid, mask);
	if (regroup)
		ph_os_interrupt(thread->tid);
	ph_signal_resend(thread);
	if (!entered || ph_thread_regs_fetch(thread, NULL) < 0)
		return false;
	thread->view.regs = entry->wanted;
	thread->view.dirty = PH_DIRTY_ANY;
	return true;
}

int ph_border_leave_event(struct ph_thread *thread, const char *op, siginfo_t *ret_info, bool *ret_regroup,
			  struct ph_err *err)
{
	int r;

	if (thread->vforking)
		return busy(thread, op, "vfork", err);
	switch (event_of(thread, ret_info)) {
	case PH_STOP_SYSCALL:
		r = ph_thread_regs_fetch(thread, err);
		if (r < 0)
			return r;
		if ((int64_t)thread->fetched.rax == -ENOSYS && (int64_t)thread->fetched.orig_rax >= 0)
			return busy(thread, op, "a system call", err);
		return leave_kernel(thread, op, ret_regroup, err);
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_EXEC:
	case PH_STOP_VFORK_DONE:
		return leave_kernel(thread, op, ret_regroup, err);
	case PH_STOP_VFORK:
	case PH_STOP_SECCOMP:
	case PH_STOP_OTHER:
		return busy(thread, op, "a system call", err);
	case PH_STOP_EXITING:
		return ph_err_say(err, -ESRCH, op, "thread %d is ending", thread->tid);
	default:
		return 0;
	}
}

int ph_border_put_pending_aside(struct ph_thread *thread, const char *op, struct ph_border *border,
			     struct ph_err *err)
{
	struct ph_stop stop = ph_stop_decode(thread->status);
	siginfo_t info;

	switch (stop.kind) {
	case PH_STOP_INTERRUPT:
	case PH_STOP_GROUP:
		border->pending = ph_thread_take_pending(thread);
		return 0;
	case PH_STOP_TRAP:
		if (thread->trapped) {
			ph_thread_take_pending(thread);
			return 0;
		}
		__attribute__((fallthrough));
	case PH_STOP_SIGNAL:
		if (ph_os_siginfo_read(thread->tid, &info) < 0 || ph_signal_put_off(thread, &info) < 0)
			break;
		ph_thread_take_pending(thread);
		return 0;
	default:
		break;
	}
	return busy(thread, op, "something that is still to be told, such as the birth of a child", err);
}

/*
 * The system call whose exit hooks look at: what they changed goes to the kernel now, and the calls that the function
 * makes are others.
 */
static int put_call_aside(struct ph_thread *thread, struct ph_border *border, struct ph_err *err)
{
	int r = thread->call.view.changed && thread->call.view.phase == PH_CALL_LEAVE ? ph_thread_regs_flush(thread, err) : 0;

	border->regroup = thread->group_stopped;
	border->told = thread->told;
	border->told_at = thread->told_at;
	border->told_next = thread->told_next;
	border->call = thread->call;
	thread->call = (struct ph_call){ 0 };
	return r;
}

static void take_call_back(struct ph_thread *thread, struct ph_border *border)
{
	ph_call_drop_loans(&thread->call);
	thread->call = border->call;
	thread->told = border->told;
	thread->told_at = border->told_at;
	thread->told_next = border->told_next;
}

int ph_border_reach(struct ph_thread *thread, const char *op, struct ph_border *border, struct ph_err *err)
{
	int r = put_call_aside(thread, border, err);

	if (r < 0)
		return r;
	if (thread->state != PH_THREAD_STOPPED)
		return ph_thread_regs_fetch(thread, err);
	if (ph_thread_has_pending(thread) && (r = ph_border_put_pending_aside(thread, op, border, err)) < 0)
		return r;
	if (border->call.view.phase == PH_CALL_ENTER && is_at_entry(thread, &border->entry))
		return leave_entry(thread, op, border, err);
	return ph_border_leave_event(thread, op, &border->info, &border->regroup, err);
}

void ph_border_return(struct ph_thread *thread, struct ph_border *border, bool reset)
{
	if (reset && border->pending && thread->state == PH_THREAD_STOPPED)
		ph_thread_set_pending(thread, border->pending);
	/* A thread that stands elsewhere by now makes the call, if ever, as a new one. */
	if (border->entry.left && !enter_again(thread, &border->entry))
		border->call = (struct ph_call){ 0 };
	border->call.emulated &= !border->entry.left;
	take_call_back(thread, border);
}
