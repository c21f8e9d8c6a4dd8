#include "engine/placing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/beginning.h"
#include "engine/ifunc.h"
#include "engine/modules.h"
#include "engine/rearm.h"
#include "engine/resolve.h"
#include "x86/predicate.h"

static int arm(struct ph_breakpoint *breakpoint, struct ph_process *process, ph_addr addr, struct ph_err *err)
{
	int r = breakpoint->begins ? ph_beginning_check(process, addr, "add breakpoint", err) : 0;

	if (r >= 0)
		r = ph_breakpoint_arm(breakpoint, process, addr, err);

	return r < 0 || !breakpoint->hardware ? r : ph_rearm(process->session, process, err);
}

static int arm_resolved(struct ph_breakpoint *breakpoint, struct ph_process *process, const struct ph_resolved *place,
			struct ph_err *err)
{
	ph_addr addr = place->addr;
	int r;

	if (place->is_ifunc) {
		r = ph_ifunc_find(process, place->addr, &addr, err);
		if (r == -EAGAIN) {
			breakpoint->waits = true;
			return ph_ifunc_await(process, place->addr, ph_placing_retry, err);
		}
		if (r < 0)
			return r;
		addr += (ph_addr)place->offset;
	}
	return arm(breakpoint, process, addr, err);
}

/* Anywhere but in the program itself it may vanish again, and come back. */
static bool is_in_library(struct ph_process *process, const struct ph_resolved *place)
{
	const struct ph_module *program = ph_modules_main(process, NULL);

	return program && program->elf->can_load && (place->addr < program->low || place->addr >= program->high);
}

static int wait_if_unmapped(struct ph_breakpoint *breakpoint, int r)
{
	if (r != -EIO || !breakpoint->may_wait)
		return r;
	breakpoint->has_waited = true;
	breakpoint->session->wants_mappings |= breakpoint->enabled;
	return 0;
}

static int place_by_name(struct ph_breakpoint *breakpoint, struct ph_process *process, struct ph_err *err)
{
	struct ph_resolved *places;
	bool final;
	size_t n;
	int r = ph_resolve(process, breakpoint->where, &places, &n, &final, NULL);

	if (r == -ENOENT && !final) {
		breakpoint->waits = breakpoint->session->wants_loader = true;
		return 0;
	}
	/* The words cost a look at every name: only for an error that somebody reads. */
	if (r < 0 && err)
		r = ph_resolve(process, breakpoint->where, &places, &n, &final, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r >= 0; i++) {
		r = arm_resolved(breakpoint, process, &places[i], err);
		r = wait_if_unmapped(breakpoint, r);
		if (is_in_library(process, &places[i]))
			breakpoint->session->wants_loader = true;
	}
	free(places);
	return r;
}

static bool is_the_only_one(const struct ph_process *process)
{
	return process->session->processes.next == process->session->processes.prev;
}

int ph_placing_place(struct ph_breakpoint *breakpoint, struct ph_process *process, struct ph_err *err)
{
	/* What another process still waits for is not forgotten here. */
	if (is_the_only_one(process))
		breakpoint->waits = false;
	if (breakpoint->where)
		return place_by_name(breakpoint, process, err);
	return wait_if_unmapped(breakpoint, arm(breakpoint, process, breakpoint->address, err));
}

/* Its place has come, and it cannot be put there: nobody is left to get the error. */
static void tell_failure(struct ph_breakpoint *breakpoint, struct ph_process *process)
{
	const struct ph_elf_settings *settings = &process->session->tracer->elf_settings;
	char text[PH_ERR_MESSAGE_MAX + 128], message[PH_ERR_MESSAGE_MAX];
	struct ph_err err;

	if (breakpoint->told || !settings->warn || ph_placing_place(breakpoint, process, &err) >= 0)
		return;
	breakpoint->told = true;
	snprintf(text, sizeof(text), "%s stays out: %s", breakpoint->label, ph_err_message(&err, message, sizeof(message)));
	settings->warn(text, settings->user);
}

