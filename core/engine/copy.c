#include "engine/copy.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine/inject.h"
#include "engine/inside.h"
#include "os/procfs.h"

#define FIRST_CHUNK (64u << 10)
#define LAST_CHUNK (4u << 20)
#define REACH (1ll << 30)	/* how far from the site scratch memory may lie: half of what a displacement spans */
#define LOWEST 0x10000		/* vm.mmap_min_addr is at most this */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static uint64_t distance(ph_addr a, ph_addr b)
{
	return a > b ? a - b : b - a;
}

/* The gap between mappings, of this size at least, that lies nearest to the site. */
static ph_addr find_gap(const struct ph_maps *maps, ph_addr near, size_t size)
{
	ph_addr best = 0, end = LOWEST;

	for (size_t i = 0; i < maps->count; i++) {
		ph_addr start = maps->entries[i].start;

		if (start > end && start - end >= size) {
			ph_addr at = start <= near ? start - size : end;

			if (distance(at, near) < REACH && (!best || distance(at, near) < distance(best, near)))
				best = at;
		}
		end = maps->entries[i].end;
	}
	if (end > near && distance(end, near) < REACH && (!best || distance(end, near) < distance(best, near)) &&
	    end + size < 1ull << 47)
		best = end;
	return best;
}

static int map_chunk(struct ph_thread *thread, ph_addr near)
{
	struct ph_slots *slots = &thread->process->space->slots;
	size_t size = slots->n_chunks ? slots->chunks[slots->n_chunks - 1].size * 2 : FIRST_CHUNK;
	struct ph_maps maps;
	int64_t base, answer;
	ph_addr at;
	int r;

	if (size > LAST_CHUNK)
		size = LAST_CHUNK;
	r = ph_os_maps_read(thread->tid, &maps);
	if (r < 0)
		return r;
	at = find_gap(&maps, near, size);
	ph_os_maps_fini(&maps);
	if (!at)
		return -ENOMEM;
	r = ph_inject_syscall(thread, SYS_mmap,
			      (uint64_t[]){ at, size, PROT_READ | PROT_EXEC,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0 },
			      &base, NULL);
	if (r < 0)
		return r;
	if (base < 0)
		return (int)base;
	/* A kernel before 4.17 takes the address for a hint. */
	if ((ph_addr)base != at)
		return -EEXIST;
	/* A child has no use for it: no thread of its is ever in a copy when it forks. */
	r = ph_inject_syscall(thread, SYS_madvise, (uint64_t[]){ at, size, MADV_DONTFORK, 0, 0, 0 }, &answer, NULL);
	if (r < 0)
		return r;
	return ph_slots_add_chunk(slots, at, size);
}

static struct ph_slot *take_slot(struct ph_thread *thread, ph_addr from)
{
	struct ph_slots *slots = &thread->process->space->slots;
	struct ph_slot *slot = ph_slots_take(slots, from);

	if (!slot && map_chunk(thread, from) >= 0)
		slot = ph_slots_take(slots, from);
	return slot;
}

/* What stands at the site: how many bytes of an instruction could be read. */
static size_t read_original(struct ph_thread *thread, ph_addr addr, uint8_t bytes[PH_INSN_MAX])
{
	struct ph_err err = { 0 };

	if (ph_space_read(thread->process->space, thread->tid, addr, bytes, PH_INSN_MAX, &err) < 0)
		return err.done;
	return PH_INSN_MAX;
}

static bool changes_rip_alone(const struct ph_emulation *emulation)
{
	return emulation->to == PH_REG_NONE && !emulation->stores;
}

/* Once per site: which way it is passed. */
static void plan_way(struct ph_thread *thread, struct ph_site *site)
{
	struct ph_space *space = thread->process->space;
	uint8_t bytes[PH_INSN_MAX];
	size_t len = read_original(thread, site->addr, bytes);
	struct ph_slot *slot;

	site->way = PH_WAY_STEP;
	if (ph_insn_decode(bytes, len, &site->insn) < 0)
		site->insn.length = 0;
	if (ph_emulation_plan(bytes, len, site->addr, &site->emulation) >= 0 && changes_rip_alone(&site->emulation)) {
		site->way = PH_WAY_EMULATE;
		return;
	}
	slot = ph_map_find(&space->slots.by_site, site->addr);
	if (!slot) {
		struct ph_copy trial;

		/* Worth a slot only if it can be copied at all. */
		if (space->slots.refused || ph_relocate(bytes, len, site->addr, site->addr, &trial) < 0)
			return;
		slot = take_slot(thread, site->addr);
		if (!slot) {
			space->slots.refused = space->slots.n_chunks == 0;
			return;
		}
		if (ph_relocate(bytes, len, site->addr, slot->addr, &slot->copy) < 0 ||
		    ph_space_write_raw(space, thread->tid, slot->addr, slot->copy.bytes, PH_COPY_SIZE, NULL) < 0 ||
		    ph_map_add(&space->slots.by_site, site->addr, slot) < 0)
			return;
	}
	site->slot = slot;
	site->way = PH_WAY_COPY;
}

bool ph_copy_pass(struct ph_thread *thread, struct ph_site *site)
{
	if (site->way == PH_WAY_UNKNOWN) {
		plan_way(thread, site);
		/* It had to make a call for us, and may not have come back. */
		if (!thread->view.have)
			return false;
	}
	switch (site->way) {
	case PH_WAY_EMULATE:
		if (ph_emulation_run(&site->emulation, &thread->view.regs, NULL) < 0)
			return false;
		thread->view.dirty = PH_DIRTY_ANY;
		thread->process->session->stats.emulated++;
		return true;
	case PH_WAY_COPY:
		return ph_inside_enter_slot(thread, site->slot);
	case PH_WAY_UNKNOWN:
	case PH_WAY_STEP:
		break;
	}
	return false;
}

void ph_copy_unmap(struct ph_thread *thread)
{
	struct ph_slots *slots = &thread->process->space->slots;

	for (size_t i = 0; i < slots->n_chunks; i++) {
		int64_t answer;

		if (ph_inject_syscall(thread, SYS_munmap,
				      (uint64_t[]){ slots->chunks[i].base, slots->chunks[i].size, 0, 0, 0, 0 },
				      &answer, NULL) < 0)
			break;
	}
	ph_slots_fini(slots);
}
