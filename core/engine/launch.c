#include "engine/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/alone.h"
#include "engine/arrival.h"
#include "engine/cpu.h"
#include "engine/handler.h"
#include "engine/guard.h"
#include "engine/hold.h"
#include "engine/placing.h"
#include "engine/run.h"
#include "engine/snapshot.h"
#include "engine/twin.h"
#include "image/elf.h"
#include "os/procfs.h"
#include "os/ptrace.h"
#include "os/spawn.h"
#include "os/wait.h"

#define USER_CODE_32 0x23

/* ---- Both */

/* The session's first process, with a thread that is not stopped yet. */
static int open_target(struct ph_session *session, pid_t pid, struct ph_thread **ret, struct ph_err *err)
{
	struct ph_process *process;
	struct ph_space *space;
	int r = ph_space_new(pid, &space, err);

	if (r < 0)
		return r;
	r = ph_process_new(session, pid, space, &process);
	if (r < 0) {
		ph_space_unref(space);
		return ph_err_set(err, r, "open target");
	}
	session->target = ph_process_ref(process);
	r = ph_thread_new(process, pid, ret);
	return r < 0 ? ph_err_set(err, r, "open target") : 0;
}

static int check_64_bit(struct ph_thread *thread, struct ph_err *err)
{
	int r = ph_thread_regs_fetch(thread, err);

	if (r < 0)
		return ph_err_because(err, r, PH_CAUSE_TRACE);
	if (thread->view.regs.cs != USER_CODE_32)
		return 0;
	ph_err_say(err, -ENOEXEC, "trace", "process %d runs a 32-bit program; ptracehook traces 64-bit programs only",
		   thread->process->pid);
	return ph_err_because(err, -ENOEXEC, PH_CAUSE_TRACE);
}

/* ---- Spawn */

static int not_executable(struct ph_err *err, int code, const char *path, const char *why)
{
	ph_err_say(err, code, "execute", "%s: %s", path, why);
	return ph_err_because(err, code, PH_CAUSE_EXEC);
}

/* What the file is that was not executed, or not traced: the kernel's own answers are the same for several causes. */
static int check_program(const char *path, const char *cwd, struct ph_err *err)
{
	int dir = cwd ? open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD, fd;
	char head[64] = "";
	ssize_t n = 0;

	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, head, sizeof(head));
		close(fd);
	}
	if (dir >= 0)
		close(dir);
	switch (n > 0 ? ph_elf_kind(head, (size_t)n) : PH_ELF_X86_64) {
	case PH_ELF_I386:
		ph_err_say(err, -ENOEXEC, "trace", "%s is a 32-bit program; ptracehook traces 64-bit programs only", path);
		return ph_err_because(err, -ENOEXEC, PH_CAUSE_TRACE);
	case PH_ELF_FOREIGN:
		ph_err_say(err, -ENOEXEC, "execute", "%s is a program for another machine (%s)", path,
			   ph_elf_machine_name(head, (size_t)n));
		return ph_err_because(err, -ENOEXEC, PH_CAUSE_EXEC);
	default:
		return 0;
	}
}

static const char *why_not(int code, const char *path)
{
	switch (-code) {
	case ENOENT:
		return access(path, F_OK) == 0 ? "its interpreter (after #!, or the dynamic linker) does not exist" :
						 "no such program";
	case EACCES:
		return "not executable (permission denied)";
	case ENOEXEC:
		return "not a program: neither ELF nor a script that begins with #!";
	default:
		return strerror(-code);
	}
}

static int exec_failed(struct ph_os_child *child, const char *path, const char *cwd, struct ph_err *err)
{
	const char *step = "execute";
	int code = ph_os_spawn_result(child, &step);

	if (code == 0)
		return ph_err_because(err, ph_err_say(err, -ESRCH, "execute", "%s was killed before it began", path),
				      PH_CAUSE_EXEC);
	if (strcmp(step, "execute") == 0 && code == -ENOEXEC && check_program(path, cwd, err) < 0)
		return err->code;
	if (strcmp(step, "execute") == 0)
		return not_executable(err, code, path, why_not(code, path));
	ph_err_say(err, code, step, "%s%s%s", cwd ? cwd : "", cwd ? ": " : "", strerror(-code));
	return ph_err_because(err, code, PH_CAUSE_EXEC);
}

/* Seized, let go, executed: it stands in its exec event. The child is reaped when that fails. */
static int trace_child(struct ph_session *session, struct ph_os_child *child, const char *path, const char *cwd,
		       struct ph_err *err)
{
	int status, r = ph_os_seize(child->pid, ph_trace_options(session));

