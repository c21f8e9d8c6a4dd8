/*
 * trap - traps of ours that have to wait for their turn, because the threads' session, or their space, stands still.
 *
 * A thread that has run a byte of ours stands one byte behind its site, where no program ever is. Whoever looks at it
 * before the trap is dispatched is to see it at the site, its hit still to come; and may move it, then there is none.
 */
#ifndef PH_ENGINE_TRAP_H
#define PH_ENGINE_TRAP_H

#include "engine/event.h"
#include "engine/thread.h"

/*
 * What the SIGTRAP is that the thread is stopped by. PH_TRAP_OWN also when that cannot be told any more. *ret_sent: a trap
 * of ours, and a signal that somebody sent, in one (behind.h).
 */
enum ph_trap_kind ph_trap_look(struct ph_thread *thread, bool *ret_sent);

/* A status that dispatch has to see later; a trap of ours puts the thread back at its site meanwhile. */
void ph_trap_defer(struct ph_thread *thread, int status);

/*
 * Every thread of the session stands still. Those that were interrupted between an int3 of ours and its trap have
 * taken that now, and it waits as others do.
 */
void ph_trap_take_queued(struct ph_session *session);

#endif
