/*
 * watch - what a user asked for: memory, a kind of access, a function.
 *
 * Takes debug registers (hardware.h) in each process that it is for: those that were there when it was added, and
 * their followed children. A program that exec replaces takes it along; when none is left that it is for, it is gone.
 * watch_hit.h calls the function. Counted: by the session until removed, and by scripts.
 */
#ifndef PH_ENGINE_WATCH_H
#define PH_ENGINE_WATCH_H

#include "engine/thread.h"

struct ph_watch {
	unsigned int refs;
	struct ph_session *session;	/* keeps its memory */
	struct ph_list in_session;
	unsigned int id;
	ph_addr address;
	size_t len;
	enum ph_watch_access access;
	bool enabled, removed;
	bool gone;			/* removed by exec */
	bool placed;			/* it is in force where it is for */
	bool soft;			/* by single steps, without a debug register */
	uint8_t seen[PH_DEBUG_RANGE_MAX];	/* soft: what it held when it was last looked at */
	uint64_t hits;
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
	uint8_t before[PH_DEBUG_RANGE_MAX], now[PH_DEBUG_RANGE_MAX];	/* at the last hit */
	char label[64];			/* as errors name it */
};

/* Nothing of it is for a program any more that is still there: those are removed. After an exec. */
void ph_watches_prune(struct ph_session *session);

/* The session has ended: no function is called any more. */
void ph_watches_retire(struct ph_session *session);

/* At the very end: the session's own references. */
void ph_watches_drop(struct ph_session *session);

/* Soft, and for this process. */
bool ph_watch_steps(const struct ph_watch *watch, const struct ph_process *process);

/* The memory is looked at: before is what it held the last time in this process, now what it holds. */
void ph_watch_look(struct ph_watch *watch, struct ph_thread *thread);

/* What others than the program have put into [start, end) of the thread's process is what it held before the next hit. */
void ph_watches_see(struct ph_thread *thread, ph_addr start, ph_addr end);

#endif
