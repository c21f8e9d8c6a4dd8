/*
 * dispatch - one status in, hooks called, one plan made, one resume: the heart of the loop.
 *
 * The only place where threads are resumed (alone.h is the named exception). A thread that is to stay stopped, since
 * its session's run is over, keeps what it still has to do in thread->pass and thread->stop_signal.
 */
#ifndef PH_ENGINE_DISPATCH_H
#define PH_ENGINE_DISPATCH_H

#include "engine/thread.h"

/* A status of a thread that ph_arrival_note has seen. */
void ph_dispatch(struct ph_thread *thread, int status);

/* Every thread of the session that stands still and has nothing pending goes on. */
void ph_dispatch_resume_session(struct ph_session *session);

#endif
