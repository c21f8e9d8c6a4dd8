/* signals: the target gets what it would get untraced, once, in order, and in the right place. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "fixture.h"

/* tests/targets/signals.c checks itself in each mode; what it prints is the same traced or not. */
struct mode {
	const char *line;
	uint64_t work, handled;	/* calls of work and handled; 0: not the same in every run */
	const char *inside;	/* a place in the middle of what the mode is about, or NULL */
};

static const struct mode modes[] = {
	{ "signals usr1 20", 20, 20, NULL },
	{ "signals int3 20", 20, 20, "own_int3" },
	{ "signals icebp 20", 20, 20, "own_icebp" },
	{ "signals kill_trap 20", 20, 20, NULL },
	{ "signals tf 20", 20, 80, NULL },
	{ "signals blocked_trap 20", 41, 40, "blocked_int3" },
	{ "signals pending_trap 20", 21, 20, NULL },
	{ "signals rt 100", 1, 100, NULL },
	{ "signals altstack 20", 40, 20, NULL },
	{ "signals restart 50", 0, 50, NULL },
	{ "signals longjmp 20", 20, 20, NULL },
	{ "signals nested 20", 20, 40, NULL },
	{ "signals fault 20", 20, 20, NULL },
};

static void signals_arrive_as_untraced(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(modes); i++) {
		char *alone = untraced_output(modes[i].line, 0);
		struct target target = target_spawn(modes[i].line, false);

		target_expect_exit(&target, 0, alone);
		target_close(&target);
		free(alone);
	}
}

static void signals_arrive_as_untraced_under_breakpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(modes); i++) {
		char *alone = untraced_output(modes[i].line, 0);
		struct target target = target_spawn(modes[i].line, false);
		uint64_t entry = 0, middle = 0, handled = 0;

		add_at(target.session, "work", count_hit, &entry);
		add_at(target.session, "work_middle", count_hit, &middle);
		add_at(target.session, "handled", count_hit, &handled);
		target_expect_exit(&target, 0, alone);
		if (entry != modes[i].work || middle != modes[i].work || handled != modes[i].handled)
			fail_msg("%s: work %lu and %lu, handled %lu", modes[i].line, entry, middle, handled);
		target_close(&target);
		free(alone);
	}
}

/* On the int3 or icebp itself: the hook runs, then the program's own trap. */
static void a_breakpoint_on_a_trap_of_the_program_gives_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(modes); i++) {
		struct target target;
		uint64_t hits = 0;
		char *alone;

		if (!modes[i].inside)
			continue;
		alone = untraced_output(modes[i].line, 0);
		target = target_spawn(modes[i].line, false);
		add_at(target.session, modes[i].inside, count_hit, &hits);
		target_expect_exit(&target, 0, alone);
		assert_int_equal(hits, 20);
		target_close(&target);
		free(alone);
	}
}

/* The kernel takes that away from a program at each int3 of ours. Known when it begins, it is put back each time. */
static void a_program_that_ignores_traps_goes_on_to_do_so(void **state)
{
	struct target target;
	uint64_t work = 0, handled = 0;
	char *alone;

	(void)state;
	signal(SIGTRAP, SIG_IGN);
	alone = untraced_output("signals ignored_trap 20", 0);
	target = target_spawn("signals ignored_trap 20", false);
	signal(SIGTRAP, SIG_DFL);
	add_at(target.session, "work", count_hit, &work);
	add_at(target.session, "work_middle", count_hit, &work);
	add_at(target.session, "handled", count_hit, &handled);
	target_expect_exit(&target, 0, alone);
	assert_int_equal(work, 40);
	assert_int_equal(handled, 20);
	target_close(&target);
	free(alone);
}

/* Attached to, hit, let go at any moment: its handler and its block are there as before. */
static void a_blocked_trap_outlives_attaching_and_detaching(void **state)
{
	struct outsider outsider = outsider_start("signals blocked_for_long");
	char *rest;

	(void)state;
	outsider_await(&outsider, "ready");
	for (int round = 0; round < 30; round++) {
		struct ph_session *session = attach_to(outsider.pid);
		struct ph_reason reason;
		uint64_t hits = 0;

		add_at(session, "work", count_hit, &hits);
		add_at(session, "work_middle", count_hit, &hits);
		do
			assert_int_equal(ph_session_run(session, 1, &reason, NULL), 0);
		while (hits == 0 && reason.kind == PH_REASON_TIMEOUT);
		assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
		assert_int_equal(ph_session_detach(session, false, NULL), 0);
		ph_session_unref(session);
	}
	kill(outsider.pid, SIGUSR2);
	assert_int_equal(outsider_end(&outsider, &rest), 0);
	assert_string_equal(rest, "blocked_for_long 0\n");
	free(rest);
}

