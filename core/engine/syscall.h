/*
 * syscall - stops at system calls: what they mean, whom they call.
 *
 * At an entry the call is read once and shown to the hooks that want it; the stop at its exit is asked for only when a
 * hook wants it, or something of ours is to be put back there. Everything else passes at once. In processes that nobody
 * follows no hook is called, but CLONE_UNTRACED is taken off there too. See call.h for entry and exit.
 */
#ifndef PH_ENGINE_SYSCALL_H
#define PH_ENGINE_SYSCALL_H

#include "engine/thread.h"

/*
 * Before a thread is let go: it leaves the call that it stands in. An entry becomes the instruction that is to make it,
 * with what hooks changed; what was lent until an exit is put back there. True: it still has to leave the kernel, which
 * passes the call over.
 */
bool ph_syscall_settle(struct ph_thread *thread);

/*
 * The thread stands at the exit of a call that hooks are to see return, or owes them one: *ret is the call, to be told of
 * when the thread has been elsewhere (ph_syscall_owe).
 */
bool ph_syscall_keep_exit(struct ph_thread *thread, struct ph_call *ret);

/* Its next stop to be dispatched is the exit of that call. */
void ph_syscall_owe(struct ph_thread *thread, const struct ph_call *call);

/* The thread stands at such a stop, which is being dispatched. */
void ph_syscall_stopped(struct ph_thread *thread, enum ph_stop_kind kind);

#endif
