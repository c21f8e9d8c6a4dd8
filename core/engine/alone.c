#include "engine/alone.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "engine/arrival.h"
#include "engine/hardware.h"
#include "engine/signal.h"
#include "os/procfs.h"
#include "os/ptrace.h"
#include "os/wait.h"

#define PATIENCE_NS 10000000

static int start(pid_t tid, enum ph_alone_how how, int sig)
{
	switch (how) {
	case PH_ALONE_STEP:
		return ph_os_step(tid, sig);
	case PH_ALONE_SYSCALL:
		return ph_os_syscall(tid, sig);
	case PH_ALONE_OUT:
		/* The interrupt is answered on the way to user mode, before any signal (kernel/signal.c, get_signal). */
		ph_os_interrupt(tid);
		return ph_os_cont(tid, sig);
	case PH_ALONE_ON:
		return ph_os_cont(tid, sig);
	}
	return -EINVAL;
}

static bool is_exiting(const struct ph_thread *thread)
{
	siginfo_t info;

	return ph_os_siginfo_read(thread->tid, &info) >= 0 && info.si_signo == SIGTRAP &&
	       info.si_code >> 8 == PTRACE_EVENT_EXIT;
}

/*
 * A process's first thread is reported as ended when the ends of all others have been read. Killed just before it went on,
 * it has passed its exit event unseen, while the others stand in theirs.
 */
static void let_others_die(struct ph_thread *leader)
{
	struct ph_thread *thread;
	int status;

	ph_list_each(thread, &leader->process->threads, struct ph_thread, in_process) {
		if (thread == leader)
			continue;
		if (ph_os_wait_one_until(thread->tid, 0, &status) > 0) {
			ph_arrival_note(thread, status);
			ph_thread_set_pending(thread, status);
		}
		if (is_exiting(thread)) {
			ph_thread_take_pending(thread);
			ph_alone_die(thread);
		}
	}
}

static int await(struct ph_thread *thread, int *ret_status)
{
	const struct ph_list *threads = &thread->process->threads;
	struct ph_os_status status;
	int r;

	if (thread->tid != thread->process->pid || threads->next == threads->prev)
		return ph_os_wait_one(thread->tid, ret_status);
	while ((r = ph_os_wait_one_until(thread->tid, ph_os_now() + PATIENCE_NS, ret_status)) == -ETIMEDOUT)
		if (ph_os_status_read(thread->tid, &status) >= 0 && status.state == 'Z')
			let_others_die(thread);
	return r;
}

int ph_alone_run(struct ph_thread *thread, enum ph_alone_how how, int sig, int *ret_status, struct ph_err *err)
{
	int r = ph_thread_regs_flush(thread, err);

	if (r < 0 || ((r = ph_hardware_sync(thread, err)) < 0 && r != -ESRCH))
		return r;
	/* A step may be one over a system call. */
	if (how == PH_ALONE_STEP)
		thread->process->session->calls.made = true;
	r = start(thread->tid, how, sig);
	ph_call_resumed(&thread->call, how == PH_ALONE_SYSCALL ? PH_CALL_BY_SYSCALL : PH_CALL_UNSEEN);
	/* -ESRCH: killed while it was stopped. Its end is on the way, and the wait finds it. */
	if (r < 0 && r != -ESRCH)
		return ph_err_set_in(err, r, "run alone", thread->tid);
	ph_thread_set_running(thread);
	r = await(thread, ret_status);
	if (r < 0) {
		thread->state = PH_THREAD_EXITING;
		return ph_err_set_in(err, -ESRCH, "run alone", thread->tid);
	}
	ph_arrival_note(thread, *ret_status);
	return 0;
}

/* The kernel serves what instructions raised before all other signals (dequeue_synchronous_signal, Linux 5.1). */
static bool trap_is_queued(const struct ph_thread *thread, bool behind_site)
{
	siginfo_t info;

	for (unsigned int i = 0; ph_os_siginfo_peek(thread->tid, i, &info) == 1; i++)
		if (info.si_signo == SIGTRAP && ((info.si_code == SI_KERNEL && behind_site) ||
						 (info.si_code == TRAP_HWBKPT && thread->armed.version) ||
						 (info.si_code != SI_KERNEL && info.si_code > 0 && thread->stepped)))
			return true;
	return false;
}

