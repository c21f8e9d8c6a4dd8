#include "engine/ifunc.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/inject.h"
#include "engine/modules.h"
#include "engine/tripwire.h"
#include "image/relocation.h"
#include "image/symbols.h"

enum answer {
	NO,
	YES,
	UNKNOWN,
};

static bool read_word(struct ph_process *process, ph_addr at, uint64_t *ret)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	return thread && ph_space_read(process->space, thread->tid, at, ret, sizeof(*ret), NULL) >= 0;
}

/* It lies in code of some module, and is no stub. */
static bool is_function(struct ph_process *process, ph_addr addr)
{
	struct ph_module *module = ph_modules_at(process, addr);
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;
	struct ph_symbol stub;

	return module && !(elf && ph_symbols_stub_at(elf, addr - module->bias, &stub) >= 0);
}

/* What the program itself has put where it looks for the function's address. */
static bool read_slot(struct ph_process *process, struct ph_module *module, struct ph_elf *elf, ph_addr resolver,
		      ph_addr *ret)
{
	ph_addr slot, value;

	if (!ph_relocation_resolved_slot(elf, resolver - module->bias, &slot) ||
	    !read_word(process, module->bias + slot, &value) || !is_function(process, value))
		return false;
	*ret = value;
	return true;
}

static enum answer is_relocated(struct ph_process *process, struct ph_module *module, struct ph_elf *elf)
{
	ph_addr at, value;
	uint64_t now;

	if (!module->bias || !ph_relocation_own_word(elf, &at, &value) || !read_word(process, module->bias + at, &now))
		return UNKNOWN;
	return now == module->bias + value ? YES : NO;
}

/* Whether the resolver would find what it needs: its own GOT, and the CPU's features. */
static bool may_run(struct ph_process *process, struct ph_module *module, struct ph_elf *elf)
{
	const struct ph_modules *modules = process->modules;

	/* Without a dynamic linker nothing tells but the slots. */
	if (!modules->list[0]->elf->can_load || !modules->linker.debug)
		return false;
	switch (is_relocated(process, module, elf)) {
	case YES:
		return true;
	case NO:
		return false;
	case UNKNOWN:
		break;
	}
	return !modules->is_loading;
}

/* One that stands where the program is, and has nothing else to tell. */
static struct ph_thread *find_runner(struct ph_process *process)
{
	struct ph_thread *thread, *selected = process->session->selected;

	if (selected && selected->process == process && selected->state == PH_THREAD_STOPPED &&
	    !ph_thread_has_pending(selected))
		return selected;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state == PH_THREAD_STOPPED && !ph_thread_has_pending(thread))
			return thread;
	return NULL;
}

int ph_ifunc_find(struct ph_process *process, ph_addr resolver, ph_addr *ret, struct ph_err *err)
{
	struct ph_module *module = ph_modules_at(process, resolver);
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;
	struct ph_thread *runner;
	uint64_t chosen;

	if (!elf)
		return ph_err_say(err, -EAGAIN, "find function", "nothing is loaded at its resolver");
	chosen = (uint64_t)(uintptr_t)ph_map_find(&module->chosen, resolver);
	if (!chosen && !read_slot(process, module, elf, resolver, &chosen)) {
		runner = may_run(process, module, elf) ? find_runner(process) : NULL;
		if (!runner || ph_inject_function(runner, resolver, &chosen, NULL) < 0 || !is_function(process, chosen))
			return ph_err_say(err, -EAGAIN, "find function", "the program chooses one of several functions when it "
					  "starts (IFUNC), and has not yet");
	}
	ph_map_add(&module->chosen, resolver, (void *)(uintptr_t)chosen);
	*ret = chosen;
	return 0;
}

/* ---- Waiting for the program to run it */

/* A tripwire's data: [0] whom to tell, [1] the resolver. */

static void tell(struct ph_tripwire *tripwire, struct ph_process *process)
{
	void (*chosen)(struct ph_process *) = (void (*)(struct ph_process *))(uintptr_t)tripwire->data[0];

	chosen(process);
}

static enum ph_event_kind on_return(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_process *process = thread->process;
	ph_addr resolver = tripwire->data[1];
	struct ph_module *module = ph_modules_at(process, resolver);

	(void)plan;
	/* Another thread's call may return here too, from elsewhere; what is no function is not taken. */
	if (!is_function(process, thread->view.regs.rax))
		return PH_EVENT_BREAKPOINT;
	if (module)
		ph_map_add(&module->chosen, resolver, (void *)(uintptr_t)thread->view.regs.rax);
	ph_tripwire_remove(tripwire, process);
	tell(tripwire, process);
	return PH_EVENT_BREAKPOINT;
}

static enum ph_event_kind on_resolver(struct ph_tripwire *tripwire, struct ph_thread *thread, struct ph_plan *plan)
{
	struct ph_process *process = thread->process;
	struct ph_tripwire *back;
	ph_addr to;

	(void)plan;
	if (!read_word(process, thread->view.regs.rsp, &to) || ph_tripwire_add(process, to, on_return, &back, NULL) < 0)
		return PH_EVENT_BREAKPOINT;
	back->data[0] = tripwire->data[0];
	back->data[1] = tripwire->data[1];
	ph_tripwire_remove(tripwire, process);
	return PH_EVENT_BREAKPOINT;
}

int ph_ifunc_await(struct ph_process *process, ph_addr resolver, void (*chosen)(struct ph_process *), struct ph_err *err)
{
	struct ph_tripwire *tripwire;
	int r;

	ph_list_each(tripwire, &process->tripwires, struct ph_tripwire, in_process)
		if (tripwire->fn == on_resolver && tripwire->addr == resolver)
			return 0;
	r = ph_tripwire_add(process, resolver, on_resolver, &tripwire, err);
	if (r < 0)
		return r;
	tripwire->data[0] = (uint64_t)(uintptr_t)chosen;
	tripwire->data[1] = resolver;
	return 0;
}
