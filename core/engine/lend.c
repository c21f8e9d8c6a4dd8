/*
 * A process handed to another tracer for a while (ph_thread_lend).
 *
 * The kernel hands no tracee from one tracer to the next, and one that is let go runs, unless its process is in a group
 * stop. That outlives other tracers: under one threads run as it says, and when it leaves they stop again where they
 * are (kernel/ptrace.c, __ptrace_unlink). So ours is begun before the first thread is detached, and ended by a SIGCONT,
 * which no handler sees, when all of them are ours again.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/breakpoint.h"
#include "engine/cpu.h"
#include "engine/dispatch.h"
#include "engine/hold.h"
#include "engine/inject.h"
#include "engine/life.h"
#include "engine/loader.h"
#include "engine/outcome.h"
#include "engine/patch.h"
#include "engine/run.h"
#include "engine/snapshot.h"
#include "engine/stance.h"
#include "engine/stream.h"
#include "engine/trap.h"
#include "engine/tripwire.h"
#include "engine/tsc.h"
#include "os/ended.h"
#include "os/procfs.h"
#include "os/ptrace.h"
#include "os/vm.h"
#include "os/wait.h"

#define STOP_PATIENCE_NS 2000000000	/* for threads to stop that the kernel does not let be stopped */
#define LOOK_NS 500000

/* A site that was armed, and the instruction there: a breakpoint goes back on what stands there afterwards. */
struct lifted {
	ph_addr addr;
	uint8_t insn[PH_INSN_MAX];
};

struct lent {
	struct ph_process *process;	/* counted */
	const char *op;
	struct ph_stance *stances;	/* owned */
	size_t n;
	struct lifted *lifted;		/* owned */
	size_t n_lifted;
	bool was_stopped;		/* in a group stop of its own */
	bool traps_tsc;
	bool is_permitted;		/* by us, who may trace it (Yama) */
	bool has_ended;			/* on its way out of our hands, with status */
	int status;
	struct ph_lending found;
};

static struct ph_thread *any_stopped(const struct ph_process *process)
{
	struct ph_thread *thread;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		if (thread->state == PH_THREAD_STOPPED)
			return thread;
	return NULL;
}

/* ---- Handing over */

static int check(struct ph_thread *thread, const char *op, struct ph_err *err)
{
	struct ph_process *process = thread->process;
	int r = ph_session_check(process->session, op, err);

	if (r < 0)
		return r;
	if (!process->alive || thread->state == PH_THREAD_ENDED || thread->state == PH_THREAD_EXITING)
		return ph_err_say(err, -ESRCH, op, "thread %d has ended", thread->tid);
	return 0;
}

/* Who waits in the kernel for a vfork child cannot be stopped, and that child has its memory. */
static int check_vfork(struct ph_process *process, const char *op, struct ph_err *err)
{
	struct ph_thread *thread;
	bool busy = !ph_process_has_own_space(process);

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		busy |= thread->in_vfork || thread->vforking;
	return busy ? ph_err_say(err, -EBUSY, op, "process %d is in the middle of vfork: let it go on first", process->pid) : 0;
}

static int put_aside(struct lent *lent, struct ph_err *err)
{
	struct ph_thread *thread;
	size_t room = 0;
	int r = 0;

	ph_list_each(thread, &lent->process->threads, struct ph_thread, in_process)
		room++;
	lent->stances = calloc(room, sizeof(*lent->stances));
	if (!lent->stances)
		return ph_err_set(err, -ENOMEM, lent->op);
	ph_list_each(thread, &lent->process->threads, struct ph_thread, in_process) {
		if (thread->state != PH_THREAD_STOPPED || lent->n == room)
			continue;
		lent->was_stopped |= thread->group_stopped;
		r = ph_stance_put_aside(thread, lent->op, &lent->stances[lent->n++], err);
		if (r < 0)
			break;
	}
	return r;
}

static int lift(struct lent *lent, struct ph_err *err)
{
	struct ph_space *space = lent->process->space;
	struct ph_thread *thread = ph_process_any_thread(lent->process);
	struct ph_err partly = { 0 };

	lent->lifted = calloc(space->n_sorted + 1, sizeof(*lent->lifted));
	if (!lent->lifted)
		return ph_err_set(err, -ENOMEM, lent->op);
	for (size_t i = 0; thread && i < space->n_sorted; i++) {
		struct ph_site *site = space->sorted[i];

		if (site->armed && ph_space_site_lift(space, thread->tid, site, NULL) >= 0)
			lent->lifted[lent->n_lifted++].addr = site->addr;
	}
	for (size_t i = 0; thread && i < lent->n_lifted; i++)
		ph_space_read_raw(space, thread->tid, lent->lifted[i].addr, lent->lifted[i].insn, PH_INSN_MAX, &partly);
	return 0;
}

