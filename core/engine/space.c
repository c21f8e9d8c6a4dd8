#include "engine/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/vm.h"

static const uint8_t trap = PH_TRAP_BYTE;

int ph_space_new(pid_t tid, struct ph_space **ret, struct ph_err *err)
{
	struct ph_space *space;
	int fd = ph_os_vm_open(tid);

	if (fd < 0)
		return ph_err_set_in(err, fd == -ENOENT ? -ESRCH : fd, "open memory", tid);
	space = calloc(1, sizeof(*space));
	if (!space) {
		close(fd);
		return ph_err_set(err, -ENOMEM, "open memory");
	}
	space->refs = 1;
	space->fd = fd;
	*ret = space;
	return 0;
}

struct ph_space *ph_space_new_blind(void)
{
	struct ph_space *space = calloc(1, sizeof(*space));

	if (space) {
		space->refs = 1;
		space->fd = -1;
	}
	return space;
}

struct ph_space *ph_space_ref(struct ph_space *space)
{
	space->refs++;
	return space;
}

void ph_space_unref(struct ph_space *space)
{
	if (!space || --space->refs)
		return;
	if (space->fd >= 0)
		close(space->fd);
	for (size_t i = 0; i < space->n_sorted; i++)
		ph_site_free(space->sorted[i]);
	free(space->sorted);
	free(space->text);
	free(space->allocations);
	while (space->redirections) {
		struct ph_redirection *next = *(struct ph_redirection **)space->redirections;

		free(space->redirections);
		space->redirections = next;
	}
	ph_map_fini(&space->sites);
	ph_map_fini(&space->retired);
	ph_slots_fini(&space->slots);
	free(space);
}

static int failed(struct ph_err *err, int r, const char *op, pid_t tid, ph_addr addr, size_t done)
{
	/* /proc/PID/mem and ptrace say EIO, process_vm_readv EFAULT for the same thing: nothing is mapped there. */
	r = r == -EFAULT ? -EIO : r;
	ph_err_set_at(err, r, op, tid, addr + done);
	if (err)
		err->done = done;
	return r;
}

int ph_space_read_raw(const struct ph_space *space, pid_t tid, ph_addr addr, void *buf, size_t len,
		      struct ph_err *err)
{
	size_t done;
	int r = ph_os_vm_read(tid, space->fd, addr, buf, len, &done);

	return r < 0 ? failed(err, r, "read memory", tid, addr, done) : 0;
}

int ph_space_write_raw(const struct ph_space *space, pid_t tid, ph_addr addr, const void *buf, size_t len,
		       struct ph_err *err)
{
	size_t done;
	int r = ph_os_vm_write(tid, space->fd, addr, buf, len, &done);

	return r < 0 ? failed(err, r, "write memory", tid, addr, done) : 0;
}