	if (r < 0) {
		const char *step;

		kill(child->pid, SIGKILL);
		ph_os_wait_one(child->pid, &status);
		ph_os_spawn_result(child, &step);
		ph_err_say(err, r, "trace", "a child of ours may not be traced: a sandbox or container forbids ptrace "
			   "(it needs the ptrace system call allowed)");
		return ph_err_because(err, r, PH_CAUSE_TRACE);
	}
	ph_os_spawn_go(child);
	r = ph_alone_await_exec(child->pid, &status);
	if (r < 0 || ph_stop_decode(status).kind != PH_STOP_EXEC)
		return exec_failed(child, path, cwd, err);
	ph_os_spawn_result(child, &path);
	return 0;
}

static int open_spawned(struct ph_session *session, pid_t pid, bool ignores_trap, struct ph_err *err)
{
	struct ph_thread *thread;
	int status, r = open_target(session, pid, &thread, err);

	if (r < 0)
		return r;
	ph_thread_set_stopped(thread);
	r = check_64_bit(thread, err);
	if (r < 0)
		return r;
	r = ph_alone_run(thread, PH_ALONE_OUT, 0, &status, err);
	if (r < 0)
		return r;
	if (ph_stop_decode(status).kind != PH_STOP_INTERRUPT)
		ph_thread_set_pending(thread, status);
	session->calls.way = session->calls.best_way = ph_os_call_best_way(pid);
	ph_guard_begin_known(thread->process, ignores_trap);
	return 0;
}

static void signals_now(const struct ph_spawn_options *options, struct ph_os_spawn *ret)
{
	ret->keeps_realtime = options->keeps_realtime || !options->ignored;
	if (options->ignored) {
		ret->ignored = *options->ignored;
	} else {
		sigemptyset(&ret->ignored);
		for (int sig = 1; sig < PH_OS_REALTIME; sig++) {
			struct sigaction act;

			if (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN)
				sigaddset(&ret->ignored, sig);
		}
	}
	if (options->blocked)
		ret->blocked = *options->blocked;
	else
		sigprocmask(SIG_SETMASK, NULL, &ret->blocked);
}

static int spawn_at(struct ph_session *session, const struct ph_spawn_options *options, const char *path,
		    struct ph_err *err)
{
	struct ph_os_limit limits[RLIM_NLIMITS];
	struct ph_os_spawn spawn = { .path = path, .argv = options->argv, .cwd = options->cwd, .limits = limits,
				     .env = options->env ? options->env : environ, .no_aslr = options->no_aslr,
				     .new_session = options->new_session, .own_group = options->own_group };
	struct ph_os_child child;
	int r;

	memcpy(spawn.stdio, options->stdio, sizeof(spawn.stdio));
	if (options->n_limits > RLIM_NLIMITS)
		return ph_err_say(err, -EINVAL, "spawn", "more limits than there are kinds of them");
	for (size_t i = 0; i < options->n_limits; i++)
		limits[i] = (struct ph_os_limit){ options->limits[i].resource,
						  { options->limits[i].value, options->limits[i].value } };
	spawn.n_limits = options->n_limits;
	signals_now(options, &spawn);
	r = ph_os_spawn_clone(&spawn, &child);
	if (r < 0)
		return ph_err_set(err, r, "fork");
	r = trace_child(session, &child, path, options->cwd, err);
	if (r < 0)
		return r;
	r = open_spawned(session, child.pid, sigismember(&spawn.ignored, SIGTRAP) == 1, err);
	if (r == -ENOEXEC)
		check_program(path, options->cwd, err);
	if (r < 0 && !session->target) {
		int status;

		/* Nobody else knows of it. */
		kill(child.pid, SIGKILL);
		ph_os_wait_one(child.pid, &status);
	}
	return r;
}

static int find_program(const struct ph_spawn_options *options, char **ret, struct ph_err *err)
{
	const char *name = options->path ? options->path : options->argv[0];
	int r = ph_os_program_find(name, getenv("PATH"), ret);

	if (r >= 0)
		return r;
	return not_executable(err, r, *name ? name : "\"\"",
			      r == -ENOENT ? "no such program in $PATH; ./name means one in this folder" :
			      r == -EACCES ? "found in $PATH, but not executable (permission denied)" : strerror(-r));
}

int ph_session_spawn(struct ph_tracer *tracer, const struct ph_spawn_options *options, struct ph_session **ret,
		     struct ph_err *err)
{
	struct ph_session *session;
	char *path;
	int r;