/* It steps itself over four instructions; a breakpoint on any of them leaves it its own traps. */
static void a_program_that_steps_itself_keeps_its_traps(void **state)
{
	static const ph_addr offsets[] = { 0, 7, 11, 15, 19 };	/* mov, add, lea, add; tf_last */
	char *alone = untraced_output("signals tf 20", 0);

	(void)state;
	for (size_t i = 0; i < N_OF(offsets); i++) {
		struct target target = target_spawn("signals tf 20", false);
		ph_addr first = address_of(target.session, "tf_first"), last = address_of(target.session, "tf_last");
		uint64_t hits = 0;
		struct ph_breakpoint_options options = { .fn = count_hit, .user = &hits };
		struct ph_reason reason;

		options.address = i + 1 == N_OF(offsets) ? last : first + offsets[i];
		assert_true(options.address <= last);
		add_options(target.session, &options);
		reason = target_run(&target);
		if (reason.kind != PH_REASON_EXIT || reason.code || strcmp(target_output(&target), alone) || hits != 20)
			fail_msg("at tf_first+%lu: reason %d code %d, %lu hits, output:\n%s", options.address - first,
				 reason.kind, reason.code, hits, target_output(&target));
		target_close(&target);
	}
	free(alone);
}

/* The same on a branch, which may be passed without running it: its trap must come all the same. */
static void a_program_that_steps_over_a_branch_keeps_its_trap(void **state)
{
	static const uint8_t mov[] = { 0x48, 0xc7, 0xc0, 1, 0, 0, 0 };	/* mov rax, 1 */
	/* add rax, 9; jmp over two bytes; lea rax, [rax + 0]: as many instructions, and as many bytes, as are there. */
	static const uint8_t code[] = { 0x48, 0x83, 0xc0, 9, 0xeb, 2, 0x90, 0x90, 0x48, 0x8d, 0x40, 0 };
	char *alone = untraced_output("signals tf 20", 0);
	struct target target = target_spawn("signals tf 20", false);
	ph_addr first = address_of(target.session, "tf_first");
	uint64_t hits = 0;
	struct ph_breakpoint_options options = { .address = first + sizeof(mov) + 4, .fn = count_hit, .user = &hits };
	uint8_t now[sizeof(mov)];

	(void)state;
	raw_read(target.pid, first, now, sizeof(now));
	assert_memory_equal(now, mov, sizeof(mov));
	assert_int_equal(ph_process_write(ph_session_process(target.session), first + sizeof(mov), code, sizeof(code),
					  NULL), 0);
	add_options(target.session, &options);
	target_expect_exit(&target, 0, alone);
	assert_int_equal(hits, 20);
	target_close(&target);
	free(alone);
}

static void interrupted_calls_see_what_they_would(void **state)
{
	static const char *const lines[] = { "signals restart 100", "signals norestart 100" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], false);
		uint64_t handled = 0;

		add_at(target.session, "handled", count_hit, &handled);
		target_expect_exit(&target, 0, NULL);
		assert_true(handled >= 100);
		target_close(&target);
	}
}

/* ---- A 1 kHz timer while breakpoints are hit */

struct ticks {
	ph_addr counter;	/* handled_count of the target */
	uint64_t handled, skipped, work, middle;
};

static struct ph_action check_tick(const struct ph_event *event, void *user)
{
	struct ticks *ticks = user;
	uint64_t so_far = 0;

	/* Its handler ran once for each hit of ours. */
	if (ph_process_read(event->process, ticks->counter, &so_far, sizeof(so_far), NULL) < 0 ||
	    so_far != ticks->handled)
		ticks->skipped++;
	ticks->handled++;
	return ACTION(PH_CONTINUE);
}

