#include "engine/inject.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/alone.h"
#include "engine/border.h"
#include "engine/event.h"
#include "engine/signal.h"
#include "os/procfs.h"
#include "os/ptrace.h"

#define VDSO_SIZE 8192	/* of which the last bytes may not be there; a read stops before them */

bool ph_inject_allowed(const struct ph_thread *thread)
{
	struct ph_os_status status;

	if (ph_os_status_read(thread->tid, &status) < 0)
		return false;
	/* Our own lets everything pass. A kernel before 5.9 does not say how many there are. */
	return status.seccomp == 0 || (thread->process->session->calls.filtered && status.filters == 1);
}

/* The vDSO has one, for calls that it cannot answer itself. */
ph_addr ph_inject_syscall_insn(struct ph_thread *thread)
{
	struct ph_space *space = thread->process->space;
	struct ph_err err = { 0 };
	size_t len = VDSO_SIZE;
	uint64_t vdso;
	char *bytes, *at;

	if (space->syscall_insn)
		return space->syscall_insn;
	if (ph_os_auxv_read(thread->tid, AT_SYSINFO_EHDR, &vdso) < 0)
		return 0;
	bytes = malloc(len);
	if (!bytes)
		return 0;
	if (ph_space_read(space, thread->tid, vdso, bytes, len, &err) < 0)
		len = err.done;
	at = memmem(bytes, len, "\x0f\x05", 2);
	if (at)
		space->syscall_insn = vdso + (size_t)(at - bytes);
	free(bytes);
	return space->syscall_insn;
}

/*
 * A signal that no mask holds back, such as SIGSTOP: it waits until the call is over. -EFAULT: it is the call's own, whose
 * instruction the program has unmapped or protected.
 */
static int put_off(struct ph_thread *thread)
{
	siginfo_t info;
	int r = ph_os_siginfo_read(thread->tid, &info);

	if (r >= 0 && info.si_signo != SIGTRAP && ph_signal_is_fault(info.si_signo, info.si_code) &&
	    (ph_addr)(uintptr_t)info.si_addr == thread->process->space->syscall_insn)
		return -EFAULT;
	return r < 0 ? r : ph_signal_put_off(thread, &info);
}

/* Runs it to the next stop of this kind, whatever it is stopped for on the way: signals are blocked, stops are left. */
static int run_to(struct ph_thread *thread, enum ph_alone_how how, enum ph_stop_kind wanted, bool *ret_regroup,
		  struct ph_err *err)
{
	for (;;) {
		struct ph_stop stop;
		int status, r = ph_alone_run(thread, how, 0, &status, err);

		if (r < 0)
			return r;
		stop = ph_stop_decode(status);
		*ret_regroup |= stop.kind == PH_STOP_GROUP;
		/* An interrupt is answered as a group stop while there is one (kernel/signal.c, do_jobctl_trap). */
		if (stop.kind == wanted || (wanted == PH_STOP_INTERRUPT && stop.kind == PH_STOP_GROUP))
			return 0;
		if (stop.kind == PH_STOP_SIGNAL || stop.kind == PH_STOP_TRAP) {
			r = put_off(thread);
			if (r == -EFAULT)
				return ph_err_set_in(err, r, "call in the target", thread->tid);
			if (r >= 0)
				continue;
		}
		/* Our own filter's. */
		if (stop.kind == PH_STOP_SECCOMP)
			continue;
		if (stop.kind != PH_STOP_GROUP && stop.kind != PH_STOP_INTERRUPT) {
			ph_thread_set_pending(thread, status);
			return ph_err_set_in(err, -ESRCH, "call in the target", thread->tid);
		}
	}
}

/*
 * Into the call, and out. Not by a single step: the kernel forces its SIGTRAP on the thread, which costs a program that
 * ignores or blocks that its handling of it (guard.h).
 */
static int run_call(struct ph_thread *thread, ph_addr insn, struct ph_inject_call *call, bool *ret_regroup,
		    struct ph_err *err)
{
	struct user_regs_struct *regs = &thread->view.regs;
	int r;

