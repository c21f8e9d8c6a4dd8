#include "engine/memory.h"

#include <errno.h>

#include "engine/snapshot.h"
#include "engine/watch.h"

int ph_memory_write(struct ph_thread *thread, ph_addr addr, const void *buf, size_t len, struct ph_err *err)
{
	int r = ph_space_write(thread->process->space, thread->tid, addr, buf, len, err);

	ph_snapshots_note_write(thread->process->session, thread->process->space, addr, len);
	ph_watches_see(thread, addr, addr + len);
	return r;
}

int ph_process_read(struct ph_process *process, ph_addr addr, void *buf, size_t len, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	if (!thread)
		return ph_err_say(err, -ESRCH, "read memory", "process %d has ended", process->pid);
	return ph_space_read(process->space, thread->tid, addr, buf, len, err);
}

int ph_process_write(struct ph_process *process, ph_addr addr, const void *buf, size_t len, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	if (!thread)
		return ph_err_say(err, -ESRCH, "write memory", "process %d has ended", process->pid);
	return ph_memory_write(thread, addr, buf, len, err);
}
