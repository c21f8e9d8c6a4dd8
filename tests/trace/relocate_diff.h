/*
 * relocate_diff - real instructions, run at home and as relocated copies, compared.
 *
 * relocate_diff_pick.c chooses the instructions, relocate_diff_run.c runs one in a traced child from given state,
 * relocate_diff.c decides the states and compares.
 */
#ifndef RELOCATE_DIFF_H
#define RELOCATE_DIFF_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/types.h"

#define INSN_MAX 15

struct sample {
	uint8_t bytes[INSN_MAX];
	uint8_t length;
};

struct samples {
	struct sample *list;
	size_t n;
};

/* Distinct instructions, by encoding: rare ones written down here, then what the installed libraries' text has. */
void samples_pick(struct samples *ret);
void samples_free(struct samples *samples);

uint64_t random_u64(void);

/*
 * The child's memory, the same bytes at our own addresses (shared). Everything lies below 4 GiB, so that 32-bit
 * addresses reach it, but for one slot out of the reach of a relative jump.
 */
#define ARENA_AT ((ph_addr)0x20000000)
#define ARENA_SIZE ((size_t)0x4000)
#define HOME_AT ((ph_addr)0x30000000)
#define HOME_OFFSET 0x800u	/* of the instruction, in its page full of int3 */
#define NEAR_AT ((ph_addr)0x30400000)
#define FAR_AT ((ph_addr)0x7e0000000000)
#define PAGE ((size_t)0x1000)

struct arena {
	uint8_t data[ARENA_SIZE];
	uint8_t home[PAGE];
	uint8_t near[PAGE];
	uint8_t far[PAGE];
};

#define XSTATE_MAX 16384

struct outcome {
	struct user_regs_struct regs;
	int signal;
	ph_addr fault_at;	/* si_addr, for signals that have one */
	uint8_t xstate[XSTATE_MAX];
	uint8_t data[ARENA_SIZE];
};

struct subject {
	pid_t pid;
	struct arena *arena;
	size_t xstate_size;
};

void subject_start(struct subject *subject);
void subject_stop(struct subject *subject);

/* The memory, the vector state and the registers that a run begins with. */
void subject_load(struct subject *subject, const struct outcome *from);
void subject_set_regs(struct subject *subject, const struct user_regs_struct *regs);
void subject_get_regs(struct subject *subject, struct user_regs_struct *ret);

/* Runs on to the next signal; what is there then. */
void subject_run(struct subject *subject, struct outcome *ret);

/* One step; the signal that came of it. */
int subject_step(struct subject *subject);

#endif
