/*
 * raw - a system call without the C library: its failure is its result, and errno stays as it is.
 *
 * For requests made at every stop, where the library's function costs as much again as all that we do, and for a child
 * that shares our memory.
 */
#ifndef PH_OS_RAW_H
#define PH_OS_RAW_H

static inline long ph_os_raw(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return r;
}

#endif
