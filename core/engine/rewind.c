#include "engine/rewind.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "engine/alone.h"
#include "engine/breakpoint.h"
#include "engine/event.h"
#include "engine/inject.h"
#include "engine/signal.h"
#include "engine/until.h"
#include "os/ptrace.h"
#include "os/wait.h"

#define RED_ZONE     128
#define SIGNALS_MOST 1000	/* that may wait */
#define CALL_LENGTH 2	/* `syscall`, `int 0x80` */

/* What the kernel leaves in rax of a call that it means to make again (include/linux/errno.h). */
#define RESTARTSYS	    -512
#define RESTARTNOINTR	    -513
#define RESTARTNOHAND	    -514
#define RESTART_RESTARTBLOCK -516

static int cannot(const struct ph_thread *thread, const char *why, struct ph_err *err)
{
	return ph_err_say(err, -ESRCH, "restore", "thread %d %s", thread->tid, why);
}

/* To the border of user mode, from where it can be made to call. What comes on the way comes later. */
static int leave_kernel(struct ph_thread *thread, struct ph_err *err)
{
	for (;;) {
		struct ph_stop stop;
		siginfo_t info;
		int status, r = ph_alone_run(thread, PH_ALONE_OUT, 0, &status, err);

		if (r < 0)
			return r;
		stop = ph_stop_decode(status);
		if (stop.kind == PH_STOP_INTERRUPT || stop.kind == PH_STOP_GROUP)
			return 0;
		if (stop.kind == PH_STOP_EXITING || stop.kind == PH_STOP_EXITED || stop.kind == PH_STOP_KILLED) {
			ph_thread_set_pending(thread, status);
			return cannot(thread, "was killed", err);
		}
		if (stop.kind == PH_STOP_SIGNAL && ph_os_siginfo_read(thread->tid, &info) >= 0)
			ph_signal_put_off(thread, &info);
	}
}

/* ---- Taking */

static bool is_restarted(int64_t rax)
{
	return rax == RESTARTSYS || rax == RESTARTNOINTR || rax == RESTARTNOHAND || rax == RESTART_RESTARTBLOCK;
}

/* One that was blocked in a call is to make it again, from its begin: what the kernel knows of that is not ours to keep. */
static void settle(struct ph_rewind_thread *saved, bool at_entry)
{
	struct user_regs_struct *regs = &saved->regs;

	if ((int64_t)regs->orig_rax >= 0 && (at_entry || is_restarted((int64_t)regs->rax))) {
		regs->rax = regs->orig_rax;
		regs->rip -= CALL_LENGTH;
	}
	regs->orig_rax = (uint64_t)-1;
}

/*
 * It is at the site at rip because it has run that, not on its way there. A call that was made on it since has taken away
 * what the kernel had to say.
 */
static bool has_hit(struct ph_thread *thread, const struct ph_event *event)
{
	ph_addr rip = thread->view.regs.rip;
	const struct ph_site *site = ph_space_site_find(thread->process->space, rip);
	siginfo_t info;

	if (!site || !site->armed)
		return false;
	return (event->kind == PH_EVENT_BREAKPOINT && event->address == rip) || thread->trapped == rip ||
	       (ph_os_siginfo_read(thread->tid, &info) >= 0 && info.si_signo == SIGTRAP && info.si_code == SI_KERNEL);
}

