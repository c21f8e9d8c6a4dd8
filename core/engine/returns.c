#include "engine/returns.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/resolve.h"
#include "engine/tripwire.h"
#include "os/procfs.h"
#include "x86/insn.h"

#define NEAR 65536	/* bytes: no two stacks are that close */

static struct ph_return *top(const struct ph_thread *thread)
{
	return thread->returns.n ? thread->returns.all[thread->returns.n - 1] : NULL;
}

/* Out of the list; its trap stays for the next call from there. */
static struct ph_return *take(struct ph_thread *thread, size_t at)
{
	struct ph_returns *returns = &thread->returns;
	struct ph_return *call = returns->all[at];

	for (returns->n--; at < returns->n; at++)
		returns->all[at] = returns->all[at + 1];
	call->tripwire->data[0]--;
	ph_tripwire_unref(call->tripwire);
	call->tripwire = NULL;
	return call;
}

static bool are_one_stack(const struct ph_thread *thread, ph_addr a, ph_addr b)
{
	const struct ph_map_entry *entry;
	struct ph_maps maps;
	bool same = true;

	if ((a > b ? a - b : b - a) < NEAR)
		return true;
	if (ph_os_maps_read(thread->tid, &maps) < 0)
		return true;
	entry = ph_os_maps_find(&maps, a - 1);
	if (entry)
		same = entry == ph_os_maps_find(&maps, b - 1);
	ph_os_maps_fini(&maps);
	return same;
}

/* Every call above index from that lived on the stack that now ends at rsp is over. */
static void unwind(struct ph_thread *thread, size_t from, ph_addr rsp, struct ph_plan *plan)
{
	for (size_t at = thread->returns.n; at-- > from;) {
		struct ph_return *call;

		/* Callbacks may have taken some. */
		if (at >= thread->returns.n)
			continue;
		call = thread->returns.all[at];
		if (call->stack > rsp || !are_one_stack(thread, call->stack, rsp))
			continue;
		call = take(thread, at);
		call->fn(call, PH_RETURN_UNWOUND, plan);
	}
}

static size_t find(const struct ph_thread *thread, ph_addr addr, ph_addr stack)
{
	for (size_t at = thread->returns.n; at-- > 0;)
		if (thread->returns.all[at]->stack == stack && thread->returns.all[at]->addr == addr)
			return at;
	return SIZE_MAX;
}

void ph_returns_returned(struct ph_thread *thread, ph_addr addr, struct ph_plan *plan)
{
	ph_addr rsp = thread->view.regs.rsp;
	size_t at;

	while (thread->state == PH_THREAD_STOPPED && (at = find(thread, addr, rsp)) != SIZE_MAX) {
		struct ph_return *call;

		/* What was called later, from it, has not returned. */
		if (at + 1 < thread->returns.n)
			unwind(thread, at + 1, rsp, plan);
		at = find(thread, addr, rsp);
		if (at == SIZE_MAX)
			break;
		call = take(thread, at);
		call->fn(call, PH_RETURN_DONE, plan);
		if (thread->state != PH_THREAD_STOPPED || ph_thread_regs_fetch(thread, NULL) < 0 ||
		    thread->view.regs.rip != addr || thread->view.regs.rsp != rsp)
			break;
	}
}

static enum ph_event_kind on_return(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	ph_returns_returned(thread, tripwire->addr, plan);
	if (tripwire->space && tripwire->data[0] == 0 && !thread->returns.n)
		tripwire->data[1]++;
	else
		tripwire->data[1] = 0;
	/* Nobody has waited here for a while. */
	if (tripwire->space && tripwire->data[1] > 64)
		ph_tripwire_remove(tripwire, thread->process);
	return PH_EVENT_BREAKPOINT;
}

/* ---- Where calls end without returning */

/* rsp as the caller has it when the function that was just entered has returned. */
static void on_landing(struct ph_thread *thread, struct ph_plan *plan)
{
	unwind(thread, 0, thread->view.regs.rsp + sizeof(ph_addr), plan);
}

/* A handler of an exception begins, or cleanup code hands one on: the frame that calls is the innermost. */
static enum ph_event_kind on_catch(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	(void)tripwire;
	if (thread->returns.n)
		on_landing(thread, plan);
	return PH_EVENT_BREAKPOINT;
}

#define JMP_BUF_RSP 48		/* of glibc and of musl */
#define TCB_GUARD 0x30		/* of fs: glibc's pointer guard */

static uint64_t demangle(uint64_t value, uint64_t guard)
{
	return (value >> 17 | value << 47) ^ guard;
}

/* longjmp(rdi, …): where the stack will be. glibc keeps that under a secret, which stands in the target. */
static enum ph_event_kind on_longjmp(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	const struct user_regs_struct *regs = &thread->view.regs;
	struct ph_space *space = thread->process->space;
	uint64_t saved, guard, rsp;

	(void)tripwire;
	if (!thread->returns.n ||
	    ph_space_read(space, thread->tid, regs->rdi + JMP_BUF_RSP, &saved, sizeof(saved), NULL) < 0)
		return PH_EVENT_BREAKPOINT;
	rsp = saved;
	if (ph_space_read(space, thread->tid, regs->fs_base + TCB_GUARD, &guard, sizeof(guard), NULL) >= 0 &&
	    demangle(saved, guard) >> 47 == 0 && are_one_stack(thread, demangle(saved, guard), top(thread)->stack))
		rsp = demangle(saved, guard);
	if (rsp > regs->rsp || !are_one_stack(thread, rsp, regs->rsp))
		unwind(thread, 0, rsp, plan);
	return PH_EVENT_BREAKPOINT;
}

