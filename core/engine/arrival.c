#include "engine/arrival.h"

#include <linux/sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/behind.h"
#include "engine/breakpoint.h"
#include "engine/hardware.h"
#include "engine/inside.h"
#include "os/procfs.h"
#include "os/ptrace.h"

unsigned long ph_trace_options(const struct ph_session *session)
{
	/* TRACEEXIT: a leader that exits before its threads is never reported otherwise, and nobody could wait for it. */
	return PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	       PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT |
	       (session->policy.exitkill ? PTRACE_O_EXITKILL : 0) |
	       /* Only for a filter of ours: a call that the program's own stops is to fail as without a tracer. */
	       (session->calls.filtered ? PTRACE_O_TRACESECCOMP : 0);
}

/* The CLONE_ flags of the call that the parent is in; the event's kind alone tells neither threads nor shared memory. */
static uint64_t clone_flags(struct ph_thread *parent)
{
	uint64_t flags = 0;

	if (ph_thread_regs_fetch(parent, NULL) < 0)
		return 0;
	switch ((long)parent->view.regs.orig_rax) {
	case SYS_clone:
		return parent->view.regs.rdi;
	case SYS_clone3:
		/* struct clone_args begins with its flags (clone(2)). */
		ph_space_read(parent->process->space, parent->tid, parent->view.regs.rdi, &flags, sizeof(flags), NULL);
		return flags;
	case SYS_vfork:
		return CLONE_VM | CLONE_VFORK;
	default:
		return 0;
	}
}

/* A child process: with its parent's memory, or with a copy of it, which is made whole before the child runs. */
static struct ph_process *introduce_process(struct ph_thread *parent, pid_t pid, bool shares)
{
	struct ph_process *of = parent->process, *process;
	bool follow = of->session->policy.follow && !of->silent;
	struct ph_space *space;

	if (shares)
		space = ph_space_ref(of->space);
	else if (ph_space_new(pid, &space, NULL) < 0 && !(of->silent && (space = ph_space_new_blind())))
		return NULL;
	if (ph_process_new(of->session, pid, space, &process) < 0) {
		ph_space_unref(space);
		return NULL;
	}
	process->silent = !follow;
	process->guard = of->guard;
	return process;
}

static void introduce(struct ph_thread *parent, pid_t tid, uint64_t flags)
{
	struct ph_process *process = parent->process;
	struct ph_thread *child;
	int status;

	if (!(flags & CLONE_THREAD)) {
		process = introduce_process(parent, tid, flags & CLONE_VM);
		if (!process)
			return;
	}
	if (ph_thread_new(process, tid, &child) < 0) {
		if (process != parent->process)
			ph_process_retire(process);
		return;
	}
	child->newborn = true;
	child->untraced = parent->untraced;
	/* Shared memory is the parent's to put right. */
	if ((flags & CLONE_VM) && child->untraced.at)
		child->untraced.active = false;
	ph_hardware_note_birth(parent, child);
	if (process != parent->process) {
		if (!process->silent)
			ph_hardware_inherit(parent->process, process);
		ph_process_unref(parent->born);
		parent->born = ph_process_ref(process);
		if (!(flags & CLONE_VM)) {
			ph_space_clean_copy(parent->process->space, parent->tid, process->space, child->tid);
			if (!process->silent)
				ph_breakpoints_adopt(parent->process, process);
		}
	}
	if (ph_tracer_stray_take(process->session->tracer, tid, &status)) {
		ph_arrival_note(child, status);
		ph_thread_set_pending(child, status);
	}
}

struct search {
	struct ph_thread *parent;
	uint64_t flags;
};

static int introduce_if_unknown(pid_t tid, void *user)
{
	const struct search *search = user;
	struct ph_os_status status;

	if (!ph_tracer_find(search->parent->process->session->tracer, tid) && ph_os_status_read(tid, &status) >= 0 &&
	    status.tracer == getpid())
		introduce(search->parent, tid, search->flags);
	return 0;
}

/*
 * A thread that is killed in the middle of a clone never reports it (kernel/fork.c: the child is woken first), or
 * reports it and is gone before it can be asked, but the child is there: traced, stopped, with our bytes in its memory.
 */
