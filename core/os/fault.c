#include "os/fault.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ph_os_calls ph_os_calls;

void ph_os_fault_kill(pid_t tid)
{
	ph_os_calls.killed = true;
	if (tid <= 0)
		tid = ph_os_calls.victim;
	if (tid > 0)
		syscall(SYS_tkill, tid, SIGKILL);
}
