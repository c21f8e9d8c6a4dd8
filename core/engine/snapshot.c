#include "engine/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/border.h"
#include "engine/changed.h"
#include "engine/filter.h"
#include "engine/handler.h"
#include "engine/hold.h"
#include "engine/putback.h"
#include "engine/watch.h"

#define KEEP_MOST    ((size_t)128 << 20)	/* bytes; what is more than that stays in a twin */
#define LONGEST_WAIT 64			/* runs */

static bool is_lone(const struct ph_snapshot *snapshot)
{
	return snapshot->tracking->uffd >= 0 && ph_process_has_own_space(snapshot->process);
}

static struct ph_snapshot *find_other(const struct ph_session *session, const struct ph_space *space)
{
	struct ph_snapshot *snapshot;

	ph_list_each(snapshot, &session->snapshots, struct ph_snapshot, in_session)
		if (snapshot->space == space)
			return snapshot;
	return NULL;
}

/* ---- Its end */

static void give_up(struct ph_snapshot *snapshot, const char *why)
{
	struct ph_session *session = snapshot->process->session;
	struct ph_thread *thread = snapshot->process->alive ? ph_process_any_thread(snapshot->process) : NULL;
	struct ph_tracking *tracking = snapshot->tracking;

	if (!snapshot->space)
		return;
	snapshot->over = why;
	ph_list_remove(&snapshot->in_session);
	ph_originals_fini(&snapshot->originals, thread);
	ph_descriptors_fini(&snapshot->descriptors);
	ph_fifo_fini(&snapshot->unsent);
	ph_rewind_fini(&snapshot->rewind);
	ph_layout_fini(&snapshot->layout);
	ph_extents_fini(&snapshot->owed);
	ph_extents_fini(&snapshot->changed);
	if (!find_other(session, snapshot->space))
		ph_tracking_free(tracking);
	else if (tracking->latest == snapshot)
		tracking->latest = NULL;
	if (ph_list_is_empty(&session->snapshots))
		session->calls.sentry = false;
	ph_handler_update_calls(session);
	snapshot->tracking = NULL;
	ph_space_unref(snapshot->space);
	snapshot->space = NULL;
}

struct ph_snapshot *ph_snapshot_ref(struct ph_snapshot *snapshot)
{
	snapshot->refs++;
	return snapshot;
}

void ph_snapshot_unref(struct ph_snapshot *snapshot)
{
	if (!snapshot || --snapshot->refs)
		return;
	give_up(snapshot, "it was freed");
	ph_process_unref(snapshot->process);
	free(snapshot);
}

void ph_snapshots_leave(struct ph_session *session, const struct ph_process *process, const char *why)
{
	struct ph_snapshot *snapshot;

	ph_list_each(snapshot, &session->snapshots, struct ph_snapshot, in_session)
		if (!process || snapshot->process == process)
			give_up(snapshot, why);
}

/* ---- Taking */

/* Whatever is written from now on is news to all; what was until now, to those that there are. */
static int protect(struct ph_snapshot *snapshot, const struct ph_extents *written, bool everywhere)
{
	struct ph_snapshot *other;

	ph_list_each(other, &snapshot->process->session->snapshots, struct ph_snapshot, in_session)
		if (other != snapshot && other->space == snapshot->space &&
		    ph_extents_add_all(&other->owed, written) < 0)
			return -ENOMEM;
	ph_changed_protect(&snapshot->originals, snapshot->tracking, everywhere);
	return 0;
}

/* What the others would find now, before it is hidden from them. */
static int settle_others(struct ph_snapshot *snapshot, struct ph_thread *thread, struct ph_err *err)
{
	struct ph_snapshot *other;
	int r = 0;

	ph_list_each(other, &snapshot->process->session->snapshots, struct ph_snapshot, in_session) {
		if (other == snapshot || other->space != snapshot->space || snapshot->tracking->uffd < 0)
			continue;
		r = ph_changed_find(&other->originals, other->tracking, thread, false, &other->owed, err);
		if (r < 0)
			break;
	}
	return r;
}

/* From here on it is known whether calls are made. */
static void begin_run(struct ph_snapshot *snapshot)
{
	struct ph_session *session = snapshot->process->session;

	snapshot->tracking->latest = snapshot;
	session->calls.made = !is_lone(snapshot) || snapshot->sentry_wait > 0;
	session->calls.sentry = !session->calls.made;
}

