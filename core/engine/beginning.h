/*
 * beginning - refuses places in the middle of instructions.
 *
 * For what means an instruction: hooks of functions, jumps, nops. Breakpoints may lie anywhere. Knows what symbols and the
 * target's own bytes tell (x86/flow.h); where they tell nothing, every place will do.
 */
#ifndef PH_ENGINE_BEGINNING_H
#define PH_ENGINE_BEGINNING_H

#include "engine/process.h"

struct ph_thread;

/* -EINVAL: addr lies inside an instruction; err names it. Otherwise 0. */
int ph_beginning_check(struct ph_process *process, ph_addr addr, const char *op, struct ph_err *err);

/*
 * True when addr holds the first instruction of a function (or that behind its endbr64), of one byte, and nothing in it
 * jumps behind that. False as well when nobody knows.
 */
bool ph_beginning_is_alone(struct ph_process *process, ph_addr addr);

/* The bytes in front of addr are a call instruction, where they are code: somebody returns there. */
bool ph_beginning_follows_call(struct ph_thread *thread, ph_addr addr);

#endif
