#include "engine/invoke.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/alone.h"
#include "engine/border.h"
#include "engine/copy.h"
#include "engine/event.h"
#include "engine/guard.h"
#include "engine/hold.h"
#include "engine/inject.h"
#include "engine/invocation.h"
#include "engine/outcome.h"
#include "engine/resume.h"
#include "engine/run.h"
#include "engine/signal.h"
#include "engine/snapshot.h"
#include "engine/trap.h"
#include "os/ptrace.h"
#include "os/wait.h"
#include "x86/xstate.h"

#define RED_ZONE   128
#define STACK_MOST 65536u	/* bytes that arguments may take there */
#define GENERAL	   6		/* arguments in general registers, and in vector registers */
#define VECTOR	   8
#define FLAG_TRAP  0x100u
#define FLAG_DIR   0x400u
#define NS_PER_MS  1000000
#define VFORK_MS   100		/* a thread that waits for its vfork child cannot be stopped */

static const char op[] = "call";

/* ---- The thread as it was */

struct before {
	struct user_regs_struct regs, wanted;	/* as the kernel has them, and as scripts left them */
	void *xstate;				/* owned */
	size_t xstate_len;
	uint64_t mask;
	int signal;				/* that it was about to be given */
	struct ph_border border;
	ph_addr errno_at;			/* 0: not known */
	int errno_is;
	struct ph_open_pass pass;
};

static int save(struct ph_thread *thread, struct before *before, struct ph_err *err)
{
	void *xstate;
	int r = ph_thread_regs_fetch(thread, err);

	if (r >= 0)
		r = ph_thread_xstate_fetch(thread, &xstate, &before->xstate_len, err);
	if (r < 0)
		return r;
	before->xstate = malloc(before->xstate_len);
	if (!before->xstate)
		return ph_err_set(err, -ENOMEM, op);
	memcpy(before->xstate, xstate, before->xstate_len);
	r = ph_os_sigmask_read(thread->tid, &before->mask);
	if (r < 0)
		return ph_err_set_in(err, r, op, thread->tid);
	before->regs = thread->fetched;
	before->wanted = thread->view.regs;
	before->signal = thread->stop_signal;
	thread->stop_signal = 0;
	thread->group_stopped = false;
	before->pass = thread->pass;
	memset(&thread->pass, 0, sizeof(thread->pass));
	return 0;
}

/* What it stood before is given from this stop, when signals can be, with what came with it; else it is sent again. */
static void give_signal_back(struct ph_thread *thread, const struct before *before)
{
	siginfo_t now;
	bool known = before->border.info.si_signo == before->signal;

	if (!before->signal)
		return;
	if (ph_os_siginfo_read(thread->tid, &now) >= 0 && !(now.si_signo == SIGTRAP && now.si_code >> 8)) {
		thread->stop_signal = before->signal;
		if (known)
			ph_os_siginfo_write(thread->tid, &before->border.info);
		return;
	}
	now = (siginfo_t){ .si_signo = before->signal, .si_code = SI_USER };
	ph_signal_repeat(thread, known ? &before->border.info : &now);
}

static void restore(struct ph_thread *thread, struct before *before, bool stays)
{
	ph_thread_end_pass(thread);
	thread->pass = before->pass;
	if (ph_os_xstate_write(thread->tid, before->xstate, before->xstate_len) < 0 ||
	    ph_os_sigmask_write(thread->tid, before->mask) < 0 || ph_os_regs_write(thread->tid, &before->regs) < 0)
		return;
	thread->xstate_have = thread->xstate_dirty = false;
	thread->fetched = before->regs;
	thread->view.regs = before->wanted;
	thread->view.have = 1;
	thread->view.dirty = PH_DIRTY_ANY;
	thread->left_copy = 0;
	thread->trapped = 0;
	if (before->errno_at)
		ph_space_write(thread->process->space, thread->tid, before->errno_at, &before->errno_is,
			       sizeof(before->errno_is), NULL);
	give_signal_back(thread, before);
	ph_signal_resend(thread);
	/* Another call follows at once; otherwise it finds itself stopped again when it goes on. */
	thread->group_stopped = before->border.regroup && stays;
	if (before->border.regroup && !stays)
		ph_os_interrupt(thread->tid);
	if (before->border.pending)
		ph_thread_set_pending(thread, before->border.pending);
	if (ph_guard_is_due(thread->process))
		thread->unguarded = true;
}