/* Yama lets only ancestors trace, and those whom the tracee names, with their children (yama_ptracer_add). */
static void permit(struct lent *lent, bool permitted)
{
	struct ph_thread *thread = any_stopped(lent->process);
	int64_t answer = -1;

	if (!thread || (permitted ? ph_os_number_read("/proc/sys/kernel/yama/ptrace_scope") != 1 : !lent->is_permitted))
		return;
	lent->is_permitted = ph_inject_syscall(thread, SYS_prctl,
					       (uint64_t[]){ PR_SET_PTRACER, permitted ? (uint64_t)getpid() : 0, 0, 0, 0, 0 },
					       &answer, NULL) >= 0 && answer >= 0;
}

static int note_unstopped(pid_t tid, void *user)
{
	struct ph_os_status status;

	(void)user;
	return ph_os_status_read(tid, &status) >= 0 && status.state != 'T' && status.state != 'Z' && status.state != 'X';
}

/* Each of its threads takes the stop by itself. */
static void await_stop(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	int64_t end = ph_os_now() + STOP_PATIENCE_NS;

	while (ph_os_tasks_each(pid, note_unstopped, NULL) > 0 && ph_os_now() < end)
		nanosleep(&pause, NULL);
}

/* Killed while it stood still: it has an exit event to pass, and an end to be read. */
static bool await_end(struct ph_thread *thread, int *ret_status)
{
	int64_t deadline = ph_os_now() + STOP_PATIENCE_NS;

	ph_alone_die(thread);
	while (ph_os_wait_one_until(thread->tid, deadline, ret_status) > 0) {
		if (!WIFSTOPPED(*ret_status))
			return true;
		ph_alone_die(thread);
	}
	return false;
}

/* The first thread is reported when all others have ended. */
static void see_off(struct lent *lent)
{
	struct ph_stance *leader = NULL;
	int status;

	for (size_t i = 0; i < lent->n; i++) {
		struct ph_stance *stance = &lent->stances[i];

		if (stance->away || stance->thread->state != PH_THREAD_EXITING)
			continue;
		if (stance->thread->tid == lent->process->pid)
			leader = stance;
		else if (await_end(stance->thread, &status))
			ph_thread_retire(stance->thread);
	}
	if (leader)
		lent->has_ended = await_end(leader->thread, &lent->status);
}

static void detach(struct lent *lent)
{
	lent->traps_tsc = lent->process->session->traps_tsc;
	ph_tsc_release(lent->process);
	kill(lent->process->pid, SIGSTOP);
	for (size_t i = 0; i < lent->n; i++)
		ph_stance_detach(&lent->stances[i]);
	see_off(lent);
	await_stop(lent->process->pid);
}

/* ---- Taking back */

struct seizing {
	struct lent *lent;
	bool found;
	int code;	/* of a thread that lives and could not be seized */
};

static struct ph_stance *find(struct lent *lent, pid_t tid)
{
	for (size_t i = 0; i < lent->n; i++)
		if (lent->stances[i].thread->tid == tid)
			return &lent->stances[i];
	return NULL;
}

/* One on its way out cannot be seized either, unless another thread has called exec and has its number now. */
static bool is_ours(const struct ph_stance *stance, const struct ph_thread *thread)
{
	if (thread && thread->state == PH_THREAD_EXITING)
		return false;
	return stance ? stance->is_back || !stance->away : thread != NULL;
}

/* The first thread had ended, and another one has become it by exec. */
static void revive(struct ph_thread *thread)
{
	if (ph_thread_has_pending(thread))
		ph_thread_take_pending(thread);
	ph_call_drop_loans(&thread->call);
	thread->call = (struct ph_call){ 0 };
	thread->untraced.active = thread->exit_told = thread->options_stale = false;
	thread->n_deferred = 0;
	thread->process->asks_for_end = false;
	ph_thread_set_running(thread);
}

static int seize_one(pid_t tid, void *user)
{
	struct seizing *seizing = user;
	struct lent *lent = seizing->lent;
	struct ph_session *session = lent->process->session;
	struct ph_thread *thread = ph_tracer_find(session->tracer, tid);
	struct ph_stance *stance = find(lent, tid);
	bool had_ended = thread && thread->state == PH_THREAD_EXITING;
	struct ph_os_status status;
	int r;

	if (is_ours(stance, thread))
		return 0;
	r = ph_os_seize(tid, ph_trace_options(session));
	if (r < 0) {
		if (!had_ended && ph_os_status_read(tid, &status) >= 0 && status.state != 'Z' && status.state != 'X')
			seizing->code = r;
		return 0;
	}
	seizing->found = true;
	if (had_ended)
		revive(thread);
	if (stance) {
		stance->is_back = true;
		stance->thread->options_stale = false;
		return 0;
	}
	if (thread)
		return 0;
	lent->found.born++;
	return ph_thread_new(lent->process, tid, &thread);
}

