#include "image/tailcall.h"

#include <string.h>

#include "image/callsite.h"
#include "image/symbols.h"

#define STEPS_MAX 1000	/* jumps looked at, of one search */

struct search {
	struct ph_elf *elf;
	ph_addr entry;		/* where the chain is to lead */
	ph_addr entries[PH_TAILCALLS_MAX], jumps[PH_TAILCALLS_MAX];	/* of the functions on the way */
	size_t depth;
	ph_addr found[PH_TAILCALLS_MAX];
	size_t n_found, n_chains;
	unsigned steps;
};

static const char *linkage_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr))
		return ph_dwarf_string(&attr);
	return ph_dwarf_name(die);
}

/* Where the function that a call names is entered, in elf; its declaration may be all that the caller's file has. */
static bool find_entry(struct ph_elf *elf, bool is_same_file, Dwarf_Die *site, ph_addr *ret)
{
	struct ph_symbol symbol;
	const char *name;
	Dwarf_Die origin;

	if (!ph_callsite_origin(site, &origin))
		return false;
	if (is_same_file && ph_dwarf_entry(&origin, ret))
		return true;
	name = linkage_of(&origin);
	if (!name || ph_symbols_find(elf, name, &symbol) < 0 || symbol.type == PH_SYMBOL_IFUNC)
		return false;
	*ret = symbol.vaddr;
	return true;
}

static int try_function(struct search *search, ph_addr entry);

static int try_jump(Dwarf_Die *site, void *user)
{
	struct search *search = user;
	ph_addr target, behind;

	if (++search->steps > STEPS_MAX)
		return 1;
	/* A jump to somebody unknown may lead anywhere. */
	if (!find_entry(search->elf, true, site, &target) || !ph_callsite_return(site, &behind))
		return 0;
	search->jumps[search->depth - 1] = behind;
	if (target == search->entry) {
		if (search->n_chains++)
			return 1;
		search->n_found = search->depth;
		for (size_t i = 0; i < search->depth; i++)
			search->found[i] = search->jumps[search->depth - 1 - i];
		return 0;
	}
	return try_function(search, target);
}

static int try_function(struct search *search, ph_addr entry)
{
	Dwarf_Die scopes[PH_DWARF_DEPTH_MAX];
	size_t n;
	int r = 0;

	for (size_t i = 0; i < search->depth; i++)
		if (search->entries[i] == entry)
			return 0;
	if (search->depth == PH_TAILCALLS_MAX)
		return 0;
	n = ph_dwarf_scopes_at(search->elf, entry, scopes);
	for (size_t i = 1; i < n; i++) {
		if (dwarf_tag(&scopes[i]) != DW_TAG_subprogram)
			continue;
		search->entries[search->depth++] = entry;
		r = ph_callsite_each_tail(&scopes[i], try_jump, search);
		search->depth--;
		break;
	}
	return r;
}

size_t ph_tailcalls_find(struct ph_elf *elf, ph_addr entry, struct ph_elf *caller_elf, ph_addr return_to,
			 ph_addr ret[PH_TAILCALLS_MAX])
{
	struct search search = { .elf = elf, .entry = entry };
	Dwarf_Die scopes[PH_DWARF_DEPTH_MAX], site;
	size_t n = ph_dwarf_scopes_at(caller_elf, return_to - 1, scopes);
	ph_addr called;

	if (!ph_callsite_find(scopes, n, return_to, &site) || !find_entry(elf, elf == caller_elf, &site, &called) ||
	    called == entry)
		return 0;
	try_function(&search, called);
	if (search.n_chains != 1)
		return 0;
	memcpy(ret, search.found, search.n_found * sizeof(*ret));
	return search.n_found;
}
