/*
 * event - what a wait status means. Pure: a status, and for traps what the kernel said of them, in; a value out.
 *
 * ptrace(2): a seized tracee reports a stop as WIFSTOPPED with PTRACE_EVENT_… in bits 16 and up; PTRACE_EVENT_STOP
 * with SIGTRAP answers an interrupt (and ends a group stop), with a stop signal it is a group stop. Bit 7 of the
 * signal marks a system call (PTRACE_O_TRACESYSGOOD).
 */
#ifndef PH_ENGINE_EVENT_H
#define PH_ENGINE_EVENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum ph_stop_kind {
	PH_STOP_EXITED,		/* value: exit status */
	PH_STOP_KILLED,		/* value: signal */
	PH_STOP_SIGNAL,		/* value: signal about to be delivered; never SIGTRAP */
	PH_STOP_TRAP,		/* SIGTRAP about to be delivered: see ph_trap_decode */
	PH_STOP_GROUP,		/* value: stop signal */
	PH_STOP_INTERRUPT,
	PH_STOP_SYSCALL,
	PH_STOP_SECCOMP,	/* a filter answered SECCOMP_RET_TRACE: before the call is made */
	PH_STOP_CLONE,
	PH_STOP_FORK,
	PH_STOP_VFORK,
	PH_STOP_VFORK_DONE,
	PH_STOP_EXEC,
	PH_STOP_EXITING,	/* PTRACE_EVENT_EXIT: still readable */
	PH_STOP_OTHER,		/* value: an event that nobody asked for */
};

struct ph_stop {
	enum ph_stop_kind kind;
	int value;
};

struct ph_stop ph_stop_decode(int status);

enum ph_trap_kind {
	PH_TRAP_BREAKPOINT,	/* int3 of ours, just executed */
	PH_TRAP_STALE,		/* int3 of ours that was taken out between the trap and now */
	PH_TRAP_DEBUG,		/* a debug register that we armed, or the end of a step of ours: ph_trap_look alone tells */
	PH_TRAP_OWN,		/* the target's: its int3, icebp, TF, kill -TRAP */
};

/*
 * si_code: of the SIGTRAP. site_behind: a site of ours is armed at rip - 1. was_behind: one was, and its byte is gone
 * from memory. arch/x86/kernel/traps.c: int3 sends SI_KERNEL, a debug exception TRAP_TRACE, TRAP_HWBKPT or TRAP_BRKPT.
 */
enum ph_trap_kind ph_trap_decode(int si_code, bool site_behind, bool was_behind);

/*
 * A SIGTRAP that ends a step from before to rip: TRAP_TRACE; at a handler's first instruction the signal's number alone;
 * TRAP_BRKPT behind a system call (kernel/entry: user_single_step_report), and also behind an icebp of the program's.
 */
bool ph_trap_ends_step(int si_code, uint64_t before, uint64_t rip);

/* Raised by instructions. Blocking one turns a fault into death: the kernel then forgets the target's handler. */
#define PH_SYNCHRONOUS_SIGNALS                                                                                       \
	(1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGFPE - 1) | 1ull << (SIGILL - 1) |                \
	 1ull << (SIGTRAP - 1) | 1ull << (SIGSYS - 1))

/* A fault that the instruction at rip itself raised: running it again raises it again. */
bool ph_signal_is_fault(int sig, int si_code);

#endif
