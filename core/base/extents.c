#include "base/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ph_extents_fini(struct ph_extents *extents)
{
	free(extents->all);
	*extents = (struct ph_extents){ 0 };
}

size_t ph_extents_from(const struct ph_extents *extents, ph_addr addr)
{
	size_t low = 0, high = extents->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (extents->all[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct ph_extents *extents, size_t at, struct ph_extent extent)
{
	if (extents->n == extents->room) {
		size_t room = extents->room ? extents->room * 2 : 32;
		void *all = reallocarray(extents->all, room, sizeof(*extents->all));

		if (!all)
			return -ENOMEM;
		extents->all = all;
		extents->room = room;
	}
	memmove(&extents->all[at + 1], &extents->all[at], (extents->n - at) * sizeof(*extents->all));
	extents->all[at] = extent;
	extents->n++;
	return 0;
}

int ph_extents_add(struct ph_extents *extents, ph_addr start, ph_addr end)
{
	struct ph_extent *last = extents->n ? &extents->all[extents->n - 1] : NULL;
	size_t at, behind;

	if (start >= end)
		return 0;
	if (!last || start > last->end)
		return insert(extents, extents->n, (struct ph_extent){ start, end });
	/* The first that touches it, and the first behind it that does not. */
	at = start ? ph_extents_from(extents, start - 1) : 0;
	for (behind = at; behind < extents->n && extents->all[behind].start <= end; behind++)
		;
	if (behind == at)
		return insert(extents, at, (struct ph_extent){ start, end });
	if (extents->all[at].start < start)
		start = extents->all[at].start;
	if (extents->all[behind - 1].end > end)
		end = extents->all[behind - 1].end;
	extents->all[at] = (struct ph_extent){ start, end };
	memmove(&extents->all[at + 1], &extents->all[behind], (extents->n - behind) * sizeof(*extents->all));
	extents->n -= behind - at - 1;
	return 0;
}

int ph_extents_add_all(struct ph_extents *extents, const struct ph_extents *others)
{
	for (size_t i = 0; i < others->n; i++)
		if (ph_extents_add(extents, others->all[i].start, others->all[i].end) < 0)
			return -ENOMEM;
	return 0;
}

uint64_t ph_extents_total(const struct ph_extents *extents)
{
	uint64_t total = 0;

	for (size_t i = 0; i < extents->n; i++)
		total += extents->all[i].end - extents->all[i].start;
	return total;
}
