#include "os/alarm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "os/fault.h"

#define NS 1000000000
#define NEVER INT64_MAX
#define AGAIN_NS 1000000

/* Hardly used, and dropped by default: one that comes late harms nobody who has set all signals to their defaults. */
#define RING SIGURG

#ifndef sigev_notify_thread_id /* glibc before 2.39 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

/*
 * wait4 unless *rung. Nothing is lost between the look and the sleep: a handler that finds its thread in here,
 * before `slept`, sends it to `over`. The call has not been made, or was interrupted and would be made again (then
 * rip is at the instruction once more); at `slept` it has a result, which stays.
 */
int ph_os_alarm_sleep(long tid, int *ret_status, long options, const volatile sig_atomic_t *rung);
extern const char ph_os_alarm_slept[], ph_os_alarm_over[];

__asm__(".pushsection .text\n"
	".globl ph_os_alarm_sleep, ph_os_alarm_slept, ph_os_alarm_over\n"
	".hidden ph_os_alarm_sleep, ph_os_alarm_slept, ph_os_alarm_over\n"
	".type ph_os_alarm_sleep, @function\n"
	"ph_os_alarm_sleep:\n"
	"	.cfi_startproc\n"
	"	cmpl	$0, (%rcx)\n"
	"	jne	ph_os_alarm_over\n"
	"	xorl	%r10d, %r10d\n"
	"	movl	$61, %eax\n"
	"	syscall\n"
	"ph_os_alarm_slept:\n"
	"	ret\n"
	"ph_os_alarm_over:\n"
	"	movl	$-4, %eax\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size ph_os_alarm_sleep, . - ph_os_alarm_sleep\n"
	".popsection\n");

_Static_assert(SYS_wait4 == 61 && EINTR == 4 && sizeof(sig_atomic_t) == 4, "as ph_os_alarm_sleep has them");

/* Timers are sent to the thread that made them; a fork has none. */
static _Thread_local struct {
	timer_t timer;
	bool has_timer, given_up;
	int64_t at;	/* what it was set for; NEVER: it counts as not set */
	volatile sig_atomic_t rung, waiting;
} own = { .at = NEVER };

static int set_timer(int flags, int64_t at)
{
	struct itimerspec t = { .it_value = { at / NS, at % NS } };

	return timer_settime(own.timer, flags, &t, NULL) < 0 ? -errno : 0;
}

static void on_ring(int sig, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	uintptr_t at = (uintptr_t)*rip;
	int saved = errno;

	(void)sig;
	if (info->si_code != SI_TIMER)
		return;
	own.rung = true;
	if (at >= (uintptr_t)ph_os_alarm_sleep && at < (uintptr_t)ph_os_alarm_slept)
		*rip = (greg_t)(uintptr_t)ph_os_alarm_over;
	/* In another handler, maybe, from which its thread goes back to sleep. */
	else if (own.waiting)
		set_timer(0, AGAIN_NS);
	errno = saved;
}

static void begin_as_fork(void)
{
	own.has_timer = false;
	own.at = NEVER;
	own.rung = own.waiting = false;
}

static pthread_key_t at_thread_exit;
static int prepare_result;

static void end_with_thread(void *value)
{
	(void)value;
	if (own.has_timer)
		timer_delete(own.timer);
	own.has_timer = false;
}

static void prepare(void)
{
	prepare_result = -pthread_atfork(NULL, NULL, begin_as_fork);
	if (prepare_result == 0)
		prepare_result = -pthread_key_create(&at_thread_exit, end_with_thread);
}

static int make_timer(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = RING };
	int r;

	pthread_once(&once, prepare);
	r = prepare_result == 0 ? -pthread_setspecific(at_thread_exit, &own) : prepare_result;
	if (r < 0)
		return r;
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &own.timer) < 0)
		return -errno;
	own.has_timer = true;
	return 0;
}

/* Somebody may have taken the signal, set all to their defaults, or blocked it. */
static int take_signal(void)
{
	struct sigaction ring = { .sa_sigaction = on_ring, .sa_flags = SA_SIGINFO | SA_RESTART }, act;
	sigset_t set;

	if (sigaction(RING, NULL, &act) < 0)
		return -errno;
	if (!(act.sa_flags & SA_SIGINFO) || act.sa_sigaction != on_ring) {
		if ((act.sa_flags & SA_SIGINFO) || act.sa_handler != SIG_DFL)
			return -EBUSY;
		sigfillset(&ring.sa_mask);
		if (sigaction(RING, &ring, NULL) < 0)
			return -errno;
	}
	sigemptyset(&set);
	sigaddset(&set, RING);
	return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool ph_os_alarm_is_set(int64_t deadline)
{
	return own.at <= deadline && !own.rung;
}

bool ph_os_alarm_has_rung(void)
{
	return own.rung;
}

int ph_os_alarm_set(int64_t deadline)
{
	int r = own.given_up ? -ENOTSUP : own.has_timer ? 0 : make_timer();

	if (r >= 0)
		r = take_signal();
	own.rung = false;
	if (r >= 0)
		r = set_timer(TIMER_ABSTIME, deadline);
	ph_os_calls.made += 3;
	own.at = r < 0 ? NEVER : deadline;
	own.given_up = r < 0;
	return r;
}

void ph_os_alarm_end(void)
{
	if (own.at != NEVER && !own.rung && !own.given_up) {
		set_timer(0, 0);
		ph_os_calls.made++;
	}
	own.at = NEVER;
}

int ph_os_alarm_wait(pid_t tid, int *ret_status, int options)
{
	int r;

	own.waiting = true;
	r = ph_os_alarm_sleep(tid, ret_status, options, &own.rung);
	own.waiting = false;
	return r;
}

void ph_os_alarm_give_up(void)
{
	own.given_up = true;
	own.at = NEVER;
}
