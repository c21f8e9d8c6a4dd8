/*
 * life - threads and processes being born, replaced by exec, and ending.
 *
 * Each takes a stop that ph_arrival_note has seen, updates who lives where, tells the handlers and lets the thread go
 * on. A child that nobody follows is let go as soon as it shares no memory with its parent any more.
 */
#ifndef PH_ENGINE_LIFE_H
#define PH_ENGINE_LIFE_H

#include "engine/event.h"
#include "engine/thread.h"

void ph_life_born(struct ph_thread *thread);		/* its own first stop */
void ph_life_forked(struct ph_thread *parent);		/* the parent's stop: clone, fork, vfork */
void ph_life_exec(struct ph_thread *thread);

/*
 * The process has another program, of which the thread is the first: the old one's places are forgotten, and looked for in
 * the new one. False: that failed, and the run with it, or the thread is gone.
 */
bool ph_life_replace(struct ph_thread *thread);
void ph_life_exiting(struct ph_thread *thread);		/* still readable */
void ph_life_ended(struct ph_thread *thread, struct ph_stop stop);

#endif
