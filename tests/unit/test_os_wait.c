/* wait: deadlines, and what they cost. Statuses of real children; each test runs in a fork of its own, which may not hang. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/alarm.h"
#include "os/fault.h"
#include "os/ptrace.h"
#include "os/wait.h"

#define MS 1000000ll
#define FAR_OFF (ph_os_now() + 3600000 * MS)

/* In a fork of ours, where cmocka's assertions would jump into the parent's middle. */
#define EXPECT(what)                                                                         \
	do {                                                                                 \
		if (!(what)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what); \
			_exit(1);                                                            \
		}                                                                            \
	} while (0)

/* Its wait status. */
static int in_fork(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		fn();
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

#define IN_FORK(name)                                      \
	static void name(void **state)                     \
	{                                                  \
		(void)state;                               \
		assert_int_equal(in_fork(name##_body), 0); \
	}

/* A tracee that raises SIGUSR1 n times and exits, or, when n is 0, never does anything. */
static pid_t start(int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		while (n == 0)
			pause();
		for (int i = 0; i < n; i++)
			raise(SIGUSR1);
		_exit(0);
	}
	EXPECT(ph_os_wait_one(pid, &status) == pid);
	EXPECT(ph_os_cont(pid, 0) == 0);
	return pid;
}

/* An untraced child that is none of wait's business. */
static pid_t beside(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn();
		_exit(0);
	}
	return pid;
}

static void expect_deadlines_kept(void)
{
	int64_t soonest = INT64_MAX;
	int status = 77;

	for (int i = 0; i < 20; i++) {
		int64_t deadline = ph_os_now() + 3 * MS, late;

		EXPECT(ph_os_wait_any(deadline, &status) == -ETIMEDOUT);
		late = ph_os_now() - deadline;
		EXPECT(late >= 0);
		soonest = late < soonest ? late : soonest;
	}
	EXPECT(status == 77);
	/* A busy machine lets us in late, but not each time. */
	EXPECT(soonest < MS);
}

static void deadlines_are_kept_body(void)
{
	start(0);
	expect_deadlines_kept();
	EXPECT(ph_os_alarm_set(FAR_OFF) == 0);
}
IN_FORK(deadlines_are_kept)

static void a_fork_keeps_its_own_body(void)
{
	int status;

	start(0);
	expect_deadlines_kept();
	EXPECT(ph_os_alarm_set(ph_os_now() + 3 * MS) == 0);
	EXPECT(in_fork(deadlines_are_kept_body) == 0);
	EXPECT(ph_os_wait_any(ph_os_now() + 6 * MS, &status) == -ETIMEDOUT || ph_os_alarm_has_rung());
	expect_deadlines_kept();
}
IN_FORK(a_fork_keeps_its_own)

static void a_past_deadline_only_looks_body(void)
{
	int status;
	pid_t pid = start(0);

	EXPECT(ph_os_wait_any(0, &status) == -ETIMEDOUT);
	EXPECT(ph_os_wait_any(ph_os_now() - 1, &status) == -ETIMEDOUT);
	kill(pid, SIGUSR1);
	while (ph_os_wait_any(0, &status) != pid)
		;
	EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
	kill(pid, SIGKILL);
	EXPECT(ph_os_wait_one_until(pid, FAR_OFF, &status) == pid && WIFSIGNALED(status));
	EXPECT(ph_os_wait_any(ph_os_now() - 1, &status) == -ECHILD);
	EXPECT(ph_os_wait_any(FAR_OFF, &status) == -ECHILD);
}
IN_FORK(a_past_deadline_only_looks)

#define DENY(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* From here on we may wait, resume and exit, and whatever a deadline could cost ends us. */
static void allow_no_more(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		DENY(SYS_rt_sigprocmask),
		DENY(SYS_rt_sigtimedwait),
		DENY(SYS_rt_sigaction),
		DENY(SYS_timer_settime),
		DENY(SYS_timer_create),
		DENY(SYS_clock_gettime),
		DENY(SYS_poll),
		DENY(SYS_ppoll),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void a_far_deadline_costs_a_stop_nothing_body(void)
{
	int status, stops = 0;
	pid_t pid = start(1001);
	uint64_t before;

	EXPECT(ph_os_wait_any(FAR_OFF, &status) == pid);
	EXPECT(ph_os_cont(pid, 0) == 0);
	/* It may have been ready then. */
	EXPECT(ph_os_alarm_set(FAR_OFF) == 0);
	allow_no_more();
	before = ph_os_calls.made;
	while (ph_os_wait_any(FAR_OFF, &status) == pid && WIFSTOPPED(status)) {
		stops++;
		EXPECT(ph_os_cont(pid, 0) == 0);
	}
	EXPECT(stops == 1000 && WIFEXITED(status));
	EXPECT(ph_os_calls.made - before == 2001);
}
IN_FORK(a_far_deadline_costs_a_stop_nothing)

static void on_signal(int sig)
{
	(void)sig;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction act = { .sa_handler = fn, .sa_flags = flags };

	EXPECT(sigaction(sig, &act, NULL) == 0);
}

static void signal_parent_for_ever(void)
{
	for (;;)
		kill(getppid(), SIGUSR1);
}

static void a_handler_ends_the_wait_for_any_alone_body(void)
{
	int status;
	pid_t pid = start(0);

	handle(SIGUSR1, on_signal, 0);
	beside(signal_parent_for_ever);
	for (int i = 0; i < 20; i++)
		EXPECT(ph_os_wait_any(FAR_OFF, &status) == -EINTR);
	for (int i = 0; i < 20; i++)
		EXPECT(ph_os_wait_one_until(pid, ph_os_now() + MS, &status) == -ETIMEDOUT);
}
IN_FORK(a_handler_ends_the_wait_for_any_alone)

static void signal_parent_asleep(void)
{
	char path[32], text[256] = "";
	const char *name_end = NULL;

	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	while (!name_end || name_end[2] != 'S') {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		EXPECT(read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		name_end = strrchr(text, ')');
	}
	kill(getppid(), SIGUSR1);
}

static void stay_until_it_rings(int sig)
{
	(void)sig;
	while (!ph_os_alarm_has_rung())
		;
}

/* The handler goes back to a system call that the kernel makes again. */
static void it_is_heard_in_another_handler_body(void)
{
	int64_t deadline;
	int status, r;

	start(0);
	handle(SIGUSR1, stay_until_it_rings, SA_RESTART);
	deadline = ph_os_now() + 200 * MS;
	beside(signal_parent_asleep);
	while ((r = ph_os_wait_any(deadline, &status)) == -EINTR)
		;
	EXPECT(r == -ETIMEDOUT && ph_os_now() >= deadline);
}
IN_FORK(it_is_heard_in_another_handler)

static int pipe_ends[2];
static int64_t write_at;

static void write_late(void)
{
	while (ph_os_now() < write_at)
		;
	EXPECT(write(pipe_ends[1], "x", 1) == 1);
}

/* A script's io.read, when the run whose deadline that was is over. */
static void a_read_behind_the_wait_is_not_cut_short_body(void)
{
	char byte;

	start(0);
	EXPECT(pipe(pipe_ends) == 0);
	write_at = ph_os_now() + 30 * MS;
	beside(write_late);
	EXPECT(ph_os_alarm_set(write_at - 10 * MS) == 0);
	EXPECT(read(pipe_ends[0], &byte, 1) == 1);
	EXPECT(ph_os_alarm_has_rung());
	EXPECT(!ph_os_alarm_is_set(write_at));
}
IN_FORK(a_read_behind_the_wait_is_not_cut_short)

/* Between the last look at it and the wait. */
static void one_that_has_rung_already_ends_a_wait_body(void)
{
	int status;

	start(0);
	EXPECT(ph_os_alarm_set(ph_os_now() + MS) == 0);
	while (!ph_os_alarm_has_rung())
		;
	EXPECT(ph_os_alarm_wait(-1, &status, __WCLONE) == -EINTR);
}
IN_FORK(one_that_has_rung_already_ends_a_wait)

static void near_deadlines_nest_in_far_ones_body(void)
{
	int64_t far = ph_os_now() + 60 * MS;
	int status, r;
	pid_t pid = start(0);

	EXPECT(ph_os_alarm_set(far) == 0);
	for (int i = 0; i < 5; i++) {
		int64_t near = ph_os_now() + 2 * MS;

		EXPECT(ph_os_wait_one_until(pid, near, &status) == -ETIMEDOUT && ph_os_now() >= near);
	}
	while ((r = ph_os_wait_any(far, &status)) == -EINTR)
		;
	EXPECT(r == -ETIMEDOUT && ph_os_now() >= far);
}
IN_FORK(near_deadlines_nest_in_far_ones)

/* Deadlines that pass around each stop: none is early, no status is lost, and no wait sleeps on. */
static void no_status_is_lost_to_a_deadline_body(void)
{
	const int n = 5000;
	int status, stops = 0;
	pid_t pid = start(n);

	for (unsigned int i = 0;; i++) {
		int64_t deadline = ph_os_now() + i * 7919 % 60000;
		int r = ph_os_wait_any(deadline, &status);

		if (r == -EINTR)
			continue;
		if (r == -ETIMEDOUT) {
			EXPECT(ph_os_now() >= deadline);
			continue;
		}
		EXPECT(r == pid);
		if (!WIFSTOPPED(status))
			break;
		stops++;
		EXPECT(ph_os_cont(pid, 0) == 0);
	}
	EXPECT(stops == n && WIFEXITED(status));
}
IN_FORK(no_status_is_lost_to_a_deadline)

static void no_timer_is_to_be_had_body(void)
{
	struct rlimit none = { 0, 0 };

	EXPECT(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
	EXPECT(ph_os_alarm_set(FAR_OFF) == -EAGAIN);
	start(0);
	expect_deadlines_kept();
	no_status_is_lost_to_a_deadline_body();
}
IN_FORK(no_timer_is_to_be_had)

/* As in the handler that ends everything. */
static void given_up_and_blocked_it_needs_no_signal_body(void)
{
	sigset_t all;

	start(0);
	EXPECT(ph_os_alarm_set(ph_os_now() + MS) == 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	ph_os_alarm_give_up();
	expect_deadlines_kept();
}
IN_FORK(given_up_and_blocked_it_needs_no_signal)

static void what_others_do_to_signals_is_seen_after_it_was_ended_body(void)
{
	struct sigaction act;
	sigset_t all;

	start(0);
	EXPECT(ph_os_alarm_set(FAR_OFF) == 0);
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	ph_os_alarm_end();
	expect_deadlines_kept();
	EXPECT(ph_os_alarm_set(ph_os_now() + MS) == 0);
	handle(SIGURG, SIG_DFL, 0);
	ph_os_alarm_end();
	expect_deadlines_kept();
	handle(SIGURG, on_signal, 0);
	ph_os_alarm_end();
	EXPECT(ph_os_alarm_set(FAR_OFF) == -EBUSY);
	expect_deadlines_kept();
	EXPECT(sigaction(SIGURG, NULL, &act) == 0 && act.sa_handler == on_signal);
}
IN_FORK(what_others_do_to_signals_is_seen_after_it_was_ended)

/* The kernel restarts neither poll(2) nor nanosleep(2), whatever SA_RESTART says. */
static void a_sleep_after_the_wait_is_not_cut_short_body(void)
{
	int64_t at = ph_os_now() + 5 * MS;
	int status;
	pid_t pid = start(1);

	EXPECT(ph_os_wait_one_until(pid, at, &status) == pid);
	EXPECT(poll(NULL, 0, 15) == 0 && ph_os_now() > at);
	EXPECT(ph_os_alarm_set(ph_os_now() + 5 * MS) == 0);
	ph_os_alarm_end();
	EXPECT(poll(NULL, 0, 15) == 0);
	expect_deadlines_kept();
}
IN_FORK(a_sleep_after_the_wait_is_not_cut_short)

static int timers(void)
{
	char line[128];
	FILE *file = fopen("/proc/self/timers", "re");
	int n = 0;

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		n += strncmp(line, "ID:", 3) == 0;
	fclose(file);
	return n;
}

static void *set_one(void *arg)
{
	EXPECT(ph_os_alarm_set(FAR_OFF) == 0 && timers() == 1);
	return arg;
}

static void a_timer_goes_with_its_thread_body(void)
{
	for (int i = 0; i < 3; i++) {
		pthread_t thread;

		EXPECT(pthread_create(&thread, NULL, set_one, NULL) == 0 && pthread_join(thread, NULL) == 0);
		EXPECT(timers() == 0);
	}
}
IN_FORK(a_timer_goes_with_its_thread)

/* Its signal comes when nobody handles it any more. */
static void it_harms_nobody_when_all_signals_are_back_body(void)
{
	int64_t at = ph_os_now() + 3 * MS;

	EXPECT(ph_os_alarm_set(at) == 0);
	handle(SIGURG, SIG_DFL, 0);
	while (ph_os_now() < at + MS)
		;
}
IN_FORK(it_harms_nobody_when_all_signals_are_back)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_are_kept),
		cmocka_unit_test(a_fork_keeps_its_own),
		cmocka_unit_test(a_past_deadline_only_looks),
		cmocka_unit_test(a_far_deadline_costs_a_stop_nothing),
		cmocka_unit_test(a_handler_ends_the_wait_for_any_alone),
		cmocka_unit_test(it_is_heard_in_another_handler),
		cmocka_unit_test(a_read_behind_the_wait_is_not_cut_short),
		cmocka_unit_test(a_sleep_after_the_wait_is_not_cut_short),
		cmocka_unit_test(a_timer_goes_with_its_thread),
		cmocka_unit_test(one_that_has_rung_already_ends_a_wait),
		cmocka_unit_test(near_deadlines_nest_in_far_ones),
		cmocka_unit_test(no_status_is_lost_to_a_deadline),
		cmocka_unit_test(no_timer_is_to_be_had),
		cmocka_unit_test(given_up_and_blocked_it_needs_no_signal),
		cmocka_unit_test(what_others_do_to_signals_is_seen_after_it_was_ended),
		cmocka_unit_test(it_harms_nobody_when_all_signals_are_back),
	};

	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
