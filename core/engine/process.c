#include "engine/process.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/module.h"
#include "os/ended.h"
#include "os/wait.h"

int ph_process_new(struct ph_session *session, pid_t pid, struct ph_space *space, struct ph_process **ret)
{
	struct ph_process *process = calloc(1, sizeof(*process));

	if (!process)
		return -ENOMEM;
	process->refs = 1;
	process->pid = pid;
	process->session = session;
	process->space = space;
	process->alive = true;
	process->pidfd = -1;
	ph_session_hold(session);
	ph_list_init(&process->threads);
	ph_list_init(&process->tripwires);
	ph_list_add_tail(&session->processes, &process->in_session);
	*ret = process;
	return 0;
}

struct ph_process *ph_process_ref(struct ph_process *process)
{
	process->refs++;
	return process;
}

void ph_process_unref(struct ph_process *process)
{
	if (!process || --process->refs)
		return;
	ph_modules_free(process->modules);
	ph_space_unref(process->space);
	ph_session_drop(process->session);
	free(process);
}

int ph_process_end_read(const struct ph_process *process, int *ret_status)
{
	const struct ph_session *session = process->session;

	if (session->spawned && process == session->target && ph_os_reap(process->pid, ret_status) == 1)
		return 1;
	return process->pidfd < 0 ? 0 : ph_os_ended(process->pid, process->pidfd, ret_status);
}

bool ph_process_has_own_space(const struct ph_process *process)
{
	struct ph_process *other;

	ph_list_each(other, &process->session->processes, struct ph_process, in_session)
		if (other != process && other->space == process->space)
			return false;
	return true;
}

bool ph_process_is_apart(const struct ph_process *process)
{
	struct ph_process *other;

	ph_list_each(other, &process->session->processes, struct ph_process, in_session)
		if (!other->silent && other->space == process->space)
			return false;
	return process->silent;
}

void ph_process_set_space(struct ph_process *process, struct ph_space *space)
{
	ph_space_unref(process->space);
	process->space = space;
	ph_modules_free(process->modules);
	process->modules = NULL;
	process->loader_seen = false;
	process->watches_landings = process->sees_longjmp = false;
}

void ph_process_retire(struct ph_process *process)
{
	if (!process->alive)
		return;
	process->alive = false;
	if (process->pidfd >= 0)
		close(process->pidfd);
	process->pidfd = -1;
	ph_process_set_space(process, NULL);
	ph_list_remove(&process->in_session);
	ph_process_unref(process);
}

pid_t ph_process_pid(const struct ph_process *process)
{
	return process->pid;
}

struct ph_session *ph_process_session(const struct ph_process *process)
{
	return process->session;
}

bool ph_process_is_alive(const struct ph_process *process)
{
	return process->alive;
}

int ph_session_each_process(struct ph_session *session, int (*fn)(struct ph_process *, void *), void *user)
{
	struct ph_process *process;
	int r = 0;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		if (!process->silent && (r = fn(process, user)) != 0)
			break;
	return r;
}
