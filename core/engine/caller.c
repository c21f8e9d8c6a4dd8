#include "engine/caller.h"

#include <string.h>

#include "engine/backtrace.h"
#include "engine/beginning.h"
#include "engine/modules.h"
#include "engine/resolve.h"

bool ph_caller_is_at_entry(struct ph_thread *thread)
{
	const struct user_regs_struct *regs = &thread->view.regs;
	ph_addr addr;
	char name[512];

	if (ph_space_read(thread->process->space, thread->tid, regs->rsp, &addr, sizeof(addr), NULL) < 0 ||
	    !ph_beginning_follows_call(thread, addr))
		return false;
	ph_resolve_where(thread->process, regs->rip, name, sizeof(name));
	return !strstr(name, "+0x") && strncmp(name, "0x", 2) != 0;
}

bool ph_caller_find(struct ph_thread *thread, ph_addr *ret_addr, ph_addr *ret_stack)
{
	struct ph_module *module = ph_modules_at(thread->process, thread->view.regs.rip);
	struct ph_elf *elf = module ? ph_modules_elf(thread->process, module) : NULL;
	struct ph_unwind_memory memory = ph_backtrace_memory(thread);
	struct ph_unwind_frame frame;
	struct ph_unwind_step step;

	if (!elf || ph_backtrace_begin(thread, &frame, NULL) < 0 ||
	    ph_unwind_by_cfi(elf, module->bias, &frame, &memory, &step) < 0 || step.is_signal ||
	    !ph_beginning_follows_call(thread, step.caller.regs[PH_UNWIND_RIP]) || step.cfa <= thread->view.regs.rsp)
		return false;
	*ret_addr = step.caller.regs[PH_UNWIND_RIP];
	*ret_stack = step.cfa;
	return true;
}
