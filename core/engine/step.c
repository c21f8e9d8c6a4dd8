#include "engine/step.h"

#include <errno.h>
#include <sys/ptrace.h>

#include "engine/arrival.h"
#include "engine/alone.h"
#include "engine/breakpoint.h"
#include "engine/decode.h"
#include "engine/hardware.h"
#include "engine/signal.h"
#include "os/ptrace.h"
#include "x86/insn.h"

int ph_step_length(struct ph_thread *thread, ph_addr addr, struct ph_err *err)
{
	struct ph_insn insn;
	int r = ph_decode_at(thread, addr, &insn, err);

	return r < 0 ? r : insn.length;
}

/* pushf stores the flags with our single-step flag in them (Intel SDM vol. 3, 18.3.1.4). */
static void hide_trap_flag(struct ph_thread *thread, bool program_had_it)
{
	uint8_t byte;

	if (program_had_it || ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	if (ph_space_read(thread->process->space, thread->tid, thread->view.regs.rsp + 1, &byte, 1, NULL) < 0)
		return;
	byte &= (uint8_t)~(PH_TRAP_FLAG >> 8);
	ph_space_write(thread->process->space, thread->tid, thread->view.regs.rsp + 1, &byte, 1, NULL);
}

struct pass {
	ph_addr addr;
	struct ph_insn insn;
	bool decoded;
	bool had_trap_flag;
	bool regroup;		/* a group stop was left for the step */
	bool masked;
	uint64_t mask;		/* the thread's own, while masked */
};

enum verdict { AGAIN, PASSED, FOR_DISPATCH, LATER };

/*
 * A signal before the instruction ran. One with a handler is put off until the pass is over; without one nothing can
 * return to the site, and the pass is made after it was delivered.
 */
static enum verdict put_off_signal(struct ph_thread *thread, struct pass *pass, int sig)
{
	siginfo_t info;

	if (ph_os_siginfo_read(thread->tid, &info) < 0)
		return FOR_DISPATCH;
	if (ph_signal_is_fault(sig, info.si_code))
		return FOR_DISPATCH;
	if (!ph_signal_is_caught(thread, sig))
		return LATER;
	if (ph_signal_put_off(thread, &info) < 0)
		return FOR_DISPATCH;
	if (!pass->masked && ph_os_sigmask_read(thread->tid, &pass->mask) >= 0 &&
	    ph_os_sigmask_write(thread->tid, pass->mask | ~PH_SYNCHRONOUS_SIGNALS) >= 0)
		pass->masked = true;
	return AGAIN;
}

static enum verdict judge(struct ph_thread *thread, struct pass *pass, int status)
{
	struct ph_stop stop = ph_stop_decode(status);
	siginfo_t info;

	switch (stop.kind) {
	case PH_STOP_INTERRUPT:
		return AGAIN;
	case PH_STOP_GROUP:
		pass->regroup = true;
		return AGAIN;
	case PH_STOP_SIGNAL:
		return put_off_signal(thread, pass, stop.value);
	case PH_STOP_SYSCALL:
		/* Into the call: hooks that want every call are still to see it. */
		return thread->process->session->calls.every ? FOR_DISPATCH : PASSED;
	case PH_STOP_SECCOMP:
		return FOR_DISPATCH;
	case PH_STOP_TRAP:
		if (ph_os_siginfo_read(thread->tid, &info) < 0)
			return FOR_DISPATCH;
		if (info.si_code == TRAP_TRACE || info.si_code == TRAP_HWBKPT)
			break;
		/* kill -TRAP waits like any other signal; what the instruction raised (int3, icebp) is its result. */
		return info.si_code > 0 ? FOR_DISPATCH : put_off_signal(thread, pass, SIGTRAP);
	case PH_STOP_EXITED:
	case PH_STOP_KILLED:
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK:
	case PH_STOP_VFORK_DONE:
	case PH_STOP_EXEC:
	case PH_STOP_EXITING:
	case PH_STOP_OTHER:
		return FOR_DISPATCH;
	}
	/* One pass of a repeated string instruction is all its rounds; a step is one. */
	if (pass->decoded && pass->insn.is_rep_string && ph_thread_regs_fetch(thread, NULL) >= 0 &&
	    thread->view.regs.rip == pass->addr)
		return ph_hardware_has_hits(thread) ? LATER : AGAIN;
	/* A program that steps itself has a trap coming for it. */
	return pass->had_trap_flag ? FOR_DISPATCH : PASSED;
}

static int run_original(struct ph_thread *thread, struct pass *pass, enum ph_step_result *ret, struct ph_err *err)
{
	/* Into a system call, not through it: it may block for ever while the others are held. */
	enum ph_alone_how how = pass->decoded && pass->insn.is_syscall ? PH_ALONE_SYSCALL : PH_ALONE_STEP;
	int status, r, sig = thread->stop_signal;
	enum verdict verdict;

	do {
		thread->process->session->stats.single_steps++;
		thread->unguarded |= thread->process->guard.on;
		r = ph_alone_run(thread, how, sig, &status, err);
		if (r < 0)
			return r;
		verdict = judge(thread, pass, status);
		sig = 0;
	} while (verdict == AGAIN);
	/* What a debug register saw meanwhile, or a soft watch is for, is told when the pass is over. */
	if (verdict == PASSED && thread->process->session->n_soft)
		thread->stepped = true;
	if (verdict != PASSED || ph_hardware_has_hits(thread) || thread->process->session->n_soft)
		ph_thread_set_pending(thread, status);
	*ret = verdict == PASSED ? PH_STEP_DONE : verdict == LATER ? PH_STEP_LATER : PH_STEP_PENDING;
	return 0;
}

int ph_step_pass(struct ph_thread *thread, struct ph_site *site, enum ph_step_result *ret, struct ph_err *err)
{
	struct ph_space *space = thread->process->space;
	struct pass pass = { 0 };
	int r = ph_thread_regs_fetch(thread, err);
	bool is_known;

	if (r < 0)
		return r;
	pass.addr = thread->view.regs.rip;
	pass.had_trap_flag = thread->view.regs.eflags & PH_TRAP_FLAG;
	is_known = site && site->insn.length && !site->fickle;
	if (is_known)
		pass.insn = site->insn;
	pass.decoded = is_known || ph_decode_at(thread, pass.addr, &pass.insn, NULL) >= 0;
	if (ph_hardware_executes_at(thread->process, pass.addr) && !(thread->view.regs.eflags & PH_RESUME_FLAG)) {
		thread->view.regs.eflags |= PH_RESUME_FLAG;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	if (site && (r = ph_space_site_lift(space, thread->tid, site, err)) < 0)
		return r;
	ph_step_note_touches(thread);
	r = run_original(thread, &pass, ret, err);
	if (r >= 0 && *ret == PH_STEP_DONE && pass.decoded && pass.insn.is_pushf)
		hide_trap_flag(thread, pass.had_trap_flag);
	if (pass.masked && thread->state == PH_THREAD_STOPPED)
		ph_os_sigmask_write(thread->tid, pass.mask);
	ph_signal_resend(thread);
	if (pass.regroup)
		ph_os_interrupt(thread->tid);
	if (site) {
		struct ph_thread *any = thread->state == PH_THREAD_STOPPED ?
						thread : ph_space_any_thread(space, thread->process->session);

		/* Nobody is left to reach the memory by: the site goes with its space. */
		if (any)
			ph_space_site_lower(space, any->tid, site, NULL);
	}
	return r;
}

/*
 * Once popf or iret has been stepped, the kernel takes the trap flag of further steps for the program's own: it shows it,
 * and leaves it behind when the thread goes on freely (arch/x86/kernel/step.c, enable_single_step).
 */
static void settle_trap_flag(struct ph_thread *thread, const struct ph_insn *insn)
{
	bool had_it = thread->view.regs.eflags & PH_TRAP_FLAG;

	if (insn->is_pushf)
		hide_trap_flag(thread, had_it);
	/* The CPU keeps the flags of a system call in r11. */
	if (insn->is_syscall && !had_it && thread->view.regs.rip == thread->told_at + insn->length &&
	    (thread->view.regs.r11 & PH_TRAP_FLAG)) {
		thread->view.regs.r11 &= ~(uint64_t)PH_TRAP_FLAG;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	if (!insn->is_popf && !insn->is_iret)
		return;
	thread->view.regs.eflags = thread->fetched.eflags;
	thread->step_shows = !(thread->fetched.eflags & PH_TRAP_FLAG);
}

bool ph_step_has_ended(struct ph_thread *thread)
{
	struct ph_insn insn;
	siginfo_t info;

	if (ph_os_siginfo_read(thread->tid, &info) < 0 ||
	    !ph_trap_ends_step(info.si_code, thread->told_at, thread->view.regs.rip))
		return false;
	/* A handler came before it. */
	if (info.si_code == SIGTRAP)
		thread->n_touches = 0;
	if ((thread->told || thread->step.on) && info.si_code != SIGTRAP &&
	    ph_decode_at(thread, thread->told_at, &insn, NULL) >= 0) {
		if (insn.is_rep_string && thread->view.regs.rip == thread->told_at)
			return true;
		settle_trap_flag(thread, &insn);
	}
	thread->told = false;
	return true;
}

void ph_step_note_touches(struct ph_thread *thread)
{
	uint8_t bytes[PH_INSN_MAX];
	struct ph_err err = { 0 };
	size_t n = sizeof(bytes);
	ph_addr at;

	thread->n_touches = 0;
	if (!thread->process->session->n_soft || ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	at = thread->view.regs.rip;
	if (ph_space_read(thread->process->space, thread->tid, at, bytes, n, &err) < 0)
		n = err.done;
	thread->n_touches = (unsigned int)ph_access_find(bytes, n, at, &thread->view.regs, thread->touches);
}

void ph_step_begin(struct ph_thread *thread)
{
	thread->step.decoded = ph_thread_regs_fetch(thread, NULL) >= 0 &&
			       ph_decode_at(thread, thread->view.regs.rip, &thread->step.insn, NULL) >= 0;
	thread->step.addr = thread->told_at = thread->view.regs.rip;
}
