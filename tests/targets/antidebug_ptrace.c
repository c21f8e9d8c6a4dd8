/*
 * antidebug_ptrace: asks ptrace(2) whether somebody traces it: by itself, and by children that attach to it.
 * Output: as antidebug.h says. A check that meets EPERM from an attach that succeeds without a tracer says "traced".
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "antidebug.h"

static volatile long mark = 0x1234567890;

/* The first succeeds, the next does not. */
static int asks_twice(void)
{
	return ptrace(PTRACE_TRACEME, 0, 0, 0) != 0 || ptrace(PTRACE_TRACEME, 0, 0, 0) != -1 || errno != EPERM;
}

static int asks_by_hand(void)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_ptrace), "D"(PTRACE_TRACEME), "S"(0), "d"(0) : "rcx", "r11", "memory");
	return r != 0;
}

static int attach(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		return -1;
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		return -1;
	return 0;
}

static int attaches(void)
{
	pid_t parent = getppid();

	return attach(parent) < 0 || ptrace(PTRACE_ATTACH, parent, 0, 0) == 0 || ptrace(PTRACE_CONT, parent, 0, 0) < 0;
}

static int seizes(void)
{
	pid_t parent = getppid();
	int status;

	return ptrace(PTRACE_SEIZE, parent, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, parent, 0, 0) < 0 ||
	       waitpid(parent, &status, 0) != parent || status >> 8 != (SIGTRAP | PTRACE_EVENT_STOP << 8) ||
	       ptrace(PTRACE_DETACH, parent, 0, 0) < 0;
}

/* Debug registers are all free; the parent's memory and registers are what they should be. */
static int looks_at_debug_registers(void)
{
	pid_t parent = getppid();
	int found = 0;

	if (attach(parent) < 0)
		return 1;
	for (int i = 0; i < 8; i++) {
		long value;

		errno = 0;
		value = ptrace(PTRACE_PEEKUSER, parent, offsetof(struct user, u_debugreg) + (size_t)i * 8, 0);
		/* DR6 has bits that are always set, which kernels show or not. */
		found |= errno || (i == 6 ? value & 0xf : value) != 0;
	}
	return found | (ptrace(PTRACE_DETACH, parent, 0, 0) < 0);
}

static int looks_at_memory(void)
{
	struct user_regs_struct regs = { 0 };
	pid_t parent = getppid();
	int found;

	if (attach(parent) < 0)
		return 1;
	found = ptrace(PTRACE_PEEKDATA, parent, &mark, 0) != mark || ptrace(PTRACE_GETREGS, parent, 0, &regs) < 0 ||
		regs.cs != 0x33 || ptrace(PTRACE_PEEKUSER, parent, offsetof(struct user, regs.rsp), 0) != (long)regs.rsp;
	return found | (ptrace(PTRACE_DETACH, parent, 0, 0) < 0);
}

/* One that waits in another way, and leaves without a word. */
static int attaches_and_leaves(void)
{
	pid_t parent = getppid();
	siginfo_t info = { 0 };

	return ptrace(PTRACE_ATTACH, parent, 0, 0) < 0 || waitid(P_PID, (id_t)parent, &info, WSTOPPED) < 0 ||
	       info.si_pid != parent || info.si_status != SIGSTOP || info.si_code != CLD_TRAPPED ||
	       ptrace(PTRACE_CONT, parent, 0, 0) < 0;
}

/* While a child traces its parent, that has this tracer, and no other one. */
static int is_the_tracer(void)
{
	char path[64];
	pid_t parent = getppid();
	long tracer;

	if (attach(parent) < 0)
		return 1;
	snprintf(path, sizeof(path), "/proc/%d/status", parent);
	tracer = field(slurp(path), "TracerPid:");
	return (ptrace(PTRACE_DETACH, parent, 0, 0) < 0) | (tracer != getpid()) | (field(slurp(path), "TracerPid:") != 0);
}

/* A program that debugs its own child, as packers do. */
static int debugs_its_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(mark == 42 ? 7 : 2);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		return 1;
	if (ptrace(PTRACE_POKEDATA, child, &mark, 42) < 0 || ptrace(PTRACE_CONT, child, 0, 0) < 0)
		return 1;
	return waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7;
}

/* Stops of a child that wants to be traced: at exec, at its int3, at a signal that then does not come. */
static int debugs(int what)
{
	int status, expected = what == 2 ? SIGUSR1 : SIGTRAP;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		if (what == 0)
			execl("/bin/true", "true", NULL);
		else if (what == 1)
			__asm__ volatile("int3");
		else
			raise(SIGUSR1);
		_exit(0);
	}
	return waitpid(child, &status, 0) != child || !WIFSTOPPED(status) || WSTOPSIG(status) != expected ||
	       ptrace(PTRACE_CONT, child, 0, 0) < 0 || waitpid(child, &status, 0) != child || status != 0;
}

int main(void)
{
	target_begin();
	verdict("traceme", in_child(asks_twice));
	verdict("traceme by hand", in_child(asks_by_hand));
	verdict("attach", in_child(attaches));
	verdict("seize", in_child(seizes));
	verdict("debug registers", in_child(looks_at_debug_registers));
	verdict("memory", in_child(looks_at_memory));
	verdict("the tracer", in_child(is_the_tracer));
	verdict("attach and leave", in_child(attaches_and_leaves));
	verdict("own debugger", debugs_its_child());
	verdict("own debugger at exec", debugs(0));
	verdict("own debugger at int3", debugs(1));
	verdict("own debugger at a signal", debugs(2));
	verdict("last", asks_twice());
	return antidebug_found;
}
