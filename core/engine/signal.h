/*
 * signal - signals that have to wait, with their siginfo and in their order.
 *
 * A signal that the kernel hands us while a thread is in the middle of a pass must not be delivered there: its handler
 * would return to the site and hit it again. It is put off, and sent once more when the pass is over. A signal sent
 * by us carries our own siginfo, so on arrival the one kept is put in its place; if others of the same number have
 * queued up meanwhile, each takes the place of the next, which keeps their order. Of a standard signal only one can
 * be on its way to a thread (signal(7)): the next is sent when that has arrived.
 */
#ifndef PH_ENGINE_SIGNAL_H
#define PH_ENGINE_SIGNAL_H

#include "engine/thread.h"

/* The target has a handler for it. */
bool ph_signal_is_caught(const struct ph_thread *thread, int sig);

/* A signal-delivery stop with *info in the middle of a pass: kept for later. -ENOSPC: too many wait; deliver it now. */
int ph_signal_put_off(struct ph_thread *thread, const siginfo_t *info);

/* The signal that the thread stands before, *info, has been seen by hooks and is to come again in another stop. */
int ph_signal_repeat(struct ph_thread *thread, const siginfo_t *info);

/* Sends one more for each that was put off: they come back through ph_signal_arrive. */
void ph_signal_resend(struct ph_thread *thread);

/*
 * One of that number has been sent again, to the stopped thread, which did not block it, and has not arrived: the thread
 * runs nothing before.
 */
bool ph_signal_comes_at_once(const struct ph_thread *thread, int sig);

/* The stopped thread blocks it from here on, as we have its mask changed. */
void ph_signal_is_blocked(struct ph_thread *thread, int sig);

/* Delivers sig when the thread goes on, unseen by hooks. */
int ph_signal_inject(struct ph_thread *thread, int sig);

/*
 * A signal-delivery stop with *info: when an older one of that number is kept, that one takes its place, in *info and
 * in the kernel. True when it was injected by a script.
 */
bool ph_signal_arrive(struct ph_thread *thread, siginfo_t *info);

/*
 * A stop signal or SIGCONT has come: whatever of the other kind was on its way the kernel has dropped (signal(7), and
 * kernel/signal.c, prepare_signal).
 */
void ph_signal_forget_opposite(struct ph_process *process, int sig);

#endif
