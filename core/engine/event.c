#include "engine/event.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static const struct {
	int event;
	enum ph_stop_kind kind;
} events[] = {
	{ PTRACE_EVENT_CLONE, PH_STOP_CLONE },
	{ PTRACE_EVENT_FORK, PH_STOP_FORK },
	{ PTRACE_EVENT_VFORK, PH_STOP_VFORK },
	{ PTRACE_EVENT_VFORK_DONE, PH_STOP_VFORK_DONE },
	{ PTRACE_EVENT_EXEC, PH_STOP_EXEC },
	{ PTRACE_EVENT_EXIT, PH_STOP_EXITING },
	{ PTRACE_EVENT_SECCOMP, PH_STOP_SECCOMP },
};

struct ph_stop ph_stop_decode(int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	/* Nearly every stop. */
	if (status == (SIGTRAP << 8 | 0x7f))
		return (struct ph_stop){ PH_STOP_TRAP, SIGTRAP };
	if (WIFEXITED(status))
		return (struct ph_stop){ PH_STOP_EXITED, WEXITSTATUS(status) };
	if (WIFSIGNALED(status))
		return (struct ph_stop){ PH_STOP_KILLED, WTERMSIG(status) };
	if (event == PTRACE_EVENT_STOP)
		return (struct ph_stop){ sig == SIGTRAP ? PH_STOP_INTERRUPT : PH_STOP_GROUP, sig };
	for (size_t i = 0; event && i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i].event == event)
			return (struct ph_stop){ events[i].kind, event };
	if (event)
		return (struct ph_stop){ PH_STOP_OTHER, event };
	if (sig == (SIGTRAP | 0x80))
		return (struct ph_stop){ PH_STOP_SYSCALL, SIGTRAP };
	return (struct ph_stop){ sig == SIGTRAP ? PH_STOP_TRAP : PH_STOP_SIGNAL, sig };
}

enum ph_trap_kind ph_trap_decode(int si_code, bool site_behind, bool was_behind)
{
	if (si_code != SI_KERNEL)
		return PH_TRAP_OWN;
	if (site_behind)
		return PH_TRAP_BREAKPOINT;
	return was_behind ? PH_TRAP_STALE : PH_TRAP_OWN;
}

bool ph_trap_ends_step(int si_code, uint64_t before, uint64_t rip)
{
	return si_code == TRAP_TRACE || si_code == SIGTRAP || (si_code == TRAP_BRKPT && rip != before + 1);
}

bool ph_signal_is_fault(int sig, int si_code)
{
	bool synchronous = sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP ||
			   sig == SIGSYS;

	return synchronous && si_code > 0;
}
