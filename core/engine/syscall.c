#include "engine/syscall.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/handler.h"
#include "engine/outcome.h"
#include "engine/resume.h"
#include "engine/untraced.h"
#include "os/ptrace.h"
#include "x86/seccomp.h"

#define LOAN_MAX (1u << 20)
_Static_assert((int)PH_SYSCALL_I386 == (int)PH_ABI_I386 && (int)PH_SYSCALL_X32 == (int)PH_ABI_X32, "the same tables");

#define RED_ZONE 128	/* below the stack pointer, the program's own (System V ABI, 3.2.2) */

/* ---- Stops */

static bool read_call(struct ph_thread *thread, enum ph_os_call_op expected)
{
	struct ph_session *session = thread->process->session;
	struct ph_err err;
	int r = ph_os_call_read(thread->tid, session->calls.way, expected, &thread->call.read);

	if (r >= 0)
		return true;
	/* -ESRCH: killed while it was stopped. */
	if (r != -ESRCH)
		ph_session_fail(session, ph_err_set_in(&err, r, "read system call", thread->tid), &err);
	return false;
}

static void emit(struct ph_thread *thread, bool leave)
{
	struct ph_event event = ph_resume_event(thread, PH_EVENT_SYSCALL);
	struct ph_plan plan = { 0 };

	event.leave = leave;
	ph_session_select(event.session, thread);
	ph_handler_emit(event.session, &event, &plan);
	ph_resume_plan(thread, PH_EVENT_SYSCALL, &plan, NULL);
}

static void put_back(struct ph_thread *thread)
{
	struct ph_call *call = &thread->call;

	/* The last lent stands on the ones before, so they go back in the order of the list. */
	for (struct ph_call_loan *loan = call->loans; loan; loan = loan->next)
		ph_space_write(thread->process->space, thread->tid, loan->addr, loan->bytes, loan->length, NULL);
	ph_call_drop_loans(call);
}

static void show(struct ph_call *call)
{
	const struct ph_os_call *read = &call->read;

	call->number = read->number;
	call->view = (struct ph_call_view){ .number = read->number, .phase = PH_CALL_ENTER,
					    .abi = ph_abi_of(read->arch, read->number) };
	memcpy(call->view.args, read->args, sizeof(read->args));
	memcpy(call->args, read->args, sizeof(read->args));
}

/* The entry of a call that is made anew: hooks have seen it. */
static void resume_redo(struct ph_thread *thread, enum ph_os_call_op op)
{
	struct ph_call *call = &thread->call;

	call->redo.active = false;
	ph_os_sigmask_write(thread->tid, call->redo.mask);
	call->read.op = op;
	call->told = call->redo.told;
	call->wants_exit = call->redo.wants_exit;
	ph_resume(thread);
}

/* Another filter's stop, of the program's own: the call fails as it does where nobody traces. */
static void fail_call(struct ph_thread *thread)
{
	struct ph_call *call = &thread->call;

	/* No hook is asked; those that saw it enter see it return, at its exit. */
	call->read.op = PH_OS_CALL_SECCOMP;
	call->view.phase = PH_CALL_OVER;
	call->view.skipped = 1;
	call->view.ret = -ENOSYS;
	call->view.changed = PH_OS_CALL_RET;
	ph_resume(thread);
}

/* By our filter, when the entry was seen before that. */
static void on_entry_again(struct ph_thread *thread)
{
	unsigned long data;

	if (ph_os_event_message(thread->tid, &data) >= 0 && data != PH_SECCOMP_DATA)
		fail_call(thread);
	else
		ph_resume(thread);
}

static void on_entry(struct ph_thread *thread, enum ph_os_call_op expected)
{
	struct ph_session *session = thread->process->session;
	struct ph_call *call = &thread->call;
	struct ph_call_wish wish;

	if (call->redo.active) {
		resume_redo(thread, expected);
		return;
	}
	put_back(thread);
	if (!read_call(thread, expected))
		return;
	/* The kernel's own word: an exit whose entry was never told. */
	if (call->read.op == PH_OS_CALL_EXIT) {
		call->in = false;
		ph_resume(thread);
		return;
	}
	show(call);
	if (call->read.op == PH_OS_CALL_SECCOMP && call->read.data != PH_SECCOMP_DATA) {
		fail_call(thread);
		return;
	}
	wish = ph_handler_wish(session, (enum ph_abi)call->view.abi, call->number);
	if (thread->process->silent || !(wish.enter || wish.leave)) {
		ph_resume(thread);
		return;
	}
	call->told = true;
	call->serial = session->calls.next_serial;
	call->wants_exit = wish.leave;
	if (wish.enter)
		emit(thread, false);
	else
		ph_resume(thread);
}

static bool is_seen_returning(const struct ph_call *call)
{
	return call->told && call->wants_exit && !call->left;
}

