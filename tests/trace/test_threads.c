/* threads: every call of every thread is seen, once, whatever the others do meanwhile. */
#include <sched.h>
#include <signal.h>

#include "fixture.h"

/* work(i): its entry, and work_middle in its middle; each runs once a call (tests/targets/work.h). */

static void counts_are_exact(void **state)
{
	static const struct {
		int threads, calls;
		const char *places[3];
	} rows[] = {
		{ 1, 2000, { "work" } },
		{ 8, 500, { "work" } },
		{ 8, 500, { "work_middle" } },
		{ 8, 500, { "work", "work_middle" } },
		{ 16, 250, { "work", "work_middle" } },
		{ 4, 300, { "work", "work", "work_middle" } },
		{ 8, 300, { "work", "work+1", "work+4" } },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		uint64_t calls = (uint64_t)(rows[i].threads * rows[i].calls), counts[3] = { 0 };
		char line[64], output[64];
		struct target target;

		snprintf(line, sizeof(line), "threads8 %d %d", rows[i].threads, rows[i].calls);
		snprintf(output, sizeof(output), "calls %lu\n", calls);
		target = target_spawn(line, false);
		for (int k = 0; k < 3 && rows[i].places[k]; k++)
			add_at(target.session, rows[i].places[k], count_hit, &counts[k]);
		target_expect_exit(&target, 0, output);
		for (int k = 0; k < 3 && rows[i].places[k]; k++)
			if (counts[k] != calls)
				fail_msg("%s at %s: %lu hits", line, rows[i].places[k], counts[k]);
		target_close(&target);
	}
}

/* What each thread has in its registers at a hit is its own. */
struct tally {
	uint64_t hits, sum, errors;
	pid_t tids[64];
	uint64_t next[64];	/* by thread: the argument that its next call must have */
	int n_tids;
};

static int index_of(struct tally *tally, pid_t tid)
{
	for (int i = 0; i < tally->n_tids; i++)
		if (tally->tids[i] == tid)
			return i;
	tally->tids[tally->n_tids] = tid;
	return tally->n_tids < 63 ? tally->n_tids++ : 63;
}

static struct ph_action add_up(const struct ph_event *event, void *user)
{
	struct tally *tally = user;
	struct user_regs_struct regs;
	int i = index_of(tally, ph_thread_tid(event->thread));

	tally->hits++;
	if (ph_thread_regs_get(event->thread, &regs, NULL) < 0 || regs.rip != event->address ||
	    regs.rdi != tally->next[i]++)
		tally->errors++;
	tally->sum += regs.rdi;
	return ACTION(PH_CONTINUE);
}

static void each_thread_has_its_own_registers_and_order(void **state)
{
	struct target target = target_spawn("threads8 8 300", false);
	struct tally tally = { 0 };

	(void)state;
	add_at(target.session, "work", add_up, &tally);
	target_expect_exit(&target, 0, "calls 2400\n");
	assert_int_equal(tally.hits, 2400);
	assert_int_equal(tally.sum, 8 * 300 * 299 / 2);
	assert_int_equal(tally.n_tids, 8);
	assert_int_equal(tally.errors, 0);
	target_close(&target);
}

/* Breakpoints for one thread: added at the first thread's birth, so that they are there before it works. */
struct choosy {
	uint64_t chosen, others, births;
	pid_t tid;
};

static struct ph_action choose(const struct ph_event *event, void *user)
{
	struct choosy *choosy = user;
	struct ph_breakpoint_options options = { .where = "work", .fn = count_hit };
	struct ph_breakpoint *breakpoint;

	if (choosy->births++)
		return ACTION(PH_CONTINUE);
	choosy->tid = ph_thread_tid(event->thread);
	options.thread = choosy->tid;
	options.user = &choosy->chosen;
	if (ph_breakpoint_add(event->session, &options, &breakpoint, NULL) >= 0)
		ph_breakpoint_unref(breakpoint);
	options.thread = ph_session_pid(event->session);	/* the main thread, which does not work */
	options.user = &choosy->others;
	if (ph_breakpoint_add(event->session, &options, &breakpoint, NULL) >= 0)
		ph_breakpoint_unref(breakpoint);
	return ACTION(PH_CONTINUE);
}

static void a_thread_filter_counts_that_thread_only(void **state)
{
	struct target target = target_spawn("threads8 8 200", false);
	struct choosy choosy = { 0 };

	(void)state;
	handle(target.session, PH_EVENT_THREAD, 0, choose, &choosy);
	target_expect_exit(&target, 0, "calls 1600\n");
	assert_int_equal(choosy.births, 8);
	assert_int_equal(choosy.chosen, 200);
	assert_int_equal(choosy.others, 0);
	target_close(&target);
}

