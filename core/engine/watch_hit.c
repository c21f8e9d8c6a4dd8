#include "engine/watch_hit.h"

#include <signal.h>

#include "engine/breakpoint.h"
#include "engine/guard.h"
#include "engine/hardware.h"
#include "engine/outcome.h"
#include "engine/pass.h"
#include "engine/resume.h"
#include "engine/watch.h"
#include "os/ptrace.h"

#define USERS_MAX 32	/* at one stop; of soft watches, those that were added first */

/* Who is to be called: each once, however many of its registers triggered; kept alive. */
struct users {
	struct ph_watch *watches[USERS_MAX];
	struct ph_breakpoint *breakpoints[USERS_MAX];
	unsigned int n;
	bool execute;	/* one of them is for the instruction at rip … */
	bool by_register;	/* … and a register triggered there, which is to be passed */
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
		ret->by_register |= reg->piece.access == PH_ACCESS_EXECUTE;
		ret->execute |= ret->by_register;
	}
}

/* The step that has just ended made an access that the soft watch is for, or led to its instruction. */
static bool is_touched(const struct ph_watch *watch, const struct ph_thread *thread)
{
	if (watch->access == PH_WATCH_EXECUTE)
		return thread->view.regs.rip == watch->address;
	for (unsigned int i = 0; i < thread->n_touches; i++) {
		const struct ph_access_range *range = &thread->touches[i];

		if ((range->writes || (watch->access == PH_WATCH_READ_WRITE && range->reads)) &&
		    (range->addr - watch->address < watch->len || watch->address - range->addr < range->len))
			return true;
	}
	return false;
}

static void freeze_soft(const struct ph_thread *thread, struct users *ret)
{
	struct ph_watch *watch;

	ph_list_each(watch, &thread->process->session->watches, struct ph_watch, in_session) {
		if (ret->n == USERS_MAX || !ph_watch_steps(watch, thread->process) || !is_touched(watch, thread))
			continue;
		ret->watches[ret->n++] = ph_watch_ref(watch);
		ret->execute |= watch->access == PH_WATCH_EXECUTE;
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

static int move(struct ph_thread *thread, ph_addr addr, const struct users *users, const struct ph_pass *pass,
		struct ph_err *err)
{
	int r = ph_pass_move(thread, addr, pass, err);

	if (r < 0)
		return r;
	if (users->by_register)
		set_resume_flag(thread, addr, pass->plan.move == PH_GOTO || pass->plan.move == PH_RETURN);
	/* A site at the same address has its own hooks to call first: going on leads to its byte. */
	if (thread->pass.active && !thread->pass.skip && !thread->pass.report)
		ph_thread_end_pass(thread);
	return 0;
}

/* False: nobody was to be called, and the thread stands still. */
static bool tell(struct ph_thread *thread, unsigned int triggered, bool step_ended)
{
	struct ph_session *session = thread->process->session;
	ph_addr addr = thread->view.regs.rip;
	struct users users = { 0 };
	struct ph_pass pass = { .kind = PH_EVENT_BREAKPOINT };
	struct ph_err err = { 0 };
	int r;

	freeze(thread->process, triggered, &users);
	if (step_ended && session->n_soft)
		freeze_soft(thread, &users);
	if (!users.n)
		return false;
	ph_session_select(session, thread);
	call(&users, thread, &pass);
	if (thread->state == PH_THREAD_STOPPED) {
		r = users.execute && !thread->rewound ? move(thread, addr, &users, &pass, &err) : 0;
		if (r < 0)
			ph_session_fail(session, r, &err);
		/* Of several that want to stop, the last one's word is what is reported. */
		if (pass.kind == PH_EVENT_BREAKPOINT)
			pass.plan.watch = NULL;
		ph_resume_plan(thread, pass.kind, &pass.plan, pass.plan.watch ? NULL : pass.last);
	}
	thaw(&users);
	return true;
}

bool ph_watch_hit(struct ph_thread *thread, bool step_ended)
{
	siginfo_t info;
	unsigned int triggered;
	bool any, is_own;

	if (ph_os_siginfo_read(thread->tid, &info) < 0 || info.si_code == SI_KERNEL)
		return false;
	triggered = ph_hardware_take_hits(thread, &any);
	if (!any && info.si_code != TRAP_HWBKPT && !(step_ended && thread->process->session->n_soft))
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
	if (thread->process->silent || !tell(thread, triggered, step_ended))
		ph_resume(thread);
	return true;
}
