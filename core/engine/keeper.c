#include "engine/keeper.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/inject.h"
#include "os/procfs.h"
#include "os/ptrace.h"
#include "os/vm.h"
#include "os/wait.h"

#define OPTIONS (PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)

#define PADDING 9	/* of e_ident: bytes of the vDSO that mean nothing, in memory that may be executed (elf(5)) */
static const uint8_t loop_insn[2] = { 0xeb, 0xfe };	/* jmp to itself */

/* What a thread gets back. */
struct record {
	pid_t tid, tgid;
	int signal;
	uint64_t mask;
	siginfo_t info;
	struct user_regs_struct regs;
};

struct batch {
	uint64_t loop;		/* where they wait */
	uint64_t word;		/* what stood there */
	size_t count;
};

/* ---- Both sides */

static int write_all(int fd, const void *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		bytes = (const char *)bytes + n;
		length -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = read(fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		bytes = (char *)bytes + n;
		length -= (size_t)n;
	}
	return 0;
}

/* Out of the loop: as it was, and stopped. *ret_stop is how. A thread that is gone needs nothing. */
static int take_back(const struct record *record, struct ph_stop *ret_stop)
{
	int status, r = ph_os_seize(record->tid, OPTIONS);

	if (r < 0)
		return r;
	ph_os_interrupt(record->tid);
	r = ph_os_wait_one(record->tid, &status);
	if (r < 0)
		return r;
	*ret_stop = ph_stop_decode(status);
	if (!WIFSTOPPED(status))
		return -ESRCH;
	r = ph_os_regs_write(record->tid, &record->regs);
	if (r >= 0)
		r = ph_os_sigmask_write(record->tid, record->mask);
	return r;
}

/* ---- The keeper's side: nothing but system calls, and memory of its own */

struct kept {
	struct record *records;		/* of those whose signal is still to come */
	size_t count;
};

static void go(pid_t tid, struct ph_stop stop, int sig)
{
	if (stop.kind == PH_STOP_GROUP)
		ph_os_listen(tid);
	else
		ph_os_cont(tid, sig);
}

static bool keep_waiting_signal(struct kept *kept, const struct record *record)
{
	struct record *wider = reallocarray(kept->records, kept->count + 1, sizeof(*wider));

	if (!wider)
		return false;
	kept->records = wider;
	kept->records[kept->count++] = *record;
	return true;
}

/* The signal that the thread stood before when it was handed over comes again, sent by us: it gets its own siginfo. */
static void restore_siginfo(struct kept *kept, pid_t tid, int sig)
{
	siginfo_t info;

	for (size_t i = 0; i < kept->count; i++) {
		const struct record *record = &kept->records[i];

		if (record->tid != tid || record->signal != sig)
			continue;
		if (ph_os_siginfo_read(tid, &info) < 0 || info.si_code != SI_TKILL || info.si_pid != getpid())
			continue;
		ph_os_siginfo_write(tid, &record->info);
		kept->records[i] = kept->records[--kept->count];
		return;
	}
}

/* A child without a tracer would find the filter's calls failing. */
static void strip_untraced(pid_t tid)
{
	struct ph_os_call call;
	const struct ph_abi_clones *clones;
	uint64_t flags;
	size_t done;
	int fd;

	if (ph_os_call_read(tid, PH_OS_CALL_BY_REGS, PH_OS_CALL_SECCOMP, &call) < 0)
		return;
	clones = &ph_abi_clones[ph_abi_of(call.arch, call.number)];
	if (call.number == clones->clone && (call.args[0] & CLONE_UNTRACED)) {
		call.args[0] &= ~(uint64_t)CLONE_UNTRACED;
		ph_os_call_write(tid, PH_OS_CALL_BY_REGS, &call, PH_OS_CALL_ARG(0));
	}
	if (call.number != clones->clone3)
		return;
	fd = ph_os_vm_open(tid);
	if (fd < 0)
		return;
	if (ph_os_vm_read(tid, fd, call.args[0], &flags, sizeof(flags), &done) >= 0 && (flags & CLONE_UNTRACED)) {
		flags &= ~(uint64_t)CLONE_UNTRACED;
		ph_os_vm_write(tid, fd, call.args[0], &flags, sizeof(flags), &done);
	}
	close(fd);
}

