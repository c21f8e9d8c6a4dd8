/*
 * tripwire - a site that the engine itself wants: no breakpoint of a user's, no hit, not listed anywhere.
 *
 * For places that tell of something (the dynamic linker's r_brk, the return of an IFUNC resolver). Shares its site with
 * whatever else stands there, and is called before breakpoints are. Belongs to a process, whose list counts it; gone
 * with its memory.
 */
#ifndef PH_ENGINE_TRIPWIRE_H
#define PH_ENGINE_TRIPWIRE_H

#include "engine/plan.h"
#include "engine/thread.h"

struct ph_tripwire;

/*
 * A thread of the space has come to it, and is stopped there. What is to happen is added to plan; returns the event
 * that this was to scripts, or PH_EVENT_BREAKPOINT when it was none.
 */
typedef enum ph_event_kind (*ph_tripwire_fn)(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan);

struct ph_tripwire {
	unsigned int refs;
	struct ph_list in_process;
	struct ph_space *space;		/* counted; NULL: removed */
	ph_addr addr;
	ph_tripwire_fn fn;
	uint64_t data[2];		/* fn's own */
};

/* *ret is borrowed from the process, and stays until it is removed or the memory goes. */
int ph_tripwire_add(struct ph_process *process, ph_addr addr, ph_tripwire_fn fn, struct ph_tripwire **ret, struct ph_err *err);

/* Out, the byte too unless somebody else wants it. Fine from within its own fn. */
void ph_tripwire_remove(struct ph_tripwire *tripwire, struct ph_process *process);

/* All of the process's; with their bytes, as long as anybody lives in that memory. */
void ph_tripwires_remove(struct ph_process *process);

struct ph_tripwire *ph_tripwire_ref(struct ph_tripwire *tripwire);
void ph_tripwire_unref(struct ph_tripwire *tripwire);

#endif
