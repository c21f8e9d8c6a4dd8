#include "engine/thread.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "os/ptrace.h"

/* An XSAVE area with every component of today's CPUs (AMX tiles: 8 KiB) and room to grow. */
#define XSTATE_ROOM 16384

int ph_thread_new(struct ph_process *process, pid_t tid, struct ph_thread **ret)
{
	struct ph_thread *thread = calloc(1, sizeof(*thread));

	if (!thread || ph_map_add(&process->session->tracer->threads, (uint64_t)tid, thread) < 0) {
		free(thread);
		return -ENOMEM;
	}
	thread->refs = 1;
	thread->tid = tid;
	thread->view.tid = (uint32_t)tid;
	thread->process = ph_process_ref(process);
	ph_list_init(&thread->in_pending);
	ph_list_init(&thread->steppers);
	ph_list_init(&thread->rounds);
	ph_list_add_tail(&process->threads, &thread->in_process);
	*ret = thread;
	return 0;
}

struct ph_thread *ph_thread_ref(struct ph_thread *thread)
{
	thread->refs++;
	return thread;
}

void ph_thread_unref(struct ph_thread *thread)
{
	if (!thread || --thread->refs)
		return;
	ph_call_drop_loans(&thread->call);
	free(thread->deferred);
	free(thread->returns.all);
	free(thread->xstate);
	ph_process_unref(thread->born);
	ph_process_unref(thread->process);
	free(thread);
}

void ph_thread_retire(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;

	if (thread->state == PH_THREAD_ENDED)
		return;
	ph_thread_set_running(thread);
	thread->state = PH_THREAD_ENDED;
	if (thread->user) {
		thread->user_free(thread->user);
		thread->user = NULL;
	}
	thread->call.view.phase = PH_CALL_OVER;
	session->has_orphans = true;
	ph_thread_end_pass(thread);
	ph_list_remove(&thread->in_pending);
	ph_list_remove(&thread->in_process);
	if (session->tracer)
		ph_tracer_forget(session->tracer, thread->tid);
	if (session->selected == thread) {
		session->selected = NULL;
		ph_thread_unref(thread);
	}
	ph_thread_unref(thread);
}

static void forget_cache(struct ph_thread *thread)
{
	thread->view.have = thread->view.dirty = 0;
	thread->trapped = 0;
	thread->xstate_have = thread->xstate_dirty = false;
}

void ph_thread_set_stopped(struct ph_thread *thread)
{
	thread->state = PH_THREAD_STOPPED;
	thread->view.stopped = 1;
	thread->stop_signal = 0;
	thread->is_fault = false;
	thread->group_stopped = false;
	thread->came = thread->entered;
	thread->entered.slot = NULL;
	forget_cache(thread);
}

void ph_thread_set_running(struct ph_thread *thread)
{
	thread->state = PH_THREAD_RUNNING;
	thread->view.stopped = 0;
	thread->stop_signal = 0;
	thread->held = false;
	thread->step.on = thread->step.ended = false;
	forget_cache(thread);
}

void ph_thread_set_pending(struct ph_thread *thread, int status)
{
	thread->status = status;
	ph_list_remove(&thread->in_pending);
	ph_list_add_tail(&thread->process->session->tracer->pending, &thread->in_pending);
}

int ph_thread_take_pending(struct ph_thread *thread)
{
	ph_list_remove(&thread->in_pending);
	return thread->status;
}

void ph_thread_end_pass(struct ph_thread *thread)
{
	struct ph_breakpoint *breakpoint = thread->pass.breakpoint;

	memset(&thread->pass, 0, sizeof(thread->pass));
	if (breakpoint)
		ph_breakpoint_unref(breakpoint);
}

static int check_stopped(const struct ph_thread *thread, const char *op, struct ph_err *err)
{
	if (thread->state == PH_THREAD_ENDED || thread->state == PH_THREAD_EXITING) {
		ph_err_say(err, -ESRCH, op, "the thread has ended");
	} else if (thread->state == PH_THREAD_RUNNING) {
		ph_err_say(err, -EBUSY, op, "the thread is running: its registers can be used only while it is stopped");
	} else {
		return 0;
	}
	if (err)
		err->tid = thread->tid;
	return thread->state == PH_THREAD_RUNNING ? -EBUSY : -ESRCH;
}

