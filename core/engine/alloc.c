#include "engine/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine/border.h"
#include "engine/copy.h"
#include "engine/inject.h"
#include "os/procfs.h"

#define PAGE 4096ull

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static int find_place(struct ph_thread *thread, ph_addr near, size_t size, ph_addr *ret, struct ph_err *err)
{
	struct ph_maps maps;
	int r = ph_os_maps_read(thread->tid, &maps);

	if (r < 0)
		return ph_err_set_in(err, r, "read memory map", thread->tid);
	*ret = ph_copy_find_gap(&maps, near, size);
	ph_os_maps_fini(&maps);
	return *ret ? 0 : ph_err_say(err, -ENOMEM, "allocate memory", "no gap of %zu bytes is near enough to 0x%llx", size,
				     (unsigned long long)near);
}

/* The kernel's answer as an error; or 0. */
static int check_answer(int64_t answer, const char *op, struct ph_err *err)
{
	return answer < 0 && answer > -4096 ? ph_err_set(err, (int)answer, op) : 0;
}

static int remember(struct ph_space *space, struct ph_allocation allocation)
{
	struct ph_allocation *list = reallocarray(space->allocations, space->n_allocations + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	space->allocations = list;
	list[space->n_allocations++] = allocation;
	return 0;
}

/* By a thread that a script has in a hook, or between runs: wherever it stands. */
static int call(struct ph_thread *thread, const char *op, long number, const uint64_t args[6], int64_t *ret,
		struct ph_err *err)
{
	struct ph_border border = { 0 };
	int r = ph_border_reach(thread, op, &border, err);

	if (r >= 0)
		r = ph_inject_syscall(thread, number, args, ret, err);
	ph_border_return(thread, &border, true);
	return r;
}

int ph_alloc_map(struct ph_thread *thread, size_t size, int prot, ph_addr near, bool keep, ph_addr *ret,
		 struct ph_err *err)
{
	struct ph_space *space = thread->process->space;
	ph_addr at = 0;
	int64_t answer;
	int r;

	if (!size || size > SIZE_MAX - PAGE)
		return ph_err_say(err, -EINVAL, "allocate memory", "%zu bytes cannot be mapped", size);
	size = (size + PAGE - 1) & ~(PAGE - 1);
	if (near && (r = find_place(thread, near, size, &at, err)) < 0)
		return r;
	r = call(thread, "allocate memory", SYS_mmap,
		 (uint64_t[]){ at, size, (uint64_t)prot,
			       MAP_PRIVATE | MAP_ANONYMOUS | (near ? MAP_FIXED_NOREPLACE : 0), (uint64_t)-1, 0 },
		 &answer, err);
	if (r >= 0)
		r = check_answer(answer, "allocate memory", err);
	if (r < 0)
		return r;
	*ret = (ph_addr)answer;
	if (remember(space, (struct ph_allocation){ *ret, size, keep }) < 0)
		return ph_err_set(err, -ENOMEM, "allocate memory");
	return 0;
}

int ph_alloc_unmap(struct ph_thread *thread, ph_addr addr, struct ph_err *err)
{
	struct ph_space *space = thread->process->space;
	int64_t answer;
	int r;

	for (size_t i = 0; i < space->n_allocations; i++) {
		if (space->allocations[i].addr != addr)
			continue;
		r = call(thread, "free memory", SYS_munmap, (uint64_t[]){ addr, space->allocations[i].size, 0, 0, 0, 0 }, &answer, err);
		if (r >= 0)
			r = check_answer(answer, "free memory", err);
		if (r >= 0)
			space->allocations[i] = space->allocations[--space->n_allocations];
		return r;
	}
	return ph_err_say(err, -ENOENT, "free memory", "0x%llx is not what mem.alloc gave, or was freed already",
			  (unsigned long long)addr);
}

int ph_alloc_protect(struct ph_thread *thread, ph_addr addr, size_t size, int prot, struct ph_err *err)
{
	ph_addr start = addr & ~(PAGE - 1), end;
	int64_t answer;
	int r;

	if (!size || __builtin_add_overflow(addr, size, &end) || end > UINT64_MAX - PAGE)
		return ph_err_say(err, -EINVAL, "protect memory", "%zu bytes at 0x%llx are no range of memory", size,
				  (unsigned long long)addr);
	end = (end + PAGE - 1) & ~(PAGE - 1);
	r = call(thread, "protect memory", SYS_mprotect, (uint64_t[]){ start, end - start, (uint64_t)prot, 0, 0, 0 }, &answer, err);
	if (r < 0)
		return r;
	if (answer == -ENOMEM)
		return ph_err_say(err, -ENOMEM, "protect memory", "not all of 0x%llx to 0x%llx is mapped", (unsigned long long)start,
				  (unsigned long long)end);
	return check_answer(answer, "protect memory", err);
}

/* A thread that runs there would fault: better that the memory stays. */
static bool is_in_use(const struct ph_session *session, const struct ph_space *space,
		      const struct ph_allocation *allocation)
{
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			if (process->space == space && thread->state == PH_THREAD_STOPPED &&
			    ph_thread_regs_fetch(thread, NULL) >= 0 &&
			    thread->view.regs.rip - allocation->addr < allocation->size)
				return true;
	return false;
}

void ph_alloc_unmap_all(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	struct ph_space *space = thread->process->space;

	for (size_t i = 0; i < space->n_allocations; i++) {
		int64_t answer;

		if (!space->allocations[i].keep && !is_in_use(session, space, &space->allocations[i]) &&
		    ph_inject_syscall(thread, SYS_munmap,
				      (uint64_t[]){ space->allocations[i].addr, space->allocations[i].size, 0, 0, 0, 0 },
				      &answer, NULL) < 0)
			break;
	}
	space->n_allocations = 0;
}