static void on_exit_stop(struct ph_thread *thread)
{
	struct ph_call *call = &thread->call;
	bool told = is_seen_returning(call);

	/* Of the call that was passed over; the one that is made anew comes next. */
	if (call->redo.active) {
		ph_resume(thread);
		return;
	}
	call->wants_exit = false;
	if (call->loans)
		put_back(thread);
	ph_untraced_restore(thread);
	if (!told || !(call->owed || read_call(thread, PH_OS_CALL_EXIT))) {
		ph_resume(thread);
		return;
	}
	call->view.skipped = 0;
	ph_call_show_return(call, call->read.ret);
	emit(thread, true);
}

void ph_syscall_stopped(struct ph_thread *thread, enum ph_stop_kind kind)
{
	switch (thread->call.stop) {
	case PH_CALL_STOP_ENTRY:
		on_entry(thread, kind == PH_STOP_SECCOMP ? PH_OS_CALL_SECCOMP : PH_OS_CALL_ENTRY);
		break;
	case PH_CALL_STOP_EXIT:
		on_exit_stop(thread);
		break;
	case PH_CALL_STOP_AGAIN:
		on_entry_again(thread);
		break;
	case PH_CALL_STOP_OTHER:
		ph_resume(thread);
		break;
	}
}

bool ph_syscall_keep_exit(struct ph_thread *thread, struct ph_call *ret)
{
	struct ph_call *call = &thread->call;

	if (call->stop != PH_CALL_STOP_EXIT || call->redo.active || !is_seen_returning(call) ||
	    !(call->owed || read_call(thread, PH_OS_CALL_EXIT)))
		return false;
	*ret = *call;
	/* Put back before it leaves. */
	ret->loans = NULL;
	return true;
}

void ph_syscall_owe(struct ph_thread *thread, const struct ph_call *call)
{
	ph_call_drop_loans(&thread->call);
	thread->call = *call;
	thread->call.owed = true;
	/* The status of a stop at a call (PTRACE_O_TRACESYSGOOD). */
	ph_thread_set_pending(thread, (SIGTRAP | 0x80) << 8 | 0x7f);
}

bool ph_syscall_settle(struct ph_thread *thread)
{
	struct ph_call *call = &thread->call;

	if (call->redo.active)
		ph_os_sigmask_write(thread->tid, call->redo.mask);
	call->redo.active = false;
	if (thread->last_stop != PH_STOP_SYSCALL && thread->last_stop != PH_STOP_SECCOMP)
		return false;
	if (call->stop == PH_CALL_STOP_EXIT) {
		put_back(thread);
		ph_untraced_restore(thread);
		return false;
	}
	/* The call is passed over, and made anew by the program. */
	if (!ph_thread_rewind_call(thread))
		return false;
	call->in = false;
	return true;
}

/* ---- Hooks */

