#include "engine/tripwire.h"

#include <errno.h>
#include <stdlib.h>

struct ph_tripwire *ph_tripwire_ref(struct ph_tripwire *tripwire)
{
	tripwire->refs++;
	return tripwire;
}

void ph_tripwire_unref(struct ph_tripwire *tripwire)
{
	if (tripwire && --tripwire->refs == 0)
		free(tripwire);
}

int ph_tripwire_add(struct ph_process *process, ph_addr addr, ph_tripwire_fn fn, struct ph_tripwire **ret, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_tripwire *tripwire;
	struct ph_site *site;
	int r;

	if (!thread)
		return ph_err_say(err, -ESRCH, "insert tripwire", "process %d has ended", process->pid);
	tripwire = calloc(1, sizeof(*tripwire));
	if (!tripwire)
		return ph_err_set(err, -ENOMEM, "insert tripwire");
	r = ph_space_site_arm(process->space, thread->tid, addr, &site, err);
	if (r < 0) {
		free(tripwire);
		return r;
	}
	if (ph_site_owner_add(site, (struct ph_site_owner){ .tripwire = tripwire }) < 0) {
		if (site->n_owners == 0)
			ph_space_site_remove(process->space, thread->tid, site);
		free(tripwire);
		return ph_err_set(err, -ENOMEM, "insert tripwire");
	}
	*tripwire = (struct ph_tripwire){ .refs = 1, .space = ph_space_ref(process->space), .addr = addr, .fn = fn };
	ph_list_add_tail(&process->tripwires, &tripwire->in_process);
	*ret = tripwire;
	return 0;
}

/* Through whom the memory can be reached: it may be shared, and the process's own threads have gone. */
static struct ph_thread *find_thread(const struct ph_process *process, const struct ph_space *space)
{
	struct ph_thread *thread = process->space == space ? ph_process_any_thread(process) : NULL;
	struct ph_process *other;

	ph_list_each(other, &process->session->processes, struct ph_process, in_session)
		if (!thread && other->space == space)
			thread = ph_process_any_thread(other);
	return thread;
}

void ph_tripwire_remove(struct ph_tripwire *tripwire, struct ph_process *process)
{
	struct ph_space *space = tripwire->space;
	struct ph_thread *thread;
	struct ph_site *site;

	if (!space)
		return;
	thread = find_thread(process, space);
	site = ph_space_site_find(space, tripwire->addr);
	if (site) {
		ph_site_owner_remove(site, (struct ph_site_owner){ .tripwire = tripwire });
		/* Without a living thread the memory is gone, and the site goes with its space. */
		if (site->n_owners == 0 && thread)
			ph_space_site_remove(space, thread->tid, site);
	}
	ph_space_unref(space);
	tripwire->space = NULL;
	ph_list_remove(&tripwire->in_process);
	ph_tripwire_unref(tripwire);
}

void ph_tripwires_remove(struct ph_process *process)
{
	struct ph_tripwire *tripwire;

	ph_list_each(tripwire, &process->tripwires, struct ph_tripwire, in_process)
		ph_tripwire_remove(tripwire, process);
}