static void pass(struct kept *kept, pid_t tid, int status)
{
	struct ph_stop stop = ph_stop_decode(status);
	int sig = 0;

	if (!WIFSTOPPED(status))
		return;
	if (stop.kind == PH_STOP_SIGNAL || stop.kind == PH_STOP_TRAP) {
		sig = stop.value;
		restore_siginfo(kept, tid, sig);
	} else if (stop.kind == PH_STOP_SECCOMP) {
		strip_untraced(tid);
	}
	go(tid, stop, sig);
}

/* One process's threads. They run only when all have theirs back, and the loop is gone. */
static int take_batch(struct kept *kept, int fd)
{
	struct record *records;
	struct ph_stop *stops;
	struct batch batch;
	size_t good = 0;
	pid_t any = 0;
	int r = read_all(fd, &batch, sizeof(batch));

	if (r < 0)
		return r;
	records = calloc(batch.count, sizeof(*records));
	stops = calloc(batch.count, sizeof(*stops));
	if (!records || !stops || read_all(fd, records, batch.count * sizeof(*records)) < 0)
		_exit(1);
	for (; good < batch.count; good++) {
		r = take_back(&records[good], &stops[good]);
		if (r < 0 && r != -ESRCH)
			break;
		if (r < 0)
			records[good].tid = 0;
		else
			any = records[good].tid;
	}
	if (any && good == batch.count)
		ph_os_word_write(any, batch.loop, batch.word);
	for (size_t i = 0; i < good; i++) {
		if (!records[i].tid)
			continue;
		if (records[i].signal && keep_waiting_signal(kept, &records[i]))
			syscall(SYS_tgkill, records[i].tgid, records[i].tid, records[i].signal);
		go(records[i].tid, stops[i], 0);
	}
	free(records);
	free(stops);
	return write_all(fd, &good, sizeof(good));
}

static void wake(int sig)
{
	(void)sig;
}

/* Until nothing more comes: either a batch, or a stop of somebody whom we have. */
static void serve_both(struct kept *kept, int fd)
{
	sigset_t chld, none;
	int status, tid;

	signal(SIGCHLD, wake);
	sigemptyset(&none);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	for (;;) {
		struct pollfd poll = { .fd = fd, .events = POLLIN };

		while ((tid = ph_os_wait_any(0, &status)) > 0)
			pass(kept, tid, status);
		/* A stop between the look and the sleep leaves SIGCHLD pending, which ends the sleep. */
		if (ppoll(&poll, 1, NULL, &none) > 0 && take_batch(kept, fd) < 0)
			break;
	}
	close(fd);
}

static void __attribute__((noreturn)) keep(int fd)
{
	struct kept kept = { 0 };
	int null, status, tid;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	/* No terminal's signals, no folder, no file of ours. */
	setsid();
	if (chdir("/") < 0)
		_exit(1);
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(fd, 3);
	close_range(4, ~0u, 0);
	prctl(PR_SET_NAME, "ptracehook-keep");
	serve_both(&kept, 3);
	while ((tid = ph_os_wait_any(PH_WAIT_FOREVER, &status)) > 0 || tid == -EINTR)
		if (tid > 0)
			pass(&kept, tid, status);
	_exit(0);
}

/* ---- The tracer's side */