	regs->rip = insn;
	regs->rax = (uint64_t)call->number;
	regs->rdi = call->args[0];
	regs->rsi = call->args[1];
	regs->rdx = call->args[2];
	regs->r10 = call->args[3];
	regs->r8 = call->args[4];
	regs->r9 = call->args[5];
	regs->orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	r = run_to(thread, PH_ALONE_SYSCALL, PH_STOP_SYSCALL, ret_regroup, err);
	if (r >= 0)
		r = run_to(thread, PH_ALONE_SYSCALL, PH_STOP_SYSCALL, ret_regroup, err);
	if (r >= 0)
		r = ph_thread_regs_fetch(thread, err);
	if (r >= 0)
		call->ret = (int64_t)regs->rax;
	return r;
}

/* Last, to where a call that was interrupted before is begun anew. */
static int run_calls(struct ph_thread *thread, ph_addr insn, struct ph_inject_call *calls, size_t n, bool *ret_regroup,
		     struct ph_err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = run_call(thread, insn, &calls[i], ret_regroup, err);

		if (r < 0)
			return r;
		if (calls[i].ret < 0)
			break;
	}
	return run_to(thread, PH_ALONE_OUT, PH_STOP_INTERRUPT, ret_regroup, err);
}

/* What a thread that makes a call for us is to find again. */
struct loan {
	struct user_regs_struct wanted, before;	/* as scripts have them, and as the kernel had them */
	bool regroup, masked;
	uint64_t mask;
};

/* Registers are fetched. */
static void borrow(struct ph_thread *thread, struct loan *loan)
{
	*loan = (struct loan){ .wanted = thread->view.regs, .before = thread->fetched };
}

/* Until the call is over. keep_own: what the thread blocks itself stays so. */
static void hold_signals(struct ph_thread *thread, struct loan *loan, bool keep_own)
{
	loan->masked = ph_os_sigmask_read(thread->tid, &loan->mask) >= 0 &&
		       ph_os_sigmask_write(thread->tid, (keep_own ? loan->mask : 0) | ~PH_SYNCHRONOUS_SIGNALS) >= 0;
}

/* The call gave r. What the script changed stays to be flushed when the thread goes on. */
static int give_back(struct ph_thread *thread, const struct loan *loan, int r, struct ph_err *err)
{
	if (thread->state != PH_THREAD_STOPPED)
		return r < 0 ? r : ph_err_set_in(err, -ESRCH, "call in the target", thread->tid);
	if (loan->masked)
		ph_os_sigmask_write(thread->tid, loan->mask);
	if (loan->regroup)
		ph_os_interrupt(thread->tid);
	ph_signal_resend(thread);
	if (ph_thread_has_pending(thread) && thread->last_stop == PH_STOP_EXEC)
		return ph_err_say(err, -ESRCH, "call in the target", "it has replaced the program");
	if (ph_os_regs_write(thread->tid, &loan->before) < 0)
		return ph_err_set_in(err, -ESRCH, "call in the target", thread->tid);
	thread->fetched = loan->before;
	thread->view.regs = loan->wanted;
	thread->view.have = 1;
	thread->view.dirty = PH_DIRTY_ANY;
	return r;
}

int ph_inject_syscalls(struct ph_thread *thread, struct ph_inject_call *calls, size_t n, struct ph_err *err)
{
	ph_addr insn = ph_inject_syscall_insn(thread);
	siginfo_t info = { .si_signo = thread->stop_signal, .si_code = SI_USER }, stop;
	bool regroup = false;
	struct loan loan;
	int r;

	if (!insn || !ph_inject_allowed(thread))
		return ph_err_say(err, -ENOTSUP, "call in the target", "%s", insn ? "a seccomp filter watches its calls" :
				  "it has no vDSO");
	r = ph_thread_regs_fetch(thread, err);
	if (r >= 0)
		r = ph_border_leave_event(thread, "call in the target", &stop, &regroup, err);
	if (r >= 0)
		r = ph_thread_regs_fetch(thread, err);
	if (r < 0)
		return r;
	/* What is to be delivered can be so only from this stop. */
	if (thread->stop_signal) {
		siginfo_t now;

		if (ph_os_siginfo_read(thread->tid, &now) >= 0 && now.si_signo == thread->stop_signal)
			info = now;
		r = ph_signal_repeat(thread, &info);
		if (r < 0)
			return ph_err_set_in(err, r, "call in the target", thread->tid);
		thread->stop_signal = 0;
	}
	borrow(thread, &loan);
	loan.regroup = regroup;
	hold_signals(thread, &loan, true);
	r = run_calls(thread, insn, calls, n, &loan.regroup, err);
	return give_back(thread, &loan, r, err);
}

