#include "engine/loader.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/breakpoint.h"
#include "engine/handler.h"
#include "engine/modules.h"
#include "engine/placing.h"
#include "engine/tripwire.h"
#include "image/symbols.h"
#include "os/procfs.h"

/* ---- Events */

static void emit(struct ph_thread *thread, enum ph_event_kind kind, const struct ph_module *module, struct ph_plan *plan)
{
	struct ph_session *session = thread->process->session;
	struct ph_module_info info = ph_module_describe(module);
	struct ph_event event = { .kind = kind, .session = session, .process = thread->process, .thread = thread,
				  .module = &info };

	if (!ph_handler_wanted(session, kind))
		return;
	ph_session_select(session, thread);
	ph_handler_emit(session, &event, plan);
}

/* Modules of a moment, kept while callbacks do as they please. */
struct kept {
	struct ph_module **list;
	size_t n;
};

static bool keep(const struct ph_modules *modules, struct kept *ret)
{
	ret->n = 0;
	ret->list = calloc(modules->n ? modules->n : 1, sizeof(struct ph_module *));
	if (!ret->list)
		return false;
	for (size_t i = 0; i < modules->n; i++)
		ret->list[ret->n++] = ph_module_ref(modules->list[i]);
	return true;
}

static void drop(struct kept *kept)
{
	for (size_t i = 0; i < kept->n; i++)
		ph_module_unref(kept->list[i]);
	free(kept->list);
}

static bool is_in(const struct kept *kept, const struct ph_module *module)
{
	for (size_t i = 0; i < kept->n; i++)
		if (kept->list[i] == module)
			return true;
	return false;
}

static enum ph_event_kind tell(struct ph_thread *thread, const struct kept *before, const struct kept *after,
			       struct ph_plan *plan)
{
	enum ph_event_kind kind = PH_EVENT_BREAKPOINT;

	for (size_t i = 0; i < before->n; i++) {
		if (is_in(after, before->list[i]) || !before->list[i]->is_told)
			continue;
		kind = PH_EVENT_UNLOAD;
		emit(thread, kind, before->list[i], plan);
	}
	for (size_t i = 0; i < after->n; i++) {
		if (after->list[i]->is_told)
			continue;
		after->list[i]->is_told = true;
		kind = PH_EVENT_LOAD;
		emit(thread, kind, after->list[i], plan);
	}
	return kind;
}

static void leave_unloaded(struct ph_process *process, const struct kept *before, const struct kept *after)
{
	for (size_t i = 0; i < before->n; i++)
		if (!is_in(after, before->list[i]))
			ph_breakpoints_unload(process, before->list[i]->low, before->list[i]->high);
}

/* The list is whole again: what has changed in it, and what that means. */
static enum ph_event_kind note_changes(struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_process *process = thread->process;
	struct ph_modules *modules = process->modules;
	bool is_start = !modules->linker.debug;
	enum ph_event_kind kind = PH_EVENT_BREAKPOINT;
	struct kept before, after = { 0 };

	if (!keep(modules, &before))
		return kind;
	if (ph_modules_refresh(process, NULL) >= 0 && keep(modules, &after)) {
		modules->is_watched = modules->linker.debug != 0;
		/* At the start the linker says so when all is relocated; after a dlopen, glibc says it before. */
		modules->is_loading = !is_start;
		leave_unloaded(process, &before, &after);
		ph_placing_retry(process);
		kind = tell(thread, &before, &after, plan);
	}
	drop(&before);
	drop(&after);
	/* Callbacks may have let it go. */
	if (process->modules)
		process->modules->is_loading = false;
	return kind;
}

void ph_loader_catch_up(struct ph_process *process)
{
	struct kept before, after = { 0 };

	if (!process->modules || !keep(process->modules, &before))
		return;
	if (ph_modules_refresh(process, NULL) >= 0 && keep(process->modules, &after)) {
		leave_unloaded(process, &before, &after);
		ph_placing_retry(process);
	}
	drop(&before);
	drop(&after);
}

/* ---- Where the linker stops */

/* The module that is the dynamic linker. NULL: the process has none. */
static struct ph_module *find_linker(struct ph_process *process, pid_t tid)
{
	struct ph_module *program = process->modules->list[0];
	uint64_t base = 0;

	if (!program->elf->can_load)
		return NULL;
	/* Run as a program, it is not told of itself. */
	if (!program->elf->has_interp)
		return program;
	return ph_os_auxv_read(tid, AT_BASE, &base) >= 0 && base ? ph_modules_at(process, base) : NULL;
}

/* r_brk, before the linker has said where that is: the function that it calls there. 0: not to be found. */
static ph_addr find_stop(struct ph_process *process, pid_t tid)
{
	struct ph_module *linker = find_linker(process, tid);
	struct ph_elf *elf = linker ? ph_modules_elf(process, linker) : NULL;
	struct ph_symbol symbol;

	if (!elf || ph_symbols_find(elf, "_dl_debug_state", &symbol) < 0)
		return 0;
	return linker->bias + symbol.vaddr;
}

static bool watch(struct ph_process *process, ph_addr stop, ph_tripwire_fn fn)
{
	struct ph_tripwire *tripwire;

	return stop && ph_tripwire_add(process, stop, fn, &tripwire, NULL) >= 0;
}

static enum ph_event_kind on_change(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_process *process = thread->process;
	struct ph_module *program = ph_modules_main(process, NULL);
	struct ph_linker linker;

	(void)tripwire;
	if (!program || !process->modules->is_listed)
		return PH_EVENT_BREAKPOINT;
	ph_linker_read(process->space, thread->tid, program->elf, program->bias, &linker);
	if (linker.debug && linker.state != PH_LINKER_CONSISTENT)
		return PH_EVENT_BREAKPOINT;
	return note_changes(thread, plan);
}

/* The program's own first instruction: whatever its linker is like, it has loaded what the program needs. */
static enum ph_event_kind on_entry(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_process *process = thread->process;
	enum ph_event_kind kind;

	ph_tripwire_remove(tripwire, process);
	if (!ph_modules_main(process, NULL))
		return PH_EVENT_BREAKPOINT;
	kind = note_changes(thread, plan);
	if (process->modules)
		watch(process, process->modules->linker.brk, on_change);
	return kind;
}

void ph_loader_attend(struct ph_thread *thread)
{
	struct ph_process *process = thread->process;
	struct ph_module *program, *module;
	ph_addr stop;

	if (!process->session->wants_loader || process->loader_seen || process->silent || !process->alive)
		return;
	process->loader_seen = true;
	if (ph_modules_refresh(process, NULL) < 0)
		return;
	/* What is there already is no news. */
	for (size_t i = 0; (module = ph_modules_get(process, i)); i++)
		module->is_told = true;
	program = process->modules->list[0];
	if (!program->elf->can_load)
		return;
	stop = process->modules->linker.brk;
	if (watch(process, stop ? stop : find_stop(process, thread->tid), on_change))
		process->modules->is_watched = stop != 0;
	else if (!process->modules->linker.debug)
		watch(process, program->bias + program->elf->entry, on_entry);
}
