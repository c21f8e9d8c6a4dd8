/*
 * loader - libraries that come and go: breakpoints that waited for one go in, those in one that went come out, and
 * "load" and "unload" are told.
 *
 * A process's dynamic linker stops at r_brk for debuggers whenever its list has changed, before the constructors of
 * what is new run: there stands a tripwire of ours, in processes of a session that wants to know (session->wants_loader).
 * It costs a stop or two for each dlopen, and none otherwise.
 */
#ifndef PH_ENGINE_LOADER_H
#define PH_ENGINE_LOADER_H

#include "engine/thread.h"

/* Before the thread goes on: its process's linker is watched from here on, if the session wants that. */
void ph_loader_attend(struct ph_thread *thread);

/* The process ran without us: breakpoints go where libraries came and went. Nobody is told. */
void ph_loader_catch_up(struct ph_process *process);

#endif