int ph_inject_syscall(struct ph_thread *thread, long number, const uint64_t args[6], int64_t *ret, struct ph_err *err)
{
	struct ph_inject_call call = { .number = number };
	int r;

	memcpy(call.args, args, sizeof(call.args));
	r = ph_inject_syscalls(thread, &call, 1, err);
	if (r >= 0)
		*ret = call.ret;
	return r;
}

#define STEPS_MAX 50000
#define RED_ZONE  128

static int step_until(struct ph_thread *thread, ph_addr stop, ph_addr rsp, bool *ret_regroup, struct ph_err *err)
{
	const struct ph_process *process = thread->process;

	for (unsigned int i = 0; i < STEPS_MAX; i++) {
		const struct ph_site *site = ph_space_site_find(process->space, thread->view.regs.rip);
		struct ph_stop event;
		int status, r;

		if (site && site->armed)
			return ph_err_say(err, -EBUSY, "call in the target", "a breakpoint is in the way");
		thread->unguarded |= process->guard.on;
		r = ph_alone_run(thread, PH_ALONE_STEP, 0, &status, err);
		if (r < 0)
			return r;
		event = ph_stop_decode(status);
		*ret_regroup |= event.kind == PH_STOP_GROUP;
		if (event.kind == PH_STOP_SIGNAL && !(1ull << (event.value - 1) & PH_SYNCHRONOUS_SIGNALS) &&
		    put_off(thread) >= 0)
			continue;
		if (event.kind == PH_STOP_SIGNAL)
			return ph_err_say(err, -EFAULT, "call in the target", "it raised signal %d", event.value);
		if (event.kind != PH_STOP_TRAP && event.kind != PH_STOP_GROUP && event.kind != PH_STOP_INTERRUPT) {
			ph_thread_set_pending(thread, status);
			return ph_err_set_in(err, -ESRCH, "call in the target", thread->tid);
		}
		r = ph_thread_regs_fetch(thread, err);
		if (r < 0)
			return r;
		if (thread->view.regs.rip == stop && thread->view.regs.rsp == rsp)
			return 0;
	}
	return ph_err_say(err, -EFAULT, "call in the target", "it does not return");
}

int ph_inject_function(struct ph_thread *thread, ph_addr function, uint64_t *ret, struct ph_err *err)
{
	int stop_signal = thread->stop_signal, r;
	bool regroup = false;
	struct loan loan;
	ph_addr rsp, stop;
	siginfo_t info;

	/* What is to be delivered can be so only from the stop that it came with. */
	if (stop_signal)
		return ph_err_say(err, -EBUSY, "call in the target", "signal %d is to be delivered first", stop_signal);
	r = ph_border_leave_event(thread, "call in the target", &info, &regroup, err);
	if (r >= 0)
		r = ph_thread_regs_fetch(thread, err);
	if (r < 0)
		return r;
	borrow(thread, &loan);
	loan.regroup = regroup;
	/* As behind a call; where it returns to is never run. */
	stop = loan.wanted.rip;
	rsp = ((loan.wanted.rsp - RED_ZONE) & ~15ull) - sizeof(stop);
	r = ph_space_write_raw(thread->process->space, thread->tid, rsp, &stop, sizeof(stop), err);
	if (r < 0)
		return r;
	thread->view.regs.rip = function;
	thread->view.regs.rsp = rsp;
	thread->view.regs.orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	hold_signals(thread, &loan, false);
	r = step_until(thread, stop, rsp + sizeof(stop), &loan.regroup, err);
	if (r >= 0)
		*ret = thread->view.regs.rax;
	return give_back(thread, &loan, r, err);
}
