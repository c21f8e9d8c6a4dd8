/*
 * hardware - the CPU's debug registers: who has which, and threads brought up to date.
 *
 * A process has one table of the four (struct ph_hardware), which all its threads are to follow. The kernel takes them
 * only while a thread is stopped, for some microseconds each: so a thread is brought up to date before it goes on, and
 * only when the table has changed since. Children and exec start without any (kernel: copy_thread, flush_thread).
 * Knows who asked for one by a label only; what a trap is for is watch_hit.h's.
 */
#ifndef PH_ENGINE_HARDWARE_H
#define PH_ENGINE_HARDWARE_H

#include "engine/thread.h"

/* A register for each piece, or none: -EBUSY names who has them. */
int ph_hardware_take(struct ph_process *process, const struct ph_hardware_user *user,
		     const struct ph_debug_piece *pieces, unsigned int n, struct ph_err *err);

/* What this watch or breakpoint has there is free again. */
void ph_hardware_give(struct ph_process *process, const struct ph_hardware_user *user);

/* It has one there, for an address in [low, high). */
bool ph_hardware_has(const struct ph_process *process, const struct ph_hardware_user *user, ph_addr low, ph_addr high);

/* A followed child starts with what its parent has; child's threads get that before they run. */
void ph_hardware_inherit(const struct ph_process *parent, struct ph_process *child);

/* exec: nothing is left, in the kernel neither. The thread is the one that survives. */
void ph_hardware_forget(struct ph_thread *survivor);

/* A thread was born to one of this process: the kernel gave it a copy of DR7, without what it is about. */
void ph_hardware_note_birth(const struct ph_thread *parent, struct ph_thread *child);

/* The stopped thread gets what its process's table says. -EOPNOTSUPP with words: the machine has none to give. */
int ph_hardware_arm(struct ph_thread *thread, struct ph_err *err);

static inline int ph_hardware_sync(struct ph_thread *thread, struct ph_err *err)
{
	return thread->armed.version == thread->process->hardware.version ? 0 : ph_hardware_arm(thread, err);
}

/* The stopped thread is left as if we had never been there. */
void ph_hardware_disarm(struct ph_thread *thread);

/*
 * The registers that triggered in the thread since somebody last asked, as bits: those that are still in the use that
 * they had then. *ret_any: some triggered, maybe for somebody who has gone. Asking clears DR6, so that nothing is told
 * twice.
 */
unsigned int ph_hardware_take_hits(struct ph_thread *thread, bool *ret_any);

/* The same without clearing: there is something to be told. */
bool ph_hardware_has_hits(struct ph_thread *thread);

/* An execute register of the process is at this address: resuming a thread there needs RF in its flags. */
bool ph_hardware_executes_at(const struct ph_process *process, ph_addr addr);

#endif
