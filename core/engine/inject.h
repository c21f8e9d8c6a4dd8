/*
 * inject - one system call, or one short function, that the target's own thread runs for us.
 *
 * The thread is stopped, at a place of the program; the others may run. It is found again as it was: registers, signal
 * mask, and whatever waits to be delivered; a signal that it stood before comes again, and hooks do not see that. Never
 * where a seccomp filter watches, which might answer with death.
 */
#ifndef PH_ENGINE_INJECT_H
#define PH_ENGINE_INJECT_H

#include "engine/thread.h"

/* Some syscall instruction of the target's; 0: it has none. */
ph_addr ph_inject_syscall_insn(struct ph_thread *thread);

/* True when the target may be made to call: it has no seccomp filter. */
bool ph_inject_allowed(const struct ph_thread *thread);

/*
 * *ret is what the kernel answered, -errno included. -ENOTSUP: the target has no syscall instruction to run, or a
 * filter; -ESRCH: it died meanwhile.
 */
int ph_inject_syscall(struct ph_thread *thread, long number, const uint64_t args[6], int64_t *ret, struct ph_err *err);

struct ph_inject_call {
	long number;
	uint64_t args[6];
	int64_t ret;		/* what the kernel answered; what stood here before, when the call was not made */
};

/* One after the other, until the kernel answers one with an error. */
int ph_inject_syscalls(struct ph_thread *thread, struct ph_inject_call *calls, size_t n, struct ph_err *err);

/*
 * A function without arguments, run step by step: for a few hundred instructions that nobody else has to see. *ret is
 * its rax. -EFAULT: it did not return; -EBUSY: a site of ours is in the way.
 */
int ph_inject_function(struct ph_thread *thread, ph_addr function, uint64_t *ret, struct ph_err *err);

#endif
