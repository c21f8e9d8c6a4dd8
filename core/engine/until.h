/*
 * until - what hooks that wait are waiting for.
 *
 *	stepped			single steps, counted
 *	stepped over, returned	a call's end (returns.h); without an unwinder, "returned" steps from call to call until
 *				the function's own return instruction
 *	place			tripwires (destination.h), for this thread
 *	time			the run's clock; the thread stays stopped
 *
 * The functions are ptracehook.h's. Whoever resumes the thread asks here how; whoever sees it stop tells. What the
 * callbacks answer is added to a plan. Memory is the session's, until the end is told.
 */
#ifndef PH_ENGINE_UNTIL_H
#define PH_ENGINE_UNTIL_H

#include "engine/plan.h"
#include "engine/thread.h"

static inline bool ph_until_stays(const struct ph_thread *thread)
{
	return thread->n_sleepers > 0;
}

static inline bool ph_until_steps(const struct ph_thread *thread)
{
	return !ph_list_is_empty(&thread->steppers);
}

/* It has run one instruction, and is stopped. */
void ph_until_stepped(struct ph_thread *thread, struct ph_plan *plan);

/*
 * A repeated string instruction is about to run, or has run one round: what waits for steps waits for the instruction
 * behind it. False: that cannot be, it is to be stepped through.
 */
bool ph_until_run_rounds(struct ph_thread *thread, ph_addr next);

/* A handler is about to run where the thread stands: what waits for steps waits until it has returned. */
void ph_until_run_handler(struct ph_thread *thread);

/* It exits, but is still readable, or has a new program: whatever cannot come any more is over. */
void ph_until_leaving(struct ph_thread *thread, bool exits, struct ph_plan *plan);

/* When the next time has come, on ph_os_now's clock; PH_WAIT_FOREVER: none is waited for. */
int64_t ph_until_next(const struct ph_session *session);

/* One whose time has come is told; *ret_thread is its thread, counted. False: there is none. */
bool ph_until_expire(struct ph_session *session, struct ph_thread **ret_thread, struct ph_plan *plan);

/*
 * For snapshots: what waits for returns of the thread's calls, and may wait for them once more (it has a user_free).
 * *ret is owned, what it points at counted; NULL: nothing does.
 */
int ph_untils_keep(struct ph_thread *thread, struct ph_until ***ret, size_t *ret_n);
void ph_untils_forget(struct ph_until **untils, size_t n);	/* frees the list */

/* The thread's stack is as it was then: those wait again, and of their kind no other does. Nobody is told. */
int ph_untils_rewind(struct ph_thread *thread, struct ph_until *const *untils, size_t n, struct ph_err *err);

/* Threads that have ended without a word, or the whole session: whoever waits is told. */
void ph_untils_reap(struct ph_session *session, struct ph_plan *plan);

#endif