static void a_timer_and_breakpoints_lose_nothing_of_each_other(void **state)
{
	struct target target = target_spawn("signals timer 150", false);
	struct ticks ticks = { .counter = address_of(target.session, "handled_count") };
	unsigned long calls = 0;

	(void)state;
	add_at(target.session, "handled", check_tick, &ticks);
	add_at(target.session, "work", count_hit, &ticks.work);
	add_at(target.session, "work_middle", count_hit, &ticks.middle);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(sscanf(target_output(&target), "work %lu", &calls), 1);
	assert_int_equal(ticks.work, calls);
	assert_int_equal(ticks.middle, calls);
	assert_true(ticks.handled >= 150);
	assert_int_equal(ticks.skipped, 0);
	target_close(&target);
}

static void threads_that_signal_one_another_lose_no_hit(void **state)
{
	struct target target = target_spawn("signals threads 500", false);
	uint64_t entry = 0, middle = 0, handled = 0;

	(void)state;
	add_at(target.session, "work", count_hit, &entry);
	add_at(target.session, "work_middle", count_hit, &middle);
	add_at(target.session, "handled", count_hit, &handled);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(entry, 2000);
	assert_int_equal(middle, 2000);
	assert_true(handled > 0);
	target_close(&target);
}

/* ---- Hooks on signals */

#define LIVE_RT (SIGRTMIN + 5)
#define EACH 3

struct queue {
	uint64_t hits, sent, seen, wrong;
	bool to_thread;
};

/* A few values, sent in the very moment of a hit. */
static struct ph_action send_values(const struct ph_event *event, void *user)
{
	struct queue *queue = user;

	queue->hits++;
	for (int k = 0; k < EACH; k++) {
		siginfo_t info = { .si_signo = LIVE_RT, .si_code = SI_QUEUE };

		info.si_pid = getpid();
		info.si_uid = getuid();
		info.si_value.sival_int = (int)queue->sent++;
		if (queue->to_thread)
			syscall(SYS_rt_tgsigqueueinfo, ph_process_pid(event->process), ph_thread_tid(event->thread),
				LIVE_RT, &info);
		else
			sigqueue(ph_process_pid(event->process), LIVE_RT, info.si_value);
	}
	return ACTION(PH_CONTINUE);
}

static struct ph_action check_value(const struct ph_event *event, void *user)
{
	struct queue *queue = user;

	if (!event->siginfo || event->siginfo->si_signo != LIVE_RT || event->siginfo->si_code != SI_QUEUE ||
	    event->siginfo->si_pid != getpid() || event->siginfo->si_value.sival_int != (int)queue->seen)
		queue->wrong++;
	queue->seen++;
	return ACTION(PH_SUPPRESS);
}

static void values_sent_at_a_hit_come_once_and_in_order(void **state)
{
	static const char *const places[] = { "work", "work_middle", "work+1" };

	(void)state;
	for (size_t i = 0; i < N_OF(places); i++)
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			struct target target = target_spawn("signals usr1 200", false);
			struct queue queue = { .to_thread = to_thread };

			add_at(target.session, places[i], send_values, &queue);
			handle(target.session, PH_EVENT_SIGNAL, 1ull << (LIVE_RT - 1), check_value, &queue);
			target_expect_exit(&target, 0, "usr1 200\n");
			assert_int_equal(queue.hits, 200);
			if (queue.seen != queue.sent || queue.wrong)
				fail_msg("%s: %lu sent, %lu seen, %lu wrong", places[i], queue.sent, queue.seen,
					 queue.wrong);
			target_close(&target);
		}
}

