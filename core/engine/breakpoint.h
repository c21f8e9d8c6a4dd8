/*
 * breakpoint - what a user asked for: a place, a function, when to call it.
 *
 * Owns a share of the sites where placing.h has put it; site.h and space.h know the bytes, dispatch.h calls the
 * function. Counted: by the session until removed, and by scripts.
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
	char nearest[160];		/* while pending: the name that it might have meant; "": none is near */
	ph_addr address;		/* as it was given, without a where; else the first of addresses, or PH_ADDR_NONE */
	ph_addr at;			/* inside its hook the address that was hit; else PH_ADDR_NONE */
	ph_addr *addresses;		/* owned; where it stands, in whichever process, best first */
	size_t n_addresses;		/* 0: pending */
	bool has_waited;		/* for memory: what the program maps and writes is looked after (mapping.h) */
	bool was_placed;		/* it was somewhere once */
	enum ph_mode mode;
	bool once, enabled, removed, may_wait;
	bool begins;			/* never inside an instruction */
	bool hardware;			/* in a debug register (hardware.h), not by sites */
	bool software;			/* … never, whatever the policy says */
	bool converted;			/* … since a policy said so, which may be taken back (placing.h) */
	bool told;			/* the user knows that it never resolved */
	bool waits;			/* some process has yet to load what it means, or to choose a function */
	pid_t thread;			/* 0: every one */
	struct ph_predicate *when;	/* owned; NULL: always */
	uint64_t hits;
	ph_event_fn fn;
	void *user;
	void (*user_free)(void *user);
	struct ph_location *locations;	/* owned: its sites */
	size_t n_locations;
	char label[96];			/* hardware: as errors name it */
	uint8_t original[PH_INSN_MAX];	/* the instruction at address */
	uint8_t n_original;
};

/* One more of its places: its site there, if it is enabled. -EIO: nothing is mapped there. */
int ph_breakpoint_arm(struct ph_breakpoint *breakpoint, struct ph_process *process, ph_addr addr, struct ph_err *err);

/* What stands at addr is what its original says from here on. */
void ph_breakpoint_see_original(struct ph_breakpoint *breakpoint, struct ph_space *space, pid_t tid, ph_addr addr);

/* The same at its first place, as things are now; what it was last when that is gone. */
void ph_breakpoint_look(struct ph_breakpoint *breakpoint);

/* Out of all its sites. */
void ph_breakpoint_disarm(struct ph_breakpoint *breakpoint);

/* -ENOENT with words when it was removed, -ESRCH when its session has ended. */
int ph_breakpoint_check(const struct ph_breakpoint *breakpoint, const char *op, struct ph_err *err);

/* What lay in [low, high) of the process's memory is no longer there. */
void ph_breakpoints_unload(struct ph_process *process, ph_addr low, ph_addr high);

/* The target has another program: places that scripts see are none any more, but for those in other processes. */
void ph_breakpoints_forget(struct ph_session *session);

/* Sites of parent's space, which a fork copied into child's, get the same owners there. */
void ph_breakpoints_adopt(struct ph_process *parent, struct ph_process *child);

/* The space is about to go: forget the sites in it. */
void ph_breakpoints_leave(struct ph_session *session, const struct ph_space *space);

/* The session has ended: no function is called any more. Handles keep what they counted. */
void ph_breakpoints_retire(struct ph_session *session);

/* At the very end: the session's own references. */
void ph_breakpoints_drop(struct ph_session *session);

#endif