static void introduce_unannounced(struct ph_thread *parent)
{
	struct search search = { parent, 0 };
	pid_t pid = parent->process->pid;

	if (!parent->process->alive)
		return;
	if (ph_thread_regs_fetch(parent, NULL) < 0) {
		/* Killed: nobody is left whose memory the child might share. */
		ph_os_children_each(pid, parent->tid, introduce_if_unknown, &search);
		search.flags = CLONE_THREAD;
		ph_os_tasks_each(pid, introduce_if_unknown, &search);
		return;
	}
	switch ((long)parent->view.regs.orig_rax) {
	case SYS_clone:
	case SYS_clone3:
		search.flags = clone_flags(parent);
		if (search.flags & CLONE_THREAD) {
			ph_os_tasks_each(pid, introduce_if_unknown, &search);
			break;
		}
		__attribute__((fallthrough));
	case SYS_fork:
	case SYS_vfork:
		search.flags = clone_flags(parent);
		ph_os_children_each(pid, parent->tid, introduce_if_unknown, &search);
		break;
	default:
		break;
	}
}

/*
 * A thread that is killed in its clone event goes on to its exit event while we ask, and the answers are of that one:
 * its message is an exit status.
 */
static bool is_exiting_by_now(const struct ph_thread *thread)
{
	siginfo_t info;

	return ph_os_siginfo_read(thread->tid, &info) < 0 || info.si_code >> 8 == PTRACE_EVENT_EXIT;
}

static void introduce_announced(struct ph_thread *parent)
{
	unsigned long tid;
	int r = ph_os_event_message(parent->tid, &tid);
	uint64_t flags = r < 0 ? 0 : clone_flags(parent);

	if (r < 0 || is_exiting_by_now(parent))
		introduce_unannounced(parent);
	else if (parent->process->alive && !ph_tracer_find(parent->process->session->tracer, (pid_t)tid))
		introduce(parent, (pid_t)tid, flags);
}

/* Whoever calls exec outlives the others of its process, and takes the id of the first (ptrace(2)). */
static void forget_others(const struct ph_thread *survivor)
{
	struct ph_thread *thread;

	ph_list_each(thread, &survivor->process->threads, struct ph_thread, in_process) {
		if (thread == survivor)
			continue;
		ph_thread_set_running(thread);
		thread->state = PH_THREAD_EXITING;
	}
}

bool ph_arrival_note(struct ph_thread *thread, int status)
{
	struct ph_stop stop = ph_stop_decode(status);

	thread->process->session->stats.stops++;
	ph_call_note(&thread->call, stop.kind);
	thread->last_stop = stop.kind;
	switch (stop.kind) {
	case PH_STOP_EXITED:
	case PH_STOP_KILLED:
		ph_thread_set_running(thread);
		thread->state = PH_THREAD_EXITING;
		return true;
	case PH_STOP_INTERRUPT:
	case PH_STOP_GROUP:
		ph_thread_set_stopped(thread);
		ph_inside_leave(thread);
		ph_behind_note(thread);
		thread->group_stopped = stop.kind == PH_STOP_GROUP;
		return thread->newborn;
	case PH_STOP_EXITING:
		ph_thread_set_stopped(thread);
		introduce_unannounced(thread);
		ph_inside_leave(thread);
		return true;
	case PH_STOP_SIGNAL:
		ph_thread_set_stopped(thread);
		ph_inside_leave(thread);
		ph_behind_note(thread);
		return true;
	case PH_STOP_TRAP:
		ph_thread_set_stopped(thread);
		ph_inside_leave(thread);
		return true;
	case PH_STOP_CLONE:
	case PH_STOP_FORK:
	case PH_STOP_VFORK:
		ph_thread_set_stopped(thread);
		introduce_announced(thread);
		return true;
	case PH_STOP_EXEC:
		forget_others(thread);
		break;
	case PH_STOP_VFORK_DONE:
		thread->in_vfork = false;
		break;
	case PH_STOP_SYSCALL:
	case PH_STOP_SECCOMP:
	case PH_STOP_OTHER:
		break;
	}
	ph_thread_set_stopped(thread);
	return true;
}

