/*
 * caller - where the function in which a stopped thread stands is going to return to.
 *
 * Answers are given only where they can be trusted: what is found has to follow a call. The registers have been fetched.
 */
#ifndef PH_ENGINE_CALLER_H
#define PH_ENGINE_CALLER_H

#include "engine/thread.h"

/* It stands where a name says that a function begins, and on top of the stack is what a call has left. */
bool ph_caller_is_at_entry(struct ph_thread *thread);

/* By call frame information: the address, and rsp once it is there. False: there is none, or none that is true. */
bool ph_caller_find(struct ph_thread *thread, ph_addr *ret_addr, ph_addr *ret_stack);

#endif
