/* watched: descriptors that are looked after while sessions run, and several sessions served by one run. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "fixture.h"

/* A descriptor's function: counts, reads what is there, acts at the act_at-th call. */
struct reader {
	struct ph_watched *watched;
	struct ph_session *stops;	/* is stopped then; NULL: nobody is */
	uint64_t act_at;
	uint64_t calls, bytes;
	unsigned int seen;		/* events, of all calls */
	bool keep;			/* reads nothing: it stays ready */
	bool removes;			/* itself, then */
	const char *runs;		/* a target that is run to its end, then */
	bool inside, again;		/* called while it was being called */
};

static void on_ready(struct ph_tracer *of, int fd, unsigned int events, void *user)
{
	struct reader *reader = user;
	char buf[256];
	ssize_t n;

	reader->again |= reader->inside;
	reader->inside = true;
	reader->calls++;
	reader->seen |= events;
	if (!reader->keep && (n = read(fd, buf, sizeof(buf))) > 0)
		reader->bytes += (uint64_t)n;
	if (reader->calls == reader->act_at) {
		if (reader->runs) {
			struct target target = target_spawn(reader->runs, false);

			assert_ptr_equal(of, tracer);
			target_expect_exit(&target, 0, NULL);
			target_close(&target);
		}
		if (reader->removes)
			ph_watched_remove(reader->watched);
		if (reader->stops)
			ph_session_stop(reader->stops);
	}
	reader->inside = false;
}

static void watch_fd(struct reader *reader, int fd)
{
	assert_int_equal(ph_watched_add(tracer, fd, POLLIN, on_ready, reader, &reader->watched), 0);
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* The target sleeps for good: only the descriptor can end this run. */
static void a_ready_descriptor_ends_a_wait_for_stops(void **state)
{
	struct target target = target_spawn("sleeper pause", false);
	struct reader reader = { .stops = target.session, .act_at = 3 };
	struct ph_reason reason;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	watch_fd(&reader, fds[0]);
	reader.keep = true;
	put(fds[1], "x");
	reason = target_run(&target);
	assert_int_equal(reason.kind, PH_REASON_STOP);
	assert_null(reason.thread);
	assert_int_equal(reader.calls, 3);
	assert_int_equal(reader.seen, POLLIN);
	/* It stands still, and can go on. */
	assert_string_equal(ph_thread_state(ph_session_thread(target.session)), "stopped");
	ph_watched_remove(reader.watched);
	assert_int_equal(ph_session_run(target.session, 10, &reason, NULL), 0);
	assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
	target_close(&target);
	close(fds[0]);
	close(fds[1]);
}

/* What stops come of, and when, is the target's: a lost wake-up would leave it standing until the fixture's alarm. */
static void no_stop_is_missed_between_a_look_and_the_sleep(void **state)
{
	struct target target = target_spawn("threads8 8 2000", false);
	struct reader reader = { 0 };
	uint64_t hits = 0;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	watch_fd(&reader, fds[0]);
	add_at(target.session, "work", count_hit, &hits);
	target_expect_exit(&target, 0, "calls 16000\n");
	assert_int_equal(hits, 16000);
	assert_int_equal(reader.calls, 0);
	ph_watched_remove(reader.watched);
	target_close(&target);
	close(fds[0]);
	close(fds[1]);
}

/* Always ready, and always stopping: each gets its turn. */
static void stops_and_descriptors_do_not_starve_each_other(void **state)
{
	struct target target = target_spawn("threads8 2 5000", false);
	struct reader reader = { .keep = true };
	uint64_t hits = 0;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	put(fds[1], "x");
	watch_fd(&reader, fds[0]);
	add_at(target.session, "work", count_hit, &hits);
	target_expect_exit(&target, 0, "calls 10000\n");
	assert_int_equal(hits, 10000);
	assert_true(reader.calls >= 10000 / 40);
	ph_watched_remove(reader.watched);
	target_close(&target);
	close(fds[0]);
	close(fds[1]);
}

static void deadlines_hold_while_descriptors_are_watched(void **state)
{
	struct target target = target_spawn("sleeper pause", false);
	struct reader reader = { 0 };
	struct timespec from, to;
	struct ph_reason reason;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	watch_fd(&reader, fds[0]);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(ph_session_run(target.session, 60, &reason, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_int_equal(reason.kind, PH_REASON_TIMEOUT);
	assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >= 59);
	ph_watched_remove(reader.watched);
	target_close(&target);
	close(fds[0]);
	close(fds[1]);
}

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
	interrupted = sig;
}

static void a_signal_of_ours_interrupts_the_wait(void **state)
{
	struct target target = target_spawn("sleeper pause", false);
	struct sigaction act = { .sa_handler = interrupt };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 20000000 }, { 0, 20000000 } };
	struct reader reader = { 0 };
	struct ph_reason reason;
	timer_t timer;
	int fds[2], r;

	(void)state;
	interrupted = 0;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	watch_fd(&reader, fds[0]);
	sigaction(SIGUSR1, &act, NULL);
	ph_tracer_set_interrupt(tracer, &interrupted);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	timer_settime(timer, 0, &often, NULL);
	r = ph_session_run(target.session, -1, &reason, NULL);
	timer_delete(timer);
	ph_tracer_set_interrupt(tracer, NULL);
	assert_int_equal(r, -EINTR);
	ph_watched_remove(reader.watched);
	target_close(&target);
	close(fds[0]);
	close(fds[1]);
}

