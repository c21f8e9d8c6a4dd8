#include "engine/breakpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hardware.h"
#include "engine/patch.h"
#include "x86/insn.h"
#include "x86/predicate.h"

static void release_user(struct ph_breakpoint *breakpoint)
{
	void (*user_free)(void *) = breakpoint->user_free;

	breakpoint->fn = NULL;
	breakpoint->user_free = NULL;
	if (user_free)
		user_free(breakpoint->user);
}

struct ph_breakpoint *ph_breakpoint_ref(struct ph_breakpoint *breakpoint)
{
	breakpoint->refs++;
	return breakpoint;
}

void ph_breakpoint_unref(struct ph_breakpoint *breakpoint)
{
	if (!breakpoint || --breakpoint->refs)
		return;
	release_user(breakpoint);
	ph_predicate_free(breakpoint->when);
	free(breakpoint->where);
	free(breakpoint->name);
	free(breakpoint->locations);
	free(breakpoint->addresses);
	ph_session_drop(breakpoint->session);
	free(breakpoint);
}

static void leave_location(struct ph_breakpoint *breakpoint, size_t at)
{
	struct ph_location *location = &breakpoint->locations[at];
	struct ph_site *site = ph_space_site_find(location->space, location->addr);
	struct ph_thread *thread = ph_space_any_thread(location->space, breakpoint->session);

	if (site) {
		ph_site_owner_remove(site, (struct ph_site_owner){ .breakpoint = breakpoint });
		/* Without a living thread the memory is gone, and the site goes with its space. */
		if (site->n_owners == 0 && thread)
			ph_space_site_remove(location->space, thread->tid, site);
	}
	ph_space_unref(location->space);
	*location = breakpoint->locations[--breakpoint->n_locations];
}

static struct ph_hardware_user user_of(struct ph_breakpoint *breakpoint)
{
	return (struct ph_hardware_user){ .breakpoint = breakpoint, .label = breakpoint->label };
}

static void leave_hardware(struct ph_breakpoint *breakpoint)
{
	struct ph_hardware_user user = user_of(breakpoint);
	struct ph_process *process;

	ph_list_each(process, &breakpoint->session->processes, struct ph_process, in_session)
		ph_hardware_give(process, &user);
}

void ph_breakpoint_disarm(struct ph_breakpoint *breakpoint)
{
	if (breakpoint->hardware)
		leave_hardware(breakpoint);
	while (breakpoint->n_locations)
		leave_location(breakpoint, breakpoint->n_locations - 1);
}

static bool is_in(const struct ph_breakpoint *breakpoint, const struct ph_space *space, ph_addr addr)
{
	for (size_t i = 0; i < breakpoint->n_locations; i++)
		if (breakpoint->locations[i].space == space && breakpoint->locations[i].addr == addr)
			return true;
	return false;
}

/* The site is armed; breakpoint becomes one of its owners. */
static int join(struct ph_breakpoint *breakpoint, struct ph_space *space, struct ph_site *site)
{
	struct ph_location *locations;

	if (is_in(breakpoint, space, site->addr))
		return 0;
	locations = reallocarray(breakpoint->locations, breakpoint->n_locations + 1, sizeof(*locations));
	if (!locations)
		return -ENOMEM;
	breakpoint->locations = locations;
	if (ph_site_owner_add(site, (struct ph_site_owner){ .breakpoint = breakpoint, .id = breakpoint->id }) < 0)
		return -ENOMEM;
	locations[breakpoint->n_locations++] = (struct ph_location){ ph_space_ref(space), site->addr };
	return 0;
}

void ph_breakpoint_see_original(struct ph_breakpoint *breakpoint, struct ph_space *space, pid_t tid, ph_addr addr)
{
	struct ph_err err = { 0 };
	struct ph_insn insn;
	size_t n = PH_INSN_MAX;

	if (ph_space_read(space, tid, addr, breakpoint->original, n, &err) < 0)
		n = err.done;
	breakpoint->n_original = ph_insn_decode(breakpoint->original, n, &insn) < 0 ? n > 0 : insn.length;
}