static int save(struct ph_rewind_thread *saved, struct ph_thread *thread, const struct ph_event *event, struct ph_err *err)
{
	bool at_entry = thread->call.in && thread->call.stop != PH_CALL_STOP_EXIT;
	void *xstate;
	int r = ph_thread_regs_fetch(thread, err);

	*saved = (struct ph_rewind_thread){ .thread = ph_thread_ref(thread) };
	if (r >= 0)
		r = ph_thread_xstate_fetch(thread, &xstate, &saved->xstate_len, err);
	if (r < 0)
		return r;
	saved->xstate = malloc(saved->xstate_len);
	if (!saved->xstate)
		return ph_err_set(err, -ENOMEM, "snapshot");
	memcpy(saved->xstate, xstate, saved->xstate_len);
	r = ph_os_sigmask_read(thread->tid, &saved->mask);
	if (r < 0)
		return ph_err_set_in(err, r, "snapshot", thread->tid);
	if (ph_os_signals_waiting(thread->tid, &saved->waiting) < 0)
		saved->waiting = UINT64_MAX;
	if (ph_os_rseq_read(thread->tid, &saved->rseq) < 0)
		saved->rseq.at = 0;
	saved->regs = thread->view.regs;
	if (event) {
		saved->passes = has_hit(thread, event);
		saved->skips = event->kind == PH_EVENT_BREAKPOINT && event->breakpoint &&
			       event->address == saved->regs.rip && event->breakpoint->mode == PH_MODE_SKIP;
	} else {
		saved->passes = thread->pass.active && thread->pass.addr == saved->regs.rip;
		saved->skips = thread->pass.skip;
	}
	saved->told = thread->told && thread->told_at == saved->regs.rip;
	settle(saved, at_entry);
	return ph_untils_keep(thread, &saved->untils, &saved->n_untils);
}

static int busy(const struct ph_thread *thread, const char *what, struct ph_err *err)
{
	return ph_err_say(err, -EBUSY, "snapshot", "thread %d stands in the middle of %s: let it go on first", thread->tid,
			  what);
}

/* first: calls are to be made on it, in every other what it does may as well be done again. */
static int make_takeable(struct ph_thread *thread, bool first, struct ph_err *err)
{
	if (thread->invocation)
		return busy(thread, "a call of a script's", err);
	if (thread->in_vfork || thread->vforking)
		return busy(thread, "vfork", err);
	if (thread->state != PH_THREAD_STOPPED)
		return ph_err_say(err, -ESRCH, "snapshot", "thread %d has ended, or is ending", thread->tid);
	switch (thread->last_stop) {
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK:
	case PH_STOP_VFORK_DONE:
	case PH_STOP_EXEC:
	case PH_STOP_OTHER:
		/* What it has to tell is told all the same, but for the call's end, if hooks wait for that. */
		if (thread->call.wants_exit)
			return busy(thread, "a system call", err);
		return leave_kernel(thread, err);
	case PH_STOP_EXITING:
		return busy(thread, "its end", err);
	case PH_STOP_SYSCALL:
	case PH_STOP_SECCOMP:
		if (first && thread->call.in && thread->call.stop != PH_CALL_STOP_EXIT)
			return busy(thread, "a system call", err);
		break;
	default:
		break;
	}
	return 0;
}

static bool is_ending(const struct ph_thread *thread)
{
	return thread->state == PH_THREAD_ENDED || thread->state == PH_THREAD_EXITING ||
	       (thread->state == PH_THREAD_STOPPED && thread->last_stop == PH_STOP_EXITING);
}

int ph_rewind_take(struct ph_rewind *rewind, struct ph_thread *first, const struct ph_event *event, struct ph_err *err)
{
	struct ph_thread *thread;
	size_t n = 1;
	int r = make_takeable(first, true, err);

	*rewind = (struct ph_rewind){ 0 };
	ph_list_each(thread, &first->process->threads, struct ph_thread, in_process)
		n++;
	rewind->all = calloc(n, sizeof(*rewind->all));
	if (!rewind->all)
		return ph_err_set(err, -ENOMEM, "snapshot");
	if (r >= 0)
		r = save(&rewind->all[rewind->n++], first, event, err);
	ph_list_each(thread, &first->process->threads, struct ph_thread, in_process) {
		if (r < 0)
			return r;
		if (thread == first || is_ending(thread))
			continue;
		r = make_takeable(thread, false, err);
		if (r >= 0)
			r = save(&rewind->all[rewind->n++], thread, NULL, err);
	}
	return r;
}

void ph_rewind_fini(struct ph_rewind *rewind)
{
	for (size_t i = 0; i < rewind->n; i++) {
		ph_untils_forget(rewind->all[i].untils, rewind->all[i].n_untils);
		free(rewind->all[i].xstate);
		ph_thread_unref(rewind->all[i].thread);
	}
	free(rewind->all);
	*rewind = (struct ph_rewind){ 0 };
}

/* ---- Back */