/* SIGCHLD is as it was before, for children of ours as well. */
static void the_signal_mask_is_left_alone(void **state)
{
	struct target target = target_spawn("calc_static", false);
	struct reader reader = { 0 };
	sigset_t before, after;
	int fds[2];

	(void)state;
	sigprocmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	watch_fd(&reader, fds[0]);
	target_expect_exit(&target, 0, NULL);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGCHLD), sigismember(&before, SIGCHLD));
	ph_watched_remove(reader.watched);
	target_close(&target);
	close(fds[0]);
	close(fds[1]);
}

static void functions_may_remove_add_and_run_others(void **state)
{
	struct target target = target_spawn("sleeper pause", false);
	struct reader readers[8] = { 0 };
	int fds[8][2];

	(void)state;
	for (size_t i = 0; i < N_OF(readers); i++) {
		assert_int_equal(pipe2(fds[i], O_CLOEXEC), 0);
		put(fds[i][1], "x");
		readers[i] = (struct reader){ .act_at = 1, .removes = true, .runs = i % 2 ? "calc_static" : NULL,
					      .keep = true };
		watch_fd(&readers[i], fds[i][0]);
	}
	readers[6].removes = false;
	readers[6].act_at = 4;
	readers[6].stops = target.session;
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	for (size_t i = 0; i < N_OF(readers); i++) {
		assert_int_equal(readers[i].calls >= 1, true);
		assert_false(readers[i].again);
		if (i != 6)
			assert_int_equal(readers[i].calls, 1);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	ph_watched_remove(readers[6].watched);
	target_close(&target);
}

/* Neither a closed pipe nor a number that is no descriptor any more keeps the loop busy for ever. */
static void ends_and_closed_descriptors_are_told(void **state)
{
	struct target target = target_spawn("sleeper pause", false);
	struct reader closed = { .keep = true }, ended = { .act_at = 1, .removes = true, .stops = target.session };
	struct ph_reason reason;
	int fds[2], other[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	watch_fd(&closed, fds[0]);
	watch_fd(&ended, other[0]);
	close(fds[0]);
	close(fds[1]);
	close(other[1]);
	assert_int_equal(target_run(&target).kind, PH_REASON_STOP);
	assert_int_equal(ended.seen, POLLHUP);
	assert_int_equal(closed.seen, POLLNVAL);
	assert_int_equal(ph_session_run(target.session, 20, &reason, NULL), 0);
	assert_int_equal(closed.calls, 1);
	ph_watched_remove(closed.watched);
	target_close(&target);
	close(other[0]);
}

static void without_events_a_descriptor_is_left_alone(void **state)
{
	struct target target = target_spawn("sleeper pause", false);
	struct reader reader = { .keep = true };
	struct ph_reason reason;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	watch_fd(&reader, fds[0]);
	ph_watched_set_events(reader.watched, 0);
	put(fds[1], "x");
	close(fds[1]);
	assert_int_equal(ph_session_run(target.session, 20, &reason, NULL), 0);
	assert_int_equal(reader.calls, 0);
	ph_watched_set_events(reader.watched, POLLOUT);
	assert_int_equal(ph_session_run(target.session, 20, &reason, NULL), 0);
	assert_true(reader.calls > 0);
	assert_true(reader.seen & POLLHUP);
	ph_watched_remove(reader.watched);
	target_close(&target);
	close(fds[0]);
}

static void an_entry_may_outlive_its_tracer(void **state)
{
	struct reader reader = { 0 }, other = { 0 };

	(void)state;
	watch_fd(&reader, 0);
	watch_fd(&other, 1);
	ph_watched_remove(reader.watched);
	ph_tracer_free(tracer);
	ph_watched_set_events(other.watched, POLLOUT);
	ph_watched_remove(other.watched);
	assert_int_equal(ph_tracer_new(&tracer), 0);
}

/* ---- Several sessions */

#define MANY 12

static void a_run_serves_several_sessions(void **state)
{
	struct target targets[MANY];
	struct ph_session *sessions[MANY];
	struct ph_reason reasons[MANY];
	uint64_t hits[MANY] = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		targets[i] = target_spawn(i % 3 ? "threads8 4 50" : "calc_static", false);
		sessions[i] = targets[i].session;
		add_at(sessions[i], i % 3 ? "work" : "calc", count_hit, &hits[i]);
	}
	assert_int_equal(ph_sessions_run(sessions, MANY, -1, reasons, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(reasons[i].kind, PH_REASON_EXIT);
		assert_int_equal(reasons[i].code, 0);
		assert_int_equal(hits[i], i % 3 ? 200 : 2);
		target_close(&targets[i]);
	}
}

/* One asks, one answers: neither can end while the other stands still. */
static void sessions_that_wait_for_each_other_run_at_once(void **state)
{
	struct target reader = target_spawn("reader", false), writer = target_spawn("calc_static", false);
	struct ph_session *sessions[] = { reader.session, writer.session, writer.session };
	struct ph_reason reasons[3];
	struct record stop = { .action = ACTION(PH_STOP), .act_at = 1 };

	(void)state;
	put(reader.in, "one\n");
	add_at(reader.session, "handle_line", record_hit, &stop);
	assert_int_equal(ph_sessions_run(sessions, 3, -1, reasons, NULL), 0);
	assert_int_equal(reasons[0].kind, PH_REASON_STOP);
	assert_int_equal(ph_thread_tid(reasons[0].thread), reader.pid);
	assert_int_equal(reasons[1].kind, PH_REASON_EXIT);
	assert_int_equal(reasons[2].kind, PH_REASON_EXIT);
	close(reader.in);
	reader.in = -1;
	assert_int_equal(ph_sessions_run(sessions, 2, -1, reasons, NULL), 0);
	assert_int_equal(reasons[0].kind, PH_REASON_EXIT);
	assert_string_equal(target_output(&reader), "got: one\nlines 1\n");
	target_close(&reader);
	target_close(&writer);
}

static struct ph_action fail_now(const struct ph_event *event, void *user)
{
	(void)event;
	(void)user;
	return ACTION(PH_FAIL);
}

static void what_ends_one_run_and_what_ends_all(void **state)
{
	struct target targets[3];
	struct ph_session *sessions[3];
	struct ph_reason reasons[3];
	struct record detach = { .action = ACTION(PH_DETACH), .act_at = 1 };
	uint64_t hits = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		targets[i] = target_spawn(i == 1 ? "sleeper pause" : "calc_static", false);
		sessions[i] = targets[i].session;
	}
	add_at(sessions[0], "calc", record_hit, &detach);
	add_at(sessions[2], "calc", count_hit, &hits);
	assert_int_equal(ph_sessions_run(sessions, 3, 100, reasons, NULL), 0);
	assert_int_equal(reasons[0].kind, PH_REASON_DETACH);
	assert_int_equal(reasons[1].kind, PH_REASON_TIMEOUT);
	assert_int_equal(reasons[2].kind, PH_REASON_EXIT);
	assert_int_equal(hits, 2);
	for (int i = 0; i < 3; i += 2)
		target_close(&targets[i]);

	targets[0] = target_spawn("calc_static", false);
	sessions[0] = targets[0].session;
	add_at(sessions[0], "calc", fail_now, NULL);
	assert_int_equal(ph_sessions_run(sessions, 2, -1, reasons, NULL), -ECANCELED);
	assert_string_equal(ph_thread_state(ph_session_thread(sessions[1])), "stopped");
	target_close(&targets[0]);
	target_close(&targets[1]);
	fixture_await_orphans();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOUNDED(a_ready_descriptor_ends_a_wait_for_stops),
		BOUNDED(no_stop_is_missed_between_a_look_and_the_sleep),
		BOUNDED(stops_and_descriptors_do_not_starve_each_other),
		BOUNDED(deadlines_hold_while_descriptors_are_watched),
		BOUNDED(a_signal_of_ours_interrupts_the_wait),
		BOUNDED(the_signal_mask_is_left_alone),
		BOUNDED(functions_may_remove_add_and_run_others),
		BOUNDED(ends_and_closed_descriptors_are_told),
		BOUNDED(without_events_a_descriptor_is_left_alone),
		BOUNDED(an_entry_may_outlive_its_tracer),
		BOUNDED(a_run_serves_several_sessions),
		BOUNDED(sessions_that_wait_for_each_other_run_at_once),
		BOUNDED(what_ends_one_run_and_what_ends_all),
	};

	return RUN_TESTS(argc, argv, tests);
}
