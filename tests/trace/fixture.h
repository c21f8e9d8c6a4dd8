/*
 * fixture - what tests on real targets share: a tracer, a bound on time, and a look at what a test has left behind.
 *
 * Targets are named by a command line whose first word is a file of $TARGETS ("threads8 4 100"). Callbacks only
 * record: an assertion in one would jump out of the engine's middle.
 */
#ifndef TESTS_TRACE_FIXTURE_H
#define TESTS_TRACE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ptracehook.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

#define BOUNDED(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)

/* All of them, or those that argv[1] names (a pattern with * and ?). */
#define RUN_TESTS(argc, argv, tests) \
	(cmocka_set_test_filter((argc) > 1 ? (argv)[1] : NULL), cmocka_run_group_tests(tests, NULL, NULL))

/* Of the test that runs; ended with it. */
extern struct ph_tracer *tracer;

/* cmocka's setup and teardown: no child, descriptor or stopped process may be left at the end. */
int fixture_begin(void **state);
int fixture_end(void **state);

/* Children that nobody follows any more, and that were told to end: waits for all of them. */
void fixture_await_orphans(void);

int fixture_open_fds(void);

/* tests/run long: the full sizes, or those that fit the everyday run. */
long fixture_size(long full, long everyday);

/* ---- Spawned */

struct target {
	struct ph_session *session;
	pid_t pid;
	int out;	/* a file with what it printed */
	int in;		/* write end of its stdin; -1: it has none */
};

/* Fails the test when it cannot. */
struct target target_spawn(const char *line, bool follow);
int target_try_spawn(const char *line, bool follow, struct target *ret, struct ph_err *err);
void target_close(struct target *target);

/* What it printed up to now; valid until the next call. */
const char *target_output(const struct target *target);

/* Runs it to the next reason; fails the test on an error. */
struct ph_reason target_run(struct target *target);

/* Runs it to its end, which must be this exit status; what it printed must be this, unless output is NULL. */
void target_expect_exit(struct target *target, int code, const char *output);

/* The same without a tracer: the output of the program, whose exit status must be code. */
char *untraced_output(const char *line, int code);

/* ---- Started by somebody else */

struct outsider {
	pid_t pid;
	int in, out;	/* pipes */
};

struct outsider outsider_start(const char *line);

/* The same with a function of the test instead of a program; it must not return. */
struct outsider outsider_fork(void (*fn)(void));

/* Reads lines until one begins with this; returns what follows in that line, valid until the next call. */
const char *outsider_await(struct outsider *outsider, const char *begin);

/* Its wait status; what it has printed since goes to *ret_rest (may be NULL), to be freed. */
int outsider_end(struct outsider *outsider, char **ret_rest);

/* The letter of /proc/PID/stat, of a thread when tid names one. */
char state_of(pid_t pid);

/* Yields until the state is one of these letters; fails the test when it takes too long. */
void await_state(pid_t pid, const char *letters);

struct ph_session *attach_to(pid_t pid);

/* ---- Breakpoints */

/* Counts calls, remembers the last event, gives the same action each time. */
struct record {
	struct ph_action action;
	uint64_t act_at;	/* 0: at every call; else only at this one, PH_CONTINUE before and after */
	uint64_t calls;
	ph_addr address;
	struct user_regs_struct regs;
	pid_t tid, pid;
	int error;		/* a read of registers that failed */
};

struct ph_action record_hit(const struct ph_event *event, void *record);

/* Counts only: no kernel traffic. */
struct ph_action count_hit(const struct ph_event *event, void *counter);

/* Fails the test when it cannot. The reference is the session's alone: borrowed until removed. */
struct ph_breakpoint *add_at(struct ph_session *session, const char *where, ph_event_fn fn, void *user);
struct ph_breakpoint *add_options(struct ph_session *session, const struct ph_breakpoint_options *options);

struct ph_handler *handle(struct ph_session *session, enum ph_event_kind kind, uint64_t signals, ph_event_fn fn,
			  void *user);

ph_addr address_of(struct ph_session *session, const char *where);

/* Memory with our bytes in it, as the CPU sees it. */
void raw_read(pid_t pid, ph_addr addr, void *buf, size_t len);

/* Every executable mapping of a file, byte for byte as in the file. */
void expect_text_of_file(pid_t pid);

#define ACTION(kind_) ((struct ph_action){ .kind = (kind_) })
#define ACTION_VALUE(kind_, value_) ((struct ph_action){ (kind_), true, (value_) })

#endif