int ph_keeper_open(struct ph_keeper *keeper)
{
	int pair[2], status;
	sigset_t all, old;
	pid_t middle;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* No handler of ours may run in it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	middle = fork();
	if (middle == 0) {
		pid_t pid = fork();

		if (pid == 0)
			keep(pair[1]);
		_exit(write_all(pair[1], &pid, sizeof(pid)) < 0 || pid < 0);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(pair[1]);
	while (middle > 0 && waitpid(middle, &status, 0) < 0 && errno == EINTR)
		;
	if (middle < 0 || read_all(pair[0], &keeper->pid, sizeof(keeper->pid)) < 0 || keeper->pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	keeper->fd = pair[0];
	return 0;
}

void ph_keeper_close(struct ph_keeper *keeper)
{
	if (keeper->fd >= 0)
		close(keeper->fd);
	keeper->fd = -1;
}

/* Yama lets only ancestors trace, and those whom the tracee itself names (Documentation/admin-guide/LSM/Yama.rst). */
static void permit(struct ph_keeper *keeper, struct ph_thread *thread)
{
	int64_t answer;

	if (ph_os_number_read("/proc/sys/kernel/yama/ptrace_scope") == 1)
		ph_inject_syscall(thread, SYS_prctl,
				  (uint64_t[]){ PR_SET_PTRACER, (uint64_t)keeper->pid, 0, 0, 0, 0 }, &answer, NULL);
}

/* By a descriptor of its own: an exec that nobody has dispatched yet has left the space behind. */
static bool write_loop(pid_t tid, struct batch *batch)
{
	int fd = ph_os_vm_open(tid);
	bool good = false;
	uint64_t at;
	size_t done;

	if (fd < 0)
		return false;
	if (ph_os_auxv_read(tid, AT_SYSINFO_EHDR, &at) >= 0) {
		batch->loop = at + PADDING;
		good = ph_os_vm_read(tid, fd, batch->loop, &batch->word, sizeof(batch->word), &done) >= 0 &&
		       ph_os_vm_write(tid, fd, batch->loop, loop_insn, sizeof(loop_insn), &done) >= 0;
	}
	close(fd);
	return good;
}

/* Into the loop. False: it was killed. */
static bool lead_away(struct ph_thread *thread, ph_addr loop, struct record *ret)
{
	struct user_regs_struct waiting;

	*ret = (struct record){ .tid = thread->tid, .tgid = thread->process->pid, .signal = thread->stop_signal };
	if (ret->signal && ph_os_siginfo_read(thread->tid, &ret->info) < 0)
		ret->info = (siginfo_t){ .si_signo = ret->signal };
	if (ph_thread_regs_flush(thread, NULL) < 0 || ph_os_regs_read(thread->tid, &ret->regs) < 0 ||
	    ph_os_sigmask_read(thread->tid, &ret->mask) < 0)
		return false;
	waiting = ret->regs;
	waiting.rip = loop;
	waiting.orig_rax = (uint64_t)-1;
	return ph_os_regs_write(thread->tid, &waiting) >= 0 && ph_os_sigmask_write(thread->tid, UINT64_MAX) >= 0 &&
	       ph_os_detach(thread->tid, 0) >= 0;
}

/* The keeper may not, or is not there: back to the program, without a tracer. */
static void release(const struct record *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ph_stop stop;

		if (take_back(&records[i], &stop) >= 0)
			ph_os_detach(records[i].tid, records[i].signal);
	}
}

static size_t count_stopped(const struct ph_process *process)
{
	struct ph_thread *thread;
	size_t n = 0;

	ph_list_each(thread, &process->threads, struct ph_thread, in_process)
		n += thread->state == PH_THREAD_STOPPED;
	return n;
}

size_t ph_keeper_take(struct ph_keeper *keeper, struct ph_process *process)
{
	struct ph_thread *thread, *any = ph_process_any_thread(process);
	size_t room = count_stopped(process), good = 0;
	struct record *records = calloc(room ? room : 1, sizeof(*records));
	struct batch batch = { 0 };

	if (!any || any->state != PH_THREAD_STOPPED || !records) {
		free(records);
		return 0;
	}
	permit(keeper, any);
	if (any->state != PH_THREAD_STOPPED || !write_loop(any->tid, &batch)) {
		free(records);
		return 0;
	}
	ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
		if (thread->state != PH_THREAD_STOPPED)
			continue;
		if (!lead_away(thread, batch.loop, &records[batch.count])) {
			thread->state = PH_THREAD_EXITING;
			continue;
		}
		batch.count++;
		ph_thread_retire(thread);
	}
	if (write_all(keeper->fd, &batch, sizeof(batch)) < 0 ||
	    write_all(keeper->fd, records, batch.count * sizeof(*records)) < 0 ||
	    read_all(keeper->fd, &good, sizeof(good)) < 0)
		good = 0;
	release(records + good, batch.count - good);
	free(records);
	return batch.count;
}
