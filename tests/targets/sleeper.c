/*
 * sleeper [pause|read|nanosleep|poll|futex|epoll]: blocks in that call (pause; nanosleep for 60 s, read on stdin).
 * Output: "pid P", "ready", then "bye" and 0 on SIGTERM. A call that comes back by EINTR prints "EINTR" and ends
 * with 3 (epoll gives EINTR to anything that is stopped, signal(7): a limit of the kernel's); read prints "read N"
 * and ends with 0.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include "target.h"

static void on_term(int n)
{
	(void)n;
	if (write(1, "bye\n", 4) < 0)
		_exit(4);
	_exit(0);
}

static long in_pause(void)
{
	return pause();
}

static long in_read(void)
{
	char c;
	long n = read(0, &c, 1);

	if (n >= 0)
		printf("read %ld\n", n);
	return n;
}

static long in_nanosleep(void)
{
	return nanosleep(&(struct timespec){ .tv_sec = 60 }, NULL);
}

static long in_poll(void)
{
	return poll(NULL, 0, 60000);
}

static long in_futex(void)
{
	int word = 0;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long in_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(epoll_create1(0), &ev, 1, 60000);
}

static const struct {
	const char *name;
	long (*fn)(void);
} modes[] = {
	{ "pause", in_pause }, { "read", in_read },   { "nanosleep", in_nanosleep },
	{ "poll", in_poll },   { "futex", in_futex }, { "epoll", in_epoll },
};

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "pause";

	target_begin();
	signal(SIGTERM, on_term);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(mode, modes[i].name))
			continue;
		printf("pid %d\nready\n", getpid());
		if (modes[i].fn() >= 0)
			return 0;
		puts(errno == EINTR ? "EINTR" : strerror(errno));
		return 3;
	}
	return target_usage("sleeper [pause|read|nanosleep|poll|futex|epoll]");
}
