/*
 * signals MODE [N]: takes signals in one way (modes: the table at the end), work(i) running in between (work.h),
 * handled() in every handler.
 * Output: "MODE COUNT" and what it saw (codes, addresses relative to labels: the same traced or not); exit 0 when
 * all was right, 1 when not.
 * Labels: own_int3, own_icebp, tf_first, tf_last; stop and tstp print "stopping", then "continued".
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#include "target.h"
#include "work.h"

static atomic_long handled_count;
static long wanted;
static atomic_long wrong;
static int last_code;
static pid_t last_pid;
static uintptr_t last_addr;
static sigjmp_buf back;
static char *alt_stack;
static int pipe_ends[2];
static pthread_t main_thread;
static atomic_long interrupted;
static atomic_bool until_interrupted;

PLACE long handled(int n)
{
	(void)n;
	return ++handled_count;
}

static void expect(bool good)
{
	wrong += !good;
}

static void on_count(int n, siginfo_t *info, void *context)
{
	(void)context;
	last_code = info->si_code;
	last_pid = info->si_pid;
	last_addr = (uintptr_t)info->si_addr;
	handled(n);
}

static void handle(int n, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&act.sa_mask);
	sigaction(n, &act, NULL);
}

static void do_work(uint64_t i)
{
	expect(work(i) == 2 * i + 1);
}

/* N raises, one after another. */
static void usr1(void)
{
	handle(SIGUSR1, on_count, 0);
	for (long i = 0; i < wanted; i++) {
		raise(SIGUSR1);
		do_work(i);
	}
	expect(handled_count == wanted);
}

/* A 1 kHz timer, work() all the while, until N ticks are handled. */
static void timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	timer_t id;
	long calls = 0;

	handle(SIGALRM, on_count, SA_RESTART);
	alarm(0);
	expect(timer_create(CLOCK_MONOTONIC, &event, &id) == 0 && timer_settime(id, 0, &every, NULL) == 0);
	while (handled_count < wanted && calls < 100000000)
		do_work(calls++);
	timer_delete(id);
	printf("work %ld\nhandled %ld\n", calls, handled_count);
}

/* The same by setitimer, with work in the handler as well; the frame names a place of the program, whatever runs. */
extern const char __executable_start[], etext[];
static volatile sig_atomic_t working;

static void on_tick(int n, siginfo_t *info, void *context)
{
	const char *rip = (const char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	/* Around the loop it may be in the C library. */
	expect(!working || (rip >= __executable_start && rip < etext));
	do_work(handled_count);
	on_count(n, info, context);
}

static void itimer(void)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	long calls = 0;

	handle(SIGALRM, on_tick, SA_RESTART);
	alarm(0);
	expect(setitimer(ITIMER_REAL, &every, NULL) == 0);
	working = true;
	while (handled_count < wanted && calls < 100000000)
		do_work(calls++);
	working = false;
	setitimer(ITIMER_REAL, &never, NULL);
	printf("work %ld\nhandled %ld\n", calls + handled_count, handled_count);
}

/* Where a trap is reported, as an offset from its one-byte instruction: 1, but 0 for icebp under some hypervisors. */
static uintptr_t trap_at;
static long trap_offset;

static void on_trap(int n, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	trap_offset = *rip - trap_at;
	expect(trap_offset == 0 || trap_offset == 1);
	*rip = trap_at + 1;
	on_count(n, info, context);
}

extern const char own_int3[], own_icebp[], blocked_int3[], tf_first[], tf_last[];

static void own_trap(void)
{
	handle(SIGTRAP, on_trap, 0);
	trap_at = (uintptr_t)own_int3;
	for (long i = 0; i < wanted; i++) {
		__asm__ volatile(".globl own_int3\nown_int3: int3" ::: "memory");
		do_work(i);
	}
	expect(handled_count == wanted);
	printf("code %d offset %ld\n", last_code, trap_offset);
}

