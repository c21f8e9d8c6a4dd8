#include "engine/event.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define STOPPED_BY(what) ((what) << 8 | 0x7f)

static enum ph_stop_kind kind_of(int event)
{
	switch (event) {
	case PTRACE_EVENT_CLONE:
		return PH_STOP_CLONE;
	case PTRACE_EVENT_FORK:
		return PH_STOP_FORK;
	case PTRACE_EVENT_VFORK:
		return PH_STOP_VFORK;
	case PTRACE_EVENT_VFORK_DONE:
		return PH_STOP_VFORK_DONE;
	case PTRACE_EVENT_EXEC:
		return PH_STOP_EXEC;
	case PTRACE_EVENT_EXIT:
		return PH_STOP_EXITING;
	default:
		return PH_STOP_OTHER;
	}
}

struct ph_stop ph_stop_decode(int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	/* Nearly every stop. */
	if (status == STOPPED_BY(SIGTRAP))
		return (struct ph_stop){ PH_STOP_TRAP, SIGTRAP };
	if (status == STOPPED_BY(SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
		return (struct ph_stop){ PH_STOP_SECCOMP, PTRACE_EVENT_SECCOMP };
	if (status == STOPPED_BY(SIGTRAP | 0x80))
		return (struct ph_stop){ PH_STOP_SYSCALL, SIGTRAP };
	if (WIFEXITED(status))
		return (struct ph_stop){ PH_STOP_EXITED, WEXITSTATUS(status) };
	if (WIFSIGNALED(status))
		return (struct ph_stop){ PH_STOP_KILLED, WTERMSIG(status) };
	if (event == PTRACE_EVENT_STOP)
		return (struct ph_stop){ sig == SIGTRAP ? PH_STOP_INTERRUPT : PH_STOP_GROUP, sig };
	if (event)
		return (struct ph_stop){ kind_of(event), event };
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
