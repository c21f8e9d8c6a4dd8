#include "engine/redirect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/alloc.h"
#include "engine/beginning.h"
#include "engine/hold.h"
#include "engine/patching.h"
#include "engine/resume.h"
#include "os/procfs.h"
#include "x86/insn.h"
#include "x86/relocate.h"

#define JUMP_SIZE  5	/* e9 and a displacement */
#define OVER_MOST  (JUMP_SIZE - 1 + PH_INSN_MAX)
#define LOOK_AHEAD 1024	/* bytes of the function that are looked through for jumps back */

static const char op[] = "redirect";

struct ph_redirection {
	struct ph_redirection *next;	/* first: whoever frees the chain knows no more (space.c) */
	ph_addr addr, to, base;
	size_t over;		/* bytes of the program's that are overwritten */
	size_t n;		/* instructions among them */
	bool keep;
	struct {
		ph_addr from;
		uint8_t length;
		struct ph_copy copy;
	} copies[JUMP_SIZE];
};

/* The jump to what is too far; then the copies, a slot each. */
static ph_addr slot_of(const struct ph_redirection *plan, size_t i)
{
	return plan->base + (i + 1) * PH_COPY_SIZE;
}

static bool is_inside(const struct ph_redirection *plan, ph_addr addr)
{
	return addr != plan->addr && addr - plan->addr < plan->over;
}

/* ---- What can be overwritten */

static int too_short(const struct ph_redirection *plan, struct ph_err *err)
{
	return ph_err_say(err, -ENOSPC, op, "only %zu bytes at 0x%llx before the function ends, and a jump has %d: replace() needs "
			  "no more than one", plan->over, (unsigned long long)plan->addr, JUMP_SIZE);
}

/* The instructions of the first bytes. */
static int measure(struct ph_redirection *plan, const uint8_t *code, size_t len, struct ph_err *err)
{
	while (plan->over < JUMP_SIZE) {
		struct ph_insn insn;
		int r = ph_insn_decode(code + plan->over, len - plan->over, &insn);
		ph_addr at = plan->addr + plan->over;

		if (r < 0)
			return ph_err_say(err, r, op, "no instruction that is known stands at 0x%llx", (unsigned long long)at);
		plan->copies[plan->n].from = at;
		plan->copies[plan->n++].length = insn.length;
		plan->over += insn.length;
		if (plan->over >= JUMP_SIZE)
			break;
		/* It comes back to behind itself, which is in the middle of our jump. */
		if (insn.is_call)
			return ph_err_say(err, -ENOTSUP, op, "the call at 0x%llx returns into the bytes that the jump needs; replace() needs no "
					  "more than one", (unsigned long long)at);
		if (insn.is_int3 || (insn.is_branch && !insn.is_conditional))
			return too_short(plan, err);
	}
	return 0;
}

/* A jump of the function to the middle of what is overwritten would find something else there. */
static int check_jumps(const struct ph_redirection *plan, const uint8_t *code, size_t len, struct ph_err *err)
{
	struct ph_insn insn;

	for (size_t at = 0; at < len && ph_insn_decode(code + at, len - at, &insn) >= 0; at += insn.length) {
		ph_addr target = insn.is_direct ? ph_insn_target(&insn, plan->addr + at) : plan->addr;

		if (at >= plan->over && is_inside(plan, target))
			return ph_err_say(err, -ENOTSUP, op, "the jump at 0x%llx goes into the bytes that ours needs; replace() needs no more "
					  "than one", (unsigned long long)(plan->addr + at));
	}
	return 0;
}

/* ---- Copies */

/* Which copy begins with this address of the program; -1: none. */
static int copy_of(const struct ph_redirection *plan, ph_addr addr)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->copies[i].from == addr)
			return (int)i;
	return -1;
}