static const struct {
	const char *name;
	ph_tripwire_fn fn;
} landings[] = {
	{ "__cxa_begin_catch", on_catch }, { "_Unwind_Resume", on_catch }, { "longjmp", on_longjmp },
	{ "_longjmp", on_longjmp },	   { "siglongjmp", on_longjmp },   { "__longjmp_chk", on_longjmp },
};

static bool has_tripwire(const struct ph_space *space, ph_addr addr, ph_tripwire_fn fn)
{
	const struct ph_site *site = ph_space_site_find(space, addr);

	for (size_t i = 0; site && i < site->n_owners; i++)
		if (site->owners[i].tripwire && site->owners[i].tripwire->fn == fn)
			return true;
	return false;
}

/* Once for each program that a process runs. What it does not have, or hides, is left to the looks at its stops. */
static void watch_landings(struct ph_process *process)
{
	if (process->watches_landings)
		return;
	process->watches_landings = true;
	for (size_t i = 0; i < sizeof(landings) / sizeof(landings[0]); i++) {
		struct ph_resolved *places = NULL;
		struct ph_tripwire *tripwire;
		size_t n = 0;
		bool final;

		if (ph_resolve(process, landings[i].name, &places, &n, &final, NULL) < 0)
			continue;
		for (size_t j = 0; j < n; j++)
			if (!places[j].is_ifunc && !has_tripwire(process->space, places[j].addr, landings[i].fn))
				ph_tripwire_add(process, places[j].addr, landings[i].fn, &tripwire, NULL);
		process->sees_longjmp |= n && landings[i].fn == on_longjmp;
		free(places);
	}
}

/* ---- Waiting */

static struct ph_tripwire *find_trap(const struct ph_space *space, ph_addr addr)
{
	const struct ph_site *site = ph_space_site_find(space, addr);

	for (size_t i = 0; site && i < site->n_owners; i++)
		if (site->owners[i].tripwire && site->owners[i].tripwire->fn == on_return)
			return site->owners[i].tripwire;
	return NULL;
}

int ph_return_await(struct ph_thread *thread, struct ph_return *call, ph_return_fn fn, struct ph_err *err)
{
	struct ph_process *process = thread->process;
	struct ph_returns *returns = &thread->returns;
	struct ph_tripwire *tripwire = find_trap(process->space, call->addr);
	int r;

	if (returns->n == returns->room) {
		size_t room = returns->room ? returns->room * 2 : 16;
		void *all = reallocarray(returns->all, room, sizeof(struct ph_return *));

		if (!all)
			return ph_err_set(err, -ENOMEM, "wait for a return");
		returns->all = all;
		returns->room = room;
	}
	if (!tripwire) {
		watch_landings(process);
		r = ph_tripwire_add(process, call->addr, on_return, &tripwire, err);
		if (r < 0)
			return ph_err_wrap(err, r, "wait for a return");
	}
	call->fn = fn;
	call->tripwire = ph_tripwire_ref(tripwire);
	tripwire->data[0]++;
	tripwire->data[1] = 0;
	returns->all[returns->n++] = call;
	return 0;
}

void ph_return_cancel(struct ph_thread *thread, struct ph_return *call)
{
	for (size_t at = thread->returns.n; at-- > 0;) {
		if (thread->returns.all[at] != call)
			continue;
		take(thread, at);
		return;
	}
}

void ph_returns_look(struct ph_thread *thread, struct ph_plan *plan)
{
	const struct ph_return *last = top(thread);

	if (last && last->stack <= thread->view.regs.rsp)
		unwind(thread, 0, thread->view.regs.rsp, plan);
}

/* The call instruction in front of a return address leads here by itself. */
static bool is_called_from(struct ph_thread *thread, ph_addr addr, ph_addr function)
{
	uint8_t bytes[5];
	int32_t relative;

	if (ph_space_read(thread->process->space, thread->tid, addr - sizeof(bytes), bytes, sizeof(bytes), NULL) < 0 ||
	    bytes[0] != 0xe8)
		return false;
	__builtin_memcpy(&relative, bytes + 1, sizeof(relative));
	return addr + (ph_addr)(int64_t)relative == function;
}

void ph_returns_enter(struct ph_thread *thread, struct ph_plan *plan)
{
	const struct user_regs_struct *regs = &thread->view.regs;
	const struct ph_return *last = top(thread);

	if (last && !thread->process->sees_longjmp && last->stack == regs->rsp + sizeof(ph_addr) && is_called_from(thread, last->addr, regs->rip))
		on_landing(thread, plan);
}

void ph_returns_drop(struct ph_thread *thread, struct ph_plan *plan)
{
	while (thread->returns.n) {
		struct ph_return *call = take(thread, thread->returns.n - 1);

		call->fn(call, PH_RETURN_DROPPED, plan);
	}
}