/* ---- Arguments */

struct frame {
	ph_addr rsp;		/* as the function finds it, behind the return address */
	uint8_t *bytes;		/* owned: from there up */
	size_t len;
	uint64_t general[GENERAL];
	double vector[VECTOR];
	unsigned int n_general, n_vector;
};

static size_t round_up(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static bool is_on_stack(const struct ph_argument *argument, const struct frame *frame)
{
	return argument->kind == PH_ARGUMENT_DOUBLE ? frame->n_vector == VECTOR : frame->n_general == GENERAL;
}

static uint64_t word_of(const struct ph_argument *argument)
{
	uint64_t word;

	if (argument->kind == PH_ARGUMENT_DOUBLE)
		memcpy(&word, &argument->number, sizeof(word));
	else
		word = argument->kind == PH_ARGUMENT_BYTES ? argument->at : argument->value;
	return word;
}

/* Bytes get their places first, from the top down; then come the words that no register holds, the return address last. */
static int lay_out(struct ph_argument *args, size_t n, ph_addr rsp, ph_addr back, struct frame *frame, struct ph_err *err)
{
	size_t pool = 0, n_words = 0, words_at;
	struct frame count = { 0 };
	ph_addr top;

	*frame = count;
	for (size_t i = 0; i < n; i++) {
		if (args[i].kind == PH_ARGUMENT_BYTES && (args[i].len > STACK_MOST || (pool += round_up(args[i].len)) > STACK_MOST))
			return ph_err_say(err, -E2BIG, op, "strings and buffers of more than %u bytes do not fit on the stack; use mem.alloc "
					  "and mem.write, and pass the address", STACK_MOST);
		if (is_on_stack(&args[i], &count))
			n_words++;
		else if (args[i].kind == PH_ARGUMENT_DOUBLE)
			count.n_vector++;
		else
			count.n_general++;
	}
	top = ((rsp - RED_ZONE) & ~(ph_addr)15) - pool;
	words_at = 8;
	frame->len = 8 + round_up(n_words * 8) + pool;
	frame->rsp = top - (frame->len - pool);
	frame->bytes = calloc(1, frame->len);
	if (!frame->bytes)
		return ph_err_set(err, -ENOMEM, op);
	memcpy(frame->bytes, &back, sizeof(back));
	for (size_t i = 0; i < n; i++) {
		struct ph_argument *argument = &args[i];
		uint64_t word;

		if (argument->kind == PH_ARGUMENT_BYTES) {
			memcpy(frame->bytes + (top - frame->rsp), argument->bytes, argument->len);
			argument->at = top;
			top += round_up(argument->len);
		}
		word = word_of(argument);
		if (is_on_stack(argument, frame)) {
			memcpy(frame->bytes + words_at, &word, sizeof(word));
			words_at += 8;
		} else if (argument->kind == PH_ARGUMENT_DOUBLE) {
			frame->vector[frame->n_vector++] = argument->number;
		} else {
			frame->general[frame->n_general++] = word;
		}
	}
	return 0;
}

static int put_vectors(struct ph_thread *thread, const struct frame *frame, struct ph_err *err)
{
	void *area;
	size_t len;
	int r = frame->n_vector ? ph_thread_xstate_fetch(thread, &area, &len, err) : 0;

	for (unsigned int i = 0; i < frame->n_vector && r >= 0; i++) {
		struct ph_xreg reg = { .kind = PH_XREG_VECTOR, .index = (uint8_t)i, .size = 16 };
		double value[2] = { frame->vector[i], 0 };

		r = ph_xreg_set(ph_xstate_layout(), area, len, &reg, value);
		if (r < 0)
			return ph_err_set_in(err, r, op, thread->tid);
		ph_thread_xstate_set_dirty(thread);
	}
	return r;
}

/* By the calling convention of x86-64; al says how many vector registers a variadic function has to look at. */
static int put_frame(struct ph_thread *thread, ph_addr function, const struct frame *frame, struct ph_err *err)
{
	struct user_regs_struct *regs = &thread->view.regs;
	unsigned long long *const general[GENERAL] = { &regs->rdi, &regs->rsi, &regs->rdx, &regs->rcx, &regs->r8, &regs->r9 };
	int r = ph_space_write(thread->process->space, thread->tid, frame->rsp, frame->bytes, frame->len, err);

	if (r < 0)
		return ph_err_wrap(err, r, "put arguments on the stack");
	for (unsigned int i = 0; i < frame->n_general; i++)
		*general[i] = frame->general[i];
	regs->rax = frame->n_vector;
	regs->rsp = frame->rsp;
	regs->rip = function;
	regs->orig_rax = (uint64_t)-1;
	regs->eflags &= ~(unsigned long long)(FLAG_TRAP | FLAG_DIR);
	thread->view.dirty = PH_DIRTY_ANY;
	return put_vectors(thread, frame, err);
}

static int take_buffers_back(struct ph_thread *thread, const struct ph_argument *args, size_t n, struct ph_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++)
		if (args[i].kind == PH_ARGUMENT_BYTES && args[i].back)
			r = ph_space_read(thread->process->space, thread->tid, args[i].at, args[i].back, args[i].len, err);
	return r;
}

