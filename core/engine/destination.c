#include "engine/destination.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ifunc.h"
#include "engine/resolve.h"

static int add(struct ph_destination *destination, struct ph_process *process, ph_addr addr, struct ph_err *err)
{
	struct ph_tripwire **tripwires = reallocarray(destination->tripwires, destination->n + 1, sizeof(*tripwires)), *tripwire;
	int r;

	if (!tripwires)
		return ph_err_set(err, -ENOMEM, "wait");
	destination->tripwires = tripwires;
	r = ph_tripwire_add(process, addr, destination->fn, &tripwire, err);
	if (r == -EIO) {
		ph_err_say(err, r, "wait", "0x%llx is not mapped in process %d", (unsigned long long)addr, process->pid);
		return ph_err_at(err, r, addr);
	}
	if (r < 0)
		return r;
	tripwire->data[0] = destination->data;
	tripwires[destination->n++] = ph_tripwire_ref(tripwire);
	return 0;
}

/* 1: it is still to come. */
static int add_resolved(struct ph_destination *destination, struct ph_process *process, const struct ph_resolved *place,
			void (*retry)(struct ph_process *), struct ph_err *err)
{
	ph_addr addr = place->addr;
	int r = 0;

	if (place->is_ifunc) {
		r = ph_ifunc_find(process, place->addr, &addr, err);
		if (r == -EAGAIN) {
			r = ph_ifunc_await(process, place->addr, retry, err);
			return r < 0 ? r : 1;
		}
		addr += (ph_addr)place->offset;
	}
	return r < 0 ? r : add(destination, process, addr, err);
}

static int add_named(struct ph_destination *destination, struct ph_process *process, const char *where,
		     void (*retry)(struct ph_process *), struct ph_err *err)
{
	struct ph_resolved *places;
	bool final;
	size_t n;
	int r = ph_resolve(process, where, &places, &n, &final, err), waits = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r >= 0; i++) {
		r = add_resolved(destination, process, &places[i], retry, err);
		waits |= r == 1;
	}
	free(places);
	return r < 0 ? r : waits && !destination->n;
}

int ph_destination_open(struct ph_destination *destination, struct ph_process *process, const char *where, ph_addr address,
			ph_tripwire_fn fn, uint64_t data, void (*retry)(struct ph_process *), struct ph_err *err)
{
	int r;

	destination->fn = fn;
	destination->data = data;
	r = where ? add_named(destination, process, where, retry, err) : add(destination, process, address, err);
	if (r != 1)
		return r;
	destination->where = strdup(where);
	return destination->where ? 0 : ph_err_set(err, -ENOMEM, "wait");
}

void ph_destination_retry(struct ph_destination *destination, struct ph_process *process,
			  void (*retry)(struct ph_process *))
{
	if (!destination->where || add_named(destination, process, destination->where, retry, NULL) == 1)
		return;
	free(destination->where);
	destination->where = NULL;
}

void ph_destination_close(struct ph_destination *destination, struct ph_process *process)
{
	for (size_t i = 0; i < destination->n; i++) {
		ph_tripwire_remove(destination->tripwires[i], process);
		ph_tripwire_unref(destination->tripwires[i]);
	}
	free(destination->tripwires);
	free(destination->where);
	*destination = (struct ph_destination){ 0 };
}
