/* syscall_info: what a killed thread answers, with no luck needed: its end is waited for before it is asked. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/syscall_info.h"

/* A child that stands at the entry of getppid. */
static pid_t child_at_entry(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		syscall(SYS_getppid);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
				PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
	do {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WSTOPSIG(status), SIGTRAP | 0x80);
	} while (ptrace(PTRACE_PEEKUSER, pid, 15 * 8, NULL) != SYS_getppid);	/* orig_rax */
	return pid;
}

static void a_call_of_a_thread_that_was_killed_is_gone(void **state)
{
	static const enum ph_os_call_way ways[] = { PH_OS_CALL_BY_SET, PH_OS_CALL_BY_GET, PH_OS_CALL_BY_REGS };

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid_t pid = child_at_entry();
		struct ph_os_call call;
		int status, r;

		assert_int_equal(ph_os_call_read(pid, ways[i], PH_OS_CALL_ENTRY, &call), 0);
		assert_int_equal(call.number, SYS_getppid);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);

		r = ph_os_call_write(pid, ways[i], &call, PH_OS_CALL_ARG(0));
		if (ways[i] == PH_OS_CALL_BY_SET && ph_os_call_best_way(pid) == PH_OS_CALL_BY_SET)
			assert_int_equal(r, -ESRCH);
		else if (ways[i] != PH_OS_CALL_BY_SET)
			assert_int_equal(r, 0);

		ptrace(PTRACE_CONT, pid, NULL, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(ph_os_call_write(pid, ways[i], &call, PH_OS_CALL_ARG(0)), -ESRCH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_of_a_thread_that_was_killed_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
