#include "engine/breakpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/image.h"
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
	ph_session_drop(breakpoint->session);
	free(breakpoint);
}

static struct ph_thread *thread_in(const struct ph_session *session, const struct ph_space *space)
{
	struct ph_process *process;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		if (process->space == space)
			return ph_process_any_thread(process);
	return NULL;
}

static void leave_location(struct ph_breakpoint *breakpoint, size_t at)
{
	struct ph_location *location = &breakpoint->locations[at];
	struct ph_site *site = ph_space_site_find(location->space, location->addr);
	struct ph_thread *thread = thread_in(breakpoint->session, location->space);

	if (site) {
		ph_site_owner_remove(site, breakpoint);
		/* Without a living thread the memory is gone, and the site goes with its space. */
		if (site->n_owners == 0 && thread)
			ph_space_site_remove(location->space, thread->tid, site);
	}
	ph_space_unref(location->space);
	*location = breakpoint->locations[--breakpoint->n_locations];
}

static void leave_all(struct ph_breakpoint *breakpoint)
{
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
	if (ph_site_owner_add(site, breakpoint, breakpoint->id) < 0)
		return -ENOMEM;
	locations[breakpoint->n_locations++] = (struct ph_location){ ph_space_ref(space), site->addr };
	return 0;
}

static void remember_original(struct ph_breakpoint *breakpoint, struct ph_space *space, pid_t tid, ph_addr addr)
{
	struct ph_err err = { 0 };
	struct ph_insn insn;
	size_t n = PH_INSN_MAX;

	if (ph_space_read(space, tid, addr, breakpoint->original, n, &err) < 0)
		n = err.done;
	breakpoint->n_original = ph_insn_decode(breakpoint->original, n, &insn) < 0 ? n > 0 : insn.length;
}

static int arm_at(struct ph_breakpoint *breakpoint, struct ph_process *process, ph_addr addr, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_site *site;
	int r;

	if (!thread)
		return ph_err_say(err, -ESRCH, "insert breakpoint", "process %d has ended", process->pid);
	if (!breakpoint->enabled) {
		uint8_t byte;

		/* Not now; but whether it can be is to be known now. */
		r = ph_space_read(process->space, thread->tid, addr, &byte, 1, err);
	} else {
		r = ph_space_site_arm(process->space, thread->tid, addr, &site, err);
		if (r >= 0)
			r = join(breakpoint, process->space, site);
	}
	if (r < 0)
		return r == -EIO ? ph_err_say(err, r, "insert breakpoint", "0x%llx is not mapped in process %d; "
					      "{pending = true} waits until it is", (unsigned long long)addr,
					      process->pid) : r;
	remember_original(breakpoint, process->space, thread->tid, addr);
	breakpoint->address = addr;
	return 0;
}

static int image_of(struct ph_process *process, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	if (process->image)
		return 0;
	if (!thread)
		return ph_err_say(err, -ESRCH, "read program", "process %d has ended", process->pid);
	return ph_image_open(thread->tid, &process->image, err);
}

int ph_breakpoint_place(struct ph_breakpoint *breakpoint, struct ph_process *process, struct ph_err *err)
{
	ph_addr addr = breakpoint->address;
	bool final = true;
	int r;

	if (breakpoint->where) {
		r = image_of(process, err);
		if (r < 0)
			return r;
		r = ph_image_resolve(process->image, breakpoint->where, &addr, &final, err);
		if (r == -ENOENT && !final) {
			ph_image_nearest(process->image, breakpoint->where, breakpoint->nearest,
					 sizeof(breakpoint->nearest));
			return 0;
		}
		if (r < 0)
			return r;
	}
	r = arm_at(breakpoint, process, addr, err);
	if (r == -EIO && breakpoint->may_wait)
		return 0;
	return r;
}

static int place_everywhere(struct ph_breakpoint *breakpoint, struct ph_err *err)
{
	struct ph_process *process;

	ph_list_each(process, &breakpoint->session->processes, struct ph_process, in_session) {
		bool main_one = process == breakpoint->session->target;
		int r = process->silent ? 0 : ph_breakpoint_place(breakpoint, process, main_one ? err : NULL);

		if (r < 0 && main_one)
			return r;
	}
	return 0;
}

