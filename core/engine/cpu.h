/*
 * cpu - the tracer runs on its target's CPU.
 *
 * A stop is two switches between tracer and thread. On one CPU the kernel makes them at once; on two, each wakes the
 * other CPU first, which costs three times as much and more where a CPU has to be woken from its sleep. So once all
 * stops come from one thread, the tracer moves to that thread's CPU and looks now and then whether it is still there.
 * With several threads at work it stays where the scheduler wants it: there, they would wait for each other. Where a
 * CPU is idle, the scheduler wakes the thread there all the same, and nothing is won.
 *
 * Only the tracer's own affinity changes, never the target's, and only within what it was given; whoever makes a child
 * calls ph_cpu_leave first, for the child not to inherit it.
 */
#ifndef PH_ENGINE_CPU_H
#define PH_ENGINE_CPU_H

#include "engine/tracer.h"

/* Does what ph_cpu_note cannot decide by itself. */
void ph_cpu_look(struct ph_tracer *tracer, pid_t tid, int policy);

/* At each stop, with the policy of its session: an increment and a comparison. */
static inline void ph_cpu_note(struct ph_tracer *tracer, pid_t tid, int policy)
{
	struct ph_cpu *cpu = &tracer->cpu;

	if (tid != cpu->tid || ++cpu->streak >= cpu->look_at)
		ph_cpu_look(tracer, tid, policy);
}

/* Back to what the tracer was given, until the next streak. When a session ends, too. */
void ph_cpu_leave(struct ph_tracer *tracer);

/* A session's policy, checked and in force: PH_CPU_AUTO, PH_CPU_OFF, or the number of a CPU. */
int ph_cpu_set_policy(struct ph_tracer *tracer, int policy, struct ph_err *err);

#endif