static void icebp(void)
{
	handle(SIGTRAP, on_trap, 0);
	trap_at = (uintptr_t)own_icebp;
	for (long i = 0; i < wanted; i++) {
		__asm__ volatile(".globl own_icebp\nown_icebp: .byte 0xf1" ::: "memory");
		do_work(i);
	}
	expect(handled_count == wanted);
	printf("code %d offset %ld\n", last_code, trap_offset);
}

static void on_step(int n, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t ip = uc->uc_mcontext.gregs[REG_RIP];

	expect(ip >= (uintptr_t)tf_first && ip <= (uintptr_t)tf_last);
	if (ip == (uintptr_t)tf_last)
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
	on_count(n, info, context);
}

/* It sets TF itself: a trap after each of the four instructions from tf_first on, the handler ends it at tf_last. */
static void own_tf(void)
{
	handle(SIGTRAP, on_step, 0);
	for (long i = 0; i < wanted; i++) {
		long a;

		__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n"
				 ".globl tf_first, tf_last\n"
				 "tf_first: mov $1, %0\n\tadd $2, %0\n\tlea 3(%0), %0\n\tadd $4, %0\n"
				 "tf_last: nop"
				 : "=&r"(a)::"memory", "cc");
		expect(a == 10);
		do_work(i);
	}
	expect(handled_count == 4 * wanted);
	printf("code %d\n", last_code);
}

static void kill_trap(void)
{
	handle(SIGTRAP, on_count, 0);
	for (long i = 0; i < wanted; i++) {
		kill(getpid(), SIGTRAP);
		expect(last_code == SI_USER && last_pid == getpid());
		do_work(i);
	}
	expect(handled_count == wanted);
}

static bool trap_goes_to(void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction now;

	return sigaction(SIGTRAP, NULL, &now) == 0 && now.sa_sigaction == fn;
}

static bool trap_is_blocked(void)
{
	sigset_t now;

	return sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGTRAP);
}

static void on_usr1_at_work(int n, siginfo_t *info, void *context)
{
	expect(trap_is_blocked());
	do_work(1);
	expect(trap_is_blocked() && trap_goes_to(on_trap));
	on_count(n, info, context);
}

/* Work where SIGTRAP is blocked: in a handler that blocks everything, and in the main code. */
static void blocked_trap(void)
{
	struct sigaction act = { .sa_sigaction = on_usr1_at_work, .sa_flags = SA_SIGINFO };
	sigset_t set;

	handle(SIGTRAP, on_trap, 0);
	do_work(0);
	sigfillset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	trap_at = (uintptr_t)blocked_int3;
	for (long i = 0; i < wanted; i++) {
		raise(SIGUSR1);
		expect(trap_goes_to(on_trap) && !trap_is_blocked());
		sigprocmask(SIG_BLOCK, &set, NULL);
		do_work(i);
		expect(trap_goes_to(on_trap) && trap_is_blocked());
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		__asm__ volatile(".globl blocked_int3\nblocked_int3: int3" ::: "memory");
	}
	expect(handled_count == 2 * wanted);
}

/* kill -TRAP while it is blocked waits until it is not. */
static void pending_trap(void)
{
	sigset_t set;

	handle(SIGTRAP, on_count, 0);
	do_work(0);
	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	for (long i = 0; i < wanted; i++) {
		sigprocmask(SIG_BLOCK, &set, NULL);
		do_work(i);
		kill(getpid(), SIGTRAP);
		expect(handled_count == i);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		expect(handled_count == i + 1 && last_code == SI_USER && last_pid == getpid());
	}
}

/* Ignored by whoever started this, or from here on. */
static void ignored_trap(void)
{
	void (*ignore)(int, siginfo_t *, void *) = (void (*)(int, siginfo_t *, void *))(uintptr_t)SIG_IGN;

	handle(SIGUSR1, on_count, 0);
	if (!trap_goes_to(ignore))
		signal(SIGTRAP, SIG_IGN);
	for (long i = 0; i < wanted; i++) {
		do_work(i);
		expect(trap_goes_to(ignore));
		kill(getpid(), SIGTRAP);
		raise(SIGUSR1);
	}
	expect(handled_count == wanted);
}

/* Until SIGUSR2: work with SIGTRAP blocked, caught by on_trap: "ready" when that is set up. */
static volatile sig_atomic_t ended;

