/*
 * slot - copies of instructions in executable scratch memory of a target, by where they lie and what they copy.
 *
 * The table only: copy.h maps the memory and writes the copies. A slot outlives its site, since a thread may still be
 * in it; a site put back on the same bytes takes the same slot. Owned by its space.
 */
#ifndef PH_ENGINE_SLOT_H
#define PH_ENGINE_SLOT_H

#include "base/map.h"
#include "ptracehook.h"
#include "x86/emulate.h"
#include "x86/insn.h"
#include "x86/relocate.h"

struct ph_slot {
	ph_addr addr;		/* of the copy */
	ph_addr from;		/* of the instruction */
	uint8_t original[PH_INSN_MAX];	/* the instruction, and what stood behind it */
	struct ph_copy copy;
};

struct ph_chunk {
	ph_addr base;
	size_t size;			/* bytes; a multiple of PH_COPY_SIZE */
	size_t used;			/* slots */
	struct ph_slot **slots;		/* owned, and what they point at */
};

struct ph_slots {
	struct ph_chunk *chunks;	/* owned */
	size_t n_chunks;
	ph_addr low, high;			/* all chunks lie between the two */
	struct ph_map by_site;		/* address of an instruction: struct ph_slot, the newest */
	ph_addr return_trap;		/* in a slot of its own: an int3 that functions return to (invoke.h); 0: none */
	bool refused;			/* the target can have no scratch memory, or took it away */
};

void ph_slots_fini(struct ph_slots *slots);

/* Takes over memory that was mapped for copies. */
int ph_slots_add_chunk(struct ph_slots *slots, ph_addr base, size_t size);

/* A free place within reach of from, or NULL: map more. */
struct ph_slot *ph_slots_take(struct ph_slots *slots, ph_addr from);

/* The slot that rip lies in; NULL: the target is not in a copy. */
struct ph_slot *ph_slots_at(const struct ph_slots *slots, ph_addr rip);

#endif
