/* lend: what another tracer finds and does, played here by a function, and what the session makes of it afterwards. */
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "calls.h"

struct away {
	struct target *target;
	bool stops;		/* leaves it in a group stop, as GDB does */
	pid_t tids[8];
	int n;
};

static int note_tid(struct ph_thread *thread, void *user)
{
	struct away *away = user;

	away->tids[away->n++] = ph_thread_tid(thread);
	return 0;
}

static void stop(const struct away *away)
{
	kill(away->target->pid, SIGSTOP);
	for (int i = 0; i < away->n; i++)
		await_state(away->tids[i], "TZ-");
}

/* Its first thread, which was about to, ends. */
static int until_first_has_ended(pid_t pid, void *user)
{
	struct away *away = user;

	kill(pid, SIGCONT);
	await_state(pid, "Z");
	if (away->stops)
		stop(away);
	return 0;
}

static void run_to(struct ph_session *session, const char *where)
{
	struct record seen = { .act_at = 1, .action = ACTION(PH_STOP) };
	struct ph_breakpoint *breakpoint = add_at(session, where, record_hit, &seen);
	struct ph_reason reason;

	assert_int_equal(ph_session_run(session, -1, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_STOP);
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
}

static int is_stopped(struct ph_thread *thread, void *user)
{
	(void)user;
	return strcmp(ph_thread_state(thread), "stopped") == 0;
}

static int take_live(struct ph_thread *thread, void *user)
{
	*(struct ph_thread **)user = thread;
	return 1;
}

static void lend(struct ph_session *session, struct away *away, int (*fn)(pid_t pid, void *user), struct ph_lending *ret)
{
	struct ph_thread *thread = NULL;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	ph_process_each_thread(ph_session_process(session), note_tid, away);
	ph_process_each_thread(ph_session_process(session), take_live, &thread);
	assert_non_null(thread);
	if (ph_thread_lend(thread, "lend", fn, away, ret, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	assert_int_equal(ret->end.kind, PH_REASON_NONE);
	assert_true(ph_process_each_thread(ph_session_process(session), is_stopped, NULL));
}

static void tell(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

/* Its other thread waits for a byte, and only then would end a wait for the signal that the kernel dropped. */
static void a_stop_is_ended_when_the_first_thread_has_ended(void **state)
{
	struct target target = target_spawn("exits main_thread_told 7", false);
	struct away away = { .target = &target, .stops = true };
	struct ph_lending lending;

	(void)state;
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &away, until_first_has_ended, &lending);
	tell(target.in);
	target_expect_exit(&target, 7, "ready\non its way\nalone\n");
	target_close(&target);
}

/* Nobody traces that thread any more, whose end is its process's. */
static void a_process_ends_as_in_a_run_whose_first_thread_ended_meanwhile(void **state)
{
	struct target target = target_spawn("exits main_thread_told 7", false);
	struct away away = { .target = &target };
	struct ph_lending lending;
	uint64_t ends = 0;

	(void)state;
	handle(target.session, PH_EVENT_EXIT, 0, count_hit, &ends);
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &away, until_first_has_ended, &lending);
	assert_int_equal(lending.gone, 1);
	tell(target.in);
	target_expect_exit(&target, 7, "ready\non its way\nalone\n");
	assert_int_equal(ends, 1);
	target_close(&target);
}

static void so_does_one_that_was_attached_to(void **state)
{
	struct outsider outsider = outsider_start("exits main_thread_told 7");
	struct ph_session *session;
	struct away away = { 0 };
	struct ph_lending lending;
	struct ph_reason reason;

	(void)state;
	outsider_await(&outsider, "ready");
	session = attach_to(outsider.pid);
	tell(outsider.in);
	run_to(session, "before_exit");
	lend(session, &away, until_first_has_ended, &lending);
	tell(outsider.in);
	assert_int_equal(ph_session_run(session, -1, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(reason.code, 7);
	ph_session_unref(session);
	assert_int_equal(outsider_end(&outsider, NULL), 7 << 8);
}

/* Beside another session, whose statuses the wait for its end would go on to wait for. */
static void one_whose_first_thread_ended_meanwhile_is_killed_and_reaped(void **state)
{
	struct target other = target_spawn("sleeper pause", false), target = target_spawn("exits main_thread_told 7", false);
	struct away away = { .target = &target };
	struct ph_lending lending;

	(void)state;
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &away, until_first_has_ended, &lending);
	target_close(&target);
	target_close(&other);
}

/* The number is another thread's then, which is told from one that is ended by being there. */
static int until_another_has_become_the_first(pid_t pid, void *user)
{
	struct away *away = user;

	kill(pid, SIGCONT);
	tell(away->target->in);
	await_state(pid, "S");
	if (away->stops) {
		stop(away);
		await_state(pid, "T");
	}
	return 0;
}

static void exec_gives_the_number_of_a_first_thread_that_had_ended_to_another(void **state)
{
	(void)state;
	for (int stops = 0; stops < 2; stops++) {
		struct target target = target_spawn("exits main_thread_exec 7", false);
		struct away away = { .target = &target, .stops = stops };
		struct ph_lending lending;

		tell(target.in);
		run_to(target.session, "after_main");
		assert_int_equal(state_of(target.pid), 'Z');
		lend(target.session, &away, until_another_has_become_the_first, &lending);
		assert_true(lending.replaced);
		assert_int_equal(lending.born, 0);
		assert_int_equal(lending.gone, 1);
		tell(target.in);
		target_expect_exit(&target, 7, "ready\non its way\nalone\nready\n");
		target_close(&target);
	}
}

static void so_it_does_that_of_one_that_ended_in_other_hands_before(void **state)
{
	struct target target = target_spawn("exits main_thread_exec 7", false);
	struct away first = { .target = &target, .stops = true }, second = first;
	struct ph_lending lending;

	(void)state;
	tell(target.in);
	run_to(target.session, "before_exit");
	lend(target.session, &first, until_first_has_ended, &lending);
	lend(target.session, &second, until_another_has_become_the_first, &lending);
	assert_true(lending.replaced);
	tell(target.in);
	target_expect_exit(&target, 7, "ready\non its way\nalone\nready\n");
	target_close(&target);
}

/* A read of standard input, as hooks see it. */
struct blocked {
	uint64_t enters, leaves;
	int64_t first, last;		/* what it returns */
	bool answers;			/* the first time, 5 */
	int failed;
};

static struct ph_action see_read(const struct ph_event *event, void *user)
{
	struct blocked *blocked = user;
	struct ph_syscall call;

	blocked->failed |= ph_thread_syscall_get(event->thread, &call, NULL);
	if (call.args[0] != STDIN_FILENO)
		return ACTION(PH_CONTINUE);
	if (call.leave && blocked->leaves++ == 0) {
		blocked->first = call.ret;
		if (blocked->answers)
			blocked->failed |= ph_thread_syscall_set_ret(event->thread, 5, NULL);
	}
	blocked->last = call.ret;
	blocked->enters += !call.leave;
	return ACTION(PH_CONTINUE);
}

/* Once the first thread waits in its read, which it is led out of before that is told. */
static struct ph_action stop_when_blocked(const struct ph_event *event, void *user)
{
	const struct blocked *blocked = user;

	return ACTION(blocked->enters && state_of(ph_process_pid(event->process)) == 'S' ? PH_STOP : PH_CONTINUE);
}

static struct target spawn_blocked(const struct way *way, struct blocked *blocked)
{
	struct target target = spawn_by("calls beside", false, way);
	struct ph_breakpoint *breakpoint;

	breakpoint = add_at(target.session, "beside", stop_when_blocked, blocked);
	hook(target.session, "read", true, true, see_read, blocked);
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	assert_int_equal(ph_breakpoint_remove(breakpoint, NULL), 0);
	assert_int_equal(blocked->leaves, 0);
	return target;
}

static void expect_read(struct target *target, int got)
{
	char output[64];

	snprintf(output, sizeof(output), "pid %d\nready\nread %d\n", target->pid, got);
	target_expect_exit(target, 0, output);
}

static int do_nothing(pid_t pid, void *user)
{
	(void)pid;
	(void)user;
	return 0;
}

#define ERESTARTSYS 512		/* the kernel's own: the call is made again */

static void a_call_that_was_interrupted_is_seen_to_return_afterwards(void **state)
{
	(void)state;
	/* Twice: what waits to be told is put aside again. */
	for (size_t i = 0; i < 2 * N_OF(ways); i++) {
		struct blocked blocked = { 0 };
		struct target target = spawn_blocked(&ways[i / 2], &blocked);
		struct away away = { .target = &target }, again = away;
		struct ph_lending lending;

		lend(target.session, &away, do_nothing, &lending);
		assert_false(lending.moved);
		if (i % 2)
			lend(target.session, &again, do_nothing, &lending);
		assert_int_equal(blocked.leaves, 0);
		tell(target.in);
		expect_read(&target, 1);
		assert_int_equal(blocked.enters, 2);
		assert_int_equal(blocked.leaves, 2);
		assert_int_equal(blocked.first, -ERESTARTSYS);
		assert_int_equal(blocked.last, 1);
		assert_int_equal(blocked.failed, 0);
		target_close(&target);
	}
}

static void what_a_hook_has_it_return_then_is_what_it_returns(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(ways); i++) {
		struct blocked blocked = { .answers = true };
		struct target target = spawn_blocked(&ways[i], &blocked);
		struct away away = { .target = &target };
		struct ph_lending lending;

		lend(target.session, &away, do_nothing, &lending);
		expect_read(&target, 5);
		assert_int_equal(blocked.enters, 1);
		assert_int_equal(blocked.leaves, 1);
		assert_int_equal(blocked.failed, 0);
		target_close(&target);
	}
}

static int give_seven(pid_t pid, void *user)
{
	struct user_regs_struct regs;
	int status;

	(void)user;
	ptrace(PTRACE_SEIZE, pid, 0, 0);
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, &status, __WALL);
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	regs.rax = 7;
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

static void what_another_tracer_has_it_return_is_what_hooks_see(void **state)
{
	struct blocked blocked = { 0 };
	struct target target = spawn_blocked(&ways[0], &blocked);
	struct away away = { .target = &target };
	struct ph_lending lending;

	(void)state;
	lend(target.session, &away, give_seven, &lending);
	assert_true(lending.moved);
	expect_read(&target, 7);
	assert_int_equal(blocked.enters, 1);
	assert_int_equal(blocked.leaves, 1);
	assert_int_equal(blocked.last, 7);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(a_stop_is_ended_when_the_first_thread_has_ended),
		BOUNDED(a_process_ends_as_in_a_run_whose_first_thread_ended_meanwhile),
		BOUNDED(so_does_one_that_was_attached_to),
		BOUNDED(one_whose_first_thread_ended_meanwhile_is_killed_and_reaped),
		BOUNDED(exec_gives_the_number_of_a_first_thread_that_had_ended_to_another),
		BOUNDED(so_it_does_that_of_one_that_ended_in_other_hands_before),
		BOUNDED(a_call_that_was_interrupted_is_seen_to_return_afterwards),
		BOUNDED(what_a_hook_has_it_return_then_is_what_it_returns),
		BOUNDED(what_another_tracer_has_it_return_is_what_hooks_see),
	};

	return RUN_TESTS(argc, argv, tests);
}
