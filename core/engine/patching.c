#include "engine/patching.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/alone.h"
#include "engine/event.h"
#include "engine/hold.h"
#include "engine/resume.h"
#include "engine/trap.h"
#include "os/procfs.h"

#define STEPS_MAX 256	/* of a thread that is led out of a patch */

int ph_patching_check(struct ph_thread *thread, ph_addr addr, size_t len, bool *ret_code, struct ph_err *err)
{
	const struct ph_map_entry *entry;
	struct ph_maps maps;
	int r = ph_os_maps_read(thread->tid, &maps);

	if (r < 0)
		return ph_err_set_in(err, r, "read memory map", thread->tid);
	entry = ph_os_maps_find(&maps, addr);
	if (!entry)
		r = ph_err_say(err, -EIO, "patch", "nothing is mapped at 0x%llx", (unsigned long long)addr);
	else if (len > entry->end - addr)
		r = ph_err_say(err, -EIO, "patch", "%zu bytes at 0x%llx reach over the end of their mapping, 0x%llx; patch each side "
			       "by itself", len, (unsigned long long)addr, (unsigned long long)entry->end);
	else if (ret_code)
		*ret_code = entry->perms[2] == 'x';
	ph_os_maps_fini(&maps);
	return r;
}

/* ---- Threads in the middle */

static bool stands_in(struct ph_thread *thread, ph_addr addr, size_t len)
{
	return thread->state == PH_THREAD_STOPPED && ph_thread_regs_fetch(thread, NULL) >= 0 &&
	       thread->view.regs.rip - addr < len && thread->view.regs.rip != addr;
}

/* A thread of the space for which no instruction of code, which is to stand at addr, begins at its rip; or NULL. */
static struct ph_thread *find_astray(const struct ph_session *session, const struct ph_space *space, ph_addr addr,
				     const uint8_t *code, size_t len)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (process->space == space && stands_in(thread, addr, len) &&
			    !ph_patch_is_boundary(code, len, thread->view.regs.rip - addr))
				return thread;
	return NULL;
}

static int refuse(struct ph_thread *astray, const char *op, struct ph_err *err)
{
	return ph_err_say(err, -EBUSY, op, "thread %d stands at 0x%llx, which would be the middle of an instruction; let it "
			  "run on first, or stop elsewhere", astray->tid, (unsigned long long)astray->view.regs.rip);
}

/* Every thread stands still, and where the program has it: none between an int3 of ours and its trap. */
static void hold(struct ph_session *session, const struct ph_space *space)
{
	ph_hold_space(session, space, NULL);
	ph_trap_take_queued(session);
}

/* ---- What scripts use */

int ph_patch_add(struct ph_process *process, ph_addr addr, const void *bytes, size_t len, bool keep,
		 struct ph_patch **ret, struct ph_err *err)
{
	struct ph_session *session = process->session;
	struct ph_thread *thread = ph_process_any_thread(process), *astray = NULL;
	bool is_code = false;
	int r = ph_session_check(session, "patch", err);

	if (r < 0)
		return r;
	if (!thread)
		return ph_err_say(err, -ESRCH, "patch", "process %d has ended", process->pid);
	if (!len)
		return ph_err_say(err, -EINVAL, "patch", "no bytes to put there");
	r = ph_patching_check(thread, addr, len, &is_code, err);
	if (r < 0)
		return r;
	if (is_code) {
		hold(session, process->space);
		astray = find_astray(session, process->space, addr, bytes, len);
	}
	if (astray)
		r = refuse(astray, "patch", err);
	else
		r = ph_patch_put(session, process->space, thread->tid, addr, bytes, len, keep, ret, err);
	if (is_code)
		session->has_held = session->in_run;
	return r;
}

int ph_patch_restore(struct ph_patch *patch, struct ph_err *err)
{
	struct ph_session *session = patch->session;
	struct ph_thread *thread, *astray;
	struct ph_space *space;
	uint8_t *code;
	int r = 0;

	if (patch->state == PH_PATCH_RESTORED)
		return ph_err_say(err, -ENOENT, "restore", "the patch at 0x%llx was restored already",
				  (unsigned long long)patch->addr);
	if (patch->state == PH_PATCH_GONE)
		return ph_err_say(err, -ESRCH, "restore", "the memory that was patched at 0x%llx is gone: its program ended or was "
				  "replaced, or was let go", (unsigned long long)patch->addr);
	thread = ph_space_any_thread(patch->space, session);
	if (!thread)
		return ph_err_say(err, -ESRCH, "restore", "the process has ended");
	code = malloc(patch->len);
	if (!code)
		return ph_err_set(err, -ENOMEM, "restore");
	space = ph_space_ref(patch->space);
	hold(session, space);
	/* Unmapped by now: nothing is left to be restored. */
	astray = ph_patch_beneath(patch, thread->tid, code, NULL) < 0 ? NULL :
		 find_astray(session, space, patch->addr, code, patch->len);
	if (astray)
		r = refuse(astray, "restore", err);
	else
		ph_patch_take(patch, thread->tid);
	session->has_held = session->in_run;
	ph_space_unref(space);
	free(code);
	return r;
}

int ph_process_read_original(struct ph_process *process, ph_addr addr, void *buf, size_t len, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	if (!thread)
		return ph_err_say(err, -ESRCH, "read memory", "process %d has ended", process->pid);
	return ph_patches_read_under(process->session, process->space, thread->tid, addr, buf, len, err);
}

/* ---- The end */

/* One instruction after the other, as the patch has them. What it stood before is delivered from its last stop. */
static void lead_out(struct ph_thread *thread, const struct ph_patch *patch, const uint8_t *code)
{
	int sig = thread->stop_signal, status;

	for (int i = 0; i < STEPS_MAX && stands_in(thread, patch->addr, patch->len) &&
			!ph_patch_is_boundary(code, patch->len, thread->view.regs.rip - patch->addr); i++) {
		struct ph_stop stop;

		thread->unguarded |= thread->process->guard.on;
		if (ph_alone_run(thread, PH_ALONE_STEP, 0, &status, NULL) < 0)
			return;
		stop = ph_stop_decode(status);
		if (stop.kind == PH_STOP_SIGNAL && !sig)
			sig = stop.value;
		else if (stop.kind != PH_STOP_TRAP && stop.kind != PH_STOP_SIGNAL && stop.kind != PH_STOP_INTERRUPT)
			break;
	}
	thread->stop_signal = sig;
}

static void restore(struct ph_patch *patch)
{
	struct ph_thread *tracee = ph_space_any_thread(patch->space, patch->session), *astray, *before = NULL;
	uint8_t *code = malloc(patch->len);

	if (!tracee || !code) {
		free(code);
		return;
	}
	if (ph_patch_beneath(patch, tracee->tid, code, NULL) >= 0)
		while ((astray = find_astray(patch->session, patch->space, patch->addr, code, patch->len)) && astray != before) {
			before = astray;
			lead_out(astray, patch, code);
		}
	tracee = ph_space_any_thread(patch->space, patch->session);
	if (tracee)
		ph_patch_take(patch, tracee->tid);
	free(code);
}

void ph_patches_restore_all(struct ph_session *session)
{
	for (struct ph_list *node = session->patches.prev; node != &session->patches;) {
		struct ph_patch *patch = PH_LIST_OF(node, struct ph_patch, in_session);

		node = node->prev;
		if (!patch->keep)
			restore(patch);
	}
}
