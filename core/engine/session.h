/*
 * session - one target and what was asked of it.
 *
 * This module is the noun only: its lists, counts, policy. Spawning and attaching (launch.h), running (run.h), letting
 * go and ending (close.h) stand on top. Two counts: users hold it open, references keep its memory (processes and
 * breakpoints that scripts still hold point here).
 */
#ifndef PH_ENGINE_SESSION_H
#define PH_ENGINE_SESSION_H

#include "base/list.h"
#include "engine/tracer.h"
#include "os/syscall_info.h"
#include "x86/syscalls.h"

/* How the session sees system calls. */
struct ph_session_calls {
	enum ph_os_call_way way, best_way;
	bool filtered;			/* its threads have our seccomp filter, children's too */
	struct ph_call_set filter;	/* the calls that it stops */
	bool every;			/* somebody wants more than that: every call stops, by PTRACE_SYSCALL */
	uint32_t next_serial;		/* of hooks */
	bool sentry;			/* a snapshot wants to know of the first call that is made (snapshot.h) */
	bool made;			/* there was one, or there may have been */
};

struct ph_session {
	unsigned int users, refs;
	struct ph_tracer *tracer;	/* NULL once ended and out of its list */
	struct ph_list in_tracer;
	struct ph_list processes;	/* live ones, the target's first while it lives */
	struct ph_list breakpoints;	/* in the order added */
	struct ph_list watches;		/* likewise */
	unsigned int n_soft;		/* watches that need every thread stepped */
	unsigned int next_watch;	/* the number of the next one */
	uint32_t next_serial;		/* of uses of debug registers */
	bool measures_free;		/* somebody wants to know: */
	int64_t free_ns;		/* how long it ran with no thread standing in a hook */
	bool traps_tsc;			/* its threads may not read the time stamp counter (tsc.h) */
	bool has_held;			/* a hook had threads held: they go on when it is done */
	struct ph_list snapshots;	/* that can be restored, in the order taken */
	struct ph_list patches;		/* that are in the target, in the order added */
	struct ph_list handlers[PH_EVENT_COUNT];
	struct ph_session_calls calls;
	struct ph_stream *stdio[3];	/* owned, counted: our ends of the target's (stream.h); NULL: it has another */
	const struct ph_stream *last_arrival;	/* which of them something came from last */
	uint64_t n_arrivals;
	struct ph_process *target;	/* counted; the process that the session was opened for */
	struct ph_thread *selected;	/* counted, or NULL */
	struct ph_policy policy;
	bool spawned;
	bool in_run;			/* ph_session_run is on the stack */
	const void *served;		/* by which loop, the innermost; NULL: none (run.c) */
	bool was_run;			/* ph_session_run was called */
	bool ended;
	bool wants_mappings;		/* breakpoints wait for memory: threads stop at system calls (mapping.h) */
	bool wants_loader;		/* libraries that come and go are news: each process's linker is watched */
	unsigned int next_id;		/* of breakpoints */
	struct ph_list untils;		/* what waits (until.h) */
	struct ph_list sleepers;	/* of them, those that wait for a time */
	bool has_orphans;		/* a thread has ended that some of them may wait for */
	struct ph_stats stats;
	struct ph_reason outcome;	/* kind != NONE: why the run is to return */
	struct ph_reason kept;		/* kind != NONE: the target has come to its end, and is kept before it (brink.h) */
	bool end_told;			/* hooks have been told of that */
	struct ph_reason target_end;	/* how the target ended, while followed children still run */
	struct ph_err failure;		/* code != 0: the run is to return this */

	/* Asked for by a callback, done after it. */
	bool wants_kill, wants_detach, wants_detach_stopped;
};

int ph_session_new(struct ph_tracer *tracer, bool spawned, struct ph_session **ret);
void ph_session_hold(struct ph_session *session);
void ph_session_drop(struct ph_session *session);

/* True when the run has to return: an outcome stands, something failed, or the session is over. */
static inline bool ph_session_is_done(const struct ph_session *session)
{
	return session->ended || session->outcome.kind != PH_REASON_NONE || session->failure.code;
}

/* -ESRCH with words when the session has ended. */
int ph_session_check(const struct ph_session *session, const char *op, struct ph_err *err);

#endif