/* The index of the first site at or after addr. */
static size_t first_from(const struct ph_space *space, ph_addr addr)
{
	size_t low = 0, high = space->n_sorted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->sorted[middle]->addr < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool ph_space_has_sites(const struct ph_space *space, ph_addr start, ph_addr end)
{
	size_t at = first_from(space, start);

	return at < space->n_sorted && space->sorted[at]->addr < end;
}

int ph_space_read(const struct ph_space *space, pid_t tid, ph_addr addr, void *buf, size_t len, struct ph_err *err)
{
	size_t done;
	int r = ph_os_vm_read(tid, space->fd, addr, buf, len, &done);

	for (size_t i = first_from(space, addr); i < space->n_sorted; i++) {
		const struct ph_site *site = space->sorted[i];

		if (site->addr - addr >= done)
			break;
		if (site->armed)
			((uint8_t *)buf)[site->addr - addr] = site->original;
	}
	return r < 0 ? failed(err, r, "read memory", tid, addr, done) : 0;
}

void ph_space_forget_copies(struct ph_space *space, ph_addr addr, size_t len)
{
	ph_addr first = addr < PH_INSN_MAX ? 0 : addr - PH_INSN_MAX + 1;

	for (size_t i = first_from(space, first); i < space->n_sorted && space->sorted[i]->addr - first < addr - first + len;
	     i++) {
		space->sorted[i]->way = PH_WAY_UNKNOWN;
		space->sorted[i]->insn.length = 0;
		space->sorted[i]->behind = PH_BEHIND_ANYHOW;
		ph_map_remove(&space->slots.by_site, space->sorted[i]->addr);
	}
}

/* The pieces between armed sites go to memory, the bytes under them to the sites. */
int ph_space_write(struct ph_space *space, pid_t tid, ph_addr addr, const void *buf, size_t len, struct ph_err *err)
{
	size_t at = 0;

	ph_space_forget_copies(space, addr, len);
	for (size_t i = first_from(space, addr); at < len; i++) {
		struct ph_site *site = i < space->n_sorted ? space->sorted[i] : NULL;
		size_t stop = site && site->addr - addr < len ? site->addr - addr : len, done;
		int r;

		if (site && stop < len && !site->armed)
			continue;
		r = ph_os_vm_write(tid, space->fd, addr + at, (const uint8_t *)buf + at, stop - at, &done);
		if (r < 0)
			return failed(err, r, "write memory", tid, addr, at + done);
		if (stop < len)
			site->original = ((const uint8_t *)buf)[stop];
		at = stop + (stop < len);
	}
	return 0;
}

static int sorted_add(struct ph_space *space, struct ph_site *site)
{
	size_t at = first_from(space, site->addr);

	if (space->n_sorted == space->room_sorted) {
		size_t room = space->room_sorted ? space->room_sorted * 2 : 8;
		void *sorted = reallocarray(space->sorted, room, sizeof(struct ph_site *));

		if (!sorted)
			return -ENOMEM;
		space->sorted = sorted;
		space->room_sorted = room;
	}
	memmove(&space->sorted[at + 1], &space->sorted[at], (space->n_sorted - at) * sizeof(struct ph_site *));
	space->sorted[at] = site;
	space->n_sorted++;
	return 0;
}

int ph_space_site_arm(struct ph_space *space, pid_t tid, ph_addr addr, struct ph_site **ret, struct ph_err *err)
{
	struct ph_site *site = ph_space_site_find(space, addr);
	uint8_t original;
	int r;

	if (!site) {
		r = ph_space_read_raw(space, tid, addr, &original, 1, err);
		if (r < 0)
			return r;
		site = ph_site_new(addr, original);
		if (!site || ph_map_add(&space->sites, addr, site) < 0 || sorted_add(space, site) < 0) {
			if (site)
				ph_map_remove(&space->sites, addr);
			ph_site_free(site);
			return ph_err_set(err, -ENOMEM, "insert breakpoint");
		}
		ph_map_remove(&space->retired, addr);
	}
	if (!site->armed) {
		r = ph_space_site_lower(space, tid, site, err);
		if (r < 0) {
			ph_space_site_remove(space, tid, site);
			return r;
		}
	}
	*ret = site;
	return 0;
}

void ph_space_site_remove(struct ph_space *space, pid_t tid, struct ph_site *site)
{
	size_t at = first_from(space, site->addr);

	if (site->armed)
		ph_space_site_lift(space, tid, site, NULL);
	ph_map_remove(&space->sites, site->addr);
	memmove(&space->sorted[at], &space->sorted[at + 1], (space->n_sorted - at - 1) * sizeof(struct ph_site *));
	space->n_sorted--;
	ph_map_add(&space->retired, site->addr, (void *)(uintptr_t)(site->original + 1u));
	ph_site_free(site);
}

bool ph_space_was_trap(const struct ph_space *space, pid_t tid, ph_addr addr)
{
	const struct ph_site *site = ph_space_site_find(space, addr);
	uint8_t now;

	return (site ? !site->armed : ph_map_find(&space->retired, addr) != NULL) &&
	       ph_space_read_raw(space, tid, addr, &now, 1, NULL) >= 0 && now != PH_TRAP_BYTE;
}

int ph_space_site_lift(struct ph_space *space, pid_t tid, struct ph_site *site, struct ph_err *err)
{
	uint8_t now;
	int r = ph_space_read_raw(space, tid, site->addr, &now, 1, err);

	if (r < 0)
		return r;
	/* A program that wrote over our byte itself (a JIT) means what it wrote. */
	if (now != PH_TRAP_BYTE) {
		site->original = now;
		site->armed = false;
		return 0;
	}
	r = ph_space_write_raw(space, tid, site->addr, &site->original, 1, err);
	if (r >= 0)
		site->armed = false;
	return r;
}

int ph_space_site_lower(struct ph_space *space, pid_t tid, struct ph_site *site, struct ph_err *err)
{
	int r = ph_space_write_raw(space, tid, site->addr, &trap, 1, err);

	if (r >= 0) {
		site->armed = true;
		site->armed_at = ++space->n_armed;
	}
	return r;
}

static void clean_byte(const struct ph_space *copy, pid_t child_tid, ph_addr addr, uint8_t original)
{
	uint8_t now;

	if (ph_space_read_raw(copy, child_tid, addr, &now, 1, NULL) >= 0 && now == PH_TRAP_BYTE && now != original)
		ph_space_write_raw(copy, child_tid, addr, &original, 1, NULL);
}

void ph_space_clean_copy(const struct ph_space *from, pid_t from_tid, const struct ph_space *copy, pid_t child_tid)
{
	for (size_t i = 0; i < from->n_sorted; i++)
		clean_byte(copy, child_tid, from->sorted[i]->addr, from->sorted[i]->original);
	for (size_t i = 0; i < from->retired.capacity; i++) {
		const struct ph_map_slot *slot = &from->retired.slots[i];
		uint8_t parent;

		/* Where the parent has an int3 as well, the program put it there after we left. */
		if (slot->value && (ph_space_read_raw(from, from_tid, slot->key, &parent, 1, NULL) < 0 ||
				    parent != PH_TRAP_BYTE))
			clean_byte(copy, child_tid, slot->key, (uint8_t)((uintptr_t)slot->value - 1));
	}
}