void ph_placing_retry(struct ph_process *process)
{
	struct ph_breakpoint *breakpoint;

	ph_list_each(breakpoint, &process->session->breakpoints, struct ph_breakpoint, in_session) {
		int r = breakpoint->where && breakpoint->waits ? ph_placing_place(breakpoint, process, NULL) : 0;

		if (r < 0 && r != -ENOENT && r != -ESRCH)
			tell_failure(breakpoint, process);
	}
}

void ph_placing_guess(struct ph_session *session)
{
	struct ph_breakpoint *breakpoint;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		if (breakpoint->where && !breakpoint->was_placed && !*breakpoint->nearest && !breakpoint->told)
			ph_resolve_nearest(session->target, breakpoint->where, breakpoint->nearest,
					   sizeof(breakpoint->nearest));
}

static int place_everywhere(struct ph_breakpoint *breakpoint, struct ph_err *err)
{
	struct ph_process *process;

	ph_list_each(process, &breakpoint->session->processes, struct ph_process, in_session) {
		bool main_one = process == breakpoint->session->target;
		int r = process->silent ? 0 : ph_placing_place(breakpoint, process, main_one ? err : NULL);

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
		.address = options->where ? PH_ADDR_NONE : options->address, .at = PH_ADDR_NONE,
		.mode = options->mode, .once = options->once, .enabled = !options->disabled,
		.may_wait = options->pending, .hardware = options->hardware || (session->policy.hardware && !options->software),
		.software = options->software, .begins = options->begins, .thread = options->thread, .fn = options->fn,
	};
	if (options->where)
		snprintf(breakpoint->label, sizeof(breakpoint->label), "breakpoint %u at '%.64s'", breakpoint->id, options->where);
	else
		snprintf(breakpoint->label, sizeof(breakpoint->label), "breakpoint %u at 0x%llx", breakpoint->id,
			 (unsigned long long)options->address);
	ph_session_hold(session);
	ph_list_init(&breakpoint->in_session);
	r = options->when ? ph_predicate_compile(options->when, &breakpoint->when, err) : 0;
	if (r >= 0)
		r = place_everywhere(breakpoint, err);
	if (r < 0) {
		breakpoint->removed = true;
		ph_breakpoint_disarm(breakpoint);
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

int ph_breakpoint_enable(struct ph_breakpoint *breakpoint, bool enabled, struct ph_err *err)
{
	int r = ph_breakpoint_check(breakpoint, enabled ? "enable breakpoint" : "disable breakpoint", err);

	if (r < 0 || breakpoint->enabled == enabled)
		return r;
	breakpoint->enabled = enabled;
	if (!enabled) {
		ph_breakpoint_disarm(breakpoint);
		return 0;
	}
	r = place_everywhere(breakpoint, err);
	if (r < 0) {
		breakpoint->enabled = false;
		ph_breakpoint_disarm(breakpoint);
	}
	return r;
}

static int set_hardware(struct ph_breakpoint *breakpoint, bool hardware, struct ph_err *err)
{
	ph_breakpoint_disarm(breakpoint);
	breakpoint->hardware = hardware;
	return breakpoint->enabled ? place_everywhere(breakpoint, err) : 0;
}

int ph_placing_use_hardware(struct ph_session *session, struct ph_err *err)
{
	struct ph_breakpoint *breakpoint, *failed = NULL;
	int r = 0;

	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session) {
		breakpoint->converted = !breakpoint->hardware && !breakpoint->software;
		if (breakpoint->converted && !failed && (r = set_hardware(breakpoint, true, err)) < 0)
			failed = breakpoint;
	}
	if (!failed)
		return 0;
	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session)
		if (breakpoint->converted && breakpoint->hardware)
			set_hardware(breakpoint, false, NULL);
	return r;
}

int ph_session_resolve(struct ph_session *session, const char *where, ph_addr *ret, struct ph_err *err)
{
	int r = ph_session_check(session, "resolve", err);
	struct ph_resolved *places, first;
	bool final;
	size_t n;

	if (r < 0 || (r = ph_resolve(session->target, where, &places, &n, &final, err)) < 0)
		return r;
	first = places[0];
	free(places);
	if (!first.is_ifunc) {
		*ret = first.addr;
		return 0;
	}
	r = ph_ifunc_find(session->target, first.addr, ret, err);
	if (r >= 0)
		*ret += (ph_addr)first.offset;
	return r;
}