static int check_options(const struct ph_breakpoint_options *options, struct ph_err *err)
{
	if (!options->fn)
		return ph_err_say(err, -EINVAL, "add breakpoint", "no function to call");
	if (options->thread < 0)
		return ph_err_say(err, -EINVAL, "add breakpoint", "no thread has the id %d", options->thread);
	return 0;
}

int ph_breakpoint_add(struct ph_session *session, const struct ph_breakpoint_options *options,
		      struct ph_breakpoint **ret, struct ph_err *err)
{
	struct ph_breakpoint *breakpoint;
	int r = ph_session_check(session, "add breakpoint", err);

	if (r < 0 || (r = check_options(options, err)) < 0)
		return r;
	breakpoint = calloc(1, sizeof(*breakpoint));
	if (!breakpoint)
		return ph_err_set(err, -ENOMEM, "add breakpoint");
	*breakpoint = (struct ph_breakpoint){
		.refs = 1, .session = session, .id = session->next_id++,
		.where = options->where ? strdup(options->where) : NULL,
		.name = options->name ? strdup(options->name) : NULL,
		.address = options->where ? PH_ADDR_NONE : options->address,
		.mode = options->mode, .once = options->once, .enabled = !options->disabled,
		.may_wait = options->pending, .thread = options->thread, .fn = options->fn,
	};
	ph_session_hold(session);
	ph_list_init(&breakpoint->in_session);
	r = options->when ? ph_predicate_compile(options->when, &breakpoint->when, err) : 0;
	if (r >= 0)
		r = place_everywhere(breakpoint, err);
	if (r < 0) {
		breakpoint->removed = true;
		leave_all(breakpoint);
		ph_breakpoint_unref(breakpoint);
		return r;
	}
	/* Only now: a call that fails leaves user with the caller. */
	breakpoint->user = options->user;
	breakpoint->user_free = options->user_free;
	ph_list_add_tail(&session->breakpoints, &breakpoint->in_session);
	*ret = ph_breakpoint_ref(breakpoint);
	return 0;
}

static int check_live(const struct ph_breakpoint *breakpoint, const char *op, struct ph_err *err)
{
	if (breakpoint->removed)
		return ph_err_say(err, -ENOENT, op, "breakpoint %u was removed", breakpoint->id);
	return ph_session_check(breakpoint->session, op, err);
}

int ph_breakpoint_remove(struct ph_breakpoint *breakpoint, struct ph_err *err)
{
	int r = check_live(breakpoint, "remove breakpoint", err);

	if (r < 0)
		return r;
	breakpoint->removed = true;
	leave_all(breakpoint);
	ph_list_remove(&breakpoint->in_session);
	release_user(breakpoint);
	ph_breakpoint_unref(breakpoint);
	return 0;
}

int ph_breakpoint_enable(struct ph_breakpoint *breakpoint, bool enabled, struct ph_err *err)
{
	int r = check_live(breakpoint, enabled ? "enable breakpoint" : "disable breakpoint", err);

	if (r < 0 || breakpoint->enabled == enabled)
		return r;
	breakpoint->enabled = enabled;
	if (!enabled) {
		leave_all(breakpoint);
		return 0;
	}
	r = place_everywhere(breakpoint, err);
	if (r < 0) {
		breakpoint->enabled = false;
		leave_all(breakpoint);
	}
	return r;
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
		leave_all(breakpoint);
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

static int read_for_when(void *user, ph_addr addr, void *buf, size_t len)
{
	struct ph_thread *thread = user;

	return ph_space_read(thread->process->space, thread->tid, addr, buf, len, NULL);
}

bool ph_breakpoint_takes(const struct ph_breakpoint *breakpoint, struct ph_thread *thread)
{
	struct ph_predicate_memory memory = { read_for_when, thread };

	if (breakpoint->removed || !breakpoint->enabled || !breakpoint->fn ||
	    (breakpoint->thread && breakpoint->thread != thread->tid))
		return false;
	return !breakpoint->when || (ph_thread_regs_fetch(thread, NULL) >= 0 &&
				     ph_predicate_test(breakpoint->when, &thread->view.regs, &memory));
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

int ph_session_resolve(struct ph_session *session, const char *where, ph_addr *ret, struct ph_err *err)
{
	int r = ph_session_check(session, "resolve", err);
	bool final;

	if (r < 0 || (r = image_of(session->target, err)) < 0)
		return r;
	return ph_image_resolve(session->target->image, where, ret, &final, err);
}
