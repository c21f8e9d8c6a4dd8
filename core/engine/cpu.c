#include "engine/cpu.h"

#include <errno.h>

#define FIRST_LOOK 16		/* stops of one thread in a row */
#define RAREST_LOOK 1024

static bool pin(struct ph_tracer *tracer, int at)
{
	struct ph_cpu *cpu = &tracer->cpu;

	if (cpu->is_pinned && cpu->at == at)
		return true;
	if (!cpu->is_pinned && ph_os_cpus_read(&cpu->ours) < 0)
		return false;
	if (!ph_os_cpus_has(&cpu->ours, at) || ph_os_cpu_pin(at) < 0)
		return false;
	cpu->is_pinned = true;
	cpu->at = at;
	return true;
}

void ph_cpu_leave(struct ph_tracer *tracer)
{
	struct ph_cpu *cpu = &tracer->cpu;

	if (cpu->is_pinned)
		ph_os_cpus_write(&cpu->ours);
	cpu->is_pinned = false;
	cpu->streak = 0;
	cpu->look_at = cpu->interval = FIRST_LOOK;
}

/* Looked for twice as seldom each time that it stayed where it was. */
static void follow(struct ph_tracer *tracer, pid_t tid)
{
	struct ph_cpu *cpu = &tracer->cpu;
	int at = ph_os_cpu_of(tid);
	bool stayed = cpu->is_pinned && cpu->at == at;

	if (at >= 0)
		pin(tracer, at);
	cpu->interval = !stayed ? FIRST_LOOK : cpu->interval < RAREST_LOOK ? cpu->interval * 2 : RAREST_LOOK;
	cpu->streak = 0;
	cpu->look_at = cpu->interval;
}

void ph_cpu_look(struct ph_tracer *tracer, pid_t tid, int policy)
{
	struct ph_cpu *cpu = &tracer->cpu;
	bool is_other = tid != cpu->tid;

	cpu->tid = tid;
	if (policy == PH_CPU_AUTO && !is_other) {
		follow(tracer, tid);
	} else if (policy < 0) {
		ph_cpu_leave(tracer);
	} else {
		pin(tracer, policy);
		cpu->streak = 0;
		cpu->look_at = RAREST_LOOK;
	}
}

int ph_cpu_set_policy(struct ph_tracer *tracer, int policy, struct ph_err *err)
{
	ph_cpu_leave(tracer);
	if (policy < 0 || pin(tracer, policy))
		return 0;
	return ph_err_say(err, -EINVAL, "set policy", "cpu: ptracehook may not run on CPU %d: there is no such CPU, or it "
			  "was not given to us (taskset -p shows which were)", policy);
}
