#include "base/spell.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Costs of turning the first i letters of a into the first j of b, for the last three i. */
struct rows {
	unsigned before[PH_SPELL_MAX], last[PH_SPELL_MAX], now[PH_SPELL_MAX];
};

static unsigned cell(const struct rows *rows, const char *a, const char *b, size_t i, size_t j)
{
	unsigned cost = rows->last[j - 1] + (a[i - 1] != b[j - 1]);

	cost = least(cost, rows->last[j] + 1);
	cost = least(cost, rows->now[j - 1] + 1);
	if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
		cost = least(cost, rows->before[j - 2] + 1);
	return cost;
}

static unsigned edits(const char *a, size_t a_len, const char *b, size_t b_len, unsigned limit)
{
	struct rows rows;
	unsigned before_best = 0;

	for (size_t j = 0; j <= b_len; j++)
		rows.before[j] = rows.last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned best = rows.now[0] = (unsigned)i;

		for (size_t j = 1; j <= b_len; j++) {
			rows.now[j] = cell(&rows, a, b, i, j);
			best = least(best, rows.now[j]);
		}
		/* A swap reaches back two rows, so that one row past the limit does not end it. */
		if (best > limit && before_best > limit)
			return limit + 1;
		before_best = best;
		memcpy(rows.before, rows.last, (b_len + 1) * sizeof(rows.last[0]));
		memcpy(rows.last, rows.now, (b_len + 1) * sizeof(rows.now[0]));
	}
	return rows.last[b_len];
}

unsigned ph_spell_distance(const char *a, const char *b, unsigned limit)
{
	size_t a_len = strnlen(a, PH_SPELL_MAX), b_len = strnlen(b, PH_SPELL_MAX);
	size_t apart = a_len > b_len ? a_len - b_len : b_len - a_len;

	if (strcmp(a, b) == 0)
		return 0;
	/* At the full length there may be more, which the rows have no room for. */
	if (a_len == PH_SPELL_MAX || b_len == PH_SPELL_MAX || apart > limit)
		return limit + 1;
	if (apart == 0 && strcasecmp(a, b) == 0)
		return least(1, limit + 1);
	return least(edits(a, a_len, b, b_len, limit), limit + 1);
}

/* A third of the letters, or two; but never half of a short word, or anything would be near it. */
static unsigned allowed(const char *wanted)
{
	size_t len = strnlen(wanted, PH_SPELL_MAX);
	unsigned third = (unsigned)(len / 3), half = (unsigned)(len / 2);

	return least(third > 2 ? third : 2, half ? half : 1);
}

void ph_spell_init(struct ph_spell *spell, const char *wanted)
{
	*spell = (struct ph_spell){ .wanted = wanted, .distance = allowed(wanted) + 1 };
}

void ph_spell_offer(struct ph_spell *spell, const char *name)
{
	unsigned distance;
	size_t len;

	if (spell->distance == 0 || !name[0])
		return;
	distance = ph_spell_distance(spell->wanted, name, spell->distance - 1);
	len = strnlen(name, PH_SPELL_MAX);
	if (distance >= spell->distance || len == PH_SPELL_MAX)
		return;
	memcpy(spell->best, name, len + 1);
	spell->distance = distance;
}

const char *ph_spell_result(const struct ph_spell *spell)
{
	return spell->best[0] ? spell->best : NULL;
}
