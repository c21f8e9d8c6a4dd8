#include "os/affinity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/procfs.h"

#define BITS (8 * sizeof(unsigned long))
#define PROCESSOR 39	/* its number among the fields; the name, the second, may hold blanks and brackets */

/* The system call, not glibc's function: that fails where the kernel's set is larger than its own type. */
int ph_os_cpus_read(struct ph_os_cpus *ret)
{
	memset(ret, 0, sizeof(*ret));
	ph_os_calls.made++;
	return syscall(SYS_sched_getaffinity, 0, sizeof(*ret), ret) < 0 ? -errno : 0;
}

int ph_os_cpus_write(const struct ph_os_cpus *cpus)
{
	ph_os_calls.made++;
	return syscall(SYS_sched_setaffinity, 0, sizeof(*cpus), cpus) < 0 ? -errno : 0;
}

bool ph_os_cpus_has(const struct ph_os_cpus *cpus, int cpu)
{
	return cpu >= 0 && cpu < PH_CPUS_MAX && (cpus->bits[(size_t)cpu / BITS] >> ((size_t)cpu % BITS) & 1);
}

int ph_os_cpu_pin(int cpu)
{
	struct ph_os_cpus one = { 0 };

	if (cpu < 0 || cpu >= PH_CPUS_MAX)
		return -EINVAL;
	one.bits[(size_t)cpu / BITS] = 1ul << ((size_t)cpu % BITS);
	return ph_os_cpus_write(&one);
}

int ph_os_cpu_parse(const char *stat)
{
	const char *at = strrchr(stat, ')');
	char *end;
	long cpu;

	for (int field = 2; at && field < PROCESSOR; field++) {
		at = strchr(at + 1, ' ');
		if (at && !at[1])
			at = NULL;
	}
	if (!at)
		return -EINVAL;
	cpu = strtol(at + 1, &end, 10);
	return end == at + 1 || cpu < 0 || cpu >= PH_CPUS_MAX ? -EINVAL : (int)cpu;
}

int ph_os_cpu_of(pid_t tid)
{
	char path[PH_OS_TASK_PATH_MAX], text[1024];
	ssize_t n;
	int fd = open(ph_os_task_path(path, tid, "stat"), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	ph_os_calls.made += 3;
	if (n < 0)
		return -EIO;
	text[n] = '\0';
	return ph_os_cpu_parse(text);
}
