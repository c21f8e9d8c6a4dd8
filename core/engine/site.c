#include "engine/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ph_site *ph_site_new(ph_addr addr, uint8_t original)
{
	struct ph_site *site = calloc(1, sizeof(*site));

	if (site) {
		site->addr = addr;
		site->original = original;
	}
	return site;
}

void ph_site_free(struct ph_site *site)
{
	if (!site)
		return;
	free(site->owners);
	free(site);
}

int ph_site_owner_add(struct ph_site *site, struct ph_site_owner owner)
{
	size_t at = site->n_owners;

	if (site->n_owners == site->room_owners) {
		size_t room = site->room_owners ? site->room_owners * 2 : 1;
		void *owners = reallocarray(site->owners, room, sizeof(*site->owners));

		if (!owners)
			return -ENOMEM;
		site->owners = owners;
		site->room_owners = room;
	}
	while (at > 0 && site->owners[at - 1].id > owner.id)
		at--;
	memmove(&site->owners[at + 1], &site->owners[at], (site->n_owners - at) * sizeof(*site->owners));
	site->owners[at] = owner;
	site->n_owners++;
	return 0;
}

void ph_site_owner_remove(struct ph_site *site, struct ph_site_owner owner)
{
	for (size_t i = 0; i < site->n_owners; i++) {
		if (site->owners[i].breakpoint != owner.breakpoint || site->owners[i].tripwire != owner.tripwire)
			continue;
		site->n_owners--;
		memmove(&site->owners[i], &site->owners[i + 1], (site->n_owners - i) * sizeof(*site->owners));
		return;
	}
}