static bool is_back(const struct lent *lent)
{
	struct ph_thread *thread;

	ph_list_each(thread, &lent->process->threads, struct ph_thread, in_process)
		if (thread->state == PH_THREAD_RUNNING)
			return true;
	return false;
}

/* Those that are not there any more. A first thread whose others live on has no end to be read yet. */
static void bury_gone(struct lent *lent)
{
	for (size_t i = 0; i < lent->n; i++) {
		struct ph_stance *stance = &lent->stances[i];

		if (!stance->away || stance->is_back)
			continue;
		lent->found.gone++;
		if (stance->thread->tid != lent->process->pid) {
			ph_thread_retire(stance->thread);
			continue;
		}
		stance->thread->state = PH_THREAD_EXITING;
		lent->process->asks_for_end = true;
	}
}

static int seize(struct lent *lent)
{
	struct seizing seizing = { .lent = lent };
	int r;

	do {
		seizing.found = false;
		r = ph_os_tasks_each(lent->process->pid, seize_one, &seizing);
	} while (r >= 0 && seizing.found);
	bury_gone(lent);
	return is_back(lent) ? 0 : seizing.code < 0 ? seizing.code : -ESRCH;
}

/*
 * The SIGCONT that ends our stop is taken before any handler, or a wait of the program's, sees it. One for the process
 * would be judged by its first thread, which nobody traces when it had ended: ignored, and queued for nobody.
 */
static void end_stop(struct lent *lent)
{
	struct ph_thread *thread, *first = any_stopped(lent->process);
	bool grouped = false, held;

	ph_list_each(thread, &lent->process->threads, struct ph_thread, in_process)
		grouped |= thread->group_stopped;
	if (!first || !grouped || lent->was_stopped)
		return;
	if (syscall(SYS_tgkill, lent->process->pid, first->tid, SIGCONT) < 0)
		return;
	ph_list_each(thread, &lent->process->threads, struct ph_thread, in_process)
		thread->group_stopped = false;
	held = first->held;
	ph_alone_meet(first, SIGCONT);
	first->held = held;
}

static void lower(struct lent *lent)
{
	struct ph_space *space = lent->process->space;
	struct ph_thread *thread = ph_process_any_thread(lent->process);

	for (size_t i = 0; thread && i < lent->n_lifted; i++) {
		struct lifted *lifted = &lent->lifted[i];
		struct ph_site *site = ph_space_site_find(space, lifted->addr);
		uint8_t now[PH_INSN_MAX] = { 0 };
		struct ph_err partly = { 0 };

		if (!site || (ph_space_read_raw(space, thread->tid, lifted->addr, now, sizeof(now), &partly) < 0 && !partly.done))
			continue;
		if (memcmp(now, lifted->insn, sizeof(now)) != 0) {
			site->original = now[0];
			ph_space_forget_copies(space, lifted->addr, 1);
		}
		ph_space_site_lower(space, thread->tid, site, NULL);
	}
}

static void note_moves(struct lent *lent)
{
	struct user_regs_struct now;

	for (size_t i = 0; i < lent->n; i++)
		if (lent->stances[i].is_back && ph_os_regs_read(lent->stances[i].thread->tid, &now) >= 0)
			lent->found.moved |= memcmp(&now, &lent->stances[i].regs, sizeof(now)) != 0;
}

/* The old program's threads and places are no more; what hooks wanted of their stops is void. */
static void become_another(struct lent *lent)
{
	struct ph_thread *thread = any_stopped(lent->process);

	lent->found.replaced = true;
	for (size_t i = 0; i < lent->n; i++) {
		struct ph_stance *stance = &lent->stances[i];

		stance->signal = stance->birth = 0;
		stance->owes_exit = false;
		stance->thread->rewound = true;
	}
	if (thread)
		ph_life_replace(thread);
}

static void go_on_with(struct lent *lent)
{
	struct ph_session *session = lent->process->session;

	end_stop(lent);
	note_moves(lent);
	ph_snapshot_note_call(session);
	if (ph_os_vm_is_gone(lent->process->space->fd)) {
		become_another(lent);
	} else {
		lower(lent);
		ph_loader_catch_up(lent->process);
	}
	permit(lent, false);
}

/* It ends as in a run: here, or when the callback that lent it is done. */
static void end(struct lent *lent, int status)
{
	struct ph_session *session = lent->process->session;
	struct ph_thread *leader = ph_process_leader(lent->process);
	struct ph_stop stop = ph_stop_decode(status);

	lent->found.end = (struct ph_reason){ .kind = stop.kind == PH_STOP_EXITED ? PH_REASON_EXIT : PH_REASON_SIGNAL,
					      .code = stop.value };
	ph_arrival_note(leader, status);
	if (session->in_run) {
		ph_thread_set_pending(leader, status);
		return;
	}
	ph_dispatch(leader, status);
	if (session->ended)
		ph_streams_settle(session);
}

