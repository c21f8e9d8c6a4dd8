/*
 * map - 64-bit keys to pointers, open addressing.
 *
 * For thread ids and site addresses: looked up once a stop, so one probe in the common case. Owns neither keys nor
 * values; a value is never NULL.
 */
#ifndef PH_BASE_MAP_H
#define PH_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct ph_map_slot {
	uint64_t key;
	void *value;	/* NULL: free */
};

struct ph_map {
	struct ph_map_slot *slots;	/* owned */
	size_t capacity;		/* a power of two, or 0 */
	size_t count;
};

void ph_map_fini(struct ph_map *map);
void *ph_map_find(const struct ph_map *map, uint64_t key);
int ph_map_add(struct ph_map *map, uint64_t key, void *value);	/* replaces; 0 or -ENOMEM */
void *ph_map_remove(struct ph_map *map, uint64_t key);		/* what stood there, or NULL */

#endif