static void a_hook_may_suppress_replace_or_let_through(void **state)
{
	static const struct {
		struct ph_action action;
		enum ph_reason_kind kind;
		int code;
	} rows[] = {
		{ { PH_CONTINUE, 0, 0 }, PH_REASON_SIGNAL, SIGTERM },
		{ { PH_SUPPRESS, 0, 0 }, PH_REASON_EXIT, SIGTERM },	/* exits returns raise()'s 0, see below */
		{ { PH_SIGNAL, true, SIGUSR2 }, PH_REASON_SIGNAL, SIGUSR2 },
		{ { PH_SIGNAL, true, SIGKILL }, PH_REASON_SIGNAL, SIGKILL },
		{ { PH_SIGNAL, true, SIGCONT }, PH_REASON_EXIT, 0 },
		{ { PH_KILL, 0, 0 }, PH_REASON_SIGNAL, SIGKILL },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn("exits signal 15", false);
		struct record seen = { .action = rows[i].action };
		struct ph_reason reason;

		handle(target.session, PH_EVENT_SIGNAL, 1ull << (SIGTERM - 1), record_hit, &seen);
		reason = target_run(&target);
		assert_int_equal(reason.kind, rows[i].kind);
		if (reason.kind == PH_REASON_SIGNAL)
			assert_int_equal(reason.code, rows[i].code);
		else
			assert_int_equal(reason.code, 0);
		assert_int_equal(seen.calls, 1);
		target_close(&target);
	}
}

struct sighting {
	int signal, code;
	pid_t pid;
	uint64_t addr, calls;
};

static struct ph_action look_at_signal(const struct ph_event *event, void *user)
{
	struct sighting *sighting = user;

	sighting->calls++;
	if (event->siginfo) {
		sighting->signal = event->siginfo->si_signo;
		sighting->code = event->siginfo->si_code;
		sighting->pid = event->siginfo->si_pid;
		sighting->addr = (uintptr_t)event->siginfo->si_addr;
	}
	return ACTION(PH_CONTINUE);
}

static void a_hook_sees_who_sent_it_and_why(void **state)
{
	static const struct {
		const char *line;
		uint64_t filter;
		int signal, code;
		bool from_itself;
		uint64_t addr;	/* 0: not looked at */
	} rows[] = {
		{ "exits signal 15", 0, SIGTERM, SI_TKILL, true, 0 },
		{ "exits signal 15", 1ull << (SIGTERM - 1), SIGTERM, SI_TKILL, true, 0 },
		{ "exits signal 64", 1ull << 63, 64, SI_TKILL, true, 0 },
		{ "exits segv", 0, SIGSEGV, SEGV_MAPERR, false, 8 },
		{ "exits ill", 0, SIGILL, ILL_ILLOPN, false, 0 },
		{ "exits fpe", 0, SIGFPE, FPE_INTDIV, false, 0 },
		{ "exits abort", 0, SIGABRT, SI_TKILL, true, 0 },
		{ "exits signal 15", 1ull << (SIGINT - 1), 0, 0, false, 0 },	/* not one of those */
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn(rows[i].line, false);
		struct sighting sighting = { 0 };
		struct ph_reason reason;

		handle(target.session, PH_EVENT_SIGNAL, rows[i].filter, look_at_signal, &sighting);
		reason = target_run(&target);
		assert_int_equal(reason.kind, PH_REASON_SIGNAL);
		assert_int_equal(sighting.calls, rows[i].signal != 0);
		assert_int_equal(sighting.signal, rows[i].signal);
		assert_int_equal(sighting.code, rows[i].code);
		if (rows[i].from_itself)
			assert_int_equal(sighting.pid, target.pid);
		if (rows[i].addr)
			assert_int_equal(sighting.addr, rows[i].addr);
		target_close(&target);
	}
}

/* A trap of the program's own is a signal like others: its hook sees it, and may keep it away. */
static void a_trap_of_the_programs_own_is_a_signal_to_hooks(void **state)
{
	static const struct {
		const char *line;
		int code;
	} rows[] = { { "signals int3 5", SI_KERNEL }, { "signals kill_trap 5", SI_USER }, { "signals tf 5", TRAP_TRACE } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char *alone = untraced_output(rows[i].line, 0);
		struct target target = target_spawn(rows[i].line, false);
		struct sighting sighting = { 0 };

		handle(target.session, PH_EVENT_SIGNAL, 1ull << (SIGTRAP - 1), look_at_signal, &sighting);
		target_expect_exit(&target, 0, alone);
		assert_int_equal(sighting.signal, SIGTRAP);
		assert_int_equal(sighting.code, rows[i].code);
		assert_true(sighting.calls >= 5);
		target_close(&target);
		free(alone);
	}
}

/* ---- Signals that a hook sends with its action */

struct nudge {
	uint64_t hits, limit;
};

static struct ph_action nudge(const struct ph_event *event, void *user)
{
	struct nudge *nudge = user;

