#include "engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hardware.h"
#include "engine/rearm.h"

#define USER_END 0x7ffffffff000ull	/* TASK_SIZE_MAX with four levels of page tables; with five the kernel decides */

static const uint8_t access_of[] = {
	[PH_WATCH_WRITE] = PH_ACCESS_WRITE,
	[PH_WATCH_READ_WRITE] = PH_ACCESS_READ_WRITE,
	[PH_WATCH_EXECUTE] = PH_ACCESS_EXECUTE,
};

static void release_user(struct ph_watch *watch)
{
	void (*user_free)(void *) = watch->user_free;

	watch->fn = NULL;
	watch->user_free = NULL;
	if (user_free)
		user_free(watch->user);
}

struct ph_watch *ph_watch_ref(struct ph_watch *watch)
{
	watch->refs++;
	return watch;
}

void ph_watch_unref(struct ph_watch *watch)
{
	if (!watch || --watch->refs)
		return;
	release_user(watch);
	ph_session_drop(watch->session);
	free(watch);
}

static bool is_for(const struct ph_watch *watch, const struct ph_process *process)
{
	return !process->silent && watch->id >= process->first_watch;
}

static struct ph_hardware_user user_of(struct ph_watch *watch)
{
	return (struct ph_hardware_user){ .watch = watch, .label = watch->label };
}

static void leave_all(struct ph_watch *watch)
{
	struct ph_hardware_user user = user_of(watch);
	struct ph_process *process;

	if (watch->soft && watch->placed)
		watch->session->n_soft--;
	watch->placed = false;
	ph_list_each(process, &watch->session->processes, struct ph_process, in_session)
		ph_hardware_give(process, &user);
}

static int take(struct ph_watch *watch, struct ph_process *process, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_hardware_user user = user_of(watch);
	struct ph_debug_piece pieces[PH_DEBUG_REGS];
	uint8_t bytes[PH_DEBUG_RANGE_MAX];
	unsigned int n;
	int r;

	if (!thread)
		return ph_err_say(err, -ESRCH, "add watch", "process %d has ended", process->pid);
	r = ph_space_read(process->space, thread->tid, watch->address, bytes, watch->len, err);
	if (r == -EIO) {
		ph_addr bad = err ? err->addr : watch->address;

		ph_err_say(err, r, "add watch", "0x%llx is not mapped in process %d", (unsigned long long)bad, process->pid);
		return ph_err_at(err, r, bad);
	}
	if (r < 0)
		return r;
	if (!watch->soft) {
		n = ph_debug_split(watch->address, watch->len, access_of[watch->access], pieces);
		r = ph_hardware_take(process, &user, pieces, n, err);
		if (r < 0)
			return r;
	}
	ph_watch_look(watch, thread);
	memcpy(watch->before, watch->now, sizeof(watch->before));
	return 0;
}

static int take_everywhere(struct ph_watch *watch, struct ph_err *err)
{
	struct ph_process *process, *main_one = NULL;
	int r = -ESRCH;

	ph_list_each(process, &watch->session->processes, struct ph_process, in_session) {
		if (!is_for(watch, process))
			continue;
		if (!main_one) {
			main_one = process;
			r = take(watch, process, err);
			if (r < 0)
				return r;
		} else {
			take(watch, process, NULL);
		}
	}
	if (!main_one)
		return ph_err_say(err, r, "add watch", "no process is left that it could be for");
	watch->placed = true;
	watch->session->n_soft += watch->soft;
	r = ph_rearm(watch->session, main_one, err);
	if (r < 0)
		leave_all(watch);
	return r;
}

static int check_range(const struct ph_watch_options *options, struct ph_err *err)
{
	struct ph_debug_piece pieces[PH_DEBUG_REGS];
	unsigned int n;

	if (options->len == 0)
		return ph_err_say(err, -EINVAL, "add watch", "a watch of no bytes sees nothing: 1 to %d",
				  PH_DEBUG_RANGE_MAX);
	if (options->len > PH_DEBUG_RANGE_MAX)
		return ph_err_say(err, -EINVAL, "add watch", "%zu bytes: the CPU's four debug registers reach %d",
				  options->len, PH_DEBUG_RANGE_MAX);
	if (options->address >= USER_END || options->len > USER_END - options->address)
		return ph_err_say(err, -EINVAL, "add watch", "0x%llx is no address of a program: from 0x%llx on it is the "
				  "kernel's", (unsigned long long)options->address, (unsigned long long)USER_END);
	n = ph_debug_split(options->address, options->len, access_of[options->access], pieces);
	if (n > PH_DEBUG_REGS && !options->soft)
		return ph_err_say(err, -EINVAL, "add watch", "%zu bytes at 0x%llx take %u debug registers, the CPU has four: "
				  "each reaches 1, 2, 4 or 8 bytes that are aligned to their number", options->len,
				  (unsigned long long)options->address, n);
	return 0;
}

static int check_options(const struct ph_watch_options *options, struct ph_err *err)
{
	if (!options->fn)
		return ph_err_say(err, -EINVAL, "add watch", "no function to call");
	if (options->access == PH_WATCH_EXECUTE && options->len != 1)
		return ph_err_say(err, -EINVAL, "add watch", "an execute watch is for the one instruction that begins there: "
				  "its len is 1");
	return check_range(options, err);
}