/* Somebody else has it, or nobody knows how it ended: the session is over, and the process on its own. */
static void lose(struct lent *lent)
{
	struct ph_process *process = lent->process;
	struct ph_session *session = process->session;
	struct ph_thread *thread;

	if (session->spawned && process == session->target)
		ph_tracer_add_child(session->tracer, process->pid);
	ph_snapshots_leave(session, process, "the session has ended");
	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		ph_thread_retire(thread);
	ph_breakpoints_leave(session, process->space);
	ph_patches_leave(session, process->space);
	ph_tripwires_remove(process);
	ph_process_retire(process);
	ph_session_set_outcome(session, (struct ph_reason){ .kind = PH_REASON_DETACH });
	if (!session->in_run)
		ph_session_detach(session, false, NULL);
}

/* 1: it has ended, *ret_status is its wait status; 0: it lives; -ESRCH: it has ended. */
static int look_for_end(const struct lent *lent, int *ret_status)
{
	*ret_status = lent->status;
	return lent->has_ended ? 1 : ph_process_end_read(lent->process, ret_status);
}

static int fail_to_take(struct lent *lent, int code, struct ph_err *err)
{
	struct ph_os_status status, tracer = { .name = "?" };
	pid_t pid = lent->process->pid;

	if (ph_os_status_read(pid, &status) >= 0 && status.tracer) {
		ph_os_status_read(status.tracer, &tracer);
		ph_err_say(err, code, lent->op, "process %d is traced by process %d (%s) now, and cannot be taken back", pid,
			   status.tracer, tracer.name);
	} else {
		ph_err_say(err, code, lent->op, "process %d cannot be taken back: %s", pid, strerror(-code));
		if (!lent->was_stopped)
			kill(pid, SIGCONT);
	}
	lose(lent);
	return code;
}

static int take_back(struct lent *lent, struct ph_err *err)
{
	int status, r = look_for_end(lent, &status);

	if (r == 0 && (r = seize(lent)) >= 0) {
		ph_hold_session(lent->process->session);
		go_on_with(lent);
		return 0;
	}
	if (r == -ESRCH && (r = look_for_end(lent, &status)) == 0)
		return fail_to_take(lent, -ESRCH, err);
	if (r == 1) {
		bury_gone(lent);
		end(lent, status);
		return 0;
	}
	if (r != -ESRCH)
		return fail_to_take(lent, r, err);
	lent->found.end.kind = PH_REASON_DETACH;
	lose(lent);
	return 0;
}

/* ---- The whole */

static int lend(struct lent *lent, int (*away)(pid_t pid, void *user), void *user, struct ph_err *err)
{
	int r = put_aside(lent, err), taken;

	if (r < 0 || (r = lift(lent, err)) < 0)
		return r;
	permit(lent, true);
	detach(lent);
	r = lent->has_ended ? 0 : away(lent->process->pid, user);
	if (r < 0)
		ph_err_set(err, r, lent->op);
	taken = take_back(lent, r < 0 ? NULL : err);
	return r < 0 ? r : taken;
}

static void open_pidfd(struct ph_process *process)
{
	if (process->pidfd < 0)
		process->pidfd = ph_os_pidfd_open(process->pid);
}

static void close_pidfd(struct ph_process *process)
{
	if (process->pidfd < 0 || process->asks_for_end)
		return;
	close(process->pidfd);
	process->pidfd = -1;
}

static void retrap_tsc(struct lent *lent)
{
	struct ph_session *session = lent->process->session;

	if (!lent->traps_tsc || session->ended || !lent->process->alive)
		return;
	session->traps_tsc = false;
	ph_tsc_trap(session, true, NULL);
}

int ph_thread_lend(struct ph_thread *thread, const char *op, int (*away)(pid_t pid, void *user), void *user,
		   struct ph_lending *ret, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct lent lent = { .op = op };
	int r = check(thread, op, err);

	if (r < 0)
		return r;
	ph_session_hold(session);
	ph_hold_for_hook(session);
	ph_trap_take_queued(session);
	r = check(thread, op, err);
	if (r >= 0)
		r = check_vfork(thread->process, op, err);
	if (r >= 0) {
		ph_cpu_leave(session->tracer);
		lent.process = ph_process_ref(thread->process);
		open_pidfd(lent.process);
		r = lend(&lent, away, user, err);
		for (size_t i = 0; i < lent.n; i++)
			ph_stance_resume(&lent.stances[i]);
		retrap_tsc(&lent);
		close_pidfd(lent.process);
		free(lent.stances);
		free(lent.lifted);
		ph_process_unref(lent.process);
	}
	ph_session_drop(session);
	if (r >= 0)
		*ret = lent.found;
	return r;
}
