#include "engine/watched.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/poll.h"
#include "os/wait.h"

/* While stops keep coming, descriptors are looked at after so many, or so long. */
#define STOPS_BETWEEN 32
#define NS_BETWEEN 2000000

/* Beyond the kernel's tick: a timer that comes earlier costs more than the wait itself in virtual machines. */
#define PATIENCE_NS 5000000

struct ph_watched {
	struct ph_tracer *tracer;
	size_t at;		/* in tables */
	int fd;
	unsigned int events;
	ph_ready_fn fn;
	void *user;
	bool patient, is_counted;	/* … of those that are looked at */
	bool in_fn;		/* it is being called: not looked at meanwhile */
	bool removed;		/* … and freed then */
	bool invalid;		/* its descriptor was closed: told once */
};

/* The kernel's table, from the entry: poll(2) passes negative ones over. */
static void update(struct ph_watched *watched)
{
	struct ph_watched_set *set = &watched->tracer->watched;
	struct pollfd *row = &set->fds[watched->at + 1];
	bool active = watched->events && !watched->in_fn && !watched->removed && !watched->invalid;

	set->n_active += (size_t)active - (size_t)(row->fd >= 0);
	set->n_patient += (size_t)(active && watched->patient) - (size_t)watched->is_counted;
	watched->is_counted = active && watched->patient;
	row->fd = active ? watched->fd : -1;
	row->events = (short)watched->events;
	row->revents = 0;
}

static int grow(struct ph_watched_set *set)
{
	size_t room = set->room ? set->room * 2 : 4;
	void *fds = reallocarray(set->fds, room + 1, sizeof(*set->fds)), *entries;

	if (!fds)
		return -ENOMEM;
	set->fds = fds;
	entries = reallocarray(set->entries, room, sizeof(*set->entries));
	if (!entries)
		return -ENOMEM;
	set->entries = entries;
	set->room = room;
	return 0;
}

static int open_signal(struct ph_watched_set *set)
{
	int fd = ph_os_poll_open();

	if (fd < 0)
		return fd;
	set->fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 0;
}

/* Removed ones out of the tables, unless somebody walks them. */
static void sweep(struct ph_watched_set *set)
{
	size_t n = 0;

	if (set->n_gone == 0 || set->walks)
		return;
	for (size_t i = 0; i < set->n; i++) {
		if (!set->entries[i])
			continue;
		set->entries[n] = set->entries[i];
		set->entries[n]->at = n;
		set->fds[n + 1] = set->fds[i + 1];
		n++;
	}
	set->n = n;
	set->n_gone = 0;
	if (n == 0)
		close(set->fds[0].fd);
}

int ph_watched_add(struct ph_tracer *tracer, int fd, unsigned int events, ph_ready_fn fn, void *user,
		   struct ph_watched **ret)
{
	struct ph_watched_set *set = &tracer->watched;
	struct ph_watched *watched;
	int r = set->n == set->room ? grow(set) : 0;

	if (r < 0)
		return r;
	watched = calloc(1, sizeof(*watched));
	if (!watched)
		return -ENOMEM;
	r = set->n == 0 ? open_signal(set) : 0;
	if (r < 0) {
		free(watched);
		return r;
	}
	*watched = (struct ph_watched){ .tracer = tracer, .at = set->n, .fd = fd, .events = events, .fn = fn, .user = user };
	set->entries[set->n++] = watched;
	set->fds[set->n].fd = -1;
	update(watched);
	*ret = watched;
	return 0;
}

void ph_watched_set_events(struct ph_watched *watched, unsigned int events)
{
	if (watched->events == events || !watched->tracer)
		return;
	watched->events = events;
	update(watched);
}

void ph_watched_set_patient(struct ph_watched *watched, bool patient)
{
	if (watched->patient == patient || !watched->tracer)
		return;
	watched->patient = patient;
	update(watched);
}

void ph_watched_remove(struct ph_watched *watched)
{
	struct ph_watched_set *set;

	if (!watched || watched->removed)
		return;
	if (!watched->tracer) {
		free(watched);
		return;
	}
	set = &watched->tracer->watched;
	watched->removed = true;
	update(watched);
	set->entries[watched->at] = NULL;
	set->n_gone++;
	if (!watched->in_fn)
		free(watched);
	sweep(set);
}

void ph_watched_fini(struct ph_tracer *tracer)
{
	struct ph_watched_set *set = &tracer->watched;

	for (size_t i = 0; i < set->n; i++)
		if (set->entries[i])
			set->entries[i]->tracer = NULL;
	if (set->n)
		close(set->fds[0].fd);
	free(set->fds);
	free(set->entries);
}

static void tell(struct ph_watched *watched, unsigned int events)
{
	watched->in_fn = true;
	watched->invalid = events & POLLNVAL;
	update(watched);
	watched->fn(watched->tracer, watched->fd, events, watched->user);
	watched->in_fn = false;
	if (watched->removed)
		free(watched);
	else
		update(watched);
}

/* Each that is ready, once. Functions may add, remove, and run sessions, which comes back here. */
static void tell_all(struct ph_watched_set *set)
{
	size_t n = set->n;

	set->stops = 0;
	set->walks++;
	for (size_t i = 0; i < n; i++) {
		unsigned int events = (unsigned short)set->fds[i + 1].revents;

		set->fds[i + 1].revents = 0;
		if (events && set->entries[i])
			tell(set->entries[i], events);
	}
	set->walks--;
	sweep(set);
}

static bool is_due(struct ph_watched_set *set)
{
	if (set->stops == 0)
		set->first_at = ph_os_now();
	else if (set->stops >= STOPS_BETWEEN || ph_os_now() - set->first_at >= NS_BETWEEN)
		return true;
	set->stops++;
	return false;
}

int ph_watched_wait(struct ph_tracer *tracer, int64_t deadline, int *ret_status)
{
	struct ph_watched_set *set = &tracer->watched;
	int64_t soon;
	int r;

	if (set->n_active == 0)
		return ph_os_wait_any(deadline, ret_status);
	if (is_due(set)) {
		r = ph_os_poll_now(set->fds + 1, set->n);
		tell_all(set);
		if (r > 0)
			return 0;
	}
	if (set->n_patient == set->n_active) {
		soon = ph_os_now() + PATIENCE_NS;
		r = ph_os_poll_any(set->fds, 1, soon < deadline ? soon : deadline, ret_status);
		if (r != -ETIMEDOUT || soon >= deadline)
			return r;
	}
	r = ph_os_poll_any(set->fds, set->n + 1, deadline, ret_status);
	if (r == 0)
		tell_all(set);
	return r;
}
