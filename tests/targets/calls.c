/*
 * calls MODE [...]: system calls for hooks to see.
 *   loop N [K]        N calls of getppid, and K of getuid among them; then its own time round them, in nanoseconds
 *   threads T N K     the same in each of T threads
 *   tables            getpid by `syscall`, by `int 0x80` and by x32's number
 *   restart N         a read that N alarms interrupt, restarted each time, and a nanosleep that goes on
 *   below             bytes below the stack pointer and its red zone, over an open of /dev/null: kept or not
 *   exec N            a thread that is not the first executes this program anew, N times
 *   uid               what getuid, geteuid, getgid and an open of a file that is not there give
 *   errno             RET_ERRNO and RET_TRACE by a filter of its own
 *   anew N            N times: 8 calls of getppid, a signal whose handler makes calls, 8 of getppid, a child; and a timer
 *                     all the while; how many calls gave something wrong
 *   cat PATH          the file's bytes, read and written by bare calls
 *   block             reads one byte of standard input
 *   beside            the same, and a second thread calls beside() all the while
 * Output: a line for each; exit 0 when all was as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "target.h"

static long n, k;
static char *self_path = "/proc/self/exe";

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *loop(void *arg)
{
	long seldom = k ? n / k : 0, made = 0;

	for (long i = 0; i < n; i++) {
		syscall(SYS_getppid);
		if (seldom && i % seldom == seldom - 1 && made < k) {
			syscall(SYS_getuid);
			made++;
		}
	}
	for (; made < k; made++)
		syscall(SYS_getuid);
	return arg;
}

static int mode_loop(int argc, char **argv)
{
	long long from;

	n = target_number(argc, argv, 2, 1000);
	k = target_number(argc, argv, 3, 0);
	from = now();
	loop(NULL);
	printf("loop %ld %ld ns %lld\n", n, k, now() - from);
	return 0;
}

static int mode_threads(int argc, char **argv)
{
	pthread_t threads[64];
	long count = target_number(argc, argv, 2, 16);
	long long from;

	n = target_number(argc, argv, 3, 1000);
	k = target_number(argc, argv, 4, 10);
	if (count > 64)
		return 2;
	from = now();
	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, loop, NULL))
			return 1;
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("threads %ld %ld %ld ns %lld\n", count, n, k, now() - from);
	return 0;
}

static long by_int80(long number)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(7), "c"(8), "d"(9) : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static int mode_tables(int argc, char **argv)
{
	long pid = syscall(SYS_getpid), i386 = by_int80(20), x32 = syscall(0x40000000 | SYS_getpid);

	(void)argc;
	(void)argv;
	printf("x86_64 %s\n", pid == getpid() ? "same" : "other");
	printf("i386 %s\n", i386 == pid ? "same" : "other");
	/* The kernel may have been built without that table. */
	printf("x32 %s\n", x32 == pid ? "same" : x32 == -1 && errno == ENOSYS ? "none" : "other");
	return 0;
}

static volatile int alarms;
static int fds[2];
static pthread_t reader;

static void on_alarm(int sig)
{
	(void)sig;
	if (++alarms >= n && write(fds[1], "x", 1) != 1)
		_exit(9);
}

/* Each alarm when the first thread sleeps in its read. Its state is behind the name, which is in parentheses (proc(5)). */
static void *interrupt(void *arg)
{
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char text[256] = "", *state;

	while (alarms < n) {
		int before = alarms;

		do {
			if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
				_exit(8);
			state = strrchr(text, ')');
		} while (!state || state[2] != 'S');
		pthread_kill(reader, SIGALRM);
		while (alarms == before)
			sched_yield();
	}
	close(fd);
	return arg;
}

static int mode_restart(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct timespec t = { 0, 20000000 };
	long long from, took;
	pthread_t thread;
	char byte;
	long got;

	n = target_number(argc, argv, 2, 5);
	if (pipe(fds) < 0)
		return 1;
	sigaction(SIGALRM, &act, NULL);
	reader = pthread_self();
	if (pthread_create(&thread, NULL, interrupt, NULL))
		return 1;
	got = read(fds[0], &byte, 1);
	printf("read %ld after %s\n", got, alarms >= n ? "all" : "too few");
	pthread_join(thread, NULL);
	from = now();
	got = nanosleep(&t, NULL);
	took = now() - from;
	printf("slept %ld %s\n", got, took >= 20000000 ? "enough" : "too short");
	return 0;
}

