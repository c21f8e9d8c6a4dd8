#include "engine/watch_hit.h"

#include <signal.h>

#include "engine/breakpoint.h"
#include "engine/guard.h"
#include "engine/hardware.h"
#include "engine/pass.h"
#include "engine/resume.h"
#include "engine/watch.h"
#include "os/ptrace.h"

/* Who is to be called: each once, however many of its registers triggered; kept alive. */
struct users {
	struct ph_watch *watches[PH_DEBUG_REGS];
	struct ph_breakpoint *breakpoints[PH_DEBUG_REGS];
	unsigned int n;
	bool execute;	/* one of them is for the instruction at rip */
};

static bool has(const struct users *users, const struct ph_hardware_user *user)
{
	for (unsigned int i = 0; i < users->n; i++)
		if (users->watches[i] == user->watch && users->breakpoints[i] == user->breakpoint)
			return true;
	return false;
}

static void freeze(const struct ph_process *process, unsigned int triggered, struct users *ret)
{
	for (int i = 0; i < PH_DEBUG_REGS; i++) {
		const struct ph_hardware_reg *reg = &process->hardware.regs[i];

		if (!(triggered >> i & 1) || has(ret, &reg->user))
			continue;
		ret->watches[ret->n] = reg->user.watch ? ph_watch_ref(reg->user.watch) : NULL;
		ret->breakpoints[ret->n] = reg->user.breakpoint ? ph_breakpoint_ref(reg->user.breakpoint) : NULL;
		ret->n++;
		ret->execute |= reg->piece.access == PH_ACCESS_EXECUTE;
	}
}

static void thaw(struct users *users)
{
	for (unsigned int i = 0; i < users->n; i++) {
		ph_watch_unref(users->watches[i]);
		ph_breakpoint_unref(users->breakpoints[i]);
	}
}

static void call_watch(struct ph_pass *pass, struct ph_thread *thread, struct ph_watch *watch)
{
	bool is_execute = watch->access == PH_WATCH_EXECUTE;
	struct ph_event event = ph_resume_event(thread, is_execute ? PH_EVENT_WATCH_EXECUTE : PH_EVENT_WATCH);
	struct ph_action action;

	if (watch->removed || !watch->enabled || !watch->fn)
		return;
	ph_watch_look(watch, thread);
	watch->hits++;
	event.session->stats.hits++;
	event.watch = watch;
	event.address = watch->address;
	action = watch->fn(&event, watch->user);
	ph_plan_add(&pass->plan, action);
	if (action.kind == PH_STOP) {
		pass->plan.watch = watch;
		pass->kind = event.kind;
	}
	if (action.kind == PH_REMOVE && !watch->removed)
		ph_watch_remove(watch, NULL);
}

static void call(const struct users *users, struct ph_thread *thread, struct ph_pass *pass)
{
	ph_addr addr = thread->view.regs.rip;

	for (unsigned int i = 0; i < users->n; i++) {
		if (users->watches[i])
			call_watch(pass, thread, users->watches[i]);
		else
			ph_pass_call(pass, thread, users->breakpoints[i], addr);
	}
}

/* The instruction at addr runs once more without triggering, unless the thread was sent elsewhere, or there anew. */
static void set_resume_flag(struct ph_thread *thread, ph_addr addr, bool moved)
{
	uint64_t flags = thread->view.regs.eflags & ~(uint64_t)PH_RESUME_FLAG;

	if (!moved && thread->view.regs.rip == addr)
		flags |= PH_RESUME_FLAG;
	if (flags == thread->view.regs.eflags)
		return;
	thread->view.regs.eflags = flags;
	thread->view.dirty = PH_DIRTY_ANY;
}

static int move(struct ph_thread *thread, ph_addr addr, const struct ph_pass *pass, struct ph_err *err)
{
	int r = ph_pass_move(thread, addr, pass, err);

	if (r < 0)
		return r;
	set_resume_flag(thread, addr, pass->plan.move == PH_GOTO || pass->plan.move == PH_RETURN);
	/* A site at the same address has its own hooks to call first: going on leads to its byte. */
	if (thread->pass.active && !thread->pass.skip && !thread->pass.report)
		ph_thread_end_pass(thread);
	return 0;
}

static void tell(struct ph_thread *thread, unsigned int triggered)
{
	struct ph_session *session = thread->process->session;
	ph_addr addr = thread->view.regs.rip;
	struct users users = { 0 };
	struct ph_pass pass = { .kind = PH_EVENT_BREAKPOINT };
	struct ph_err err = { 0 };
	int r;

	freeze(thread->process, triggered, &users);
	ph_session_select(session, thread);
	call(&users, thread, &pass);
	if (thread->state == PH_THREAD_STOPPED) {
		r = users.execute ? move(thread, addr, &pass, &err) : 0;
		if (r < 0)
			ph_resume_fail(session, r, &err);
		/* Of several that want to stop, the last one's word is what is reported. */
		if (pass.kind == PH_EVENT_BREAKPOINT)
			pass.plan.watch = NULL;
		ph_resume_plan(thread, pass.kind, &pass.plan, pass.plan.watch ? NULL : pass.last);
	}
	thaw(&users);
}

bool ph_watch_hit(struct ph_thread *thread)
{
	siginfo_t info;
	unsigned int triggered;
	bool any, is_own;

	if (ph_os_siginfo_read(thread->tid, &info) < 0 || info.si_code == SI_KERNEL)
		return false;
	triggered = ph_hardware_take_hits(thread, &any);
	if (!any && info.si_code != TRAP_HWBKPT)
		return false;
	if (thread->process->guard.on)
		thread->unguarded = true;
	/* A kill -TRAP that waited takes the place of ours in the queue; a program may step itself. */
	is_own = info.si_code <= 0 || (info.si_code == TRAP_TRACE && (thread->view.regs.eflags & PH_TRAP_FLAG));
	thread->stop_signal = is_own ? SIGTRAP : 0;
	/* In a copy that has begun and is undone: the instruction is run in its own place, and makes the access there. */
	if (thread->left_copy && thread->pass.active) {
		thread->pass.alone = true;
		triggered = 0;
	}
	if (triggered && !thread->process->silent)
		tell(thread, triggered);
	else
		ph_resume(thread);
	return true;
}
