/* behind: a SIGTRAP that somebody sends is the program's, wherever it finds a thread, and costs no hit. */
#include <signal.h>
#include <sys/syscall.h>

#include "engine/process.h"
#include "engine/site.h"
#include "engine/thread.h"
#include "fixture.h"

/* What the site is taken for is looked at in the hit of that number, while it is there. */
struct look {
	uint64_t hits, at;
	enum ph_behind behind;
};

static struct ph_action look(const struct ph_event *event, void *user)
{
	struct look *look = user;

	if (++look->hits == look->at)
		look->behind = ph_space_site_find(event->process->space, event->address)->behind;
	return (struct ph_action){ .kind = PH_CONTINUE };
}

static void traps_that_are_sent_and_hits_are_all_counted(void **state)
{
	static const char *const ways[] = { "process", "thread" };
	static const char *const places[][6] = {
		{ "work", "spin" },
		{ "edges_push", "edges_pop", "edges_leave", "edges_ret" },
		{ "work", "spin", "edges_add", "edges_push", "edges_pop", "edges_ret" },
	};
	long n = fixture_size(200000, 5000);
	char line[64], output[64];

	(void)state;
	snprintf(output, sizeof(output), "trapped %ld\n", n);
	for (size_t i = 0; i < N_OF(ways) * N_OF(places); i++) {
		const char *const *at = places[i % N_OF(places)];
		uint64_t hits[N_OF(places[0])] = { 0 };
		struct target target;

		snprintf(line, sizeof(line), "trapped %ld %s", n, ways[i / N_OF(places)]);
		target = target_spawn(line, false);
		for (size_t k = 0; k < N_OF(hits) && at[k]; k++)
			add_at(target.session, at[k], count_hit, &hits[k]);
		target_expect_exit(&target, 0, output);
		for (size_t k = 0; k < N_OF(hits) && at[k]; k++)
			assert_int_equal(hits[k], n);
		assert_true(ph_session_stats(target.session).signals > 100);
		target_close(&target);
	}
}

static struct ph_action trap_once(const struct ph_event *event, void *user)
{
	uint64_t *hits = user;

	(void)event;
	return (struct ph_action){ .kind = ++*hits == 150 ? PH_SIGNAL : PH_CONTINUE, .value = SIGTRAP };
}

/* What is sent waits then, and the kernel takes each hit that comes for it. */
static void a_thread_that_blocks_its_trap_loses_no_hit(void **state)
{
	static const char *const places[] = { "edges_add", "edges_push", "edges_pop", "edges_leave", "edges_ret" };

	(void)state;
	for (size_t i = 0; i < N_OF(places); i++) {
		struct target target = target_spawn("trapped 500 blocked", false);
		uint64_t hits = 0;

		add_at(target.session, places[i], trap_once, &hits);
		target_expect_exit(&target, 0, "handled 1\n");
		assert_int_equal(hits, 500);
		target_close(&target);
	}
}

/* While the first thread stands in its hook, the other runs into its own, and nobody has seen that yet. */
static struct ph_action let_the_other_trap(const struct ph_event *event, void *user)
{
	uint64_t *stops = user;
	struct ph_thread *thread;
	char path[64], state = '?';

	++*stops;
	assert_int_equal(ph_process_write(event->process, address_of(event->session, "may_go"), "\1", 1, NULL), 0);
	ph_list_each(thread, &event->process->threads, struct ph_thread, in_process)
		if (thread != event->thread)
			snprintf(path, sizeof(path), "/proc/%d/stat", ph_thread_tid(thread));
	while (state != 't') {
		FILE *file = fopen(path, "re");

		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
		fclose(file);
	}
	return (struct ph_action){ .kind = PH_STOP };
}

static void a_hit_that_waits_keeps_the_signal_that_came_with_it(void **state)
{
	struct target target = target_spawn("trapped 1 beside", false);
	uint64_t hits = 0, stops = 0;
	struct ph_reason reason;

	(void)state;
	add_at(target.session, "edges_add", count_hit, &hits);
	add_at(target.session, "spin", let_the_other_trap, &stops);
	reason = target_run(&target);
	assert_int_equal(reason.kind, PH_REASON_STOP);
	assert_int_equal(hits, 100);
	target_expect_exit(&target, 0, "handled 1\n");
	assert_int_equal(hits, 101);
	assert_int_equal(stops, 1);
	target_close(&target);
}

