#include "engine/signal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/ptrace.h"

int ph_signal_defer(struct ph_thread *thread, const siginfo_t *info, bool injected)
{
	if (!thread->deferred)
		thread->deferred = calloc(PH_DEFERRED_MAX, sizeof(*thread->deferred));
	if (!thread->deferred || thread->n_deferred == PH_DEFERRED_MAX)
		return -ENOSPC;
	thread->deferred[thread->n_deferred++] = (struct ph_deferred){ .info = *info, .injected = injected };
	return 0;
}

void ph_signal_resend(struct ph_thread *thread)
{
	for (unsigned int i = 0; i < thread->n_deferred; i++) {
		if (thread->deferred[i].sent)
			continue;
		thread->deferred[i].sent = true;
		syscall(SYS_tgkill, thread->process->pid, thread->tid, thread->deferred[i].info.si_signo);
	}
}

int ph_signal_inject(struct ph_thread *thread, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_USER };
	int r;

	info.si_pid = getpid();
	info.si_uid = getuid();
	r = ph_signal_defer(thread, &info, true);
	if (r >= 0)
		ph_signal_resend(thread);
	return r;
}

bool ph_signal_arrive(struct ph_thread *thread, siginfo_t *info)
{
	bool ours = info->si_code == SI_TKILL && info->si_pid == getpid();
	struct ph_deferred older;
	unsigned int i = 0;

	while (i < thread->n_deferred && thread->deferred[i].info.si_signo != info->si_signo)
		i++;
	if (i == thread->n_deferred)
		return false;
	older = thread->deferred[i];
	memmove(&thread->deferred[i], &thread->deferred[i + 1],
		(thread->n_deferred - i - 1) * sizeof(*thread->deferred));
	thread->n_deferred--;
	/* A newer one that overtook ours waits in turn; ours is still to come and will bring it. */
	if (!ours && ph_signal_defer(thread, info, false) >= 0)
		thread->deferred[thread->n_deferred - 1].sent = true;
	*info = older.info;
	ph_os_siginfo_write(thread->tid, info);
	return older.injected;
}