/* To the border of user mode, and the call that it may be about to make is not made. */
static int leave_call(struct ph_thread *thread, struct ph_err *err)
{
	int r = ph_thread_regs_fetch(thread, err);

	if (r < 0)
		return r;
	ph_call_drop_loans(&thread->call);
	thread->call.view.changed = 0;
	if (thread->call.stop != PH_CALL_STOP_EXIT) {
		thread->view.regs.orig_rax = (uint64_t)-1;
		thread->view.dirty = PH_DIRTY_ANY;
	}
	return leave_kernel(thread, err);
}

/* What it had to tell of a run that is undone is told to nobody. */
static int make_ready(struct ph_thread *thread, struct ph_err *err)
{
	if (thread->invocation)
		return ph_err_say(err, -EBUSY, "restore", "thread %d stands in the middle of a call of a script's", thread->tid);
	if (thread->in_vfork || thread->vforking)
		return ph_err_say(err, -EBUSY, "restore", "thread %d waits for a child of vfork", thread->tid);
	if (is_ending(thread) || thread->state != PH_THREAD_STOPPED)
		return cannot(thread, "has ended since, or is ending, and cannot be had back: stop it before that, or use "
			      "snap:fork()", err);
	if (ph_thread_has_pending(thread))
		ph_thread_take_pending(thread);
	ph_process_unref(thread->born);
	thread->born = NULL;
	/* Nor does a call that is made on it repeat what it was about to be given. */
	thread->stop_signal = 0;
	thread->n_deferred = 0;
	switch (thread->last_stop) {
	case PH_STOP_SYSCALL:
	case PH_STOP_SECCOMP:
		if (thread->call.stop == PH_CALL_STOP_EXIT)
			return 0;
		return leave_call(thread, err);
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK:
	case PH_STOP_VFORK_DONE:
	case PH_STOP_EXEC:
	case PH_STOP_OTHER:
		return leave_call(thread, err);
	default:
		return 0;
	}
}

/* By its own exit(2), to the last bit: the kernel writes to its memory on the way. */
static int end(struct ph_thread *thread, struct ph_err *err)
{
	ph_addr insn = ph_inject_syscall_insn(thread);
	int status, r = make_ready(thread, err);

	if (r >= 0)
		r = insn ? ph_thread_regs_fetch(thread, err) : ph_err_say(err, -ENOTSUP, "restore", "thread %d came since, and "
									   "cannot be ended", thread->tid);
	if (r < 0)
		return r;
	thread->view.regs.rip = insn;
	thread->view.regs.rax = SYS_exit;
	thread->view.regs.rdi = 0;
	thread->view.regs.orig_rax = (uint64_t)-1;
	thread->view.dirty = PH_DIRTY_ANY;
	thread->exit_told = true;
	ph_os_sigmask_write(thread->tid, UINT64_MAX);
	while (thread->state == PH_THREAD_STOPPED) {
		r = ph_alone_run(thread, PH_ALONE_SYSCALL, 0, &status, err);
		if (r < 0)
			break;
		if (ph_stop_decode(status).kind == PH_STOP_EXITING) {
			ph_alone_die(thread);
			ph_os_wait_one(thread->tid, &status);
		}
	}
	ph_thread_retire(thread);
	return 0;
}

static bool is_saved(const struct ph_rewind *rewind, const struct ph_thread *thread)
{
	for (size_t i = 0; i < rewind->n; i++)
		if (rewind->all[i].thread == thread)
			return true;
	return false;
}

int ph_rewind_prepare(const struct ph_rewind *rewind, bool *ret_came, struct ph_err *err)
{
	struct ph_process *process = rewind->all[0].thread->process;
	struct ph_thread *thread;
	int r = 0;

	*ret_came = false;
	for (size_t i = 0; i < rewind->n && r >= 0; i++)
		r = make_ready(rewind->all[i].thread, err);
	if (r < 0)
		return r;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (is_saved(rewind, thread) || is_ending(thread))
			continue;
		*ret_came = true;
		r = end(thread, err);
		if (r < 0)
			return r;
	}
	return 0;
}

#define RSEQ_UNREGISTER 1

static int64_t call_rseq(struct ph_thread *thread, const struct ph_os_rseq *rseq, int flags, struct ph_err *err)
{
	int64_t answer;
	int r = ph_inject_syscall(thread, SYS_rseq, (uint64_t[]){ rseq->at, rseq->size, (uint64_t)flags, rseq->signature, 0, 0 },
				  &answer, err);

	return r < 0 ? r : answer;
}

