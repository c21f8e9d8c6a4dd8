/*
 * breakpoint - what a user asked for: a place, a function, when to call it.
 *
 * Resolves its place in each process of the session and owns a share of the sites there; site.h and space.h know the
 * bytes, dispatch.h calls the function. Counted: by the session until removed, and by scripts.
 */
#ifndef PH_ENGINE_BREAKPOINT_H
#define PH_ENGINE_BREAKPOINT_H

#include "engine/thread.h"
#include "x86/insn.h"


struct ph_location {
	struct ph_space *space;		/* counted */
	ph_addr addr;
};

struct ph_breakpoint {
	unsigned int refs;
	struct ph_session *session;	/* keeps its memory */
	struct ph_list in_session;
	unsigned int id;
	char *where, *name;		/* owned; NULL: none */
	char nearest[80];		/* while pending: the name that it might have meant; "": none is near */
	ph_addr address;		/* where it stands in the target; PH_ADDR_NONE while pending */
	enum ph_mode mode;
	bool once, enabled, removed, may_wait;
	bool told;			/* the user knows that it never resolved */
	pid_t thread;			/* 0: every one */
	struct ph_predicate *when;	/* owned; NULL: always */
	uint64_t hits;
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
	struct ph_location *locations;	/* owned: its sites */
	size_t n_locations;
	uint8_t original[PH_INSN_MAX];	/* the instruction at address */
	uint8_t n_original;
};

/* Its place in this process, anew: after a fork that is followed, and after exec. Pending when it has none there. */
int ph_breakpoint_place(struct ph_breakpoint *breakpoint, struct ph_process *process, struct ph_err *err);

/* Sites of parent's space, which a fork copied into child's, get the same owners there. */
void ph_breakpoints_adopt(struct ph_process *parent, struct ph_process *child);

/* The space is about to go: forget the sites in it. */
void ph_breakpoints_leave(struct ph_session *session, const struct ph_space *space);

/* The session has ended: no function is called any more. Handles keep what they counted. */
void ph_breakpoints_retire(struct ph_session *session);

/* At the very end: the session's own references. */
void ph_breakpoints_drop(struct ph_session *session);

/* True when this pass is a hit: live, enabled, the right thread, and what `when` says is so. */
bool ph_breakpoint_takes(const struct ph_breakpoint *breakpoint, struct ph_thread *thread);

#endif
