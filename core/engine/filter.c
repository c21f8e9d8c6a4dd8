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

void ph_filter_install(struct ph_session *session)
{
	struct ph_thread *thread = ph_process_any_thread(session->target);
	struct ph_session_calls *calls = &session->calls;
	struct sock_filter *insns;
	size_t length;

	if (!is_wanted(session) || !thread || thread->state != PH_THREAD_STOPPED)
		return;
	insns = calloc(PH_SECCOMP_ROOM, sizeof(*insns));
	if (!insns)
		return;
	calls->filter = (struct ph_call_set){ 0 };
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