bool ph_alone_step_is_queued(const struct ph_thread *thread)
{
	siginfo_t info;

	for (unsigned int i = 0; ph_os_siginfo_peek(thread->tid, i, &info) == 1; i++)
		if (info.si_signo == SIGTRAP && (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT))
			return true;
	return false;
}

bool ph_alone_take_trap(struct ph_thread *thread, int *ret_status)
{
	const struct ph_space *space = thread->process->space;
	bool grouped = thread->group_stopped;
	ph_addr behind;
	bool behind_site;

	if (ph_thread_regs_fetch(thread, NULL) < 0)
		return false;
	behind = thread->fetched.rip - 1;
	behind_site = ph_space_site_find(space, behind) || ph_map_find(&space->retired, behind);
	if (!behind_site && !thread->armed.version && !thread->stepped)
		return false;
	if (!trap_is_queued(thread, behind_site) || ph_os_cont(thread->tid, 0) < 0)
		return false;
	ph_thread_set_running(thread);
	if (ph_os_wait_one(thread->tid, ret_status) < 0) {
		thread->state = PH_THREAD_EXITING;
		return false;
	}
	ph_thread_set_stopped(thread);
	thread->group_stopped = ph_stop_decode(*ret_status).kind == PH_STOP_GROUP;
	/* Back into its group stop when it goes on. */
	if (grouped && !thread->group_stopped)
		ph_os_interrupt(thread->tid);
	return true;
}

/* True: it stands before sig. False: on again, or *ret is negative. */
static bool has_met(struct ph_thread *thread, int sig, int status, int *ret)
{
	struct ph_stop stop = ph_stop_decode(status);
	siginfo_t info;

	switch (stop.kind) {
	case PH_STOP_SIGNAL:
	case PH_STOP_TRAP:
		if (stop.value == sig || (stop.kind == PH_STOP_TRAP && sig == SIGTRAP))
			return true;
		if (ph_os_siginfo_read(thread->tid, &info) >= 0)
			ph_signal_put_off(thread, &info);
		return false;
	case PH_STOP_INTERRUPT:
	case PH_STOP_GROUP:
		return false;
	default:
		ph_thread_set_pending(thread, status);
		*ret = -ESRCH;
		return false;
	}
}

int ph_alone_meet(struct ph_thread *thread, int sig)
{
	uint64_t mask;
	int status, r = ph_os_sigmask_read(thread->tid, &mask);

	if (r >= 0)
		r = ph_os_sigmask_write(thread->tid, ~(1ull << (sig - 1)));
	while (r >= 0) {
		r = ph_alone_run(thread, PH_ALONE_ON, 0, &status, NULL);
		if (r >= 0 && has_met(thread, sig, status, &r))
			return ph_os_sigmask_write(thread->tid, mask);
	}
	return r;
}

void ph_alone_die(struct ph_thread *thread)
{
	ph_os_cont(thread->tid, 0);
	ph_thread_set_running(thread);
	thread->state = PH_THREAD_EXITING;
}

void ph_alone_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (ph_os_wait_one(pid, &status) >= 0) {
		struct ph_stop stop = ph_stop_decode(status);

		if (stop.kind == PH_STOP_EXITED || stop.kind == PH_STOP_KILLED)
			break;
		ph_os_cont(pid, 0);
	}
}

void ph_alone_enter_vfork(struct ph_thread *thread)
{
	ph_os_cont(thread->tid, 0);
	ph_thread_set_running(thread);
	thread->vforking = false;
	thread->in_vfork = true;
}

void ph_alone_note_stray(struct ph_tracer *tracer, pid_t tid, int status)
{
	ph_tracer_stray_add(tracer, tid, status);
	if (ph_stop_decode(status).kind == PH_STOP_EXITING)
		ph_os_cont(tid, 0);
}

int ph_alone_await_exec(pid_t pid, int *ret_status)
{
	for (;;) {
		struct ph_stop stop;
		int r = ph_os_wait_one(pid, ret_status);

		if (r < 0)
			return r;
		stop = ph_stop_decode(*ret_status);
		if (stop.kind == PH_STOP_EXEC || stop.kind == PH_STOP_EXITED || stop.kind == PH_STOP_KILLED)
			return 0;
		/* A signal sent to our whole group meanwhile is the child's as well; all else it stopped for is ours. */
		ph_os_cont(pid, stop.kind == PH_STOP_SIGNAL ? stop.value : 0);
	}
}