	if (!options->argv || !options->argv[0])
		return ph_err_say(err, -EINVAL, "spawn", "no program");
	/* The child is to run where we were allowed to, not where we are. */
	ph_cpu_leave(tracer);
	r = find_program(options, &path, err);
	if (r < 0)
		return r;
	r = ph_session_new(tracer, true, &session);
	if (r >= 0) {
		session->policy.follow = options->follow;
		r = spawn_at(session, options, path, err);
		if (r < 0)
			ph_session_unref(session);
		else
			*ret = session;
	}
	free(path);
	return r;
}

/* ---- Attach */

static bool have_cap_ptrace(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & 1u << CAP_SYS_PTRACE);
}

static int refuse(pid_t pid, int code, const struct ph_os_status *status, struct ph_err *err)
{
	struct ph_os_status tracer = { .name = "?" };
	struct ph_refusal refusal = {
		.code = code, .pid = pid, .exists = status != NULL, .our_uid = geteuid(),
		.yama_scope = ph_os_number_read("/proc/sys/kernel/yama/ptrace_scope"),
		.can_ptrace = have_cap_ptrace(),
	};

	if (status) {
		refusal.is_self = status->tgid == getpid();
		refusal.is_zombie = status->state == 'Z' || status->state == 'X';
		refusal.is_kthread = status->kthread;
		refusal.uid = status->uid;
		refusal.tracer = status->tracer;
		if (status->tracer)
			ph_os_status_read(status->tracer, &tracer);
	}
	refusal.tracer_name = tracer.name;
	return ph_refusal_explain(&refusal, err);
}

struct seizing {
	struct ph_session *session;
	pid_t pid;
	bool found_new;
	int code;	/* of the first thread that could not be seized */
};

/* A thread that is gone already is no failure; one that we have is no news. */
/* Born of a seized parent, the kernel has attached it already; or it has ended meanwhile. */
static bool needs_no_seizing(pid_t tid)
{
	struct ph_os_status status;

	return ph_os_status_read(tid, &status) < 0 || status.tracer == getpid() || status.state == 'Z' || status.state == 'X';
}

static int seize_one(pid_t tid, void *user)
{
	struct seizing *seizing = user;
	struct ph_thread *thread;
	int r;

	if (ph_tracer_find(seizing->session->tracer, tid))
		return 0;
	r = ph_os_seize(tid, ph_trace_options(seizing->session));
	if (r == -ESRCH || (r == -EPERM && needs_no_seizing(tid)))
		return 0;
	if (r < 0)
		return r;
	seizing->found_new = true;
	return ph_thread_new(seizing->session->target, tid, &thread);
}

/*
 * Threads are born while we go through the list: those of a seized parent are attached by the kernel and reported
 * when their parents are held; the others are found by looking again, until a look finds none.
 */
static int seize_all(struct ph_session *session, pid_t pid)
{
	struct seizing seizing = { .session = session, .pid = pid };
	int r;

	do {
		seizing.found_new = false;
		r = ph_os_tasks_each(pid, seize_one, &seizing);
	} while (r >= 0 && seizing.found_new);
	return r;
}

static int attach_to(struct ph_session *session, pid_t pid, struct ph_err *err)
{
	struct ph_process *process;
	struct ph_thread *thread;
	struct ph_space *space;
	int r = ph_space_new(pid, &space, err);

	if (r < 0)
		return r;
	r = ph_process_new(session, pid, space, &process);
	if (r < 0) {
		ph_space_unref(space);
		return r;
	}
	session->target = ph_process_ref(process);
	r = seize_all(session, pid);
	if (r < 0)
		return r;
	ph_hold_session(session);
	thread = ph_process_any_thread(process);
	if (!thread || thread->state != PH_THREAD_STOPPED)
		return -ESRCH;
	session->calls.way = session->calls.best_way = ph_os_call_best_way(thread->tid);
	r = check_64_bit(thread, err);
	if (r >= 0)
		ph_guard_look(thread);
	return r;
}

int ph_session_attach(struct ph_tracer *tracer, pid_t pid, bool follow, struct ph_session **ret, struct ph_err *err)
{
	struct ph_os_status status;
	struct ph_session *session;
	struct ph_err why = { 0 };
	int r = pid > 0 ? ph_os_status_read(pid, &status) : -ESRCH;

	if (r < 0)
		return refuse(pid, -ESRCH, NULL, err);
	pid = status.tgid;
	if (ph_os_status_read(pid, &status) < 0)
		return refuse(pid, -ESRCH, NULL, err);
	if (status.tgid == getpid() || status.kthread || status.state == 'Z' || status.tracer)
		return refuse(pid, -EPERM, &status, err);
	r = ph_session_new(tracer, false, &session);
	if (r < 0)
		return ph_err_set(err, r, "attach");
	session->policy.follow = follow;
	r = attach_to(session, pid, &why);
	if (r >= 0) {
		*ret = session;
		return 0;
	}
	ph_session_unref(session);
	if (why.cause == PH_CAUSE_TRACE) {
		if (err)
			*err = why;
		return r;
	}
	return ph_os_status_read(pid, &status) < 0 ? refuse(pid, r, NULL, err) : refuse(pid, r, &status, err);
}