int ph_thread_regs_fetch(struct ph_thread *thread, struct ph_err *err)
{
	int r;

	if (thread->view.have)
		return 0;
	r = check_stopped(thread, "read registers", err);
	if (r < 0)
		return r;
	r = ph_os_regs_read(thread->tid, &thread->view.regs);
	if (r < 0)
		return ph_err_set_in(err, r, "read registers", thread->tid);
	thread->fetched = thread->view.regs;
	thread->view.have = 1;
	if (thread->step_shows && (thread->view.regs.eflags & PH_TRAP_FLAG)) {
		thread->view.regs.eflags &= ~(uint64_t)PH_TRAP_FLAG;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	return 0;
}

/*
 * A thread that was stopped inside a system call (orig_rax >= 0) is restarted by the kernel, which moves rip back over
 * the call (arch/x86/kernel/signal.c, arch_do_signal_or_restart). Somebody who sent it elsewhere does not mean that.
 */
static void forget_syscall(struct user_regs_struct *regs, const struct user_regs_struct *fetched)
{
	if (regs->rip != fetched->rip && (int64_t)regs->orig_rax >= 0 && regs->orig_rax == fetched->orig_rax)
		regs->orig_rax = (uint64_t)-1;
}

static bool differ_but_rip(const struct user_regs_struct *a, const struct user_regs_struct *b)
{
	const size_t at = offsetof(struct user_regs_struct, rip), behind = at + sizeof(a->rip);

	return memcmp(a, b, at) != 0 || memcmp((const char *)a + behind, (const char *)b + behind, sizeof(*a) - behind) != 0;
}

static int flush_general(struct ph_thread *thread, struct ph_err *err)
{
	struct user_regs_struct *regs = &thread->view.regs;
	bool others;
	int r = 0;

	forget_syscall(regs, &thread->fetched);
	others = regs->orig_rax != thread->fetched.orig_rax ||
		 ((thread->view.dirty & PH_DIRTY_ANY) && differ_but_rip(regs, &thread->fetched));
	/* Most hooks change rip alone, and one word is cheaper than the whole set. */
	if (others)
		r = ph_os_regs_write(thread->tid, regs);
	else if (regs->rip != thread->fetched.rip)
		r = ph_os_rip_write(thread->tid, regs->rip);
	if (r < 0)
		return r == -EIO ? ph_err_say(err, r, "write registers", "the kernel takes no such value: a segment "
					      "register or base that is not the program's own") :
				   ph_err_set_in(err, r, "write registers", thread->tid);
	if (others)
		thread->fetched = *regs;
	else
		thread->fetched.rip = regs->rip;
	thread->view.dirty = 0;
	return 0;
}

/* What hooks changed of the call: into the registers when those were fetched, which are written whole; else by itself. */
static int flush_call(struct ph_thread *thread, struct ph_err *err)
{
	struct ph_call_view *view = &thread->call.view;
	struct ph_os_call *call = &thread->call.read;
	unsigned int changed = view->changed;
	int r;

	view->changed = 0;
	call->number = view->number;
	memcpy(call->args, view->args, sizeof(call->args));
	call->ret = view->ret;
	if (view->skipped && call->op != PH_OS_CALL_EXIT) {
		call->number = (uint64_t)-1;
		/* By PTRACE_SYSEMU it is passed over anyway. */
		changed |= PH_OS_CALL_RET | (thread->call.emulated ? 0 : PH_OS_CALL_NUMBER);
	}
	/* Where it stands by now the kernel takes it for no call's. */
	if (thread->view.have || (thread->call.owed && ph_thread_regs_fetch(thread, NULL) >= 0)) {
		ph_os_call_apply(call, changed, &thread->view.regs);
		thread->view.dirty = PH_DIRTY_ANY;
		return 0;
	}
	r = ph_os_call_write(thread->tid, thread->process->session->calls.way, call, changed);
	return r < 0 ? ph_err_set_in(err, r, "change system call", thread->tid) : 0;
}

int ph_thread_regs_flush(struct ph_thread *thread, struct ph_err *err)
{
	int r;

	if (thread->call.view.changed) {
		r = flush_call(thread, err);
		if (r < 0)
			return r;
	}
	if (thread->view.dirty && thread->view.have) {
		r = flush_general(thread, err);
		if (r < 0)
			return r;
	}
	thread->left_at = thread->view.have ? thread->view.regs.rip : 0;
	if (!thread->xstate_dirty)
		return 0;
	thread->xstate_dirty = false;
	r = ph_os_xstate_write(thread->tid, thread->xstate, thread->xstate_len);
	return r < 0 ? ph_err_set_in(err, r, "write vector registers", thread->tid) : 0;
}

/* `syscall` and `int 0x80` alike (Intel SDM vol. 2). */
#define CALL_INSN_LENGTH 2

bool ph_thread_rewind_call(struct ph_thread *thread)
{
	struct user_regs_struct *regs = &thread->view.regs;
	bool skipped = thread->call.view.skipped;

	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return false;
	if (thread->call.view.changed && ph_thread_regs_flush(thread, NULL) < 0)
		return false;
	if (!skipped) {
		regs->rax = regs->orig_rax;
		regs->rip -= CALL_INSN_LENGTH;
	}
	regs->orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	return true;
}

int ph_thread_xstate_fetch(struct ph_thread *thread, void **ret, size_t *ret_len, struct ph_err *err)
{
	int r;

	if (!thread->xstate_have) {
		r = check_stopped(thread, "read vector registers", err);
		if (r < 0)
			return r;
		if (!thread->xstate)
			thread->xstate = aligned_alloc(64, XSTATE_ROOM);
		if (!thread->xstate)
			return ph_err_set(err, -ENOMEM, "read vector registers");
		thread->xstate_len = XSTATE_ROOM;
		r = ph_os_xstate_read(thread->tid, thread->xstate, &thread->xstate_len);
		if (r < 0)
			return ph_err_set_in(err, r, "read vector registers", thread->tid);
		thread->xstate_have = true;
	}
	*ret = thread->xstate;
	*ret_len = thread->xstate_len;
	return 0;
}

void ph_thread_xstate_set_dirty(struct ph_thread *thread)
{
	thread->xstate_dirty = true;
}

int ph_thread_debug_reg_read(struct ph_thread *thread, unsigned int n, uint64_t *ret, struct ph_err *err)
{
	int r = check_stopped(thread, "read debug register", err);

	if (r < 0)
		return r;
	r = ph_os_debug_reg_read(thread->tid, n, ret);
	return r < 0 ? ph_err_set_in(err, r, "read debug register", thread->tid) : 0;
}

int ph_thread_regs_get(struct ph_thread *thread, struct user_regs_struct *ret, struct ph_err *err)
{
	int r = ph_thread_regs_fetch(thread, err);

	if (r >= 0)
		*ret = thread->view.regs;
	return r;
}

int ph_thread_regs_set(struct ph_thread *thread, const struct user_regs_struct *regs, struct ph_err *err)
{
	int r = ph_thread_regs_fetch(thread, err);

	if (r < 0)
		return r;
	thread->view.regs = *regs;
	thread->view.dirty = PH_DIRTY_ANY;
	return ph_thread_regs_flush(thread, err);
}

int ph_thread_siginfo_set(struct ph_thread *thread, const siginfo_t *info, struct ph_err *err)
{
	int r;

	if (!thread->siginfo)
		return ph_err_say(err, -ENOENT, "change signal", "thread %d is not about to get one", thread->tid);
	if (info->si_signo != thread->siginfo->si_signo)
		return ph_err_say(err, -EINVAL, "change signal", "what comes with signal %d is not signal %d's",
				  thread->siginfo->si_signo, info->si_signo);
	r = ph_os_siginfo_write(thread->tid, info);
	if (r < 0)
		return ph_err_set_in(err, r, "change signal", thread->tid);
	*thread->siginfo = *info;
	return 0;
}

pid_t ph_thread_tid(const struct ph_thread *thread)
{
	return thread->tid;
}

struct ph_process *ph_thread_process(const struct ph_thread *thread)
{
	return thread->process;
}

const char *ph_thread_state(const struct ph_thread *thread)
{
	static const char *const names[] = {
		[PH_THREAD_RUNNING] = "running",
		[PH_THREAD_STOPPED] = "stopped",
		[PH_THREAD_EXITING] = "ended",
		[PH_THREAD_ENDED] = "ended",
	};

	return names[thread->state];
}

int ph_process_each_thread(struct ph_process *process, int (*fn)(struct ph_thread *, void *), void *user)
{
	struct ph_thread *thread;
	int r = 0;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state != PH_THREAD_EXITING && (r = fn(thread, user)) != 0)
			break;
	return r;
}