/* Not in a function of its own: a call would write there. */
static int mode_below(int argc, char **argv)
{
	volatile unsigned char *low = (unsigned char *)__builtin_frame_address(0) - 65536;
	long fd, sum = 0;

	(void)argc;
	(void)argv;
	for (long i = 0; i < 60000; i++)
		low[i] = (unsigned char)(i * 7);
	__asm__ volatile("syscall"
			 : "=a"(fd)
			 : "a"((long)SYS_open), "D"("/dev/null"), "S"(0L), "d"(0L)
			 : "rcx", "r11", "memory");
	for (long i = 0; i < 60000; i++)
		sum += low[i] != (unsigned char)(i * 7);
	printf("below %s, open %s\n", sum ? "changed" : "kept", fd >= 0 ? "works" : "fails");
	return 0;
}

static void *execute(void *arg)
{
	char text[32];
	char *argv[] = { "calls", "exec", text, NULL };

	snprintf(text, sizeof(text), "%ld", n - 1);
	execv(self_path, argv);
	return arg;
}

static int mode_exec(int argc, char **argv)
{
	pthread_t thread;

	n = target_number(argc, argv, 2, 3);
	if (n == 0) {
		printf("executed\n");
		return 0;
	}
	if (pthread_create(&thread, NULL, execute, NULL))
		return 1;
	pthread_join(thread, NULL);
	return 1;
}

static int mode_uid(int argc, char **argv)
{
	long fd = syscall(SYS_open, "/no/such/file", O_RDONLY);

	(void)argc;
	(void)argv;
	printf("open %ld %d\n", fd, errno);
	printf("getuid %ld geteuid %ld getgid %ld\n", syscall(SYS_getuid), syscall(SYS_geteuid), syscall(SYS_getgid));
	return 0;
}

static int mode_errno(int argc, char **argv)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_geteuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 5),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(insns) / sizeof(insns[0]), insns };

	(void)argc;
	(void)argv;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return 1;
	errno = 0;
	syscall(SYS_getuid);
	printf("getuid %d\n", errno);
	errno = 0;
	syscall(SYS_geteuid);
	printf("geteuid %s\n", errno == ENOSYS ? "ENOSYS" : "other");
	return 0;
}

static volatile long wrong, handled;
static long real_uid, real_gid;

static void on_anew(int sig)
{
	wrong += syscall(SYS_getuid) != real_uid;
	wrong += syscall(SYS_getgid) != real_gid;
	handled += sig == SIGUSR1;
}

static int mode_anew(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_anew };
	struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { 0 };

	n = target_number(argc, argv, 2, 30);
	real_uid = syscall(SYS_getuid);
	real_gid = syscall(SYS_getgid);
	sigaction(SIGUSR1, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (long i = 0; i < n; i++) {
		int status = 0;
		pid_t pid;

		for (int j = 0; j < 8; j++)
			syscall(SYS_getppid);
		wrong += syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1) != 0;
		wrong += handled != i + 1;
		for (int j = 0; j < 8; j++)
			syscall(SYS_getppid);
		pid = fork();
		if (pid == 0)
			_exit(7);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		wrong += pid < 0 || status != 7 << 8;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("anew %ld: %ld wrong\n", n, wrong);
	return wrong != 0;
}

static int mode_cat(int argc, char **argv)
{
	char bytes[256];
	long fd = syscall(SYS_openat, AT_FDCWD, argc > 2 ? argv[2] : "/dev/null", O_RDONLY), got;

	if (fd < 0)
		return 1;
	while ((got = syscall(SYS_read, fd, bytes, sizeof(bytes))) > 0)
		if (syscall(SYS_write, 1, bytes, got) < 0)
			return 1;
	return got < 0;
}

static int mode_block(int argc, char **argv)
{
	char byte;
	long got;

	(void)argc;
	(void)argv;
	printf("pid %d\nready\n", getpid());
	got = syscall(SYS_read, 0, &byte, 1);
	printf("read %ld\n", got);
	return 0;
}

PLACE void beside(void)
{
}

static void *call_beside(void *arg)
{
	for (;;)
		beside();
	return arg;
}

static int mode_beside(int argc, char **argv)
{
	pthread_t t;

	return pthread_create(&t, NULL, call_beside, NULL) ? 3 : mode_block(argc, argv);
}

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
} modes[] = {
	{ "loop", mode_loop },	   { "threads", mode_threads }, { "tables", mode_tables }, { "restart", mode_restart },
	{ "below", mode_below },   { "exec", mode_exec },	{ "uid", mode_uid },	   { "errno", mode_errno },
	{ "anew", mode_anew },	   { "cat", mode_cat },	   { "block", mode_block },
	{ "beside", mode_beside },
};

int main(int argc, char **argv)
{
	target_begin();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].fn(argc, argv);
	return target_usage("calls loop|threads|tables|restart|below|exec|uid|errno|anew|cat|block|beside [...]");
}