	(void)event;
	return ++nudge->hits <= nudge->limit ? ACTION_VALUE(PH_SIGNAL, SIGUSR1) : ACTION(PH_CONTINUE);
}

static void a_signal_by_action_runs_the_handler_once_and_the_instruction_once(void **state)
{
	static const char *const places[] = { "work", "work_middle" };

	(void)state;
	for (size_t i = 0; i < N_OF(places); i++) {
		struct target target = target_spawn("signals threads 200", false);
		struct nudge wish = { .limit = 100 };
		struct sighting unseen = { 0 };
		uint64_t middle = 0;

		add_at(target.session, places[i], nudge, &wish);
		add_at(target.session, "work_middle", count_hit, &middle);
		handle(target.session, PH_EVENT_SIGNAL, 1ull << (SIGUSR2 - 1), look_at_signal, &unseen);
		target_expect_exit(&target, 0, NULL);
		assert_int_equal(wish.hits, 800);
		assert_int_equal(middle, 800);
		assert_int_equal(unseen.calls, 0);
		target_close(&target);
	}
}

/* ---- Group stops */

static bool has_said(const struct target *target, const char *word)
{
	return strstr(target_output(target), word) != NULL;
}

/* Stops itself by SIGSTOP, and by SIGTSTP; it is to stay so until SIGCONT, through runs and pauses of ours. */
static void a_group_stop_is_kept_until_sigcont(void **state)
{
	static const char *const lines[] = { "signals stop 3", "signals tstp 3" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		char said[64] = "";
		struct target target = target_spawn(lines[i], false);
		uint64_t work = 0, handled = 0;
		struct ph_reason reason;

		add_at(target.session, "work", count_hit, &work);
		add_at(target.session, "handled", count_hit, &handled);
		for (uint64_t round = 1; round <= 3; round++) {
			strcat(said, "stopping\n");
			do
				assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
			while (reason.kind == PH_REASON_TIMEOUT && strcmp(target_output(&target), said));
			for (int pause = 0; pause < 20; pause++) {
				assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
				assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
				assert_string_equal(target_output(&target), said);
				assert_int_equal(work, round - 1);
			}
			kill(target.pid, SIGCONT);
			strcat(said, "continued\n");
		}
		assert_int_equal(ph_session_run(target.session, -1, &reason, NULL), 0);
		assert_int_equal(reason.kind, PH_REASON_EXIT);
		assert_int_equal(reason.code, 0);
		assert_int_equal(work, 3);
		assert_int_equal(handled, 3);
		target_close(&target);
	}
}

static void a_group_stop_outlives_detaching(void **state)
{
	struct target target = target_spawn("signals stop 1", false);
	struct ph_reason reason;
	uint64_t work = 0;
	int status;

	(void)state;
	add_at(target.session, "work", count_hit, &work);
	do
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
	while (!has_said(&target, "stopping"));
	/* The raise follows its line; in a group stop the state of a tracee shows it. */
	for (int pause = 0; pause < 5; pause++)
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
	assert_int_equal(ph_session_detach(target.session, false, NULL), 0);
	await_state(target.pid, "T");
	assert_false(has_said(&target, "continued"));
	kill(target.pid, SIGCONT);
	assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
	assert_int_equal(status, 0);
	assert_string_equal(target_output(&target), "stopping\ncontinued\nstop 1\n");
	target_close(&target);
}

static void detach_can_leave_it_stopped(void **state)
{
	static const char *const lines[] = { "signals usr1 10", "threads8 4 1000", "signals threads 200" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], false);
		struct record hit = { .act_at = 5, .action = ACTION(PH_STOP) };
		int status;

		add_at(target.session, "work", record_hit, &hit);
		assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
		assert_int_equal(ph_session_detach(target.session, true, NULL), 0);
		await_state(target.pid, "T");
		expect_text_of_file(target.pid);
		kill(target.pid, SIGCONT);
		assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
		if (status)
			fail_msg("%s: status 0x%x, output:\n%s", lines[i], status, target_output(&target));
		assert_int_equal(hit.calls, 5);
		target_close(&target);
	}
}