/* ---- Sites that come and go while other threads are on them */

struct flicker {
	struct ph_breakpoint *here, *there;
	uint64_t hits, limit;
	bool counts_down;
};

static struct ph_action remove_at_limit(const struct ph_event *event, void *user)
{
	struct flicker *flicker = user;

	(void)event;
	return ++flicker->hits == flicker->limit ? ACTION(PH_REMOVE) : ACTION(PH_CONTINUE);
}

static void removed_while_others_trap_it_harms_nobody(void **state)
{
	(void)state;
	for (uint64_t limit = 1; limit <= 1000; limit = limit * 3 + 1) {
		struct target target = target_spawn("threads8 8 500", false);
		struct flicker flicker = { .limit = limit };

		add_at(target.session, "work", remove_at_limit, &flicker);
		target_expect_exit(&target, 0, "calls 4000\n");
		assert_int_equal(flicker.hits, limit);
		target_close(&target);
	}
}

/* Each hit takes its own site out and puts the other one in: traps of other threads on the old one become stale. */
static struct ph_action swap_sites(const struct ph_event *event, void *user)
{
	struct flicker *flicker = user;
	bool is_here = event->breakpoint == flicker->here;

	flicker->hits++;
	ph_breakpoint_enable(event->breakpoint, false, NULL);
	ph_breakpoint_enable(is_here ? flicker->there : flicker->here, true, NULL);
	return ACTION(PH_CONTINUE);
}

static void stale_traps_are_put_back(void **state)
{
	struct target target = target_spawn("threads8 8 400", false);
	struct flicker flicker = { 0 };
	struct ph_breakpoint_options there = { .where = "work_middle", .disabled = true, .fn = swap_sites,
					       .user = &flicker };

	(void)state;
	flicker.here = add_at(target.session, "work", swap_sites, &flicker);
	flicker.there = add_options(target.session, &there);
	target_expect_exit(&target, 0, "calls 3200\n");
	assert_true(flicker.hits > 0);
	target_close(&target);
}

/* Taken out and put in again at each hit, in one callback: nothing may be missed but what passes in between. */
static struct ph_action out_and_in(const struct ph_event *event, void *user)
{
	struct flicker *flicker = user;

	flicker->hits++;
	ph_breakpoint_enable(event->breakpoint, false, NULL);
	ph_breakpoint_enable(event->breakpoint, true, NULL);
	return ACTION(PH_CONTINUE);
}

static void a_site_that_flickers_is_hit_and_passed(void **state)
{
	struct target target = target_spawn("threads8 8 400", false);
	struct flicker flicker = { 0 };
	struct ph_breakpoint *breakpoint = add_at(target.session, "work", out_and_in, &flicker);

	(void)state;
	target_expect_exit(&target, 0, "calls 3200\n");
	assert_true(flicker.hits > 0 && flicker.hits <= 3200);
	assert_int_equal(flicker.hits, ph_breakpoint_hits(breakpoint));
	target_close(&target);
}

/* ---- Stops of everything, at any moment */

static void counts_stay_exact_when_everything_stops_at_each_hit(void **state)
{
	struct target target = target_spawn("threads8 8 50", false);
	struct record hit = { .action = ACTION(PH_STOP) };
	struct ph_reason reason;
	uint64_t stops = 0;

	(void)state;
	add_at(target.session, "work", record_hit, &hit);
	while ((reason = target_run(&target)).kind == PH_REASON_STOP)
		stops++;
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_int_equal(reason.code, 0);
	assert_int_equal(stops, 400);
	assert_int_equal(hit.calls, 400);
	target_close(&target);
}

static void counts_stay_exact_when_runs_time_out_at_any_moment(void **state)
{
	static const char *const lines[] = { "threads8 8 500", "threads8 2 2000" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], false);
		uint64_t entry = 0, middle = 0;
		struct ph_reason reason = { 0 };

		add_at(target.session, "work", count_hit, &entry);
		add_at(target.session, "work_middle", count_hit, &middle);
		do
			assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
		while (reason.kind == PH_REASON_TIMEOUT);
		assert_int_equal(reason.kind, PH_REASON_EXIT);
		assert_string_equal(target_output(&target), "calls 4000\n");
		assert_int_equal(entry, 4000);
		assert_int_equal(middle, 4000);
		target_close(&target);
	}
}

/* A thread that a stop finds anywhere is at an address of the program. */
static int look_where(struct ph_thread *thread, void *user)
{
	struct user_regs_struct regs;
	ph_addr *range = user;

	if (ph_thread_regs_get(thread, &regs, NULL) == 0 && regs.rip >= range[0] && regs.rip < range[1])
		range[2]++;
	else if (regs.rip < 1 << 20 || regs.rip >> 47)
		range[3]++;
	return 0;
}

