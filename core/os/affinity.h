/*
 * affinity - on which CPUs a thread may run, and on which one it is (sched_setaffinity(2), proc(5)).
 */
#ifndef PH_OS_AFFINITY_H
#define PH_OS_AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#define PH_CPUS_MAX 8192	/* what Linux can be built for (x86: NR_CPUS) */

struct ph_os_cpus {
	unsigned long bits[PH_CPUS_MAX / (8 * sizeof(unsigned long))];
};

/* The calling thread's. */
int ph_os_cpus_read(struct ph_os_cpus *ret);
int ph_os_cpus_write(const struct ph_os_cpus *cpus);

bool ph_os_cpus_has(const struct ph_os_cpus *cpus, int cpu);

/* The calling thread runs on this one from here on; -EINVAL when there is no such CPU for it. */
int ph_os_cpu_pin(int cpu);

/* Where a thread ran last: costs a file opened and read. */
int ph_os_cpu_of(pid_t tid);

/* Pure: field 39 of /proc/PID/stat, or -EINVAL. */
int ph_os_cpu_parse(const char *stat);

#endif
