#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/procfs.h"
#include "os/ptrace.h"
#include "os/raw.h"

#define WORD sizeof(uint64_t)
#define LITTLE 1024	/* bytes that /proc/PID/mem reads faster than process_vm_readv */

int ph_os_vm_open(pid_t tid)
{
	char path[PH_OS_TASK_PATH_MAX];
	/* Through the task: the leader may be gone while others run, and /proc/LEADER/mem is empty then. */
	int fd = open(ph_os_task_path(path, tid, "mem"), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool ph_os_vm_is_gone(int fd)
{
	char byte;

	/* Nothing is ever mapped there, which is EIO while there is any memory (fs/proc/base.c, mem_rw). */
	return pread(fd, &byte, 1, 0) == 0;
}

int ph_os_vm_read(pid_t tid, int fd, ph_addr addr, void *buf, size_t len, size_t *ret_done)
{
	struct iovec ours = { buf, len }, theirs = { (void *)(uintptr_t)addr, len };
	size_t done = 0;

	if (len > LITTLE) {
		ph_os_fault_now(tid);
		if (process_vm_readv(tid, &ours, 1, &theirs, 1, 0) == (ssize_t)len) {
			*ret_done = len;
			return 0;
		}
	}
	while (done < len) {
		ssize_t n;

		ph_os_fault_now(tid);
		/* An offset past 2^63 is negative to pread: such addresses are the kernel's, nobody can read them. */
		n = (int64_t)(addr + done) < 0 ? -EIO :
		    ph_os_raw(SYS_pread64, fd, (long)((char *)buf + done), (long)(len - done), (long)(addr + done));
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	*ret_done = done;
	return done == len ? 0 : -EFAULT;
}

/* One aligned word at a time, so that bytes around the piece stay. */
static int poke(pid_t tid, int fd, ph_addr addr, const void *buf, size_t len, size_t *done)
{
	while (*done < len) {
		ph_addr at = (addr + *done) & ~(ph_addr)(WORD - 1);
		size_t skip = (addr + *done) - at, n = WORD - skip, got;
		uint64_t word;
		int r = ph_os_vm_read(tid, fd, at, &word, WORD, &got);

		if (n > len - *done)
			n = len - *done;
		if (r < 0)
			return r;
		memcpy((char *)&word + skip, (const char *)buf + *done, n);
		r = ph_os_word_write(tid, at, word);
		if (r < 0)
			return r == -EIO ? -EFAULT : r;
		*done += n;
	}
	return 0;
}

int ph_os_vm_write(pid_t tid, int fd, ph_addr addr, const void *buf, size_t len, size_t *ret_done)
{
	size_t done = 0;
	int r = 0;

	while (done < len) {
		ssize_t n;

		ph_os_fault_now(tid);
		n = (int64_t)(addr + done) < 0 ? -1 :
		    pwrite(fd, (const char *)buf + done, len - done, (off_t)(addr + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done < len)
		r = poke(tid, fd, addr, buf, len, &done);
	*ret_done = done;
	return r;
}

typedef ssize_t (*many_fn)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long, unsigned long);
typedef int (*one_fn)(pid_t tid, int fd, ph_addr addr, void *buf, size_t len, size_t *ret_done);

/* The kernel stops at the first range that it cannot do (process_vm_readv(2)): that one is done alone, then on. */
static int do_many(pid_t tid, int fd, const struct iovec *ours, const struct iovec *theirs, size_t n, many_fn many,
		   one_fn one, ph_addr *ret_bad)
{
	for (size_t at = 0; at < n;) {
		size_t count = n - at < IOV_MAX ? n - at : IOV_MAX, done;
		ssize_t got;
		int r;

		ph_os_fault_now(tid);
		got = many(tid, ours + at, count, theirs + at, count, 0);
		for (; count && got > 0 && (size_t)got >= theirs[at].iov_len; at++, count--)
			got -= (ssize_t)theirs[at].iov_len;
		if (!count)
			continue;
		got = got < 0 ? 0 : got;
		r = one(tid, fd, (ph_addr)(uintptr_t)theirs[at].iov_base + (size_t)got, (char *)ours[at].iov_base + got,
			theirs[at].iov_len - (size_t)got, &done);
		if (r < 0) {
			*ret_bad = (ph_addr)(uintptr_t)theirs[at].iov_base + (size_t)got + done;
			return r;
		}
		at++;
	}
	return 0;
}

static int write_one(pid_t tid, int fd, ph_addr addr, void *buf, size_t len, size_t *ret_done)
{
	return ph_os_vm_write(tid, fd, addr, buf, len, ret_done);
}

int ph_os_vm_write_many(pid_t tid, int fd, const struct iovec *ours, const struct iovec *theirs, size_t n,
			ph_addr *ret_bad)
{
	return do_many(tid, fd, ours, theirs, n, process_vm_writev, write_one, ret_bad);
}

int ph_os_vm_read_many(pid_t tid, int fd, const struct iovec *ours, const struct iovec *theirs, size_t n,
		       ph_addr *ret_bad)
{
	return do_many(tid, fd, ours, theirs, n, process_vm_readv, ph_os_vm_read, ret_bad);
}