/* ---- Running */

static bool is_over(void *user)
{
	const struct ph_thread *thread = user;

	return thread->state == PH_THREAD_EXITING || thread->state == PH_THREAD_ENDED ||
	       thread->invocation->state != PH_INVOCATION_RUNS;
}

/* While it waits for a vfork child of its own it can be put back nowhere. */
static int run_until_over(struct ph_thread *thread, int64_t deadline, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	int r = ph_run_until(session, is_over, thread, deadline, err);

	while (r == -ETIMEDOUT && thread->in_vfork && thread->state == PH_THREAD_RUNNING)
		r = ph_run_until(session, is_over, thread, ph_os_now() + VFORK_MS * (int64_t)NS_PER_MS, err);
	return r;
}

/* Stopped at a place of the program, with what came meanwhile still to come: the call is given up. */
static void stop(struct ph_thread *thread)
{
	struct ph_border unused = { 0 };

	if (thread->state == PH_THREAD_STOPPED && ph_thread_has_pending(thread))
		ph_border_put_pending_aside(thread, op, &unused, NULL);
}

/* From outside the session's run: it is one, for as long as the call takes. */
static int run_as_session(struct ph_thread *thread, int64_t deadline, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	int r;

	session->failure = (struct ph_err){ 0 };
	ph_session_set_outcome(session, (struct ph_reason){ 0 });
	session->in_run = session->was_run = true;
	ph_resume_session(session);
	r = run_until_over(thread, deadline, err);
	if (!session->ended) {
		ph_hold_session(session);
		ph_trap_take_queued(session);
	}
	session->in_run = false;
	return r;
}

static int run_within(struct ph_thread *thread, int64_t deadline, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct ph_space *space = thread->process->space;
	int r;

	ph_resume(thread);
	r = run_until_over(thread, deadline, err);
	if (thread->state == PH_THREAD_RUNNING && !session->ended) {
		ph_hold_space(session, space, NULL);
		thread->held = false;
		session->has_held = session->in_run;
	}
	return r;
}

/* ---- How it ended */

static int say_crash(const struct ph_invocation *invocation, const struct ph_thread *thread, ph_addr at,
		     struct ph_err *err)
{
	const siginfo_t *info = &invocation->info;
	bool has_addr = info->si_code > 0 && info->si_code != SI_KERNEL && info->si_signo != SIGTRAP;
	char of[40] = "";

	if (has_addr)
		snprintf(of, sizeof(of), " (address 0x%llx)", (unsigned long long)(uintptr_t)info->si_addr);
	return ph_err_say(err, -EFAULT, op, "the function raised SIG%s%s at 0x%llx; thread %d is where it was before",
			  sigabbrev_np(info->si_signo), of, (unsigned long long)at, thread->tid);
}

/* Nothing was returned; r is why, or 0. */
static int say_why(const struct ph_thread *thread, const struct ph_invocation *invocation, ph_addr at, int r,
		   struct ph_err *err)
{
	const struct ph_session *session = thread->process->session;

