/*
 * calls - what tests of system calls share: the ways in which they are stopped and read, hooks, and two functions of hooks:
 * pair, which holds each entry against its exit, and change, which changes what "calls uid" does.
 */
#ifndef TESTS_TRACE_CALLS_H
#define TESTS_TRACE_CALLS_H

#include "fixture.h"

#include <sys/syscall.h>

#include "engine/session.h"

/* By filter or by PTRACE_SYSCALL, and read in each of the three ways. */
struct way {
	bool no_seccomp;
	enum ph_syscall_info info;
};

static const struct way ways[] = {
	{ false, PH_SYSCALL_INFO_REGS }, { false, PH_SYSCALL_INFO_GET }, { false, PH_SYSCALL_INFO_SET },
	{ true, PH_SYSCALL_INFO_REGS },	 { true, PH_SYSCALL_INFO_GET },	 { true, PH_SYSCALL_INFO_SET },
};

/* False when this kernel has not got it. */
static inline bool go_by(struct target *target, const struct way *way)
{
	struct ph_policy policy = ph_session_policy(target->session);

	policy.no_seccomp = way->no_seccomp;
	policy.syscall_info = way->info;
	return ph_session_set_policy(target->session, &policy, NULL) == 0;
}

static inline struct target spawn_by(const char *line, bool follow, const struct way *way)
{
	struct target target = target_spawn(line, follow);

	if (!go_by(&target, way)) {
		print_message("this kernel cannot: way %d\n", way->info);
		go_by(&target, &(struct way){ way->no_seccomp, PH_SYSCALL_INFO_AUTO });
	}
	return target;
}

static inline struct ph_handler *hook(struct ph_session *session, const char *name, bool enter, bool leave, ph_event_fn fn,
			       void *user)
{
	struct ph_syscall_options options = {
		.names = &name, .n_names = name ? 1 : 0, .every = !name, .enter = enter, .leave = leave, .fn = fn, .user = user,
	};
	struct ph_handler *handler;
	struct ph_err err;
	char text[PH_ERR_MESSAGE_MAX];

	if (ph_syscall_hook_add(session, &options, &handler, &err) < 0)
		fail_msg("%s", ph_err_message(&err, text, sizeof(text)));
	ph_handler_unref(handler);
	return handler;
}

static inline bool filtered(const struct target *target)
{
	return target->session->calls.filtered;
}

#define DEPTHS 64

struct pairs {
	struct {
		pid_t tid;
		uint64_t number;
	} open[DEPTHS];
	size_t n_open;
	uint64_t entered, left, mismatched, restarted, errors;
	uint64_t by_abi[3];
	pid_t first;
	uint64_t in_others;
};

static inline struct ph_action pair(const struct ph_event *event, void *user)
{
	struct pairs *pairs = user;
	struct ph_syscall call;
	pid_t tid = ph_thread_tid(event->thread);
	size_t i;

	pairs->in_others += ph_process_pid(event->process) != pairs->first;
	if (ph_thread_syscall_get(event->thread, &call, NULL) < 0 || call.leave != event->leave) {
		pairs->errors++;
		return ACTION(PH_CONTINUE);
	}
	for (i = 0; i < pairs->n_open && pairs->open[i].tid != tid; i++)
		;
	if (!event->leave) {
		pairs->entered++;
		pairs->by_abi[call.abi]++;
		if (i == pairs->n_open && i < DEPTHS)
			pairs->n_open++;
		else
			pairs->mismatched += i == DEPTHS || pairs->open[i].number != UINT64_MAX;
		pairs->open[i].tid = tid;
		pairs->open[i].number = call.number;
		return ACTION(PH_CONTINUE);
	}
	pairs->left++;
	/*
	 * exec from a thread that is not the first: it has another id when it returns, the first one's, whose own call
	 * ended with it.
	 */
	if (call.number == SYS_execve && (i == pairs->n_open || pairs->open[i].number != SYS_execve)) {
		if (i < pairs->n_open)
			pairs->open[i].number = UINT64_MAX;
		for (i = 0; i < pairs->n_open && pairs->open[i].number != SYS_execve; i++)
			;
	}
	pairs->restarted += call.ret <= -512 && call.ret >= -516;
	if (i == pairs->n_open || pairs->open[i].number != call.number)
		pairs->mismatched++;
	else
		pairs->open[i].number = UINT64_MAX;
	return ACTION(PH_CONTINUE);
}

/* What is done to a call of "calls uid", and what the program says then. */
static inline struct ph_action change(const struct ph_event *event, void *user)
{
	int *errors = user;
	struct ph_thread *thread = event->thread;
	struct ph_syscall call;

	*errors += ph_thread_syscall_get(thread, &call, NULL) < 0;
	switch (call.number) {
	case SYS_open:		/* another result */
		if (event->leave)
			*errors += call.ret != -ENOENT || ph_thread_syscall_set_ret(thread, -EACCES, NULL) < 0;
		break;
	case SYS_getuid:	/* answered; its return is told all the same, and changed once more */
		if (!event->leave)
			*errors += ph_thread_syscall_skip(thread, 1000, NULL) < 0;
		else
			*errors += call.ret != 1000 || ph_thread_syscall_set_ret(thread, 1001, NULL) < 0;
		break;
	case SYS_geteuid:	/* another call: open("/no/such/file") through pointers that are still in place fails */
		if (!event->leave)
			*errors += ph_thread_syscall_set_number(thread, SYS_close, NULL) < 0 ||
				   ph_thread_syscall_set_arg(thread, 0, 12345, NULL) < 0;
		else
			*errors += call.ret != -EBADF;
		break;
	case SYS_getgid:	/* through the registers */
		if (event->leave) {
			struct user_regs_struct regs;

			*errors += ph_thread_regs_get(thread, &regs, NULL) < 0 || regs.rax != 0;
			*errors += ph_thread_syscall_set_ret(thread, 77, NULL) < 0;
		}
		break;
	default:
		++*errors;
	}
	return ACTION(PH_CONTINUE);
}

#endif