/* ---- Forks of a target that a snapshot makes */

static int open_twin(struct ph_session *session, const struct ph_snapshot *snapshot, pid_t twin, struct ph_err *err)
{
	const struct ph_rewind_thread *saved = &snapshot->rewind.all[0];
	const struct ph_session *parent = snapshot->process->session;
	struct ph_thread *thread;
	int r = open_target(session, twin, &thread, err);

	if (r < 0)
		return r;
	ph_thread_set_stopped(thread);
	thread->last_stop = PH_STOP_INTERRUPT;
	ph_space_clean_copy(snapshot->space, saved->thread->tid, session->target->space, twin);
	session->calls.way = parent->calls.way;
	session->calls.best_way = parent->calls.best_way;
	session->calls.filtered = parent->calls.filtered;
	session->calls.filter = parent->calls.filter;
	session->target->guard = snapshot->process->guard;
	session->was_run = true;
	r = ph_os_set_options(twin, ph_trace_options(session));
	if (r >= 0)
		r = ph_os_regs_write(twin, &saved->regs);
	if (r >= 0)
		r = ph_os_xstate_write(twin, saved->xstate, saved->xstate_len);
	if (r >= 0)
		r = ph_os_sigmask_write(twin, saved->mask);
	return r < 0 ? ph_err_set_in(err, r, "fork", twin) : 0;
}

int ph_snapshot_fork(struct ph_snapshot *snapshot, struct ph_session **ret, struct ph_err *err)
{
	struct ph_session *parent = snapshot->process->session, *session;
	int r = ph_snapshot_restore(snapshot, err);
	pid_t twin;

	if (r < 0)
		return r;
	r = ph_twin_make(snapshot->rewind.all[0].thread, &twin, err);
	if (r < 0)
		return r;
	r = ph_session_new(parent->tracer, true, &session);
	if (r < 0) {
		ph_alone_kill(twin);
		return ph_err_set(err, r, "fork");
	}
	session->policy = parent->policy;
	r = open_twin(session, snapshot, twin, err);
	if (r < 0) {
		ph_session_unref(session);
		return r;
	}
	*ret = session;
	return 0;
}

/* ---- Policy */

static int choose_way(struct ph_session *session, enum ph_syscall_info wanted, struct ph_err *err)
{
	static const enum ph_os_call_way ways[] = {
		[PH_SYSCALL_INFO_REGS] = PH_OS_CALL_BY_REGS,
		[PH_SYSCALL_INFO_GET] = PH_OS_CALL_BY_GET,
		[PH_SYSCALL_INFO_SET] = PH_OS_CALL_BY_SET,
	};

	if (wanted == PH_SYSCALL_INFO_AUTO) {
		session->calls.way = session->calls.best_way;
		return 0;
	}
	if (ways[wanted] > session->calls.best_way)
		return ph_err_say(err, -ENOTSUP, "set policy", "this kernel has no PTRACE_%s_SYSCALL_INFO (Linux %s)",
				  wanted == PH_SYSCALL_INFO_SET ? "SET" : "GET",
				  wanted == PH_SYSCALL_INFO_SET ? "6.16" : "5.3");
	session->calls.way = ways[wanted];
	return 0;
}

int ph_session_set_policy(struct ph_session *session, const struct ph_policy *policy, struct ph_err *err)
{
	struct ph_process *process;
	struct ph_thread *thread;
	int r = ph_session_check(session, "set policy", err);

	if (r < 0)
		return r;
	if (policy->cpu != session->policy.cpu && (r = ph_cpu_set_policy(session->tracer, policy->cpu, err)) < 0)
		return r;
	r = choose_way(session, policy->syscall_info, err);
	if (r < 0)
		return r;
	if (policy->hardware && !session->policy.hardware && (r = ph_placing_use_hardware(session, err)) < 0)
		return r;
	session->policy = *policy;
	ph_handler_update_calls(session);
	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			thread->options_stale = thread->state != PH_THREAD_STOPPED ||
						ph_os_set_options(thread->tid, ph_trace_options(session)) < 0;
	return 0;
}

pid_t ph_session_pid(const struct ph_session *session)
{
	return session->target ? session->target->pid : 0;
}
