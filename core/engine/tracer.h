/*
 * tracer - the one that the kernel reports to: every traced thread by its id, and the sessions.
 *
 * Knows no policy and calls nobody. Owned by the caller of ph_tracer_new; owns nothing but its tables: sessions take
 * themselves out when they end.
 */
#ifndef PH_ENGINE_TRACER_H
#define PH_ENGINE_TRACER_H

#include <poll.h>

#include "base/list.h"
#include "base/map.h"
#include "image/elf.h"
#include "os/affinity.h"
#include "ptracehook.h"

struct ph_stray {
	pid_t tid;
	int status;
};

/* Where the tracer runs: cpu.h. */
struct ph_cpu {
	pid_t tid;		/* whose stop came last */
	unsigned int streak;	/* stops of that one since the last look */
	unsigned int look_at, interval;
	bool is_pinned;		/* to at; ours is what the tracer was given */
	int at;
	struct ph_os_cpus ours;
};

/* Descriptors that are looked after: watched.h. */
struct ph_watched_set {
	struct ph_watched **entries;	/* owned; NULL: removed, and swept later */
	struct pollfd *fds;		/* owned: one that SIGCHLD makes ready, then theirs */
	size_t n, room, n_gone, n_active, n_patient;
	unsigned int walks;		/* on the stack, through the entries */
	unsigned int stops;		/* since the last look */
	int64_t first_at;		/* when the first of them came */
};

struct ph_tracer {
	struct ph_map threads;		/* tid: struct ph_thread */
	struct ph_thread *found;	/* the last one asked for: most stops are of the same thread; or NULL */
	pid_t found_tid;
	struct ph_list sessions;
	struct ph_list pending;		/* threads whose status waits to be dispatched, oldest first */
	unsigned int loops;		/* on the stack, each but the first within a hook that the one before called (run.c) */
	const volatile sig_atomic_t *interrupt;
	struct ph_elf_settings elf_settings;	/* of every file that is read for a session */
	pid_t *children;		/* owned; ours by fork, let go: to be reaped when they end */
	size_t n_children;
	struct ph_cpu cpu;
	struct ph_watched_set watched;

	/*
	 * A new thread's first stop may be reported before its parent's clone event. The kernel reports each stop
	 * once, so the last one is kept here until the parent tells whose child that is.
	 */
	struct ph_stray *strays;	/* owned */
	size_t n_strays, room_strays;
};

struct ph_thread *ph_tracer_find(struct ph_tracer *tracer, pid_t tid);
void ph_tracer_forget(struct ph_tracer *tracer, pid_t tid);
bool ph_tracer_is_interrupted(const struct ph_tracer *tracer);

void ph_tracer_stray_add(struct ph_tracer *tracer, pid_t tid, int status);
bool ph_tracer_stray_take(struct ph_tracer *tracer, pid_t tid, int *ret_status);

/* Nobody is left to tell of them, and their numbers will be others'. */
void ph_tracer_forget_dead_strays(struct ph_tracer *tracer);

/* A spawned target that was let go is still our child. */
void ph_tracer_add_child(struct ph_tracer *tracer, pid_t pid);

/* Those of them that have ended, reaped. */
void ph_tracer_reap_children(struct ph_tracer *tracer);

#endif
