/*
 * snapshot - a process at one moment, to which it can be put back in place, again and again.
 *
 *	threads		rewind.h
 *	contents	originals.h; changed.h finds what is to be put back, putback.h does it
 *	mappings	layout.h
 *	open files	descriptors.h
 *
 * Put back often, so what cannot have changed is not looked at: mappings, files and code change by system calls alone. So
 * threads go on to their first call (a sentry: PTRACE_SYSCALL), and if there was none, nothing but the program's own
 * writes is looked for. Where runs make calls, the sentry, which costs a stop, is left out for a while, and everything is
 * looked at.
 *
 * A page that was written once is put back each time, without looking again, as long as runs write to the same pages: that
 * costs less than to protect it anew, and the fault that follows.
 */
#ifndef PH_ENGINE_SNAPSHOT_H
#define PH_ENGINE_SNAPSHOT_H

#include "base/fifo.h"
#include "engine/descriptors.h"
#include "engine/originals.h"
#include "engine/rewind.h"

struct ph_snapshot {
	unsigned int refs;
	struct ph_list in_session;	/* while it can be restored */
	const char *over;		/* why it cannot; NULL: it can */
	struct ph_process *process;	/* counted */
	struct ph_space *space;		/* counted; NULL: over */
	struct ph_tracking *tracking;	/* shared by all of the space's */
	struct ph_rewind rewind;
	struct ph_layout layout;
	struct ph_originals originals;
	struct ph_descriptors descriptors;
	struct ph_fifo unsent;		/* for its standard input; kept and put back by who has streams */
	struct ph_extents owed;		/* pages that may differ, though tracking does not say so any more */
	struct ph_extents changed;	/* scratch */
	struct user_regs_struct regs;	/* of the first thread, as scripts saw them */

	/* Runs until the sentry is tried again, and how many more after the next that makes a call. */
	unsigned int sentry_wait, sentry_period;

	/* The same for protecting pages anew; and how many there were. */
	unsigned int protect_wait, protect_period;
	uint64_t n_protected;
};

/* The process, or its session, is about to end, to be let go, or to have another program: whatever was taken of it is over. */
void ph_snapshots_leave(struct ph_session *session, const struct ph_process *process, const char *why);

/* A system call was made, or may have been. */
static inline void ph_snapshot_note_call(struct ph_session *session)
{
	session->calls.made = true;
	session->calls.sentry = false;
}

/* Somebody has written there, but for the program. */
void ph_snapshots_note_write(struct ph_session *session, const struct ph_space *space, ph_addr addr, size_t len);

#endif