static void on_end(int n, siginfo_t *info, void *context)
{
	(void)n;
	(void)info;
	(void)context;
	ended = 1;
}

static void blocked_for_long(void)
{
	sigset_t set;
	long calls = 0;

	handle(SIGTRAP, on_trap, 0);
	handle(SIGUSR2, on_end, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	puts("ready");
	while (!ended)
		do_work(calls++);
	expect(trap_goes_to(on_trap) && trap_is_blocked());
}

static void on_rt(int n, siginfo_t *info, void *context)
{
	static long seen[2];

	expect(info->si_code == SI_QUEUE && info->si_pid == getpid());
	expect(info->si_value.sival_int == 1000 * (n - SIGRTMIN) + seen[n - SIGRTMIN]++);
	on_count(n, info, context);
}

/* N values queued while blocked, alternating between two signals; each signal's come in the order they were sent. */
static void rt(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int k = 0; k < 2; k++) {
		handle(SIGRTMIN + k, on_rt, 0);
		sigaddset(&set, SIGRTMIN + k);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (long i = 0; i < wanted; i++) {
		int k = i % 2;

		expect(sigqueue(getpid(), SIGRTMIN + k, (union sigval){ .sival_int = 1000 * k + i / 2 }) == 0);
	}
	expect(handled_count == 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	do_work(1);
	expect(handled_count == wanted);
}

static void on_alt(int n, siginfo_t *info, void *context)
{
	char here;

	expect(&here >= alt_stack && &here < alt_stack + (64 << 10));
	do_work(handled_count);
	on_count(n, info, context);
}

static void altstack(void)
{
	alt_stack = malloc(64 << 10);
	sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = 64 << 10 }, NULL);
	handle(SIGUSR1, on_alt, SA_ONSTACK);
	for (long i = 0; i < wanted; i++) {
		raise(SIGUSR1);
		do_work(i);
	}
	expect(handled_count == wanted);
}

/* Sends SIGUSR1 to the main thread, N of them or more, each when the last is handled; then a byte into its pipe. */
static void *interrupt(void *arg)
{
	for (long sent = 0; sent < wanted || (until_interrupted && !interrupted);) {
		pthread_kill(main_thread, SIGUSR1);
		sent++;
		while (handled_count < sent)
			sched_yield();
	}
	if (write(pipe_ends[1], "x", 1) != 1)
		exit(3);
	return arg;
}

/* Blocked in read: with SA_RESTART it never sees EINTR; without it, it does, when a signal finds it blocked. */
static void in_read(int flags)
{
	pthread_t t;
	char c = 0;

	handle(SIGUSR1, on_count, flags);
	main_thread = pthread_self();
	until_interrupted = flags != SA_RESTART;
	if (pipe(pipe_ends) || pthread_create(&t, NULL, interrupt, NULL))
		exit(3);
	while (read(pipe_ends[0], &c, 1) < 0 && errno == EINTR)
		interrupted++;
	pthread_join(t, NULL);
	expect(c == 'x' && handled_count >= wanted);
	expect(flags == SA_RESTART ? interrupted == 0 : interrupted > 0);
}

static void restart(void)
{
	in_read(SA_RESTART);
}

static void norestart(void)
{
	in_read(0);
}

static void on_jump(int n, siginfo_t *info, void *context)
{
	on_count(n, info, context);
	siglongjmp(back, 1);
}

static void jump_out(void)
{
	volatile long i = 0;

	handle(SIGUSR1, on_jump, 0);
	sigsetjmp(back, 1);
	while (i < wanted) {
		do_work(i++);
		raise(SIGUSR1);
	}
	expect(handled_count == wanted);
}

static void on_outer(int n, siginfo_t *info, void *context)
{
	raise(SIGUSR2);
	on_count(n, info, context);
}

static void nested(void)
{
	handle(SIGUSR1, on_outer, 0);
	handle(SIGUSR2, on_count, 0);
	for (long i = 0; i < wanted; i++) {
		raise(SIGUSR1);
		do_work(i);
	}
	expect(handled_count == 2 * wanted);
}

