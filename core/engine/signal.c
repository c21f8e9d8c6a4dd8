#include "engine/signal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/event.h"
#include "os/procfs.h"
#include "os/ptrace.h"

#define FIRST_QUEUED 32	/* the kernel's SIGRTMIN: from there on each one sent arrives */

/* Of a standard signal that was sent and that nobody has taken yet the kernel keeps one (signal(7)), and so do we. */
static bool is_kept(const struct ph_thread *thread, const siginfo_t *info)
{
	if (info->si_signo >= FIRST_QUEUED || ph_signal_is_fault(info->si_signo, info->si_code))
		return false;
	for (unsigned int i = 0; i < thread->n_deferred; i++)
		if (thread->deferred[i].info.si_signo == info->si_signo && !thread->deferred[i].sent &&
		    !thread->deferred[i].injected)
			return true;
	return false;
}

static int keep(struct ph_thread *thread, const siginfo_t *info, bool injected, bool sent)
{
	if (!injected && is_kept(thread, info))
		return 0;
	if (!thread->deferred)
		thread->deferred = calloc(PH_DEFERRED_MAX, sizeof(*thread->deferred));
	if (!thread->deferred || thread->n_deferred == PH_DEFERRED_MAX)
		return -ENOSPC;
	thread->deferred[thread->n_deferred++] = (struct ph_deferred){ .info = *info, .sent = sent,
								      .injected = injected };
	return 0;
}

/* The oldest one that is on its way, or NULL. */
static struct ph_deferred *on_its_way(const struct ph_thread *thread, int sig)
{
	for (unsigned int i = 0; i < thread->n_deferred; i++)
		if (thread->deferred[i].sent && thread->deferred[i].info.si_signo == sig)
			return &thread->deferred[i];
	return NULL;
}

bool ph_signal_comes_at_once(const struct ph_thread *thread, int sig)
{
	const struct ph_deferred *kept = on_its_way(thread, sig);

	return kept && !kept->blocked;
}

void ph_signal_is_blocked(struct ph_thread *thread, int sig)
{
	struct ph_deferred *kept = on_its_way(thread, sig);

	if (kept)
		kept->blocked = true;
}

static bool is_ours(const siginfo_t *info)
{
	return info->si_code == SI_TKILL && info->si_pid == getpid();
}

bool ph_signal_is_caught(const struct ph_thread *thread, int sig)
{
	struct ph_os_status status;

	return ph_os_status_read(thread->tid, &status) < 0 || (status.caught >> (sig - 1) & 1);
}

int ph_signal_put_off(struct ph_thread *thread, const siginfo_t *info)
{
	struct ph_deferred *kept = is_ours(info) ? on_its_way(thread, info->si_signo) : NULL;

	if (!kept)
		return keep(thread, info, false, false);
	kept->sent = false;
	return 0;
}

int ph_signal_repeat(struct ph_thread *thread, const siginfo_t *info)
{
	return keep(thread, info, true, false);
}

static void drop(struct ph_thread *thread, struct ph_deferred *at)
{
	unsigned int behind = thread->n_deferred - (unsigned int)(at - thread->deferred) - 1;

	memmove(at, at + 1, behind * sizeof(*at));
	thread->n_deferred--;
}

static bool is_queued(const struct ph_thread *thread, int sig)
{
	siginfo_t info;

	for (unsigned int i = 0; ph_os_siginfo_peek(thread->tid, i, &info) == 1; i++)
		if (info.si_signo == sig)
			return true;
	return false;
}

/* The oldest that may be sent now, or NULL. */
static struct ph_deferred *next_to_send(struct ph_thread *thread)
{
	for (unsigned int i = 0; i < thread->n_deferred; i++) {
		int sig = thread->deferred[i].info.si_signo;
		struct ph_deferred *before = sig < FIRST_QUEUED ? on_its_way(thread, sig) : NULL;

		if (thread->deferred[i].sent || (before && is_queued(thread, sig)))
			continue;
		if (!before)
			return &thread->deferred[i];
		/* The program took that one by sigwait(3), or ignored it for a while. */
		drop(thread, before);
		return next_to_send(thread);
	}
	return NULL;
}

void ph_signal_resend(struct ph_thread *thread)
{
	struct ph_deferred *next;
	uint64_t mask;

	while ((next = next_to_send(thread))) {
		next->sent = true;
		next->blocked = ph_os_sigmask_read(thread->tid, &mask) >= 0 && (mask >> (next->info.si_signo - 1) & 1);
		syscall(SYS_tgkill, thread->process->pid, thread->tid, next->info.si_signo);
	}
}

int ph_signal_inject(struct ph_thread *thread, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_USER };
	int r;

	info.si_pid = getpid();
	info.si_uid = getuid();
	r = keep(thread, &info, true, false);
	if (r >= 0)
		ph_signal_resend(thread);
	return r;
}

bool ph_signal_arrive(struct ph_thread *thread, siginfo_t *info)
{
	struct ph_deferred *at = on_its_way(thread, info->si_signo), older;

	if (!at)
		return false;
	older = *at;
	drop(thread, at);
	/* A newer one that overtook ours waits in turn; ours is still to come and will bring it. */
	if (!is_ours(info))
		keep(thread, info, false, info->si_signo >= FIRST_QUEUED);
	ph_signal_resend(thread);
	*info = older.info;
	ph_os_siginfo_write(thread->tid, info);
	return older.injected;
}

static bool stops(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

void ph_signal_forget_opposite(struct ph_process *process, int sig)
{
	struct ph_thread *thread;

	if (sig != SIGCONT && !stops(sig))
		return;
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		for (unsigned int i = thread->n_deferred; i-- > 0;) {
			int kept = thread->deferred[i].info.si_signo;

			if (thread->deferred[i].sent && (sig == SIGCONT ? stops(kept) : kept == SIGCONT))
				drop(thread, &thread->deferred[i]);
		}
}
