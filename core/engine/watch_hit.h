/*
 * watch_hit - a debug register of ours triggered: watches and hardware breakpoints are called.
 *
 * Several may trigger at one stop, and together with a single step. A data access has happened by then; at an execute
 * register the instruction is still to run, and the kernel has set RF, so that going on does not trigger again.
 */
#ifndef PH_ENGINE_WATCH_HIT_H
#define PH_ENGINE_WATCH_HIT_H

#include "engine/thread.h"

/*
 * The thread is stopped by a SIGTRAP, its registers fetched. step_ended: a step of ours ended, whose accesses soft watches
 * are told. False: neither a register of ours nor a soft watch has to do with it.
 */
bool ph_watch_hit(struct ph_thread *thread, bool step_ended);

#endif
