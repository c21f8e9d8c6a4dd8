/*
 * site - bytes of ours inside a target's text.
 *
 * One patched address in one address space, shared by every owner that asked for it; the original byte is kept once,
 * since owners leave in any order. Does not know why a trap is wanted (breakpoint.h) nor how to pass it (step.h);
 * space.h puts it in and takes it out.
 */
#ifndef PH_ENGINE_SITE_H
#define PH_ENGINE_SITE_H

#include "ptracehook.h"
#include "x86/emulate.h"
#include "x86/insn.h"

#define PH_TRAP_BYTE 0xcc	/* int3 */

struct ph_slot;
struct ph_tripwire;

/* One of the two, borrowed: each takes itself out before it goes. */
struct ph_site_owner {
	struct ph_breakpoint *breakpoint;
	struct ph_tripwire *tripwire;		/* the engine's own (tripwire.h) */
	unsigned int id;			/* the order in which owners are called; 0: first, for tripwires */
};

/* How threads are led past a site; found out when the first one hits it (copy.h). */
enum ph_way {
	PH_WAY_UNKNOWN,
	PH_WAY_COPY,
	PH_WAY_EMULATE,
	PH_WAY_STEP,
};

/* How a thread comes to stand behind a site whose instruction has one byte (behind.h). */
enum ph_behind {
	PH_BEHIND_UNKNOWN,
	PH_BEHIND_BY_RUNNING,	/* in no other way than by running it */
	PH_BEHIND_ANYHOW,
};

struct ph_site {
	ph_addr addr;
	uint8_t original;
	uint8_t way;			/* enum ph_way */
	struct ph_insn insn;		/* what stands there; its length is 0: not known yet, or none */
	bool fickle;			/* the program may rewrite it, but for our byte: looked at before each pass */
	uint8_t planned[PH_INSN_MAX];	/* fickle: the bytes that way is for */
	struct ph_emulation emulation;	/* PH_WAY_EMULATE */
	struct ph_slot *slot;		/* PH_WAY_COPY; borrowed from the space's slots, which outlive it */
	bool armed;	/* PH_TRAP_BYTE stands in memory */
	uint8_t behind;			/* enum ph_behind */
	uint32_t n_asked;		/* hits that were told from others by asking */
	uint64_t armed_at;		/* the space's n_armed since then */
	struct ph_site_owner *owners;
	size_t n_owners, room_owners;
};

struct ph_site *ph_site_new(ph_addr addr, uint8_t original);
void ph_site_free(struct ph_site *site);

int ph_site_owner_add(struct ph_site *site, struct ph_site_owner owner);
void ph_site_owner_remove(struct ph_site *site, struct ph_site_owner owner);	/* whatever its id */

#endif