static void on_fault(int n, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	on_count(n, info, context);
	expect(last_addr == 0x1000 && last_code == SEGV_MAPERR);
	uc->uc_mcontext.gregs[REG_RAX] = (uintptr_t)&wanted;
}

static void fault(void)
{
	handle(SIGSEGV, on_fault, 0);
	for (long i = 0; i < wanted; i++) {
		long a = 0x1000;

		__asm__ volatile("mov (%0), %0" : "+a"(a));
		expect(a == wanted);
		do_work(i);
	}
	expect(handled_count == wanted);
}

/* Four threads that signal one another while they work. */
enum {
	THREADS = 4
};
static pthread_t threads_all[THREADS];
static pthread_barrier_t threads_begin, threads_end;

static void *hammer(void *arg)
{
	pthread_barrier_wait(&threads_begin);
	for (long i = 0; i < wanted; i++) {
		pthread_kill(threads_all[i % THREADS], SIGUSR1);
		do_work(i);
	}
	pthread_barrier_wait(&threads_end);
	return arg;
}

static void threads(void)
{
	handle(SIGUSR1, on_count, SA_RESTART);
	pthread_barrier_init(&threads_begin, NULL, THREADS);
	pthread_barrier_init(&threads_end, NULL, THREADS);
	threads_all[0] = pthread_self();
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&threads_all[i], NULL, hammer, NULL))
			exit(3);
	hammer(NULL);
	for (int i = 1; i < THREADS; i++)
		pthread_join(threads_all[i], NULL);
	expect(handled_count > 0);
	printf("work %ld\n", THREADS * wanted);
}

/* Stops itself; whoever watches sends SIGCONT. */
static void stop_by(int n)
{
	for (long i = 0; i < wanted; i++) {
		puts("stopping");
		raise(n);
		puts("continued");
		do_work(i);
	}
	expect(handled_count == wanted);
}

static void stop(void)
{
	handle(SIGCONT, on_count, 0);
	stop_by(SIGSTOP);
}

static void tstp(void)
{
	handle(SIGCONT, on_count, 0);
	/* SIGTSTP is dropped in an orphaned process group (setpgid(2)): one whose parent is in another group is none. */
	setpgid(0, 0);
	stop_by(SIGTSTP);
}

static const struct {
	const char *name;
	void (*fn)(void);
	long n;
	bool plain; /* the count of handlers run is the same in every run */
} modes[] = {
	{ "usr1", usr1, 10, true },
	{ "timer", timer, 200, false },
	{ "itimer", itimer, 200, false },
	{ "int3", own_trap, 10, true },
	{ "icebp", icebp, 10, true },
	{ "tf", own_tf, 10, true },
	{ "kill_trap", kill_trap, 10, true },
	{ "blocked_trap", blocked_trap, 10, true },
	{ "blocked_for_long", blocked_for_long, 0, true },
	{ "pending_trap", pending_trap, 10, true },
	{ "ignored_trap", ignored_trap, 10, true },
	{ "rt", rt, 32, true },
	{ "altstack", altstack, 10, true },
	{ "restart", restart, 100, true },
	{ "norestart", norestart, 100, false },
	{ "longjmp", jump_out, 10, true },
	{ "nested", nested, 10, true },
	{ "fault", fault, 10, true },
	{ "threads", threads, 1000, false },
	{ "stop", stop, 1, true },
	{ "tstp", tstp, 1, true },
};

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	target_begin();
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(mode, modes[i].name))
			continue;
		wanted = target_number(argc, argv, 2, modes[i].n);
		modes[i].fn();
		if (modes[i].plain)
			printf("%s %ld\n", mode, handled_count);
		else
			printf("%s done\n", mode);
		if (wrong)
			printf("wrong %ld\n", wrong);
		return wrong != 0;
	}
	return target_usage(
		"signals usr1|timer|itimer|int3|icebp|tf|kill_trap|blocked_trap|blocked_for_long|pending_trap|"
		"ignored_trap|rt|altstack|"
		"restart|norestart|longjmp|nested|fault|"
		"threads|stop|tstp [N]");
}
