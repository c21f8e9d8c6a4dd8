#include "engine/slot.h"

#include <errno.h>
#include <stdlib.h>

/* A 32-bit displacement, less what lies between its end and the ends of slot and operand. */
#define REACH (0x7fffffffll - 4096)

void ph_slots_fini(struct ph_slots *slots)
{
	for (size_t i = 0; i < slots->n_chunks; i++) {
		for (size_t j = 0; j < slots->chunks[i].used; j++)
			free(slots->chunks[i].slots[j]);
		free(slots->chunks[i].slots);
	}
	free(slots->chunks);
	ph_map_fini(&slots->by_site);
	*slots = (struct ph_slots){ 0 };
}

int ph_slots_add_chunk(struct ph_slots *slots, ph_addr base, size_t size)
{
	struct ph_chunk *chunks = reallocarray(slots->chunks, slots->n_chunks + 1, sizeof(*chunks));
	struct ph_slot **list = calloc(size / PH_COPY_SIZE, sizeof(struct ph_slot *));

	if (chunks)
		slots->chunks = chunks;
	if (!chunks || !list) {
		free(list);
		return -ENOMEM;
	}
	if (!slots->n_chunks || base < slots->low)
		slots->low = base;
	if (base + size > slots->high)
		slots->high = base + size;
	chunks[slots->n_chunks++] = (struct ph_chunk){ .base = base, .size = size, .slots = list };
	return 0;
}

static bool is_near(const struct ph_chunk *chunk, ph_addr from)
{
	int64_t low = (int64_t)(chunk->base - from), high = (int64_t)(chunk->base + chunk->size - from);

	return low > -REACH && low < REACH && high > -REACH && high < REACH;
}

struct ph_slot *ph_slots_take(struct ph_slots *slots, ph_addr from)
{
	/* Chunks grow, and the newest has room most often. */
	for (size_t i = slots->n_chunks; i-- > 0;) {
		struct ph_chunk *chunk = &slots->chunks[i];
		struct ph_slot *slot;

		if (chunk->used == chunk->size / PH_COPY_SIZE || !is_near(chunk, from))
			continue;
		slot = calloc(1, sizeof(*slot));
		if (!slot)
			return NULL;
		slot->addr = chunk->base + chunk->used * PH_COPY_SIZE;
		slot->from = from;
		chunk->slots[chunk->used++] = slot;
		return slot;
	}
	return NULL;
}

struct ph_slot *ph_slots_at(const struct ph_slots *slots, ph_addr rip)
{
	for (size_t i = 0; i < slots->n_chunks; i++) {
		const struct ph_chunk *chunk = &slots->chunks[i];
		size_t at = (rip - chunk->base) / PH_COPY_SIZE;

		if (rip - chunk->base < chunk->size)
			return at < chunk->used ? chunk->slots[at] : NULL;
	}
	return NULL;
}
