/*
 * fault - the seam through which tests let kernel requests fail.
 *
 * Every ptrace and wait request of ours, and every read and write of memory, passes ph_os_fault_now first. Armed for
 * the n-th of them, that one finds its thread's process killed, as if somebody had sent SIGKILL in that very moment;
 * nothing is simulated. A wait for any thread finds the victim killed, if one is named.
 * Costs one predictable branch when not armed.
 */
#ifndef PH_OS_FAULT_H
#define PH_OS_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ph_os_calls {
	uint64_t made;	/* requests since the start: what a hit costs is a difference of two readings */
	uint64_t kill_at;	/* 0: never; else the number of the request before which its thread is killed */
	pid_t victim;		/* of a request without a thread; 0: none */
	bool killed;		/* that request was made */
};

extern struct ph_os_calls ph_os_calls;

void ph_os_fault_kill(pid_t tid);

static inline void ph_os_fault_now(pid_t tid)
{
	if (__builtin_expect(++ph_os_calls.made == ph_os_calls.kill_at, false))
		ph_os_fault_kill(tid);
}

#endif
