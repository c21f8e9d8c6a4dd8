#include "engine/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "engine/arrival.h"
#include "engine/handler.h"
#include "engine/inject.h"
#include "os/ptrace.h"
#include "x86/seccomp.h"

static bool is_wanted(const struct ph_session *session)
{
	/* Nobody would be left for its calls if the tracer died. */
	if (session->policy.no_seccomp || !session->policy.exitkill)
		return false;
	return session->policy.strip_untraced || ph_handler_wanted(session, PH_EVENT_SYSCALL);
}

static int64_t call(struct ph_thread *thread, long number, const uint64_t args[6])
{
	int64_t answer;
	int r = ph_inject_syscall(thread, number, args, &answer, NULL);

	return r < 0 ? r : answer;
}

/* Without privileges the kernel takes a filter only from who has given up gaining any (seccomp(2)). */
static int64_t set_filter(struct ph_thread *thread, ph_addr program)
{
	const uint64_t args[6] = { SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program };
	int64_t r = call(thread, SYS_seccomp, args);

	if (r != -EACCES)
		return r;
	r = call(thread, SYS_prctl, (uint64_t[]){ PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0 });
	return r < 0 ? r : call(thread, SYS_seccomp, args);
}

/* struct sock_fprog and, behind it, its instructions, in memory of the target's own for as long as it takes. */
static int64_t install(struct ph_thread *thread, const struct sock_filter *insns, size_t length)
{
	struct ph_space *space = thread->process->space;
	size_t size = sizeof(struct sock_fprog) + length * sizeof(*insns);
	struct sock_fprog head = { .len = (unsigned short)length };
	int64_t r, at = call(thread, SYS_mmap, (uint64_t[]){ 0, size, PROT_READ | PROT_WRITE,
							     MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0 });

	if (at < 0)
		return at;
	head.filter = (struct sock_filter *)(uintptr_t)((uint64_t)at + sizeof(head));
	r = ph_space_write(space, thread->tid, (ph_addr)at, &head, sizeof(head), NULL);
	if (r >= 0)
		r = ph_space_write(space, thread->tid, (ph_addr)at + sizeof(head), insns, length * sizeof(*insns), NULL);
	if (r >= 0)
		r = set_filter(thread, (ph_addr)at);
	call(thread, SYS_munmap, (uint64_t[]){ (uint64_t)at, size, 0, 0, 0, 0 });
	return r;
}

/* For the calls that hooks want, and what is in the set already. */
static void install_for(struct ph_session *session, struct ph_thread *thread)
{
	struct ph_session_calls *calls = &session->calls;
	struct sock_filter *insns;
	size_t length;

	insns = calloc(PH_SECCOMP_ROOM, sizeof(*insns));
	if (!insns)
		return;
	ph_handler_union(session, &calls->filter);
	length = ph_seccomp_build(&calls->filter, insns);
	/* From the moment that it is in, munmap may be one of its calls. */
	calls->filtered = true;
	if (!length || ph_os_set_options(thread->tid, ph_trace_options(session)) < 0 ||
	    install(thread, insns, length) < 0) {
		calls->filtered = false;
		thread->options_stale = true;
	}
	free(insns);
	ph_handler_update_calls(session);
}

void ph_filter_install(struct ph_session *session)
{
	struct ph_thread *thread = ph_process_any_thread(session->target);

	if (!is_wanted(session) || !thread || thread->state != PH_THREAD_STOPPED)
		return;
	session->calls.filter = (struct ph_call_set){ 0 };
	install_for(session, thread);
}

/* One thread's filter is that thread's own, and those that it will make; of several, each would have to make the call. */
static bool has_one_thread(const struct ph_process *process)
{
	return process->threads.next != &process->threads && process->threads.next->next == &process->threads;
}

void ph_filter_install_for_end(struct ph_session *session)
{
	struct ph_thread *thread = ph_process_any_thread(session->target);

	if (!session->spawned || session->calls.filtered || session->policy.no_seccomp || !session->policy.exitkill ||
	    !thread || thread->state != PH_THREAD_STOPPED || !has_one_thread(session->target) ||
	    !ph_process_has_own_space(session->target))
		return;
	session->calls.filter = (struct ph_call_set){ 0 };
	ph_call_set_add_ends(&session->calls.filter);
	install_for(session, thread);
}