void ph_breakpoint_look(struct ph_breakpoint *breakpoint)
{
	const struct ph_location *location = breakpoint->locations;
	struct ph_thread *thread = breakpoint->n_locations ? ph_space_any_thread(location->space, breakpoint->session) : NULL;

	if (thread && breakpoint->n_addresses && location->addr == breakpoint->addresses[0])
		ph_breakpoint_see_original(breakpoint, location->space, thread->tid, location->addr);
}

/* What scripts see: the places in every process, first the one that was first. */
static int add_address(struct ph_breakpoint *breakpoint, ph_addr addr)
{
	ph_addr *addresses;

	for (size_t i = 0; i < breakpoint->n_addresses; i++)
		if (breakpoint->addresses[i] == addr)
			return 0;
	addresses = reallocarray(breakpoint->addresses, breakpoint->n_addresses + 1, sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	breakpoint->addresses = addresses;
	addresses[breakpoint->n_addresses++] = addr;
	breakpoint->address = addresses[0];
	breakpoint->was_placed = true;
	return 0;
}

static int arm_hardware(struct ph_breakpoint *breakpoint, struct ph_process *process, pid_t tid, ph_addr addr,
			struct ph_err *err)
{
	struct ph_debug_piece piece = { addr, 1, PH_ACCESS_EXECUTE };
	struct ph_hardware_user user = user_of(breakpoint);
	uint8_t byte;
	int r = ph_space_read(process->space, tid, addr, &byte, 1, err);

	if (r < 0 || !breakpoint->enabled || ph_hardware_has(process, &user, addr, addr + 1))
		return r;
	return ph_hardware_take(process, &user, &piece, 1, err);
}

int ph_breakpoint_arm(struct ph_breakpoint *breakpoint, struct ph_process *process, ph_addr addr, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_site *site;
	int r;

	if (!thread)
		return ph_err_say(err, -ESRCH, "insert breakpoint", "process %d has ended", process->pid);
	if (breakpoint->hardware) {
		r = arm_hardware(breakpoint, process, thread->tid, addr, err);
	} else if (!breakpoint->enabled) {
		uint8_t byte;

		/* Not now; but whether it can be is to be known now. */
		r = ph_space_read(process->space, thread->tid, addr, &byte, 1, err);
	} else {
		r = ph_space_site_arm(process->space, thread->tid, addr, &site, err);
		if (r >= 0)
			r = join(breakpoint, process->space, site);
		if (r >= 0)
			ph_patches_settle(process->session, process->space, thread->tid, addr, 1);
	}
	if (r == -EIO) {
		ph_err_say(err, r, "insert breakpoint", "0x%llx is not mapped in process %d; {pending = true} waits until it is",
			   (unsigned long long)addr, process->pid);
		return ph_err_at(err, r, addr);
	}
	if (r < 0)
		return r;
	r = add_address(breakpoint, addr);
	if (r < 0)
		return ph_err_set(err, r, "insert breakpoint");
	if (addr == breakpoint->address)
		ph_breakpoint_see_original(breakpoint, process->space, thread->tid, addr);
	return 0;
}

static bool has_location(const struct ph_breakpoint *breakpoint, ph_addr addr)
{
	for (size_t i = 0; i < breakpoint->n_locations; i++)
		if (breakpoint->locations[i].addr == addr)
			return true;
	return false;
}

/* Out of the list that scripts see, unless it still stands there in another process; and waiting for what may come. */
static void forget_addresses(struct ph_breakpoint *breakpoint, ph_addr low, ph_addr high)
{
	size_t kept = 0;

	for (size_t i = 0; i < breakpoint->n_addresses; i++) {
		ph_addr addr = breakpoint->addresses[i];

		if (addr < low || addr >= high || has_location(breakpoint, addr))
			breakpoint->addresses[kept++] = addr;
	}
	if (kept == breakpoint->n_addresses)
		return;
	breakpoint->n_addresses = kept;
	if (breakpoint->where)
		breakpoint->address = kept ? breakpoint->addresses[0] : PH_ADDR_NONE;
	breakpoint->waits = true;
}

void ph_breakpoints_forget(struct ph_session *session)
{
	struct ph_breakpoint *breakpoint;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		forget_addresses(breakpoint, 0, PH_ADDR_NONE);
}

void ph_breakpoints_unload(struct ph_process *process, ph_addr low, ph_addr high)
{
	struct ph_breakpoint *breakpoint;
	struct ph_hardware_user user;

	ph_list_each(breakpoint, &process->session->breakpoints, struct ph_breakpoint, in_session) {
		for (size_t i = breakpoint->n_locations; i-- > 0;) {
			const struct ph_location *location = &breakpoint->locations[i];

			if (location->space == process->space && location->addr >= low && location->addr < high)
				leave_location(breakpoint, i);
		}
		user = user_of(breakpoint);
		if (breakpoint->hardware && ph_hardware_has(process, &user, low, high))
			ph_hardware_give(process, &user);
		forget_addresses(breakpoint, low, high);
	}
}

int ph_breakpoint_check(const struct ph_breakpoint *breakpoint, const char *op, struct ph_err *err)
{
	if (breakpoint->removed)
		return ph_err_say(err, -ENOENT, op, "breakpoint %u was removed", breakpoint->id);
	return ph_session_check(breakpoint->session, op, err);
}

int ph_breakpoint_remove(struct ph_breakpoint *breakpoint, struct ph_err *err)
{
	int r = ph_breakpoint_check(breakpoint, "remove breakpoint", err);

	if (r < 0)
		return r;
	breakpoint->removed = true;
	ph_breakpoint_disarm(breakpoint);
	ph_list_remove(&breakpoint->in_session);
	release_user(breakpoint);
	ph_breakpoint_unref(breakpoint);
	return 0;
}

void ph_breakpoints_adopt(struct ph_process *parent, struct ph_process *child)
{
	struct ph_breakpoint *breakpoint;
	pid_t tid = child->pid;

	ph_list_each(breakpoint, &parent->session->breakpoints, struct ph_breakpoint, in_session) {
		for (size_t i = 0, n = breakpoint->n_locations; i < n; i++) {
			struct ph_site *site;

			if (breakpoint->locations[i].space == parent->space &&
			    ph_space_site_arm(child->space, tid, breakpoint->locations[i].addr, &site, NULL) >= 0)
				join(breakpoint, child->space, site);
		}
	}
}

void ph_breakpoints_leave(struct ph_session *session, const struct ph_space *space)
{
	struct ph_breakpoint *breakpoint;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		for (size_t i = breakpoint->n_locations; i-- > 0;)
			if (breakpoint->locations[i].space == space)
				leave_location(breakpoint, i);
}

void ph_breakpoints_retire(struct ph_session *session)
{
	struct ph_breakpoint *breakpoint;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session) {
		ph_breakpoint_disarm(breakpoint);
		release_user(breakpoint);
	}
}

void ph_breakpoints_drop(struct ph_session *session)
{
	struct ph_breakpoint *breakpoint;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session) {
		ph_list_remove(&breakpoint->in_session);
		ph_breakpoint_unref(breakpoint);
	}
}

uint64_t ph_breakpoint_hits(const struct ph_breakpoint *breakpoint)
{
	return breakpoint->hits;
}

int ph_session_each_breakpoint(struct ph_session *session, int (*fn)(struct ph_breakpoint *, void *), void *user)
{
	struct ph_breakpoint *breakpoint;
	int r = 0;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		if ((r = fn(breakpoint, user)) != 0)
			break;
	return r;
}