int ph_watch_add(struct ph_session *session, const struct ph_watch_options *options, struct ph_watch **ret,
		 struct ph_err *err)
{
	struct ph_watch *watch;
	int r = ph_session_check(session, "add watch", err);

	if (r < 0 || (r = check_options(options, err)) < 0)
		return r;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return ph_err_set(err, -ENOMEM, "add watch");
	*watch = (struct ph_watch){
		.refs = 1, .session = session, .id = session->next_watch, .address = options->address,
		.len = options->len, .access = options->access, .enabled = true, .soft = options->soft,
		.fn = options->fn,
	};
	snprintf(watch->label, sizeof(watch->label), "watch %u at 0x%llx", watch->id, (unsigned long long)watch->address);
	ph_session_hold(session);
	ph_list_init(&watch->in_session);
	r = take_everywhere(watch, err);
	if (r < 0) {
		watch->removed = true;
		ph_watch_unref(watch);
		return r;
	}
	/* Only now: a call that fails leaves user with the caller. */
	session->next_watch++;
	watch->user = options->user;
	watch->user_free = options->user_free;
	ph_list_add_tail(&session->watches, &watch->in_session);
	*ret = ph_watch_ref(watch);
	return 0;
}

static int check_live(const struct ph_watch *watch, const char *op, struct ph_err *err)
{
	if (watch->gone)
		return ph_err_say(err, -ENOENT, op, "watch %u was for a program that exec has replaced", watch->id);
	if (watch->removed)
		return ph_err_say(err, -ENOENT, op, "watch %u was removed", watch->id);
	return ph_session_check(watch->session, op, err);
}

static void remove_now(struct ph_watch *watch)
{
	watch->removed = true;
	watch->enabled = false;
	leave_all(watch);
	ph_list_remove(&watch->in_session);
	release_user(watch);
	ph_watch_unref(watch);
}

int ph_watch_remove(struct ph_watch *watch, struct ph_err *err)
{
	int r = check_live(watch, "remove watch", err);

	if (r >= 0)
		remove_now(watch);
	return r;
}

int ph_watch_enable(struct ph_watch *watch, bool enabled, struct ph_err *err)
{
	int r = check_live(watch, enabled ? "enable watch" : "disable watch", err);

	if (r < 0 || watch->enabled == enabled)
		return r;
	if (!enabled)
		leave_all(watch);
	else
		r = take_everywhere(watch, err);
	if (r >= 0)
		watch->enabled = enabled;
	return r;
}

uint64_t ph_watch_hits(const struct ph_watch *watch)
{
	return watch->hits;
}

void ph_watches_prune(struct ph_session *session)
{
	struct ph_watch *watch;

	ph_list_each(watch, &session->watches, struct ph_watch, in_session) {
		struct ph_process *process;
		bool wanted = false;

		ph_list_each(process, &session->processes, struct ph_process, in_session)
			wanted |= is_for(watch, process);
		if (wanted)
			continue;
		watch->gone = true;
		remove_now(watch);
	}
}

void ph_watches_retire(struct ph_session *session)
{
	struct ph_watch *watch;

	ph_list_each(watch, &session->watches, struct ph_watch, in_session) {
		leave_all(watch);
		release_user(watch);
	}
}

void ph_watches_drop(struct ph_session *session)
{
	struct ph_watch *watch;

	ph_list_each(watch, &session->watches, struct ph_watch, in_session) {
		ph_list_remove(&watch->in_session);
		ph_watch_unref(watch);
	}
}

bool ph_watch_steps(const struct ph_watch *watch, const struct ph_process *process)
{
	return watch->soft && watch->enabled && !watch->removed && is_for(watch, process);
}

static void see(struct ph_watch *watch, struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	uint8_t now[PH_DEBUG_RANGE_MAX];

	if (ph_space_read(process->space, thread->tid, watch->address, now, watch->len, NULL) < 0)
		return;
	if (watch->soft)
		memcpy(watch->seen, now, watch->len);
	for (int i = 0; i < PH_DEBUG_REGS; i++) {
		struct ph_hardware_reg *reg = &process->hardware.regs[i];

		if (reg->serial && reg->user.watch == watch)
			memcpy(reg->seen, now + (reg->piece.addr - watch->address), reg->piece.len);
	}
}

void ph_watches_see(struct ph_thread *thread, ph_addr start, ph_addr end)
{
	struct ph_watch *watch;

	ph_list_each(watch, &thread->process->session->watches, struct ph_watch, in_session)
		if (watch->access != PH_WATCH_EXECUTE && watch->address < end && watch->address + watch->len > start)
			see(watch, thread);
}

void ph_watch_look(struct ph_watch *watch, struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	uint8_t now[PH_DEBUG_RANGE_MAX];

	if (watch->access == PH_WATCH_EXECUTE ||
	    ph_space_read(process->space, thread->tid, watch->address, now, watch->len, NULL) < 0)
		return;
	memcpy(watch->now, now, watch->len);
	if (watch->soft) {
		memcpy(watch->before, watch->seen, watch->len);
		memcpy(watch->seen, now, watch->len);
	}
	for (int i = 0; i < PH_DEBUG_REGS; i++) {
		struct ph_hardware_reg *reg = &process->hardware.regs[i];

		if (!reg->serial || reg->user.watch != watch)
			continue;
		memcpy(watch->before + (reg->piece.addr - watch->address), reg->seen, reg->piece.len);
		memcpy(reg->seen, now + (reg->piece.addr - watch->address), reg->piece.len);
	}
}
