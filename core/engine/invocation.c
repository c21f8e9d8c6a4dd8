#include "engine/invocation.h"

#include "engine/event.h"
#include "engine/signal.h"
#include "os/procfs.h"
#include "os/ptrace.h"

static bool runs(const struct ph_thread *thread)
{
	return thread->invocation && thread->invocation->state == PH_INVOCATION_RUNS;
}

bool ph_invocation_returns_to(const struct ph_thread *thread, ph_addr at)
{
	return runs(thread) && at == thread->invocation->back && thread->view.regs.rsp == thread->invocation->rsp;
}

bool ph_invocation_take_trap(struct ph_thread *thread, ph_addr at)
{
	struct ph_invocation *invocation = thread->invocation;

	if (!runs(thread) || at != invocation->back)
		return false;
	/* Another's return: an outer one's, to which this one was left. It traps again when that waits for it. */
	if (thread->view.regs.rsp != invocation->rsp) {
		invocation->state = PH_INVOCATION_LEFT;
		ph_thread_set_rip(thread, at);
	} else {
		invocation->state = PH_INVOCATION_RETURNED;
	}
	return true;
}

/* What instructions raise, and abort(): from the program itself. Signals of others are delivered, whatever they do. */
static bool is_own_doing(const struct ph_thread *thread, const siginfo_t *info)
{
	if (1ull << (info->si_signo - 1) & PH_SYNCHRONOUS_SIGNALS && info->si_code > 0)
		return true;
	return (info->si_signo == SIGABRT || 1ull << (info->si_signo - 1) & PH_SYNCHRONOUS_SIGNALS) &&
	       info->si_code == SI_TKILL && info->si_pid == thread->process->pid;
}

bool ph_invocation_take_signal(struct ph_thread *thread, int sig)
{
	siginfo_t info;

	if (!runs(thread) || !sig || ph_os_siginfo_read(thread->tid, &info) < 0 || info.si_signo != sig ||
	    !is_own_doing(thread, &info) || ph_signal_is_caught(thread, sig))
		return false;
	thread->invocation->info = info;
	thread->invocation->state = PH_INVOCATION_CRASHED;
	return true;
}

/* Another stack may lie anywhere, so only the one that the call began on counts. */
static bool is_on_its_stack(struct ph_thread *thread)
{
	const struct ph_map_entry *stack;
	struct ph_maps maps;
	bool is_on;

	if (ph_os_maps_read(thread->tid, &maps) < 0)
		return false;
	stack = ph_os_maps_find(&maps, thread->invocation->rsp);
	is_on = stack && thread->view.regs.rsp >= stack->start && thread->view.regs.rsp < stack->end;
	ph_os_maps_fini(&maps);
	return is_on;
}

bool ph_invocation_take_exit(struct ph_thread *thread, ph_addr at)
{
	if (!runs(thread) || thread->view.regs.rsp <= thread->invocation->rsp || !is_on_its_stack(thread))
		return false;
	thread->invocation->state = PH_INVOCATION_LEFT;
	ph_thread_set_rip(thread, at);
	return true;
}

void ph_invocation_replace(struct ph_thread *thread)
{
	for (struct ph_invocation *invocation = thread->invocation; invocation; invocation = invocation->outer)
		invocation->state = PH_INVOCATION_REPLACED;
}