	switch (invocation->state) {
	case PH_INVOCATION_CRASHED:
		return say_crash(invocation, thread, at, err);
	case PH_INVOCATION_LEFT:
		return ph_err_say(err, -EFAULT, op, "the function did not return but left, by longjmp or an exception; thread %d "
				  "stands where that led it", thread->tid);
	case PH_INVOCATION_REPLACED:
		return ph_err_say(err, -ESRCH, op, "the function replaced the program by another one");
	case PH_INVOCATION_RUNS:
	case PH_INVOCATION_RETURNED:
		break;
	}
	if (thread->state != PH_THREAD_STOPPED)
		return ph_err_say(err, -ESRCH, op, "thread %d ended in the function", thread->tid);
	if (r == -ETIMEDOUT)
		return ph_err_say(err, -ETIMEDOUT, op, "the function took too long; thread %d is where it was before, but what it "
				  "did stays, and a lock that it took stays taken", thread->tid);
	if (r < 0)
		return r;
	if (session->failure.code)
		return ph_err_set(err, -ECANCELED, "run hook");
	return ph_err_say(err, -EINTR, op, "a hook ended the run while the function ran; thread %d is where it was before",
			  thread->tid);
}

static int take_result(struct ph_thread *thread, const struct ph_argument *args, size_t n, bool wants_number,
		       struct ph_call_result *ret, struct ph_err *err)
{
	struct ph_xreg reg = { .kind = PH_XREG_VECTOR, .index = 0, .size = 16 };
	struct ph_call_result result = { .rax = thread->view.regs.rax };
	double value[2] = { 0 };
	void *area;
	size_t len;
	int r = take_buffers_back(thread, args, n, err);

	if (r >= 0 && wants_number) {
		r = ph_thread_xstate_fetch(thread, &area, &len, err);
		if (r >= 0)
			r = ph_xreg_get(ph_xstate_layout(), area, len, &reg, value);
	}
	result.xmm0 = value[0];
	if (r >= 0)
		*ret = result;
	return r;
}

/* It cannot be put back where it was: what it stood in the middle of is no more. */
static void leave_it(struct ph_thread *thread, struct before *before)
{
	ph_breakpoint_unref(before->pass.breakpoint);
	if (thread->state == PH_THREAD_STOPPED) {
		give_signal_back(thread, before);
		ph_signal_resend(thread);
	}
}

/* The function runs on a thread that is ready and saved. */
static int run_call(struct ph_thread *thread, struct before *before, const struct frame *frame, ph_addr back,
		    struct ph_argument *args, size_t n, const struct ph_call_options *options,
		    struct ph_call_result *ret, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct ph_invocation invocation = { .outer = thread->invocation, .back = back, .rsp = frame->rsp + 8,
					    .quiet = options->no_hooks, .passes_stops = before->border.regroup };
	int64_t deadline = options->timeout_ms < 0 ? PH_WAIT_FOREVER : ph_os_now() + options->timeout_ms * NS_PER_MS;
	bool nested = session->in_run, detach = false;
	ph_addr at = 0;
	int r;

	thread->invocation = &invocation;
	r = nested ? run_within(thread, deadline, err) : run_as_session(thread, deadline, err);
	thread->invocation = invocation.outer;
	detach = !nested && !session->ended && session->outcome.kind == PH_REASON_DETACH;
	if (!session->ended)
		ph_session_select(session, thread);
	if (thread->state != PH_THREAD_STOPPED || invocation.state == PH_INVOCATION_REPLACED ||
	    invocation.state == PH_INVOCATION_LEFT) {
		leave_it(thread, before);
		return say_why(thread, &invocation, 0, r, err);
	}
	stop(thread);
	if (ph_thread_regs_fetch(thread, NULL) >= 0)
		at = thread->view.regs.rip;
	r = invocation.state == PH_INVOCATION_RETURNED ? take_result(thread, args, n, options->wants_number, ret, err) :
							 say_why(thread, &invocation, at, r, err);
	restore(thread, before, options->keeps_errno);
	if (detach)
		ph_session_detach(session, session->wants_detach_stopped, NULL);
	return r;
}

/* ---- errno */

/*
 * The C library keeps it in the thread's own block, at the same distance from its begin in every thread. Asked for once
 * in a space, by the function that programs use.
 */
