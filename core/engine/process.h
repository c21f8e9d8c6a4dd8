/*
 * process - one process of a session: its pid, its address space, its program.
 *
 * Counted: scripts hold it past its end; while alive it stands in its session's list, which holds one reference. Its
 * threads point at it (thread.h).
 */
#ifndef PH_ENGINE_PROCESS_H
#define PH_ENGINE_PROCESS_H

#include "base/list.h"
#include "engine/session.h"
#include "engine/space.h"
#include "x86/debugreg.h"

struct ph_modules;

/* As the kernel has it (rt_sigaction(2)). */
struct ph_trap_action {
	uint64_t handler, flags, restorer, mask;
};

/* What is known of the program's own use of SIGTRAP: guard.h. */
struct ph_guard {
	bool on;			/* it is caught or ignored, in this way: */
	struct ph_trap_action action;
	unsigned int period, countdown;	/* hits from look to look, and to the next one */
};

/* Who has a debug register: one of the two, borrowed, and how errors name it. */
struct ph_hardware_user {
	struct ph_watch *watch;
	struct ph_breakpoint *breakpoint;
	const char *label;
};

/* The debug registers as each thread of the process is to have them: hardware.h. */
struct ph_hardware {
	uint32_t version;	/* of the whole; 0: none was ever taken */
	struct ph_hardware_reg {
		struct ph_debug_piece piece;
		uint32_t serial;		/* of this use of it; 0: free */
		struct ph_hardware_user user;
		uint8_t seen[8];		/* what a watch's piece held when it was last looked at */
	} regs[PH_DEBUG_REGS];
};

struct ph_process {
	unsigned int refs;
	pid_t pid;
	struct ph_session *session;	/* keeps its memory */
	struct ph_list in_session;
	struct ph_list threads;		/* live ones, oldest first */
	struct ph_list tripwires;		/* the engine's own (tripwire.h) */
	bool watches_landings, sees_longjmp;	/* in this program: returns.h */
	struct ph_space *space;		/* counted; NULL once ended */
	struct ph_modules *modules;	/* owned; what it has loaded (modules.h), NULL until asked for */
	bool loader_seen;		/* its dynamic linker is watched, as far as it can be (loader.h) */
	bool alive;			/* stands in its session's list */
	bool reaped;			/* the kernel reported its end: its pid may be somebody else's by now */

	/*
	 * Its first thread had ended when it was taken back from another tracer (lend.c): nobody traces that one, and the
	 * kernel does not report its end, which is the process's.
	 */
	bool asks_for_end;
	int pidfd;			/* owned; while it is lent, or asks_for_end; -1: none */

	/*
	 * A child that nobody follows but that shares memory with its parent until it execs or exits: it would meet
	 * our bytes, so it stays traced; hooks do not fire in it.
	 */
	bool silent;

	struct ph_guard guard;
	struct ph_hardware hardware;
	unsigned int first_watch;	/* watches with a smaller number were for a program that exec replaced */
};

/* Joins the session and takes the space's reference over. */
int ph_process_new(struct ph_session *session, pid_t pid, struct ph_space *space, struct ph_process **ret);

/* After its end: out of its session, its space gone. */
void ph_process_retire(struct ph_process *process);

/*
 * How a process ended whose end the kernel does not report to us. 1: *ret_status is its wait status, which is told once;
 * 0: it lives; -ESRCH: it has ended, and nobody knows how.
 */
int ph_process_end_read(const struct ph_process *process, int *ret_status);

/* No other process of the session lives in its memory. */
bool ph_process_has_own_space(const struct ph_process *process);

/* Nobody follows it, nor any other that lives in its memory: the session's end is not its. */
bool ph_process_is_apart(const struct ph_process *process);

/* The program was replaced. Takes the reference over. */
void ph_process_set_space(struct ph_process *process, struct ph_space *space);

#endif
