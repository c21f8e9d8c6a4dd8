/*
 * letgo - targets given back to themselves: every byte of ours out, every thread at the program's own address.
 *
 * A signal that stood before delivery is delivered, a trap on a site of ours is undone, a group stop stays one.
 */
#ifndef PH_ENGINE_LETGO_H
#define PH_ENGINE_LETGO_H

#include "engine/thread.h"

/* Every process of the session; stopped: as by SIGSTOP. The session has no processes left then. */
void ph_let_go_session(struct ph_session *session, bool stopped);

/* One process whose threads are all stopped, and whose memory is clean or shared with one that is not. */
void ph_let_go_process(struct ph_process *process);

/* SIGKILL, and their ends reaped. */
void ph_kill_session(struct ph_session *session);

#endif
