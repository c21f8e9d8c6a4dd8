/*
 * border - a stopped thread at the border of user mode: a place of the program from which it can be sent elsewhere, and
 * come back.
 *
 * In the event of a clone, an exec or the like it stands inside its system call, whose result the kernel has yet to write:
 * what is in the registers there is lost, and a call made from there would be taken for that one. What the engine knows
 * of the thread's own system call and step is put aside meanwhile, and what waits for dispatch.
 */
#ifndef PH_ENGINE_BORDER_H
#define PH_ENGINE_BORDER_H

#include <signal.h>

#include "engine/thread.h"

/* The entry of a system call: left without the call, and come to again by its own instruction. */
struct ph_border_entry {
	bool left;
	bool by_filter;		/* which stop told of it */
	struct user_regs_struct wanted;	/* there, as scripts have them */
	struct user_regs_struct regs;	/* before the instruction */
};

struct ph_border {
	struct ph_border_entry entry;
	siginfo_t info;		/* what the kernel said of its stop */
	bool regroup;		/* it stood in a group stop, or one came on the way */
	int pending;		/* a status that dispatch has not seen; 0: none */
	struct ph_call call;	/* the one whose exit hooks look at */
	bool told;		/* the instruction at told_at: thread.h */
	ph_addr told_at, told_next;
};

/*
 * Out of the event in which the thread stands, if it stands in one; at the entry of a system call, to where that is not
 * made yet. -EBUSY, with words: vfork, or a birth that is still to be told has to go on first, or strings of hooks lie
 * where a call would write; -ESRCH: it is ending. op: for words. Whatever it gives, ph_border_return follows, once the
 * registers are as they are to be: as they were here, for a thread that is to find itself at that entry again.
 */
int ph_border_reach(struct ph_thread *thread, const char *op, struct ph_border *border, struct ph_err *err);

/* reset: the thread has a signal or a status that is to be told again; whoever has put it back says false. */
void ph_border_return(struct ph_thread *thread, struct ph_border *border, bool reset);

/* A status that waits for dispatch: a signal comes again, a trap of ours traps again, others wait on. -EBUSY: a birth. */
int ph_border_put_pending_aside(struct ph_thread *thread, const char *op, struct ph_border *border, struct ph_err *err);

/* Out of an event, with nothing put aside. *ret_regroup is set when a group stop came on the way. */
int ph_border_leave_event(struct ph_thread *thread, const char *op, siginfo_t *ret_info, bool *ret_regroup,
			  struct ph_err *err);

#endif
