/* event: what a wait status means. The numbers are the kernel's; statuses are built as it builds them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>

#include <cmocka.h>

#include "engine/event.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

#define EXITED(code) ((code) << 8)
#define KILLED(sig) (sig)
#define DUMPED(sig) ((sig) | 0x80)
#define STOPPED(sig) ((sig) << 8 | 0x7f)
#define EVENT(event, sig) ((event) << 16 | STOPPED(sig))

static void decodes_every_kind_of_status(void **state)
{
	static const struct {
		int status;
		struct ph_stop stop;
	} rows[] = {
		{ EXITED(0), { PH_STOP_EXITED, 0 } },
		{ EXITED(3), { PH_STOP_EXITED, 3 } },
		{ EXITED(255), { PH_STOP_EXITED, 255 } },
		{ KILLED(SIGKILL), { PH_STOP_KILLED, SIGKILL } },
		{ DUMPED(SIGSEGV), { PH_STOP_KILLED, SIGSEGV } },
		{ KILLED(64), { PH_STOP_KILLED, 64 } },
		{ STOPPED(SIGSEGV), { PH_STOP_SIGNAL, SIGSEGV } },
		{ STOPPED(SIGSTOP), { PH_STOP_SIGNAL, SIGSTOP } },
		{ STOPPED(SIGCONT), { PH_STOP_SIGNAL, SIGCONT } },
		{ STOPPED(64), { PH_STOP_SIGNAL, 64 } },
		{ STOPPED(SIGTRAP), { PH_STOP_TRAP, SIGTRAP } },
		{ STOPPED(SIGTRAP | 0x80), { PH_STOP_SYSCALL, SIGTRAP } },
		{ EVENT(PTRACE_EVENT_STOP, SIGTRAP), { PH_STOP_INTERRUPT, SIGTRAP } },
		{ EVENT(PTRACE_EVENT_STOP, SIGSTOP), { PH_STOP_GROUP, SIGSTOP } },
		{ EVENT(PTRACE_EVENT_STOP, SIGTSTP), { PH_STOP_GROUP, SIGTSTP } },
		{ EVENT(PTRACE_EVENT_STOP, SIGTTIN), { PH_STOP_GROUP, SIGTTIN } },
		{ EVENT(PTRACE_EVENT_STOP, SIGTTOU), { PH_STOP_GROUP, SIGTTOU } },
		{ EVENT(PTRACE_EVENT_CLONE, SIGTRAP), { PH_STOP_CLONE, PTRACE_EVENT_CLONE } },
		{ EVENT(PTRACE_EVENT_FORK, SIGTRAP), { PH_STOP_FORK, PTRACE_EVENT_FORK } },
		{ EVENT(PTRACE_EVENT_VFORK, SIGTRAP), { PH_STOP_VFORK, PTRACE_EVENT_VFORK } },
		{ EVENT(PTRACE_EVENT_VFORK_DONE, SIGTRAP), { PH_STOP_VFORK_DONE, PTRACE_EVENT_VFORK_DONE } },
		{ EVENT(PTRACE_EVENT_EXEC, SIGTRAP), { PH_STOP_EXEC, PTRACE_EVENT_EXEC } },
		{ EVENT(PTRACE_EVENT_EXIT, SIGTRAP), { PH_STOP_EXITING, PTRACE_EVENT_EXIT } },
		{ EVENT(PTRACE_EVENT_SECCOMP, SIGTRAP), { PH_STOP_SECCOMP, PTRACE_EVENT_SECCOMP } },
		{ EVENT(99, SIGTRAP), { PH_STOP_OTHER, 99 } },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct ph_stop stop = ph_stop_decode(rows[i].status);

		if (stop.kind != rows[i].stop.kind || stop.value != rows[i].stop.value)
			fail_msg("status 0x%x: kind %d value %d", rows[i].status, stop.kind, stop.value);
	}
}

/* Only an int3 sends SI_KERNEL; whose it was follows from what stands behind rip. */
static void tells_whose_trap_it_was(void **state)
{
	static const struct {
		int si_code;
		bool site_behind, was_behind;
		enum ph_trap_kind kind;
	} rows[] = {
		{ SI_KERNEL, true, true, PH_TRAP_BREAKPOINT },
		{ SI_KERNEL, true, false, PH_TRAP_BREAKPOINT },
		{ SI_KERNEL, false, false, PH_TRAP_OWN },	/* int3 of the program */
		{ SI_KERNEL, false, true, PH_TRAP_STALE },	/* ours, taken out meanwhile */
		{ TRAP_TRACE, false, false, PH_TRAP_OWN },	/* its TF */
		{ TRAP_TRACE, true, true, PH_TRAP_OWN },	/* its TF, right behind a site */
		{ TRAP_HWBKPT, true, true, PH_TRAP_OWN },
		{ TRAP_BRKPT, true, true, PH_TRAP_OWN },	/* icebp */
		{ SI_USER, true, true, PH_TRAP_OWN },		/* kill -TRAP */
		{ SI_TKILL, true, true, PH_TRAP_OWN },
		{ SI_QUEUE, false, false, PH_TRAP_OWN },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		if (ph_trap_decode(rows[i].si_code, rows[i].site_behind, rows[i].was_behind) != rows[i].kind)
			fail_msg("row %zu: code %d", i, rows[i].si_code);
}

static void tells_faults_from_signals_that_were_sent(void **state)
{
	static const struct {
		int sig, si_code;
		bool is_fault;
	} rows[] = {
		{ SIGSEGV, SEGV_MAPERR, true },
		{ SIGSEGV, SI_KERNEL, true },	/* a non-canonical address, hlt */
		{ SIGSEGV, SI_USER, false },
		{ SIGSEGV, SI_TKILL, false },
		{ SIGSEGV, SI_QUEUE, false },
		{ SIGBUS, BUS_ADRERR, true },
		{ SIGFPE, FPE_INTDIV, true },
		{ SIGILL, ILL_ILLOPN, true },
		{ SIGTRAP, SI_KERNEL, true },
		{ SIGTRAP, SI_USER, false },
		{ SIGSYS, 1 /* SYS_SECCOMP */, true },
		{ SIGUSR1, SI_USER, false },
		{ SIGCHLD, CLD_EXITED, false },	/* positive, and no fault */
		{ SIGIO, POLL_IN, false },
		{ SIGALRM, SI_KERNEL, false },
		{ 34, SI_QUEUE, false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		if (ph_signal_is_fault(rows[i].sig, rows[i].si_code) != rows[i].is_fault)
			fail_msg("row %zu: signal %d code %d", i, rows[i].sig, rows[i].si_code);
}

static void tells_the_end_of_a_step_from_other_traps(void **state)
{
	static const struct {
		int si_code;
		uint64_t before, rip;
		bool ends;
	} rows[] = {
		{ TRAP_TRACE, 0x1000, 0x1003, true },
		{ TRAP_TRACE, 0x1000, 0x1000, true },
		{ SIGTRAP, 0x1000, 0x2000, true },	/* a handler's first instruction */
		{ TRAP_BRKPT, 0x1000, 0x1002, true },	/* behind a system call */
		{ TRAP_BRKPT, 0x1000, 0x7000, true },	/* behind sigreturn */
		{ TRAP_BRKPT, 0x1000, 0x1001, false },	/* behind icebp */
		{ TRAP_HWBKPT, 0x1000, 0x1003, false },
		{ SI_KERNEL, 0x1000, 0x1001, false },
		{ SI_USER, 0x1000, 0x1003, false },
		{ SI_TKILL, 0x1000, 0x1003, false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		assert_int_equal(ph_trap_ends_step(rows[i].si_code, rows[i].before, rows[i].rip), rows[i].ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_end_of_a_step_from_other_traps),
		cmocka_unit_test(decodes_every_kind_of_status),
		cmocka_unit_test(tells_whose_trap_it_was),
		cmocka_unit_test(tells_faults_from_signals_that_were_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
