#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16

static size_t slot_of(const struct ph_map *map, uint64_t key)
{
	/* Fibonacci hashing: addresses and tids differ in their low bits, the product spreads them over the high. */
	return (size_t)((key * 0x9e3779b97f4a7c15ull) >> 20) & (map->capacity - 1);
}

static struct ph_map_slot *probe(const struct ph_map *map, uint64_t key)
{
	size_t i = slot_of(map, key);

	while (map->slots[i].value && map->slots[i].key != key)
		i = (i + 1) & (map->capacity - 1);
	return &map->slots[i];
}

void ph_map_fini(struct ph_map *map)
{
	free(map->slots);
	*map = (struct ph_map){ 0 };
}

void *ph_map_find(const struct ph_map *map, uint64_t key)
{
	return map->capacity ? probe(map, key)->value : NULL;
}

static int grow(struct ph_map *map)
{
	struct ph_map wider = { .capacity = map->capacity ? map->capacity * 2 : FIRST_CAPACITY };

	wider.slots = calloc(wider.capacity, sizeof(*wider.slots));
	if (!wider.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i].value)
			*probe(&wider, map->slots[i].key) = map->slots[i];
	wider.count = map->count;
	free(map->slots);
	*map = wider;
	return 0;
}

int ph_map_add(struct ph_map *map, uint64_t key, void *value)
{
	struct ph_map_slot *slot;

	if ((map->count + 1) * 4 > map->capacity * 3) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	slot = probe(map, key);
	if (!slot->value)
		map->count++;
	*slot = (struct ph_map_slot){ key, value };
	return 0;
}

void *ph_map_remove(struct ph_map *map, uint64_t key)
{
	struct ph_map_slot *slot = map->capacity ? probe(map, key) : NULL;
	void *value;
	size_t hole, i;

	if (!slot || !slot->value)
		return NULL;
	value = slot->value;
	/* Close the gap: an entry further on moves back unless its own place lies behind the hole. */
	hole = (size_t)(slot - map->slots);
	for (i = (hole + 1) & (map->capacity - 1); map->slots[i].value; i = (i + 1) & (map->capacity - 1)) {
		size_t home = slot_of(map, map->slots[i].key);

		if (((i - home) & (map->capacity - 1)) >= ((i - hole) & (map->capacity - 1))) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = (struct ph_map_slot){ 0 };
	map->count--;
	return value;
}