static int take(struct ph_snapshot *snapshot, struct ph_thread *thread, const struct ph_event *event, bool compares,
		struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct ph_snapshot *other = find_other(session, thread->process->space);
	int r;

	r = ph_rewind_take(&snapshot->rewind, thread, event, err);
	if (r < 0)
		return r;
	snapshot->regs = thread->view.regs;
	if (other)
		snapshot->tracking = other->tracking;
	else
		r = ph_tracking_new(thread, compares, &snapshot->tracking, err);
	if (r < 0)
		return r;
	ph_list_add_tail(&session->snapshots, &snapshot->in_session);
	ph_handler_update_calls(session);
	r = ph_layout_take(&snapshot->layout, snapshot->tracking, thread, err);
	if (r >= 0)
		r = ph_originals_take(&snapshot->originals, snapshot->tracking, &snapshot->layout, thread, KEEP_MOST, err);
	if (r >= 0)
		r = ph_descriptors_take(&snapshot->descriptors, thread, err);
	if (r >= 0)
		r = settle_others(snapshot, thread, err);
	if (r < 0)
		return r;
	ph_changed_protect(&snapshot->originals, snapshot->tracking, true);
	snapshot->sentry_period = snapshot->protect_period = snapshot->protect_wait = 1;
	begin_run(snapshot);
	return 0;
}

int ph_snapshot_take(struct ph_thread *thread, const struct ph_event *event, bool compares, struct ph_snapshot **ret,
		     struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct ph_snapshot *snapshot;
	struct ph_border border = { 0 };
	bool at_exit;
	int r = ph_session_check(session, "snapshot", err);

	if (r < 0)
		return r;
	ph_hold_for_hook(session);
	if (thread->state != PH_THREAD_STOPPED)
		return ph_err_say(err, -ESRCH, "snapshot", "thread %d has ended", thread->tid);
	snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return ph_err_set(err, -ENOMEM, "snapshot");
	snapshot->refs = 1;
	snapshot->originals.twin_memory = -1;
	ph_list_init(&snapshot->in_session);
	snapshot->process = ph_process_ref(thread->process);
	snapshot->space = ph_space_ref(thread->process->space);
	/* Its hooks look at the call on. */
	at_exit = thread->call.view.phase == PH_CALL_LEAVE;
	r = at_exit ? ph_border_reach(thread, "snapshot", &border, err) : 0;
	if (r >= 0 && thread->process == session->target)
		ph_filter_install_for_end(session);
	if (r >= 0)
		r = take(snapshot, thread, session->in_run && event && event->thread == thread ? event : NULL, compares, err);
	if (at_exit)
		ph_border_return(thread, &border, true);
	if (r < 0) {
		if (snapshot->tracking)
			ph_snapshot_unref(snapshot);
		else
			ph_rewind_fini(&snapshot->rewind), ph_space_unref(snapshot->space),
				ph_process_unref(snapshot->process), free(snapshot);
		return r;
	}
	*ret = snapshot;
	return 0;
}

/* ---- Restoring */

static int check(const struct ph_snapshot *snapshot, struct ph_err *err)
{
	const struct ph_process *process = snapshot->process;

	if (snapshot->over)
		return ph_err_say(err, -ESRCH, "restore", "the snapshot of process %d is over: %s", process->pid, snapshot->over);
	return 0;
}

/*
 * While runs write to what was written before, protecting it anew is put off, twice as long each time. One that writes to
 * much more than that is forgotten at once.
 */
static int protect_if_due(struct ph_snapshot *snapshot)
{
	uint64_t n = ph_extents_total(&snapshot->changed) / PH_PAGE_SIZE;

	if (!snapshot->n_protected)
		snapshot->n_protected = n;
	if (snapshot->protect_wait && n <= 2 * snapshot->n_protected + 16) {
		snapshot->protect_wait--;
		return 0;
	}
	if (snapshot->n_protected && n * 2 >= snapshot->n_protected && n <= 2 * snapshot->n_protected + 16)
		snapshot->protect_period = snapshot->protect_period < LONGEST_WAIT ? snapshot->protect_period * 2 : LONGEST_WAIT;
	else
		snapshot->protect_period = 1;
	snapshot->protect_wait = snapshot->protect_period;
	snapshot->n_protected = n;
	return protect(snapshot, &snapshot->changed, false);
}

/* Where the last run made a call, the next ones are taken for making some. */
static void judge_sentry(struct ph_snapshot *snapshot, bool made)
{
	if (snapshot->sentry_wait) {
		snapshot->sentry_wait--;
	} else if (made) {
		snapshot->sentry_wait = snapshot->sentry_period;
		if (snapshot->sentry_period < LONGEST_WAIT)
			snapshot->sentry_period *= 2;
	} else {
		snapshot->sentry_period = 1;
	}
}

