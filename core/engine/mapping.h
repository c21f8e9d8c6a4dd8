/*
 * mapping - memory that a target maps while breakpoints wait for it ({pending = true}: unpackers, JITs).
 *
 * They go in when their address becomes executable, come out when it is unmapped, and are put back when the program
 * has written over them. To see that, every thread of the session stops at the entry and exit of each system call, as
 * long as there is a breakpoint that once had to wait: two stops a call, no hook, no hit. What is written over one and
 * run without any system call in between is not seen.
 */
#ifndef PH_ENGINE_MAPPING_H
#define PH_ENGINE_MAPPING_H

#include "engine/thread.h"

/* The session's threads are to stop at system calls. */
static inline bool ph_mapping_wanted(const struct ph_session *session)
{
	return session->wants_mappings;
}

/* The thread stands at the entry or exit of one. */
void ph_mapping_stopped(struct ph_thread *thread);

#endif
