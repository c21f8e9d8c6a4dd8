#include "engine/twin.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/inject.h"
#include "os/ptrace.h"
#include "os/wait.h"

/* What tells us of births: without it CLONE_PTRACE attaches the child as we are attached, and in silence. */
#define BIRTHS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

int ph_twin_make(struct ph_thread *thread, pid_t *ret, struct ph_err *err)
{
	const struct ph_session *session = thread->process->session;
	unsigned long options = ph_trace_options(session);
	/* A spawned target is our child, and so is its twin: we can reap it. No signal tells of its end. */
	uint64_t flags = CLONE_PTRACE | (session->spawned && thread->process == session->target ? CLONE_PARENT : 0);
	int64_t answer;
	int status, r = ph_os_set_options(thread->tid, options & ~(unsigned long)BIRTHS);

	if (r < 0)
		return ph_err_set_in(err, r, "fork the target", thread->tid);
	r = ph_inject_syscall(thread, SYS_clone, (uint64_t[]){ flags, 0, 0, 0, 0, 0 }, &answer, err);
	if (ph_os_set_options(thread->tid, options) < 0)
		thread->options_stale = true;
	if (r < 0)
		return r;
	if (answer <= 0)
		return ph_err_set_in(err, (int)answer, "fork the target", thread->tid);
	r = ph_os_wait_one((pid_t)answer, &status);
	if (r < 0 || WIFEXITED(status) || WIFSIGNALED(status))
		return ph_err_say(err, -ESRCH, "fork the target", "the fork was killed at once");
	*ret = (pid_t)answer;
	return 0;
}

void ph_twin_end(struct ph_thread *thread, pid_t twin)
{
	int64_t answer;
	int status;

	ph_alone_kill(twin);
	/* Its parent is the target, or the target's; a child of ours is gone already. */
	if (thread && !thread->process->session->spawned && thread->state == PH_THREAD_STOPPED && !thread->call.in)
		ph_inject_syscall(thread, SYS_wait4, (uint64_t[]){ (uint64_t)twin, 0, WNOHANG | __WALL, 0, 0, 0 }, &answer, NULL);
	ph_os_reap(twin, &status);
}
