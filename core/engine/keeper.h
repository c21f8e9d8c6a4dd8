/*
 * keeper - a small process that takes traced threads over, and lets every stop of theirs pass until they end.
 *
 * For targets that have our seccomp filter (filter.h) and are let go: without a tracer the filter's calls would fail.
 * The kernel hands no tracee from one tracer to the next, and one that is let go runs. So each thread is led to a loop
 * of one instruction, with every signal blocked, before it is detached; the keeper seizes it there and gives it its
 * registers, its signal mask and the signal that waited for it back. Nothing of this shows: no signal is sent, no call
 * is made, nobody's wait returns.
 *
 *	tracer                                   keeper
 *	lead to the loop, detach     threads
 *	                             records ->  seize, interrupt, give back
 *	                       <- how many
 *	take the others back                     let them run; pass whatever they stop for
 *
 * The keeper is nobody's child, holds no descriptor of ours, and ends with the last thread it has.
 */
#ifndef PH_ENGINE_KEEPER_H
#define PH_ENGINE_KEEPER_H

#include "engine/thread.h"

struct ph_keeper {
	int fd;		/* -1: there is none */
	pid_t pid;
};

#define PH_KEEPER_NONE { .fd = -1 }

/* Starts it. What fails then: a target is let go without one. */
int ph_keeper_open(struct ph_keeper *keeper);

/* Nothing more comes: it goes on by itself. */
void ph_keeper_close(struct ph_keeper *keeper);

/*
 * Every stopped thread of the process, standing where it may be led elsewhere (not inside a system call), with
 * stop_signal what it is to get: how many were taken. They are retired, kept or, where that could not be, let go; one
 * that was killed meanwhile is marked exiting.
 */
size_t ph_keeper_take(struct ph_keeper *keeper, struct ph_process *process);

#endif
