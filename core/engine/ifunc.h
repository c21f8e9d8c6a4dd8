/*
 * ifunc - which function an IFUNC symbol means in a process: the one that its resolver, run by the program, chose.
 *
 * Known, in this order: from the slot that the program itself filled in (static programs), by running the resolver in
 * the target (a library that has been relocated), or, when it is too early for both, by a tripwire on the resolver, whose
 * result is taken when the program runs it, before anybody can call the function. Remembered per process.
 */
#ifndef PH_ENGINE_IFUNC_H
#define PH_ENGINE_IFUNC_H

#include "engine/process.h"

/* The function behind the resolver at addr. -EAGAIN: the program has not chosen yet. */
int ph_ifunc_find(struct ph_process *process, ph_addr resolver, ph_addr *ret, struct ph_err *err);

/* Calls chosen, once at least, when the program has chosen. */
int ph_ifunc_await(struct ph_process *process, ph_addr resolver, void (*chosen)(struct ph_process *), struct ph_err *err);

#endif
