/*
 * destination - where a thread is led to: each address of a place.
 *
 * A tripwire at each. An IFUNC waits for the program's choice. A name that no module has is an error, other than for
 * breakpoints (placing.h): whoever waits for one that was mistyped would have the target run to its end.
 */
#ifndef PH_ENGINE_DESTINATION_H
#define PH_ENGINE_DESTINATION_H

#include "engine/tripwire.h"

struct ph_destination {
	struct ph_tripwire **tripwires;	/* owned, each counted */
	size_t n;
	char *where;			/* owned; not chosen yet, or NULL */
	ph_tripwire_fn fn;
	uint64_t data;
};

/*
 * fn is called at each place, its tripwire's data[0] as given. where: as people write it; NULL: address. *destination is
 * zero before. retry is called, once at least, when the program may have chosen.
 */
int ph_destination_open(struct ph_destination *destination, struct ph_process *process, const char *where, ph_addr address,
			ph_tripwire_fn fn, uint64_t data, void (*retry)(struct ph_process *), struct ph_err *err);

/* What was not chosen is looked at once more. */
void ph_destination_retry(struct ph_destination *destination, struct ph_process *process,
			  void (*retry)(struct ph_process *));

void ph_destination_close(struct ph_destination *destination, struct ph_process *process);

#endif