static void the_kernel_is_asked_no_more_where_only_a_hit_leads(void **state)
{
	static const struct {
		const char *line, *where;
		enum ph_behind behind;
		uint64_t least;		/* wait4, GETREGS, POKEUSER, CONT; GETSIGINFO is the fifth */
	} rows[] = {
		{ "threads8 1 10000", "work", PH_BEHIND_BY_RUNNING, 40000 },
		{ "threads8 1 10000", "work_middle", PH_BEHIND_UNKNOWN, 40000 },
		{ "trapped 10000 none", "spin", PH_BEHIND_ANYHOW, 50000 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct target target = target_spawn(rows[i].line, false);
		struct look seen = { .at = 9000 };
		uint64_t before = ph_session_stats(target.session).syscalls;

		add_at(target.session, rows[i].where, look, &seen);
		target_expect_exit(&target, 0, NULL);
		assert_int_equal(seen.hits, 10000);
		assert_int_equal(seen.behind, rows[i].behind);
		assert_in_range(ph_session_stats(target.session).syscalls - before, rows[i].least, rows[i].least + 5000);
		target_close(&target);
	}
}

/* A thread that stands behind the push, its next instruction not run. */
struct stepping {
	struct look look;
	uint64_t sent;
};

static struct ph_action step_often(const struct ph_event *event, void *user)
{
	struct stepping *stepping = user;

	look(event, &stepping->look);
	return (struct ph_action){ .kind = stepping->look.hits > 2000 && stepping->look.hits % 7 == 0 ? PH_STEP : PH_CONTINUE };
}

static struct ph_action send_trap(const struct ph_event *event, void *user)
{
	struct stepping *stepping = user;

	stepping->sent++;
	syscall(SYS_tgkill, ph_process_pid(event->process), ph_thread_tid(event->thread), SIGTRAP);
	return (struct ph_action){ .kind = PH_CONTINUE };
}

static void a_thread_that_stands_there_gets_its_trap(void **state)
{
	struct target target = target_spawn("trapped 4000 alone", false);
	struct stepping stepping = { .look.at = 2000 };
	char output[64];

	(void)state;
	add_at(target.session, "work", step_often, &stepping);
	handle(target.session, PH_EVENT_STEP, 0, send_trap, &stepping);
	target_expect_exit(&target, 0, NULL);
	assert_int_equal(stepping.look.hits, 4000);
	assert_true(stepping.sent > 200);
	snprintf(output, sizeof(output), "handled %lu\n", stepping.sent);
	assert_string_equal(target_output(&target), output);
	target_close(&target);
}

/* Without a handler it ends there. It is no hit more, though the kernel is asked no more at hits. */
static void a_thread_that_stands_there_dies_of_it(void **state)
{
	struct target target = target_spawn("trapped 4000 none", false);
	struct stepping stepping = { .look.at = 2000 };
	struct ph_reason reason;

	(void)state;
	add_at(target.session, "work", step_often, &stepping);
	handle(target.session, PH_EVENT_STEP, 0, send_trap, &stepping);
	reason = target_run(&target);
	assert_int_equal(reason.kind, PH_REASON_SIGNAL);
	assert_int_equal(reason.code, SIGTRAP);
	assert_int_equal(stepping.look.hits, 2002);
	assert_int_equal(stepping.sent, 1);
	assert_int_equal(stepping.look.behind, PH_BEHIND_BY_RUNNING);
	target_close(&target);
}

static void a_breakpoint_that_comes_and_goes_is_asked_about(void **state)
{
	struct target target = target_spawn("trapped 6000", false);
	uint64_t hits = 0, middle = 0;
	struct ph_breakpoint *work = add_at(target.session, "work", count_hit, &hits);

	(void)state;
	add_at(target.session, "work_middle", count_hit, &middle);
	for (int round = 0; round < 50; round++) {
		struct ph_reason reason;

		assert_int_equal(ph_session_run(target.session, 1, &reason, NULL), 0);
		if (reason.kind != PH_REASON_TIMEOUT)
			break;
		ph_breakpoint_enable(work, round % 2, NULL);
	}
	ph_breakpoint_enable(work, true, NULL);
	if (!ph_session_has_ended(target.session))
		target_expect_exit(&target, 0, "trapped 6000\n");
	assert_int_equal(middle, 6000);
	assert_in_range(hits, 1, 6000);
	target_close(&target);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(traps_that_are_sent_and_hits_are_all_counted),
		BOUNDED(a_thread_that_blocks_its_trap_loses_no_hit),
		BOUNDED(a_hit_that_waits_keeps_the_signal_that_came_with_it),
		BOUNDED(the_kernel_is_asked_no_more_where_only_a_hit_leads),
		BOUNDED(a_thread_that_stands_there_gets_its_trap),
		BOUNDED(a_thread_that_stands_there_dies_of_it),
		BOUNDED(a_breakpoint_that_comes_and_goes_is_asked_about),
	};

	return RUN_TESTS(argc, argv, tests);
}