/* The jumps at its end go to the program; those into what is overwritten go to its copy. */
static int rejoin(const struct ph_redirection *plan, size_t i, struct ph_copy *copy)
{
	for (unsigned int j = 0; j < copy->n_points; j++) {
		const struct ph_copy_point *point = &copy->points[j];
		ph_addr end = slot_of(plan, i) + point->at + JUMP_SIZE;
		int32_t distance;
		int other;

		if (point->state != PH_COPY_AFTER || point->stands_for - plan->addr >= plan->over)
			continue;
		other = copy_of(plan, point->stands_for);
		if (other < 0 || copy->bytes[point->at] != 0xe9)
			return -ENOTSUP;
		distance = (int32_t)(slot_of(plan, (size_t)other) - end);
		memcpy(copy->bytes + point->at + 1, &distance, sizeof(distance));
	}
	return 0;
}

static int make_copies(struct ph_redirection *plan, const uint8_t *code, struct ph_err *err)
{
	for (size_t i = 0; i < plan->n; i++) {
		ph_addr from = plan->copies[i].from;
		int r = ph_relocate(code + (from - plan->addr), plan->copies[i].length, from, slot_of(plan, i),
				    &plan->copies[i].copy);

		if (r >= 0)
			r = rejoin(plan, i, &plan->copies[i].copy);
		if (r < 0)
			return ph_err_say(err, r, op, "the instruction at 0x%llx cannot run at another place; replace() leaves it where it is",
					  (unsigned long long)from);
	}
	return 0;
}

static int write_copies(struct ph_thread *thread, const struct ph_redirection *plan, struct ph_err *err)
{
	struct ph_space *space = thread->process->space;
	uint8_t far[6 + sizeof(plan->to)] = "\xff\x25";	/* jmp [rip+0] */
	int r;

	memcpy(far + 6, &plan->to, sizeof(plan->to));
	r = ph_space_write_raw(space, thread->tid, plan->base, far, sizeof(far), err);
	for (size_t i = 0; i < plan->n && r >= 0; i++)
		r = ph_space_write_raw(space, thread->tid, slot_of(plan, i), plan->copies[i].copy.bytes, PH_COPY_SIZE, err);
	return r;
}

/* ---- Threads */

static bool stands_inside(struct ph_thread *thread, const struct ph_redirection *plan)
{
	return thread->process->space && thread->state == PH_THREAD_STOPPED && ph_thread_regs_fetch(thread, NULL) >= 0 &&
	       is_inside(plan, thread->view.regs.rip);
}

/* Each to the copy of the instruction that it stands before. Nobody moves when one cannot. */
static int move_threads(struct ph_session *session, const struct ph_space *space, const struct ph_redirection *plan,
			struct ph_err *err)
{
	struct ph_process *process;
	struct ph_thread *thread;

	for (int pass = 0; pass < 2; pass++)
		ph_list_each(process, &session->processes, struct ph_process, in_session)
			ph_list_each(thread, &process->threads, struct ph_thread, in_process) {
				int i = process->space == space && stands_inside(thread, plan) ?
					copy_of(plan, thread->view.regs.rip) : 0;

				if (i < 0)
					return ph_err_say(err, -EBUSY, op, "thread %d stands at 0x%llx, in the middle of an instruction", thread->tid,
							  (unsigned long long)thread->view.regs.rip);
				if (pass == 1 && i > 0)
					ph_thread_set_rip(thread, slot_of(plan, (size_t)i));
			}
	return 0;
}

/* ---- All of it */

static int check_target(struct ph_thread *thread, ph_addr to, struct ph_err *err)
{
	const struct ph_map_entry *entry;
	struct ph_maps maps;
	bool is_code;
	int r = ph_os_maps_read(thread->tid, &maps);

	if (r < 0)
		return ph_err_set_in(err, r, "read memory map", thread->tid);
	entry = ph_os_maps_find(&maps, to);
	is_code = entry && entry->perms[2] == 'x';
	ph_os_maps_fini(&maps);
	return is_code ? 0 : ph_err_say(err, -EFAULT, op, "nothing that can be run is mapped at 0x%llx, where it is to go",
					(unsigned long long)to);
}

