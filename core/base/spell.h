/*
 * spell - the nearest spelling of a name that was not found.
 *
 * A distance between two words, and a small accumulator that keeps the nearest of all names that it is offered. Keeps
 * a copy of the best one, allocates nothing. Words of PH_SPELL_MAX characters and more are near nothing but
 * themselves.
 */
#ifndef PH_BASE_SPELL_H
#define PH_BASE_SPELL_H

#define PH_SPELL_MAX 128

struct ph_spell {
	const char *wanted;	/* borrowed */
	char best[PH_SPELL_MAX];
	unsigned distance;	/* of best; one more than allowed while there is none */
};

/*
 * Letters to insert, drop, replace or swap with their neighbour (no part is edited twice), limit + 1 when it takes
 * more than limit. Words that differ in case only are at most 1 apart.
 */
unsigned ph_spell_distance(const char *a, const char *b, unsigned limit);

void ph_spell_init(struct ph_spell *spell, const char *wanted);
void ph_spell_offer(struct ph_spell *spell, const char *name);

/* The nearest name offered, the first of equals; NULL when none is near. Lives as long as spell. */
const char *ph_spell_result(const struct ph_spell *spell);

#endif
