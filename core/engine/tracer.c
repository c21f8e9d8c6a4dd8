#include "engine/tracer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

int ph_tracer_new(struct ph_tracer **ret)
{
	struct ph_tracer *tracer = calloc(1, sizeof(*tracer));

	if (!tracer)
		return -ENOMEM;
	ph_list_init(&tracer->sessions);
	ph_list_init(&tracer->pending);
	*ret = tracer;
	return 0;
}

void ph_tracer_set_interrupt(struct ph_tracer *tracer, const volatile sig_atomic_t *flag)
{
	tracer->interrupt = flag;
}

bool ph_tracer_is_interrupted(const struct ph_tracer *tracer)
{
	return tracer->interrupt && *tracer->interrupt;
}

struct ph_thread *ph_tracer_find(const struct ph_tracer *tracer, pid_t tid)
{
	return ph_map_find(&tracer->threads, (uint64_t)tid);
}

void ph_tracer_stray_add(struct ph_tracer *tracer, pid_t tid, int status)
{
	/* A thread that ended before it was introduced needs no introduction. */
	if (!WIFSTOPPED(status))
		return;
	if (tracer->n_strays == PH_STRAYS) {
		/* The oldest was never claimed: its parent died with the clone event unread. */
		for (unsigned int i = 1; i < PH_STRAYS; i++)
			tracer->strays[i - 1] = tracer->strays[i];
		tracer->n_strays--;
	}
	tracer->strays[tracer->n_strays].tid = tid;
	tracer->strays[tracer->n_strays].status = status;
	tracer->n_strays++;
}

bool ph_tracer_stray_take(struct ph_tracer *tracer, pid_t tid, int *ret_status)
{
	for (unsigned int i = 0; i < tracer->n_strays; i++) {
		if (tracer->strays[i].tid != tid)
			continue;
		*ret_status = tracer->strays[i].status;
		tracer->strays[i] = tracer->strays[--tracer->n_strays];
		return true;
	}
	return false;
}