static int prepare(struct ph_thread *thread, struct ph_redirection *plan, struct ph_err *err)
{
	struct ph_space *space = thread->process->space;
	uint8_t code[LOOK_AHEAD];
	struct ph_err failed = { 0 };
	size_t len = sizeof(code);
	int r;

	if (ph_space_read(space, thread->tid, plan->addr, code, len, &failed) < 0)
		len = failed.done;
	if (!len)
		return ph_err_say(err, -EIO, op, "nothing is mapped at 0x%llx", (unsigned long long)plan->addr);
	r = measure(plan, code, len, err);
	if (r >= 0)
		r = ph_patching_check(thread, plan->addr, plan->over, NULL, err);
	if (r >= 0)
		r = check_jumps(plan, code, len, err);
	if (r >= 0)
		r = ph_alloc_map(thread, (plan->n + 1) * PH_COPY_SIZE, PROT_READ | PROT_EXEC, plan->addr, plan->keep, &plan->base,
				 err);
	if (r < 0)
		return r;
	r = make_copies(plan, code, err);
	if (r >= 0)
		r = write_copies(thread, plan, err);
	if (r < 0)
		ph_alloc_unmap(thread, plan->base, NULL);
	return r;
}

static void write_jump(const struct ph_redirection *plan, uint8_t jump[OVER_MOST])
{
	int64_t distance = (int64_t)(plan->to - (plan->addr + JUMP_SIZE));
	int32_t near;

	if (distance != (int32_t)distance)
		distance = (int64_t)(plan->base - (plan->addr + JUMP_SIZE));
	near = (int32_t)distance;
	memset(jump, 0x90, OVER_MOST);
	jump[0] = 0xe9;
	memcpy(jump + 1, &near, sizeof(near));
}

int ph_redirect(struct ph_thread *thread, ph_addr addr, ph_addr to, bool keep, ph_addr *ret_original,
		struct ph_patch **ret_patch, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct ph_space *space = thread->process->space;
	struct ph_redirection *plan;
	uint8_t jump[OVER_MOST];
	int r = ph_session_check(session, op, err);

	if (r >= 0)
		r = ph_thread_regs_fetch(thread, err);
	if (r >= 0)
		r = check_target(thread, to, err);
	if (r >= 0)
		r = ph_beginning_check(thread->process, addr, op, err);
	if (r < 0)
		return r;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return ph_err_set(err, -ENOMEM, op);
	*plan = (struct ph_redirection){ .addr = addr, .to = to, .keep = keep };
	ph_hold_space(session, space, thread);
	r = prepare(thread, plan, err);
	if (r >= 0) {
		write_jump(plan, jump);
		r = move_threads(session, space, plan, err);
		if (r >= 0)
			r = ph_patch_put(session, space, thread->tid, addr, jump, plan->over, keep, ret_patch, err);
		if (r < 0)
			ph_alloc_unmap(thread, plan->base, NULL);
	}
	if (r >= 0) {
		*ret_original = slot_of(plan, 0);
		plan->next = space->redirections;
		space->redirections = plan;
	} else {
		free(plan);
	}
	session->has_held = session->in_run;
	return r;
}

/* ---- The end */

/* rip lies in memory of this one, which is about to go. */
static void lead_out(struct ph_thread *thread, const struct ph_redirection *plan)
{
	ph_addr rip = thread->view.regs.rip;
	size_t i = (rip - plan->base) / PH_COPY_SIZE;
	const struct ph_copy_point *point;

	if (i == 0) {
		ph_thread_set_rip(thread, plan->to);
		return;
	}
	point = i <= plan->n ? ph_copy_find(&plan->copies[i - 1].copy, rip - slot_of(plan, i - 1)) : NULL;
	if (!point)
		return;
	ph_thread_set_rip(thread, point->stands_for);
	if (point->rsp_add) {
		thread->view.regs.rsp += (uint64_t)(int64_t)point->rsp_add;
		thread->view.dirty = PH_DIRTY_ANY;
	}
}

void ph_redirect_lead_out(struct ph_session *session)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			for (const struct ph_redirection *plan = process->space->redirections; plan; plan = plan->next)
				if (!plan->keep && thread->state == PH_THREAD_STOPPED && ph_thread_regs_fetch(thread, NULL) >= 0 &&
				    thread->view.regs.rip - plan->base < (plan->n + 1) * PH_COPY_SIZE)
					lead_out(thread, plan);
}
