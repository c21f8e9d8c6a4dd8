/*
 * antidebug_traps: raises SIGTRAP in every way and looks whether its handler gets it, once and with the right code.
 * Output: as antidebug.h says.
 */
#include <signal.h>

#include "antidebug.h"

static volatile sig_atomic_t count, code;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	count++;
	code = info->si_code;
}

static int came(int n, int with)
{
	int wrong = count != n || code != with;

	count = code = 0;
	return wrong;
}

static int raises(void)
{
	raise(SIGTRAP);
	return came(1, SI_TKILL);
}

static int sends(void)
{
	kill(getpid(), SIGTRAP);
	return came(1, SI_USER);
}

static int breaks(void)
{
	__asm__ volatile("int3");
	return came(1, SI_KERNEL);
}

static int breaks_long(void)
{
	__asm__ volatile(".byte 0xcd, 0x03");
	return came(1, SI_KERNEL);
}

static int breaks_as_ice(void)
{
	__asm__ volatile(".byte 0xf1");
	return came(1, TRAP_BRKPT);
}

static int steps(void)
{
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory");
	return count < 2 || came(count, TRAP_TRACE);
}

/* A trap that is blocked waits. */
static int waits(void)
{
	sigset_t set, before;
	siginfo_t info;
	int wrong;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, &before);
	raise(SIGTRAP);
	wrong = count != 0 || sigwaitinfo(&set, &info) != SIGTRAP || info.si_pid != getpid();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return wrong;
}

static int ignores(void)
{
	struct sigaction before;

	sigaction(SIGTRAP, &(struct sigaction){ .sa_handler = SIG_IGN }, &before);
	raise(SIGTRAP);
	sigaction(SIGTRAP, &before, NULL);
	return count != 0;
}

int main(void)
{
	target_begin();
	sigaction(SIGTRAP, &(struct sigaction){ .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO }, NULL);
	verdict("raise", raises());
	verdict("kill", sends());
	verdict("int3", breaks());
	verdict("int 3", breaks_long());
	verdict("icebp", breaks_as_ice());
	verdict("step", steps());
	verdict("blocked", waits());
	verdict("ignored", ignores());
	return antidebug_found;
}
