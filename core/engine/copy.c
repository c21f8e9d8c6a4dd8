#include "engine/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

ph_addr ph_copy_find_gap(const struct ph_maps *maps, ph_addr near, size_t size)
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

/* maps: the target's mappings as they are; NULL: they are to be read. */
static int map_chunk(struct ph_thread *thread, ph_addr near, const struct ph_maps *maps)
{
	struct ph_slots *slots = &thread->process->space->slots;
	size_t size = slots->n_chunks ? slots->chunks[slots->n_chunks - 1].size * 2 : FIRST_CHUNK;
	struct ph_maps read = { 0 };
	ph_addr at;
	int r;

	if (size > LAST_CHUNK)
		size = LAST_CHUNK;
	r = maps ? 0 : ph_os_maps_read(thread->tid, &read);
	if (r < 0)
		return r;
	at = ph_copy_find_gap(maps ? maps : &read, near, size);
	ph_os_maps_fini(&read);
	if (!at)
		return -ENOMEM;
	/* A child has no use for it: no thread of its is ever in a copy when it forks. */
	struct ph_inject_call calls[] = {
		{ SYS_mmap, { at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      (uint64_t)-1, 0 }, 0 },
		{ SYS_madvise, { at, size, MADV_DONTFORK }, 0 },
	};

	r = ph_inject_syscalls(thread, calls, 2, NULL);
	if (r < 0)
		return r;
	if (calls[0].ret < 0)
		return (int)calls[0].ret;
	/* A kernel before 4.17 takes the address for a hint. */
	if ((ph_addr)calls[0].ret != at)
		return -EEXIST;
	return ph_slots_add_chunk(slots, at, size);
}

static struct ph_slot *take_slot(struct ph_thread *thread, ph_addr from, const struct ph_maps *maps)
{
	struct ph_slots *slots = &thread->process->space->slots;
	struct ph_slot *slot = ph_slots_take(slots, from);

	if (!slot && map_chunk(thread, from, maps) >= 0)
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

/* ---- Code that may change */

static bool is_text(const struct ph_map_entry *entry)
{
	/* A memfd has a path too: what a JIT writes through another mapping of it. */
	return entry->perms[1] != 'w' && entry->perms[2] == 'x' && entry->perms[3] == 'p' &&
	       strncmp(entry->path, "/memfd:", 7) != 0 && strncmp(entry->path, "/dev/", 5) != 0 &&
	       (*entry->path == '/' || strcmp(entry->path, "[vdso]") == 0);
}

static bool is_in_text(const struct ph_space *space, ph_addr addr)
{
	for (size_t i = 0; i < space->n_text; i++)
		if (addr >= space->text[i].start && addr < space->text[i].end)
			return true;
	return false;
}

static void note_text(struct ph_space *space, const struct ph_maps *maps)
{
	struct ph_range *text = calloc(maps->count ? maps->count : 1, sizeof(*text));
	size_t n = 0;

	if (!text)
		return;
	for (size_t i = 0; i < maps->count; i++)
		if (is_text(&maps->entries[i]))
			text[n++] = (struct ph_range){ maps->entries[i].start, maps->entries[i].end };
	free(space->text);
	space->text = text;
	space->n_text = n;
}

/* Another thread of the program may rewrite it at any moment; what is so when the hit is handled counts. */
static bool is_as_planned(struct ph_thread *thread, const struct ph_site *site)
{
	uint8_t now[PH_INSN_MAX] = { 0 };

	read_original(thread, site->addr, now);
	return memcmp(now, site->planned, sizeof(now)) == 0;
}

/* ---- Ways past a site */

static bool changes_rip_alone(const struct ph_emulation *emulation)
{
	return emulation->to == PH_REG_NONE && !emulation->stores;
}

/* maps: the target's mappings as they are; NULL: nobody knows. */
static void plan_with(struct ph_thread *thread, struct ph_site *site, const struct ph_maps *maps)
{
	struct ph_space *space = thread->process->space;
	uint8_t bytes[PH_INSN_MAX] = { 0 };
	size_t len = read_original(thread, site->addr, bytes);
	struct ph_slot *slot;

	if (maps)
		note_text(space, maps);
	site->fickle = !is_in_text(space, site->addr);
	memcpy(site->planned, bytes, sizeof(bytes));
	site->way = PH_WAY_STEP;
	if (ph_insn_decode(bytes, len, &site->insn) < 0)
		site->insn.length = 0;
	if (ph_emulation_plan(bytes, len, site->addr, &site->emulation) >= 0 && changes_rip_alone(&site->emulation)) {
		site->way = PH_WAY_EMULATE;
		return;
	}
	slot = ph_map_find(&space->slots.by_site, site->addr);
	if (slot && memcmp(slot->original, bytes, sizeof(bytes)) != 0) {
		ph_map_remove(&space->slots.by_site, site->addr);
		slot = NULL;
	}
	if (!slot) {
		struct ph_copy trial;

		/* Worth a slot only if it can be copied at all. */
		if (space->slots.refused || ph_relocate(bytes, len, site->addr, site->addr, &trial) < 0)
			return;
		slot = take_slot(thread, site->addr, maps);
		if (!slot) {
			space->slots.refused = space->slots.n_chunks == 0;
			return;
		}
		memcpy(slot->original, bytes, sizeof(bytes));
		if (ph_relocate(bytes, len, site->addr, slot->addr, &slot->copy) < 0 ||
		    ph_space_write_raw(space, thread->tid, slot->addr, slot->copy.bytes, PH_COPY_SIZE, NULL) < 0 ||
		    ph_map_add(&space->slots.by_site, site->addr, slot) < 0)
			return;
	}
	site->slot = slot;
	site->way = PH_WAY_COPY;
}

/* Once per site: which way it is passed. */
static void plan_way(struct ph_thread *thread, struct ph_site *site)
{
	struct ph_maps maps = { 0 };
	bool known = !is_in_text(thread->process->space, site->addr) && ph_os_maps_read(thread->tid, &maps) >= 0;

	plan_with(thread, site, known ? &maps : NULL);
	ph_os_maps_fini(&maps);
}

bool ph_copy_pass(struct ph_thread *thread, struct ph_site *site)
{
	if (site->way == PH_WAY_UNKNOWN || (site->fickle && !is_as_planned(thread, site))) {
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

int ph_copy_return_trap(struct ph_thread *thread, ph_addr *ret, struct ph_err *err)
{
	struct ph_slots *slots = &thread->process->space->slots;
	struct ph_slot *slot;
	int r = ph_thread_regs_fetch(thread, err);

	if (r < 0)
		return r;
	if (!slots->return_trap) {
		slot = take_slot(thread, thread->view.regs.rip, NULL);
		if (!slot)
			return ph_err_say(err, -ENOTSUP, "call", "no memory can be mapped in the target for its return%s",
					  ph_inject_allowed(thread) ? "" : ": a seccomp filter watches its calls");
		memset(slot->copy.bytes, PH_TRAP_BYTE, sizeof(slot->copy.bytes));
		r = ph_space_write_raw(thread->process->space, thread->tid, slot->addr, slot->copy.bytes, PH_COPY_SIZE, err);
		if (r < 0)
			return r;
		slots->return_trap = slot->addr;
	}
	*ret = slots->return_trap;
	return 0;
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