static void threads_are_never_seen_in_our_memory(void **state)
{
	struct target target = target_spawn("threads8 4 100000", false);
	ph_addr range[4] = { 0 };
	uint64_t hits = 0;
	struct ph_breakpoint *entry = add_at(target.session, "work", count_hit, &hits);
	struct ph_breakpoint *middle = add_at(target.session, "work_middle", count_hit, &hits);
	struct ph_reason reason;
	int rounds = 0;

	(void)state;
	range[0] = address_of(target.session, "work");
	range[1] = range[0] + 32;
	while (rounds < 100) {
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
		assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
		rounds += hits > 0;
		assert_int_equal(ph_process_each_thread(ph_session_process(target.session), look_where, range), 0);
	}
	assert_true(range[2] > 0);
	assert_int_equal(range[3], 0);
	/* And what was removed is not missed by anybody. */
	assert_int_equal(ph_breakpoint_remove(entry, NULL), 0);
	assert_int_equal(ph_breakpoint_remove(middle, NULL), 0);
	expect_text_of_file(target.pid);
	target_expect_exit(&target, 0, "calls 400000\n");
	target_close(&target);
}

/* work_middle is four bytes long: nobody of the program is ever one byte behind it. */
struct mover {
	ph_addr middle;
	uint64_t behind, moved, failed;
};

static int move_on(struct ph_thread *thread, void *user)
{
	struct user_regs_struct regs;
	struct mover *mover = user;

	if (ph_thread_regs_get(thread, &regs, NULL) < 0)
		return 0;
	mover->behind += regs.rip == mover->middle + 1;
	if (regs.rip == mover->middle || regs.rip == mover->middle + 1) {
		/* As its add rax, 1 would. */
		regs.rip = mover->middle + 4;
		regs.rax++;
		mover->failed += ph_thread_regs_set(thread, &regs, NULL) < 0;
		mover->moved++;
	}
	return 0;
}

static void a_stopped_thread_may_be_moved_from_wherever_it_is_seen(void **state)
{
	static const char *const lines[] = { "threads8 4 4000", "threads8 1 16000" };

	(void)state;
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct target target = target_spawn(lines[i], false);
		struct mover mover = { .middle = address_of(target.session, "work_middle") };
		struct ph_reason reason = { 0 };
		uint64_t hits = 0;

		add_at(target.session, "work_middle", count_hit, &hits);
		do {
			assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
			if (reason.kind == PH_REASON_TIMEOUT)
				ph_process_each_thread(ph_session_process(target.session), move_on, &mover);
		} while (reason.kind == PH_REASON_TIMEOUT);
		assert_int_equal(reason.kind, PH_REASON_EXIT);
		assert_string_equal(target_output(&target), "calls 16000\n");
		assert_int_equal(mover.behind, 0);
		assert_int_equal(mover.failed, 0);
		assert_true(hits <= 16000 && hits + mover.moved >= 16000);
		target_close(&target);
	}
}

/* Our memory is gone with us: a thread that was left in it would die. */
static void detach_at_any_moment_leaves_every_thread_in_the_program(void **state)
{
	struct outsider outsider = outsider_start("busy 4");

	(void)state;
	outsider_await(&outsider, "ready");
	for (long round = fixture_size(1000, 50); round-- > 0;) {
		struct ph_session *session = attach_to(outsider.pid);
		struct ph_reason reason;
		uint64_t hits = 0;

		add_at(session, "tick", count_hit, &hits);
		add_at(session, "run+0", count_hit, &hits);
		do
			assert_int_equal(ph_session_run(session, 1, &reason, NULL), 0);
		while (hits == 0 && reason.kind == PH_REASON_TIMEOUT);
		assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
		assert_int_equal(ph_session_detach(session, false, NULL), 0);
		ph_session_unref(session);
		expect_text_of_file(outsider.pid);
	}
	kill(outsider.pid, SIGUSR1);
	assert_int_equal(outsider_end(&outsider, NULL), 7 << 8);
}

/* ---- Births and ends */

struct crowd {
	uint64_t births, ends, hits, unreadable;
};

static struct ph_action count_birth(const struct ph_event *event, void *user)
{
	(void)event;
	((struct crowd *)user)->births++;
	return ACTION(PH_CONTINUE);
}

static struct ph_action count_end(const struct ph_event *event, void *user)
{
	struct user_regs_struct regs;
	struct crowd *crowd = user;

	crowd->ends++;
	crowd->unreadable += ph_thread_regs_get(event->thread, &regs, NULL) < 0;
	return ACTION(PH_CONTINUE);
}

