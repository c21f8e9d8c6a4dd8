/*
 * decode - the instruction at an address of the target's, whatever of ours stands there.
 */
#ifndef PH_ENGINE_DECODE_H
#define PH_ENGINE_DECODE_H

#include "engine/thread.h"
#include "x86/insn.h"

/* -EILSEQ: none, or nothing is mapped there; -ELIBACC: nothing on this machine decodes. */
int ph_decode_at(struct ph_thread *thread, ph_addr addr, struct ph_insn *ret, struct ph_err *err);

#endif