/* The program takes them itself, without a handler: rt_sigtimedwait(2), by a set and a time below its stack. */
static int drop_signals(const struct ph_rewind_thread *saved, struct ph_err *err)
{
	struct ph_thread *thread = saved->thread;
	struct {
		uint64_t set;
		struct timespec none;
	} args = { 0 };
	ph_addr at = ((saved->regs.rsp - RED_ZONE) & ~15ull) - sizeof(args);
	uint64_t now;
	int64_t answer = 0;
	int r = 0;

	if (ph_os_signals_waiting(thread->tid, &now) < 0 || !(now & ~saved->waiting))
		return 0;
	args.set = now & ~saved->waiting;
	r = ph_space_write_raw(thread->process->space, thread->tid, at, &args, sizeof(args), NULL);
	/* A stack that is gone: they stay. */
	for (int i = 0; i < SIGNALS_MOST && r >= 0 && answer >= 0; i++)
		r = ph_inject_syscall(thread, SYS_rt_sigtimedwait,
				      (uint64_t[]){ at, 0, at + offsetof(typeof(args), none), sizeof(args.set), 0, 0 }, &answer,
				      err);
	return r == -ESRCH ? r : 0;
}

/* glibc gives up a new thread that has registered already (one that the snapshot found before that). */
int ph_rewind_put_kernel_back(const struct ph_rewind *rewind, struct ph_err *err)
{
	for (size_t i = 0; i < rewind->n; i++) {
		const struct ph_rewind_thread *saved = &rewind->all[i];
		struct ph_thread *thread = saved->thread;
		struct ph_os_rseq now;

		if (drop_signals(saved, err) < 0)
			return -ESRCH;
		if (ph_os_rseq_read(thread->tid, &now) < 0 || now.at == saved->rseq.at)
			continue;
		if ((now.at && call_rseq(thread, &now, RSEQ_UNREGISTER, err) == -ESRCH) ||
		    (saved->rseq.at && call_rseq(thread, &saved->rseq, 0, err) == -ESRCH))
			return -ESRCH;
	}
	return 0;
}

static void forget(struct ph_thread *thread)
{
	ph_thread_end_pass(thread);
	ph_call_drop_loans(&thread->call);
	thread->call.view.phase = PH_CALL_OVER;
	thread->call.view.changed = thread->call.view.skipped = 0;
	thread->call.told = thread->call.wants_exit = thread->call.left = false;
	thread->call.redo.active = false;
	thread->untraced.active = false;
	thread->stop_signal = 0;
	thread->is_fault = false;
	thread->trapped = thread->left_copy = 0;
	thread->step.on = thread->step.ended = false;
	thread->stepped = false;
	thread->xstate_have = thread->xstate_dirty = false;
}

static int put_back(const struct ph_rewind_thread *saved, struct ph_err *err)
{
	struct ph_thread *thread = saved->thread;
	int r = ph_os_regs_write(thread->tid, &saved->regs);

	if (r >= 0)
		r = ph_os_xstate_write(thread->tid, saved->xstate, saved->xstate_len);
	if (r >= 0)
		r = ph_os_sigmask_write(thread->tid, saved->mask);
	if (r < 0)
		return ph_err_set_in(err, r, "restore registers", thread->tid);
	forget(thread);
	thread->view.regs = thread->fetched = saved->regs;
	thread->view.have = 1;
	thread->view.dirty = 0;
	thread->pass.active = saved->passes;
	thread->pass.skip = saved->skips;
	thread->pass.addr = saved->regs.rip;
	thread->told = saved->told;
	thread->told_at = saved->regs.rip;
	thread->rewound = true;
	ph_signal_resend(thread);
	return ph_untils_rewind(thread, saved->untils, saved->n_untils, err);
}

int ph_rewind_put_back(const struct ph_rewind *rewind, struct ph_err *err)
{
	int r = 0;

	for (size_t i = 0; i < rewind->n && r >= 0; i++) {
		r = put_back(&rewind->all[i], err);
		if (i)
			rewind->all[i].thread->held = true;
	}
	return r;
}