static void a_storm_of_short_threads_is_counted_to_the_last(void **state)
{
	static const struct {
		const char *line;
		uint64_t threads;
	} rows[] = { { "threadstorm 400 8", 400 }, { "threadstorm 200 32", 200 }, { "threadstorm 100 1", 100 } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn(rows[i].line, false);
		struct crowd crowd = { 0 };

		add_at(target.session, "work", count_hit, &crowd.hits);
		handle(target.session, PH_EVENT_THREAD, 0, count_birth, &crowd);
		handle(target.session, PH_EVENT_THREAD_EXIT, 0, count_end, &crowd);
		target_expect_exit(&target, 0, NULL);
		assert_int_equal(crowd.hits, rows[i].threads);
		assert_int_equal(crowd.births, rows[i].threads);
		assert_int_equal(crowd.ends, rows[i].threads + 1);
		target_close(&target);
	}
}

static void a_storm_survives_stops_at_any_moment(void **state)
{
	struct target target = target_spawn("threadstorm 300 8", false);
	struct crowd crowd = { 0 };
	struct ph_reason reason = { 0 };

	(void)state;
	add_at(target.session, "work", count_hit, &crowd.hits);
	handle(target.session, PH_EVENT_THREAD, 0, count_birth, &crowd);
	handle(target.session, PH_EVENT_THREAD_EXIT, 0, count_end, &crowd);
	do
		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
	while (reason.kind == PH_REASON_TIMEOUT);
	assert_int_equal(reason.kind, PH_REASON_EXIT);
	assert_string_equal(target_output(&target), "threads 300\n");
	assert_int_equal(crowd.hits, 300);
	assert_int_equal(crowd.births, 300);
	assert_int_equal(crowd.ends, 301);
	target_close(&target);
}

static void the_end_is_that_of_the_process_whichever_thread_ends_it(void **state)
{
	static const struct {
		const char *line, *place;
		enum ph_reason_kind kind;
		int code;
	} rows[] = {
		{ "exits code 3", NULL, PH_REASON_EXIT, 3 },
		{ "exits exit_thread", NULL, PH_REASON_EXIT, 5 },
		{ "exits main_thread_exit", "after_main", PH_REASON_EXIT, 6 },	/* the first thread ends before */
		{ "exits thread_signal 15", NULL, PH_REASON_SIGNAL, 15 },
		{ "exits signal 6", NULL, PH_REASON_SIGNAL, 6 },
		{ "exits kill", NULL, PH_REASON_SIGNAL, 9 },
		{ "exits abort", NULL, PH_REASON_SIGNAL, 6 },
		{ "exits segv", NULL, PH_REASON_SIGNAL, 11 },
		{ "exits ill", NULL, PH_REASON_SIGNAL, 4 },
		{ "exits fpe", NULL, PH_REASON_SIGNAL, 8 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn(rows[i].line, false);
		struct record ending = { 0 };
		struct ph_reason reason;
		uint64_t hits = 0;

		handle(target.session, PH_EVENT_EXIT, 0, record_hit, &ending);
		if (rows[i].place)
			add_at(target.session, rows[i].place, count_hit, &hits);
		reason = target_run(&target);
		if (reason.kind != rows[i].kind || reason.code != rows[i].code)
			fail_msg("%s: reason %d, code %d", rows[i].line, reason.kind, reason.code);
		assert_int_equal(hits, rows[i].place != NULL);
		assert_int_equal(ending.calls, 1);
		assert_int_equal(ending.pid, target.pid);
		target_close(&target);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(counts_are_exact),
		BOUNDED(each_thread_has_its_own_registers_and_order),
		BOUNDED(a_thread_filter_counts_that_thread_only),
		BOUNDED(removed_while_others_trap_it_harms_nobody),
		BOUNDED(stale_traps_are_put_back),
		BOUNDED(a_site_that_flickers_is_hit_and_passed),
		BOUNDED(counts_stay_exact_when_everything_stops_at_each_hit),
		BOUNDED(counts_stay_exact_when_runs_time_out_at_any_moment),
		BOUNDED(threads_are_never_seen_in_our_memory),
		BOUNDED(a_stopped_thread_may_be_moved_from_wherever_it_is_seen),
		BOUNDED(detach_at_any_moment_leaves_every_thread_in_the_program),
		BOUNDED(a_storm_of_short_threads_is_counted_to_the_last),
		BOUNDED(a_storm_survives_stops_at_any_moment),
		BOUNDED(the_end_is_that_of_the_process_whichever_thread_ends_it),
	};

	return RUN_TESTS(argc, argv, tests);
}