static ph_addr errno_of(struct ph_thread *thread)
{
	struct ph_space *space = thread->process->space;
	const struct ph_call_options quiet = { .timeout_ms = 1000, .no_hooks = true, .keeps_errno = true };
	struct ph_session *session = thread->process->session;
	struct ph_call_result result;
	ph_addr function, base;

	if (ph_thread_regs_fetch(thread, NULL) < 0 || !thread->view.regs.fs_base)
		return 0;
	base = thread->view.regs.fs_base;
	if (!space->errno_asked) {
		space->errno_asked = true;
		if ((ph_session_resolve(session, "__errno_location", &function, NULL) >= 0 ||
		     ph_session_resolve(session, "libc!__errno_location", &function, NULL) >= 0) &&
		    ph_thread_call(thread, function, NULL, 0, &quiet, &result, NULL) >= 0)
			space->errno_offset = (int64_t)(result.rax - base);
	}
	return space->errno_offset ? base + (ph_addr)space->errno_offset : 0;
}

static void note_errno(struct ph_thread *thread, struct before *before, ph_addr at)
{
	if (at && ph_space_read(thread->process->space, thread->tid, at, &before->errno_is, sizeof(before->errno_is), NULL) >= 0)
		before->errno_at = at;
}

/* Mapping memory for it would send the signal that the thread stands before once more. */
static int find_trap(struct ph_thread *thread, ph_addr *ret, struct ph_err *err)
{
	int sig = thread->stop_signal, r;

	thread->stop_signal = 0;
	r = ph_copy_return_trap(thread, ret, err);
	thread->stop_signal = sig;
	return r;
}

/* ---- What scripts use */

int ph_thread_call(struct ph_thread *thread, ph_addr function, struct ph_argument *args, size_t n,
		   const struct ph_call_options *options, struct ph_call_result *ret, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct before before = { 0 };
	struct frame frame = { 0 };
	ph_addr back, errno_at = 0;
	bool is_back = false;
	int r = ph_session_check(session, op, err);

	if (r < 0)
		return r;
	if (session->in_run && ph_session_is_done(session))
		return ph_err_say(err, -EINTR, op, "the run is about to end: call before the action that ends it, or after it");
	/* Kept: what the function does may end it. */
	ph_thread_ref(thread);
	r = ph_border_reach(thread, op, &before.border, err);
	if (r >= 0) {
		errno_at = options->keeps_errno ? 0 : errno_of(thread);
		r = find_trap(thread, &back, err);
	}
	if (r >= 0)
		r = save(thread, &before, err);
	if (r >= 0) {
		note_errno(thread, &before, errno_at);
		r = lay_out(args, n, thread->view.regs.rsp, back, &frame, err);
		if (r >= 0)
			r = put_frame(thread, function, &frame, err);
		if (r >= 0)
			r = run_call(thread, &before, &frame, back, args, n, options, ret, err);
		else
			restore(thread, &before, false);
		is_back = true;
	}
	ph_border_return(thread, &before.border, !is_back);
	free(before.xstate);
	free(frame.bytes);
	ph_thread_unref(thread);
	return r;
}

int ph_invoke_syscall(struct ph_thread *thread, long number, struct ph_argument *args, size_t n, int64_t *ret,
		      struct ph_err *err)
{
	struct ph_border border = { 0 };
	struct frame frame = { 0 };
	uint64_t values[GENERAL] = { 0 };
	int r = ph_session_check(thread->process->session, op, err);

	if (r < 0)
		return r;
	ph_thread_ref(thread);
	r = ph_border_reach(thread, op, &border, err);
	if (r >= 0)
		r = ph_thread_regs_fetch(thread, err);
	if (r >= 0)
		r = lay_out(args, n, thread->view.regs.rsp, 0, &frame, err);
	if (r >= 0 && frame.len > 16)
		r = ph_space_write(thread->process->space, thread->tid, frame.rsp, frame.bytes, frame.len, err);
	for (size_t i = 0; i < n && r >= 0; i++)
		values[i] = word_of(&args[i]);
	if (r >= 0) {
		ph_snapshot_note_call(thread->process->session);
		r = ph_inject_syscall(thread, number, values, ret, err);
	}
	if (r >= 0)
		r = take_buffers_back(thread, args, n, err);
	ph_border_return(thread, &border, true);
	free(frame.bytes);
	ph_thread_unref(thread);
	return r;
}