static int add_names(struct ph_call_set *set, const struct ph_syscall_options *options, struct ph_err *err)
{
	for (size_t i = 0; i < options->n_names; i++) {
		const char *name = options->names[i], *near;
		struct ph_spell spell;

		if (ph_call_set_add_name(set, name) >= 0)
			continue;
		ph_spell_init(&spell, name);
		ph_syscall_offer_all(&spell);
		near = ph_spell_result(&spell);
		return ph_err_say(err, -ENOENT, "hook system calls", "there is no system call '%.60s'%s%s%s", name,
				  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
	for (size_t i = 0; i < options->n_numbers; i++) {
		enum ph_abi abi = ph_abi_of(ph_abi_arch(PH_ABI_X86_64), options->numbers[i]);

		if ((options->numbers[i] & ~(uint64_t)PH_X32_BIT) >= PH_CALLS_MAX)
			return ph_err_say(err, -ERANGE, "hook system calls", "there is no system call %llu: numbers end "
					  "below %d", (unsigned long long)options->numbers[i], PH_CALLS_MAX);
		ph_call_set_add(set, abi, options->numbers[i]);
	}
	return 0;
}

int ph_syscall_hook_add(struct ph_session *session, const struct ph_syscall_options *options, struct ph_handler **ret,
			struct ph_err *err)
{
	struct ph_call_set *set;
	int r = ph_session_check(session, "hook system calls", err);

	if (r < 0)
		return r;
	set = calloc(1, sizeof(*set));
	if (!set)
		return ph_err_set(err, -ENOMEM, "hook system calls");
	set->all = options->every;
	r = add_names(set, options, err);
	if (r < 0) {
		free(set);
		return r;
	}
	r = ph_handler_add_calls(session, set, options->enter, options->leave, options->fn, options->user,
				 options->user_free, ret);
	return r < 0 ? ph_err_set(err, r, "hook system calls") : 0;
}

/* ---- The call that a thread stands in */

static int check_call(const struct ph_thread *thread, const char *op, struct ph_err *err)
{
	if (thread->call.view.phase != PH_CALL_OVER && thread->state == PH_THREAD_STOPPED)
		return 0;
	return ph_err_say(err, -ENOENT, op, "thread %d does not stand in a system call of a hook", thread->tid);
}

static int check_entry(const struct ph_thread *thread, const char *op, struct ph_err *err)
{
	int r = check_call(thread, op, err);

	if (r < 0)
		return r;
	if (thread->call.view.phase == PH_CALL_ENTER)
		return 0;
	return ph_err_say(err, -EINVAL, op, "the call has been made already: only its result can be changed");
}

int ph_thread_syscall_get(struct ph_thread *thread, struct ph_syscall *ret, struct ph_err *err)
{
	const struct ph_call_view *view = &thread->call.view;
	int r = check_call(thread, "read system call", err);

	if (r < 0)
		return r;
	*ret = (struct ph_syscall){ .abi = (enum ph_syscall_abi)view->abi, .number = view->number, .ret = view->ret,
				    .leave = view->phase == PH_CALL_LEAVE };
	memcpy(ret->args, view->args, sizeof(ret->args));
	return 0;
}

int ph_thread_syscall_set_number(struct ph_thread *thread, uint64_t number, struct ph_err *err)
{
	struct ph_call_view *view = &thread->call.view;
	int r = check_entry(thread, "change system call", err);

	if (r < 0)
		return r;
	view->number = number;
	view->changed |= PH_OS_CALL_NUMBER;
	return 0;
}

int ph_thread_syscall_set_arg(struct ph_thread *thread, unsigned int index, uint64_t value, struct ph_err *err)
{
	struct ph_call_view *view = &thread->call.view;
	int r = check_entry(thread, "change argument", err);

	if (r < 0)
		return r;
	if (index >= 6)
		return ph_err_say(err, -EINVAL, "change argument", "a system call has six arguments");
	view->args[index] = value;
	view->changed |= PH_OS_CALL_ARG(index);
	return 0;
}

int ph_thread_syscall_skip(struct ph_thread *thread, int64_t result, struct ph_err *err)
{
	struct ph_call_view *view = &thread->call.view;
	int r = check_entry(thread, "skip system call", err);

	if (r < 0)
		return r;
	view->ret = result;
	view->skipped = 1;
	view->changed |= PH_OS_CALL_RET;
	return 0;
}

int ph_thread_syscall_set_ret(struct ph_thread *thread, int64_t result, struct ph_err *err)
{
	struct ph_call_view *view = &thread->call.view;
	int r = check_call(thread, "change result", err);

	if (r < 0)
		return r;
	if (view->phase == PH_CALL_ENTER && !view->skipped)
		return ph_err_say(err, -EINVAL, "change result", "the call has not been made yet: skip answers it without "
				  "the kernel");
	view->ret = result;
	view->changed |= PH_OS_CALL_RET;
	return 0;
}

/* Below the red zone, and below what was lent before; aligned as the widest thing that a call takes. */
static ph_addr place_for(const struct ph_thread *thread, size_t length)
{
	ph_addr top = thread->call.loans ? thread->call.loans->addr : thread->call.read.sp - RED_ZONE;

	return length + 16 > top ? 0 : (top - length) & ~(ph_addr)15;
}

int ph_thread_syscall_set_bytes(struct ph_thread *thread, unsigned int index, const void *bytes, size_t length,
				struct ph_err *err)
{
	struct ph_space *space = thread->process->space;
	struct ph_call_loan *loan;
	ph_addr at;
	int r = check_entry(thread, "set string", err);

	if (r < 0)
		return r;
	loan = length < LOAN_MAX ? malloc(sizeof(*loan) + length) : NULL;
	at = place_for(thread, length);
	if (loan && at && thread->call.view.abi == PH_ABI_I386 && at > UINT32_MAX)
		r = -EFAULT;
	if (!loan || !at || r < 0 || ph_space_read(space, thread->tid, at, loan->bytes, length, NULL) < 0 ||
	    ph_space_write(space, thread->tid, at, bytes, length, NULL) < 0) {
		free(loan);
		return ph_err_say(err, -ENOBUFS, "set string", "there is no room for %zu bytes below the stack of thread "
				  "%d%s", length, thread->tid, r < 0 ? " that a call by int 0x80 could reach" : "");
	}
	*loan = (struct ph_call_loan){ .next = thread->call.loans, .addr = at, .length = length };
	thread->call.loans = loan;
	thread->call.wants_exit = true;
	return ph_thread_syscall_set_arg(thread, index, at, err);
}

const char *ph_syscall_name_of(enum ph_syscall_abi abi, uint64_t number)
{
	return ph_syscall_name((enum ph_abi)abi, number);
}

int64_t ph_syscall_number_of(enum ph_syscall_abi abi, const char *name)
{
	return ph_syscall_number((enum ph_abi)abi, name);
}
