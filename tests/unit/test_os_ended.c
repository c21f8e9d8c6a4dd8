/* os/ended: whether a process has ended, and how, by a descriptor of it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/ended.h"

static volatile sig_atomic_t rung;

static void ring(int sig)
{
	(void)sig;
	rung++;
}

/* A signal that comes while the descriptor is looked at says nothing of the process. */
static void a_process_lives_while_signals_come(void **state)
{
	const struct itimerval often = { { 0, 20 }, { 0, 20 } }, never = { 0 };
	int pidfd = ph_os_pidfd_open(getpid()), status, r = 0;

	(void)state;
	assert_true(pidfd >= 0);
	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &often, NULL);
	while (rung < 2000 && r == 0)
		r = ph_os_ended(getpid(), pidfd, &status);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	close(pidfd);
	assert_int_equal(r, 0);
}

static void a_zombie_shows_how_it_ended(void **state)
{
	pid_t pid = fork();
	int pidfd, status = -1;
	siginfo_t info;

	(void)state;
	if (pid == 0)
		_exit(7);
	pidfd = ph_os_pidfd_open(pid);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ph_os_ended(pid, pidfd, &status), 1);
	assert_int_equal(status, 7 << 8);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_lives_while_signals_come),
		cmocka_unit_test(a_zombie_shows_how_it_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
