/*
 * call - the system call that a thread is in, as far as its stops have told.
 *
 *	        SYSCALL or SECCOMP: an entry
 *	OUT ---------------------------------> IN  (SECCOMP again: the same entry; clone, exec, … : in the middle of it)
 *	 ^  SYSCALL: an exit; any signal, interrupt or group stop; resumed by anything but PTRACE_SYSCALL |
 *	 `------------------------------------------------------------------------------------------------'
 *
 * Between entry and exit the kernel reports nothing but what the call itself does; a signal, or an interrupt of ours,
 * comes behind the exit (kernel/entry/common.c). So a thread that was told to stop at the exit does so next but for
 * those, and one that was not has no exit. A newborn is outside: its parent's clone does not return in it for us.
 * PTRACE_GET_SYSCALL_INFO tells entry from exit by itself; both must agree.
 *
 * Where hooks answer one call after the other, the thread goes on by PTRACE_SYSEMU: a call that is not made has no exit
 * stop, which halves the cost. The one that hooks do not answer then is made anew by its own instruction, with every
 * signal blocked until its entry stops again.
 *
 * The transitions are pure. What hooks change is kept, and written back with the registers (thread.h).
 */
#ifndef PH_ENGINE_CALL_H
#define PH_ENGINE_CALL_H

#include "base/types.h"
#include "engine/event.h"
#include "os/syscall_info.h"
#include "x86/syscalls.h"

enum ph_call_phase {
	PH_CALL_OVER,	/* none that hooks could see or change */
	PH_CALL_ENTER,
	PH_CALL_LEAVE,
};

/* What hooks see and change. Its layout is part of the FFI declaration (bind/syscall.c). */
struct ph_call_view {
	uint64_t number, args[6];
	int64_t ret;
	uint32_t phase;		/* enum ph_call_phase */
	uint32_t changed;	/* PH_OS_CALL_…: to be written back */
	uint32_t abi;		/* enum ph_abi */
	uint32_t skipped;	/* ret answers it, the kernel is not asked */
};

/* Bytes of the target's that strings of hooks stand on, until the call is over. */
struct ph_call_loan {
	struct ph_call_loan *next;
	ph_addr addr;
	size_t length;
	unsigned char bytes[];
};

/* What a stop is to the call; the state follows it. */
enum ph_call_stop {
	PH_CALL_STOP_OTHER,
	PH_CALL_STOP_ENTRY,
	PH_CALL_STOP_AGAIN,	/* the same entry, by the other mechanism */
	PH_CALL_STOP_EXIT,
};

struct ph_call {
	struct ph_call_view view;
	uint32_t serial;		/* hooks added later than that do not see its exit */
	enum ph_call_stop stop;		/* what the last stop was to it */
	bool in;
	bool told;		/* hooks have seen the entry */
	bool wants_exit;	/* it is to stop at its exit */
	bool left;		/* skipped, and its leave hooks have been called */
	bool owed;		/* the thread was led out of its exit, which is told afterwards: read is what that said */
	struct ph_call_loan *loans;	/* owned */
	unsigned int answered;	/* calls in a row that hooks answered */
	bool emulated;		/* it came here by PTRACE_SYSEMU: the kernel will not make this call */

	/* The call is made anew: what it had, for when its entry stops again. */
	struct {
		bool active, told, wants_exit;
		uint64_t mask;	/* of signals, the thread's own */
	} redo;

	struct ph_os_call read;		/* as the kernel said it; written back with what changed */
	uint64_t number, args[6];	/* as the program made it: hooks are found by it, and see it return, whatever they change */
};

/* A stop was reported: call->stop and the state follow. */
void ph_call_note(struct ph_call *call, enum ph_stop_kind kind);

enum ph_call_way {
	PH_CALL_UNSEEN,		/* neither its exit nor the next entry stops */
	PH_CALL_BY_SYSCALL,
	PH_CALL_BY_SYSEMU,
};

/* The thread goes on. */
void ph_call_resumed(struct ph_call *call, enum ph_call_way way);

/* It returns: hooks see it as the program made it, with this result. */
void ph_call_show_return(struct ph_call *call, int64_t ret);

/* Of memory that is gone, or as it was again. */
void ph_call_drop_loans(struct ph_call *call);

#endif
