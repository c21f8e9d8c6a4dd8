/*
 * stance - how a stopped thread stands, put aside so that another tracer may have the thread, and taken up again.
 *
 * At the border of user mode (border.h), its registers in the kernel. What it stood before or had to tell is kept: a
 * signal comes again, in the same kind of stop if hooks are looking at it; signals that wait in the kernel's queues, which
 * would be delivered on the way out, wait with us; a birth is told later, and so is the end of a system call, unless the
 * thread stands elsewhere by then; a call that was not made yet, and that no hook looks at, is made anew.
 */
#ifndef PH_ENGINE_STANCE_H
#define PH_ENGINE_STANCE_H

#include "engine/border.h"

struct ph_stance {
	struct ph_thread *thread;	/* counted */
	struct ph_border border;
	bool reached;			/* … border is to be given back */
	struct user_regs_struct regs;
	int birth;			/* a status that waits; 0: none */
	bool owes_exit;			/* hooks are to see this call return: */
	struct ph_call returned;
	int signal;			/* that it stands before; 0: none */
	bool is_fault;
	bool has_left;			/* … the stop in which it stood before it */
	bool goes_on;			/* when the hook is done that had it held, or that took what it had to tell */
	bool away;			/* it was detached */
	bool is_back;			/* … and is ours again: its owner says so */
};

/* *ret is to be given to ph_stance_resume, whatever this returns. -EBUSY: it is in the middle of something. */
int ph_stance_put_aside(struct ph_thread *thread, const char *op, struct ph_stance *ret, struct ph_err *err);

/* Nobody traces it any more; it counts as running. False: it was killed. */
bool ph_stance_detach(struct ph_stance *stance);

/* The thread is stopped, and ours again, or still: or it has ended. Frees what the stance has. */
void ph_stance_resume(struct ph_stance *stance);

#endif