/* A thread in a group stop hits nothing; others of another process do not care. Stops and conts at any moment. */
static void stops_and_conts_in_the_middle_of_hits_lose_nothing(void **state)
{
	struct target target = target_spawn("threads8 4 1500", false);
	uint64_t entry = 0, middle = 0;
	struct ph_reason reason = { 0 };
	bool stopped = false;

	(void)state;
	add_at(target.session, "work", count_hit, &entry);
	add_at(target.session, "work_middle", count_hit, &middle);
	do {
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
		if (reason.kind == PH_REASON_TIMEOUT)
			kill(target.pid, stopped ? SIGCONT : SIGSTOP);
		stopped = !stopped;
	} while (reason.kind == PH_REASON_TIMEOUT);
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(reason.code, 0);
	assert_string_equal(target_output(&target), "calls 6000\n");
	assert_int_equal(entry, 6000);
	assert_int_equal(middle, 6000);
	target_close(&target);
}

/* What a program ignores that we spawn, of what we ignore ourselves: signals 10 and 40. */
static uint64_t ignored_by_program(const sigset_t *ignored, bool keeps_realtime)
{
	char *argv[] = { (char[]){ "/bin/grep" }, (char[]){ "SigIgn:" }, (char[]){ "/proc/self/status" }, NULL };
	struct ph_spawn_options options = PH_SPAWN_OPTIONS_INIT;
	struct target target = { .in = -1, .out = memfd_create("output", MFD_CLOEXEC) };
	uint64_t mask;

	options.argv = argv;
	options.stdio[1] = target.out;
	options.ignored = ignored;
	options.keeps_realtime = keeps_realtime;
	assert_int_equal(ph_session_spawn(tracer, &options, &target.session, NULL), 0);
	target_expect_exit(&target, 0, NULL);
	mask = strtoull(target_output(&target) + strlen("SigIgn:"), NULL, 16);
	target_close(&target);
	return mask;
}

static void a_program_ignores_what_it_is_said_to(void **state)
{
	sigset_t none, two;

	(void)state;
	sigemptyset(&none);
	sigemptyset(&two);
	sigaddset(&two, 12);
	sigaddset(&two, 41);
	signal(10, SIG_IGN);
	signal(40, SIG_IGN);
	assert_int_equal(ignored_by_program(NULL, false), 1ull << 9 | 1ull << 39);
	assert_int_equal(ignored_by_program(&none, false), 0);
	assert_int_equal(ignored_by_program(&two, false), 1ull << 11 | 1ull << 40);
	assert_int_equal(ignored_by_program(&none, true), 1ull << 39);
	assert_int_equal(ignored_by_program(&two, true), 1ull << 11 | 1ull << 39 | 1ull << 40);
	signal(10, SIG_DFL);
	signal(40, SIG_DFL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(signals_arrive_as_untraced),
		BOUNDED(signals_arrive_as_untraced_under_breakpoints),
		BOUNDED(a_breakpoint_on_a_trap_of_the_program_gives_both),
		BOUNDED(a_program_that_ignores_traps_goes_on_to_do_so),
		BOUNDED(a_blocked_trap_outlives_attaching_and_detaching),
		BOUNDED(a_program_that_steps_itself_keeps_its_traps),
		BOUNDED(a_program_that_steps_over_a_branch_keeps_its_trap),
		BOUNDED(interrupted_calls_see_what_they_would),
		BOUNDED(a_timer_and_breakpoints_lose_nothing_of_each_other),
		BOUNDED(threads_that_signal_one_another_lose_no_hit),
		BOUNDED(values_sent_at_a_hit_come_once_and_in_order),
		BOUNDED(a_hook_may_suppress_replace_or_let_through),
		BOUNDED(a_hook_sees_who_sent_it_and_why),
		BOUNDED(a_trap_of_the_programs_own_is_a_signal_to_hooks),
		BOUNDED(a_signal_by_action_runs_the_handler_once_and_the_instruction_once),
		BOUNDED(a_program_ignores_what_it_is_said_to),
		BOUNDED(a_group_stop_is_kept_until_sigcont),
		BOUNDED(a_group_stop_outlives_detaching),
		BOUNDED(detach_can_leave_it_stopped),
		BOUNDED(stops_and_conts_in_the_middle_of_hits_lose_nothing),
	};

	return RUN_TESTS(argc, argv, tests);
}