static int put_back(struct ph_snapshot *snapshot, struct ph_err *err)
{
	struct ph_thread *thread = snapshot->rewind.all[0].thread;
	struct ph_tracking *tracking = snapshot->tracking;
	bool came, quietly;
	int r = ph_rewind_prepare(&snapshot->rewind, &came, err);

	if (r < 0)
		return r;
	quietly = is_lone(snapshot) && !came && !snapshot->process->session->calls.made && tracking->latest == snapshot &&
		  !snapshot->owed.n;
	ph_extents_clear(&snapshot->changed);
	if (!quietly)
		r = ph_rewind_put_kernel_back(&snapshot->rewind, err);
	if (r >= 0 && !quietly && !ph_layout_is_as_was(&snapshot->layout, tracking))
		r = ph_layout_put_back(&snapshot->layout, tracking, thread, &snapshot->owed, err);
	if (r >= 0 && !quietly)
		r = ph_descriptors_put_back(&snapshot->descriptors, thread, err);
	if (r >= 0)
		r = ph_changed_find(&snapshot->originals, tracking, thread, quietly, &snapshot->changed, err);
	if (r >= 0 && ph_extents_add_all(&snapshot->changed, &snapshot->owed) < 0)
		r = ph_err_set(err, -ENOMEM, "restore");
	if (r >= 0)
		r = ph_originals_put_back(&snapshot->originals, thread, &snapshot->changed, err);
	if (r < 0)
		return r;
	/* Where the program does not write, somebody did once: not to be looked at each time. */
	r = quietly ? protect_if_due(snapshot) : protect(snapshot, &snapshot->changed, true);
	if (r < 0)
		return ph_err_set(err, r, "restore");
	ph_extents_clear(&snapshot->owed);
	ph_watches_see(thread, 0, PH_SPACE_END);
	return ph_rewind_put_back(&snapshot->rewind, err);
}

int ph_snapshot_restore(struct ph_snapshot *snapshot, struct ph_err *err)
{
	struct ph_session *session = snapshot->process->session;
	bool made;
	int r = check(snapshot, err);

	if (r < 0)
		return r;
	ph_hold_for_hook(session);
	/* Somebody may have ended meanwhile. */
	r = check(snapshot, err);
	if (r < 0)
		return r;
	made = session->calls.made;
	r = put_back(snapshot, err);
	if (r < 0)
		return r;
	session->kept = (struct ph_reason){ 0 };
	session->end_told = false;
	judge_sentry(snapshot, made);
	begin_run(snapshot);
	ph_session_select(session, snapshot->rewind.all[0].thread);
	return 0;
}

static bool covers(const struct ph_extents *extents, ph_addr start, ph_addr end)
{
	size_t at = ph_extents_from(extents, start);

	return at < extents->n && extents->all[at].start <= start && extents->all[at].end >= end;
}

void ph_snapshots_note_write(struct ph_session *session, const struct ph_space *space, ph_addr addr, size_t len)
{
	const struct ph_snapshot *snapshot;

	ph_list_each(snapshot, &session->snapshots, struct ph_snapshot, in_session)
		if (snapshot->space == space && !covers(&snapshot->originals.writable, addr, addr + len) &&
		    !covers(&snapshot->originals.shared, addr, addr + len))
			ph_snapshot_note_call(session);
}

/* ---- Looking */

int ph_snapshot_read(struct ph_snapshot *snapshot, ph_addr addr, void *buf, size_t len, struct ph_err *err)
{
	const struct ph_thread *thread;

	if (snapshot->over)
		return ph_err_say(err, -ESRCH, "read snapshot", "the snapshot of process %d is over: %s", snapshot->process->pid,
				  snapshot->over);
	thread = ph_process_any_thread(snapshot->process);
	return ph_originals_read(&snapshot->originals, thread ? thread->tid : snapshot->process->pid, addr, buf, len, err);
}

int ph_snapshot_each_range(struct ph_snapshot *snapshot, int (*fn)(ph_addr, ph_addr, bool, void *), void *user)
{
	const struct ph_originals *originals = &snapshot->originals;
	int r = 0;

	for (size_t i = 0; i < originals->n && !r; i++) {
		const struct ph_original *original = &originals->all[i];

		if (!ph_original_is_below_stack(original) && original->kind != PH_ORIGINAL_FILE)
			r = fn(original->start, original->end, original->kind == PH_ORIGINAL_ZERO, user);
	}
	return r;
}

int ph_snapshot_each_changed(struct ph_snapshot *snapshot, int (*fn)(ph_addr, ph_addr, void *), void *user,
			     struct ph_err *err)
{
	struct ph_extents *changed = &snapshot->changed;
	int r = check(snapshot, err);

	if (r < 0)
		return r;
	ph_hold_for_hook(snapshot->process->session);
	r = check(snapshot, err);
	if (r < 0)
		return r;
	ph_extents_clear(changed);
	ph_tracking_read_maps(snapshot->tracking);
	r = ph_changed_find(&snapshot->originals, snapshot->tracking, snapshot->rewind.all[0].thread, false, changed,
				      err);
	if (r >= 0 && ph_extents_add_all(changed, &snapshot->owed) < 0)
		r = ph_err_set(err, -ENOMEM, "compare");
	for (size_t i = 0; i < changed->n && !r; i++)
		r = fn(changed->all[i].start, changed->all[i].end, user);
	return r;
}

struct user_regs_struct ph_snapshot_regs(const struct ph_snapshot *snapshot)
{
	return snapshot->regs;
}
