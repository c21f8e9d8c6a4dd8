#include "engine/guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "engine/inject.h"
#include "engine/signal.h"
#include "engine/thread.h"
#include "os/procfs.h"
#include "os/ptrace.h"

#define TRAP_BIT (1ull << (SIGTRAP - 1))
#define BELOW_STACK 512		/* under the red zone: memory that is lent for a call */
#define LONGEST_PERIOD 1024	/* hits */

_Static_assert(sizeof(struct ph_trap_action) == 32, "the kernel's struct sigaction of x86_64");

/* rt_sigaction with the action in borrowed memory. set: *action is what to set; else it becomes what is set. */
static int call_sigaction(struct ph_thread *thread, struct ph_trap_action *action, bool set)
{
	struct ph_space *space = thread->process->space;
	uint8_t before[sizeof(*action)];
	int64_t answer = -EFAULT;
	ph_addr at;
	int r = ph_thread_regs_fetch(thread, NULL);

	if (r < 0)
		return r;
	at = (thread->view.regs.rsp - BELOW_STACK) & ~15ull;
	r = ph_space_read(space, thread->tid, at, before, sizeof(before), NULL);
	if (r >= 0 && set)
		r = ph_space_write(space, thread->tid, at, action, sizeof(*action), NULL);
	if (r < 0)
		return r;
	r = ph_inject_syscall(thread, SYS_rt_sigaction,
			      (uint64_t[]){ SIGTRAP, set ? at : 0, set ? 0 : at, sizeof(uint64_t), 0, 0 }, &answer, NULL);
	if (r >= 0 && answer < 0)
		r = (int)answer;
	if (r >= 0 && !set)
		r = ph_space_read(space, thread->tid, at, action, sizeof(*action), NULL);
	ph_space_write(space, thread->tid, at, before, sizeof(before), NULL);
	return r;
}

static void wait_longer(struct ph_guard *guard)
{
	guard->period = guard->period == 0 ? 1 : guard->period < LONGEST_PERIOD ? guard->period * 2 : LONGEST_PERIOD;
	guard->countdown = guard->period - 1;
}

void ph_guard_begin_known(struct ph_process *process, bool ignores)
{
	process->guard = (struct ph_guard){ .on = ignores };
	if (ignores)
		process->guard.action.handler = (uintptr_t)SIG_IGN;
}

void ph_guard_begin(struct ph_thread *thread)
{
	struct ph_os_status status;

	ph_guard_begin_known(thread->process,
			     ph_os_status_read(thread->tid, &status) >= 0 && status.ignored & TRAP_BIT);
}

void ph_guard_look(struct ph_thread *thread)
{
	struct ph_guard *guard = &thread->process->guard;
	struct ph_trap_action action;
	struct ph_os_status status;

	if (ph_os_status_read(thread->tid, &status) < 0)
		return;
	if (!((status.caught | status.ignored) & TRAP_BIT) || call_sigaction(thread, &action, false) < 0) {
		wait_longer(guard);
		return;
	}
	guard->on = true;
	guard->action = action;
}

/* The kernel's doing leaves all but the handler as it was. */
static bool was_reset(const struct ph_trap_action *before, const struct ph_trap_action *now)
{
	return now->handler == (uintptr_t)SIG_DFL && before->handler != now->handler && before->flags == now->flags &&
	       before->restorer == now->restorer && before->mask == now->mask;
}

/* True when the kernel had reset it, and it is back. */
static bool put_back(struct ph_thread *thread)
{
	struct ph_guard *guard = &thread->process->guard;
	struct ph_trap_action now;

	if (call_sigaction(thread, &now, false) < 0)
		return false;
	if (was_reset(&guard->action, &now))
		return call_sigaction(thread, &guard->action, true) >= 0;
	guard->on = now.handler != (uintptr_t)SIG_DFL;
	guard->action = now;
	return false;
}

void ph_guard_keep(struct ph_thread *thread)
{
	struct ph_guard *guard = &thread->process->guard;
	uint64_t mask;

	thread->unguarded = false;
	if (!guard->on)
		ph_guard_look(thread);
	/* Caught: it was reset because the thread blocked it. */
	else if (put_back(thread) && guard->action.handler != (uintptr_t)SIG_IGN &&
		 ph_os_sigmask_read(thread->tid, &mask) >= 0 &&
		 ph_os_sigmask_write(thread->tid, mask | TRAP_BIT) >= 0)
		ph_signal_is_blocked(thread, SIGTRAP);
}

bool ph_guard_ignores(const struct ph_thread *thread)
{
	const struct ph_guard *guard = &thread->process->guard;
	struct ph_os_status status;

	return guard->on && guard->action.handler == (uintptr_t)SIG_IGN &&
	       ph_os_status_read(thread->tid, &status) >= 0 && (status.ignored & TRAP_BIT);
}

bool ph_guard_own_trap(struct ph_thread *thread, const siginfo_t *info)
{
	struct ph_guard *guard = &thread->process->guard;
	struct ph_os_status status;

	guard->countdown = 0;
	/* What an instruction raised is not ignored: it ends a program that does. */
	if (guard->on && info->si_code > 0 && guard->action.handler == (uintptr_t)SIG_IGN)
		guard->on = false;
	if (!guard->on || ph_os_status_read(thread->tid, &status) < 0 ||
	    ((status.caught | status.ignored) & TRAP_BIT))
		return false;
	/* From the stop that the call leaves, it could not be delivered. */
	if (ph_signal_put_off(thread, info) < 0)
		return false;
	put_back(thread);
	ph_signal_resend(thread);
	return true;
}
