/*
 * rewind - the threads of a process at one moment, and put back.
 *
 * Registers with vector and floating-point state, signal masks, and what the engine was in the middle of: a pass that is
 * not over, an instruction that was told, calls whose returns hooks wait for. A system call that a thread was blocked
 * in is made again. Threads that came since are ended; one that has ended since cannot be had back.
 */
#ifndef PH_ENGINE_REWIND_H
#define PH_ENGINE_REWIND_H

#include "engine/thread.h"
#include "os/ptrace.h"

struct ph_until;

struct ph_rewind_thread {
	struct ph_thread *thread;	/* counted */
	struct user_regs_struct regs;
	void *xstate;			/* owned */
	size_t xstate_len;
	uint64_t mask, waiting;		/* signals that are blocked, and that wait for it */
	struct ph_os_rseq rseq;
	bool passes, skips;		/* it stands at a site whose hooks have run */
	bool told;
	struct ph_until **untils;	/* owned; counted */
	size_t n_untils;
};

struct ph_rewind {
	struct ph_rewind_thread *all;	/* owned; the one that the snapshot was taken on comes first */
	size_t n;
};

/*
 * Every thread of the process is stopped. event: of the callback that the first one stands in, or NULL. -EBUSY: one of
 * them is in the middle of something.
 */
int ph_rewind_take(struct ph_rewind *rewind, struct ph_thread *first, const struct ph_event *event, struct ph_err *err);
void ph_rewind_fini(struct ph_rewind *rewind);

/* They are there, stopped, and at places of the program; others are gone. *ret_came: there were some. */
int ph_rewind_prepare(const struct ph_rewind *rewind, bool *ret_came, struct ph_err *err);

/*
 * Calls may have been made: what the kernel keeps of each thread; signals that wait since are dropped. The memory need not
 * be as it was: it is written to.
 */
int ph_rewind_put_kernel_back(const struct ph_rewind *rewind, struct ph_err *err);

/* Memory is as it was. The callback that is running is told by thread->rewound that its action counts no more. */
int ph_rewind_put_back(const struct ph_rewind *rewind, struct ph_err *err);

#endif