struct ph_thread *ph_process_any_thread(const struct ph_process *process)
{
	struct ph_thread *thread;

	/* One that has begun to exit may be past giving its memory up. */
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state != PH_THREAD_EXITING)
			return thread;
	return NULL;
}

struct ph_thread *ph_space_any_thread(const struct ph_space *space, const struct ph_session *session)
{
	struct ph_process *process;

	ph_list_each(process, &session->processes, struct ph_process, in_session) {
		struct ph_thread *thread = process->space == space ? ph_process_any_thread(process) : NULL;

		if (thread)
			return thread;
	}
	return NULL;
}

struct ph_thread *ph_process_leader(const struct ph_process *process)
{
	struct ph_thread *thread;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->tid == process->pid)
			return thread;
	return NULL;
}

struct ph_thread *ph_session_thread(struct ph_session *session)
{
	struct ph_process *process;

	if (session->selected)
		return session->selected;
	ph_list_each(process, &session->processes, struct ph_process, in_session) {
		struct ph_thread *thread = process->silent ? NULL : ph_process_any_thread(process);

		if (thread)
			return thread;
	}
	return NULL;
}

void ph_session_select(struct ph_session *session, struct ph_thread *thread)
{
	struct ph_thread *before = session->selected;

	session->selected = thread && thread->state != PH_THREAD_ENDED ? ph_thread_ref(thread) : NULL;
	ph_thread_unref(before);
}
