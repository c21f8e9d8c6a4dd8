#include "engine/tracer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "os/wait.h"

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

void ph_tracer_set_warn(struct ph_tracer *tracer, void (*fn)(const char *text, void *user), void *user)
{
	tracer->elf_settings.warn = fn;
	tracer->elf_settings.user = user;
}

int ph_tracer_set_debug_root(struct ph_tracer *tracer, const char *folder)
{
	char *copy = strdup(folder);

	if (!copy)
		return -ENOMEM;
	free(tracer->elf_settings.debug_root);
	tracer->elf_settings.debug_root = copy;
	return 0;
}

bool ph_tracer_is_interrupted(const struct ph_tracer *tracer)
{
	return tracer->interrupt && *tracer->interrupt;
}

struct ph_thread *ph_tracer_find(struct ph_tracer *tracer, pid_t tid)
{
	if (!tracer->found || tracer->found_tid != tid) {
		tracer->found = ph_map_find(&tracer->threads, (uint64_t)tid);
		tracer->found_tid = tid;
	}
	return tracer->found;
}

void ph_tracer_forget(struct ph_tracer *tracer, pid_t tid)
{
	ph_map_remove(&tracer->threads, (uint64_t)tid);
	tracer->found = NULL;
}

static struct ph_stray *stray_find(const struct ph_tracer *tracer, pid_t tid)
{
	for (size_t i = 0; i < tracer->n_strays; i++)
		if (tracer->strays[i].tid == tid)
			return &tracer->strays[i];
	return NULL;
}

void ph_tracer_stray_add(struct ph_tracer *tracer, pid_t tid, int status)
{
	struct ph_stray *stray = stray_find(tracer, tid);

	if (stray) {
		stray->status = status;
		return;
	}
	/* The end of a thread that was never met, or that was let go when it had begun to exit. */
	if (!WIFSTOPPED(status))
		return;
	if (tracer->n_strays == tracer->room_strays) {
		size_t room = tracer->room_strays ? tracer->room_strays * 2 : 16;
		void *strays = reallocarray(tracer->strays, room, sizeof(*tracer->strays));

		if (!strays)
			return;
		tracer->strays = strays;
		tracer->room_strays = room;
	}
	tracer->strays[tracer->n_strays++] = (struct ph_stray){ tid, status };
}

bool ph_tracer_stray_take(struct ph_tracer *tracer, pid_t tid, int *ret_status)
{
	struct ph_stray *stray = stray_find(tracer, tid);

	if (!stray)
		return false;
	*ret_status = stray->status;
	*stray = tracer->strays[--tracer->n_strays];
	return true;
}

void ph_tracer_forget_dead_strays(struct ph_tracer *tracer)
{
	for (size_t i = tracer->n_strays; i-- > 0;)
		if (!WIFSTOPPED(tracer->strays[i].status))
			tracer->strays[i] = tracer->strays[--tracer->n_strays];
}

void ph_tracer_add_child(struct ph_tracer *tracer, pid_t pid)
{
	pid_t *children = reallocarray(tracer->children, tracer->n_children + 1, sizeof(*children));

	if (!children)
		return;
	tracer->children = children;
	children[tracer->n_children++] = pid;
}

void ph_tracer_reap_children(struct ph_tracer *tracer)
{
	for (size_t i = tracer->n_children; i-- > 0;) {
		int status;

		/* 0: it lives. Anything else: reaped now, or by somebody else before. */
		if (ph_os_reap(tracer->children[i], &status) != 0)
			tracer->children[i] = tracer->children[--tracer->n_children];
	}
}
