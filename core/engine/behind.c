#include "engine/behind.h"

#include <signal.h>

#include "engine/beginning.h"
#include "engine/decode.h"
#include "engine/signal.h"
#include "os/procfs.h"
#include "x86/done.h"

#define OFTEN 1024	/* hits for which the kernel is asked, before symbols are read for it */

static bool is_push(const struct ph_site *site)
{
	return (site->original & 0xf8) == 0x50;
}

static enum ph_behind find_out(struct ph_thread *thread, const struct ph_site *site)
{
	return site->insn.length == 1 && is_push(site) && !site->fickle &&
			       ph_beginning_is_alone(thread->process, site->addr) ? PH_BEHIND_BY_RUNNING : PH_BEHIND_ANYHOW;
}

bool ph_behind_is_hit(struct ph_thread *thread, struct ph_site *site)
{
	if (thread->process->guard.on)
		return false;
	if (site->insn.length > 1)
		return true;
	if (site->behind == PH_BEHIND_UNKNOWN && ++site->n_asked >= OFTEN)
		site->behind = find_out(thread, site);
	/* It was free since then, and the byte in its place: who ran the push since was stopped by that. */
	if (site->behind != PH_BEHIND_BY_RUNNING || !thread->came.slot || thread->came.at < site->armed_at)
		return false;
	return thread->came.slot != site->slot || thread->view.regs.rsp != thread->came.rsp - sizeof(uint64_t);
}

/* A stack's address has bytes in front of it too, and one in some hundred looks like a call. */
static bool is_code(const struct ph_thread *thread, ph_addr addr)
{
	const struct ph_map_entry *entry;
	struct ph_maps maps;
	bool executable;

	if (ph_os_maps_read(thread->tid, &maps) < 0)
		return false;
	entry = ph_os_maps_find(&maps, addr);
	executable = entry && entry->perms[2] == 'x';
	ph_os_maps_fini(&maps);
	return executable;
}

/* What a return finds on top of the stack is still there, and the thread has not just been seen behind it. */
static bool is_before_return(struct ph_thread *thread, ph_addr top)
{
	return thread->left_at != thread->view.regs.rip && ph_beginning_follows_call(thread, top) && is_code(thread, top);
}

bool ph_behind_has_run(struct ph_thread *thread, const struct ph_site *site)
{
	const struct user_regs_struct *regs = &thread->view.regs;
	struct ph_insn insn = site->insn;
	uint64_t words[2];	/* below rsp, and at it */

	/* Not known before the first pass. */
	if (!insn.length && ph_decode_at(thread, site->addr, &insn, NULL) < 0)
		return false;
	if (insn.length > 1)
		return true;
	/* Nothing ran since it was seen here. */
	if (ph_signal_comes_at_once(thread, SIGTRAP) ||
	    ph_space_read(thread->process->space, thread->tid, regs->rsp - sizeof(words[0]), words, sizeof(words), NULL) < 0)
		return false;
	switch (ph_done_look(site->original, regs, words[0], words[1])) {
	case PH_DONE_NO:
		return true;
	case PH_DONE_YES:
		return false;
	case PH_DONE_UNKNOWN:
		return insn.is_ret && is_before_return(thread, words[1]);
	}
	return false;
}

void ph_behind_note(struct ph_thread *thread)
{
	struct ph_site *site;

	if (!thread->view.have)
		return;
	site = ph_space_site_find(thread->process->space, thread->view.regs.rip - 1);
	if (site)
		site->behind = PH_BEHIND_ANYHOW;
}
