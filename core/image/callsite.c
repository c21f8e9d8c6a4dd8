#include "image/callsite.h"

#define NEST_MAX 16	/* blocks in each other */

static bool is_site(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site;
}

bool ph_callsite_return(Dwarf_Die *site, ph_addr *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Addr addr;

	if ((!dwarf_attr(site, DW_AT_call_return_pc, &attr) && !dwarf_attr(site, DW_AT_low_pc, &attr)) ||
	    dwarf_formaddr(&attr, &addr) != 0)
		return false;
	*ret = addr;
	return true;
}

bool ph_callsite_find(Dwarf_Die *scopes, size_t n, ph_addr return_to, Dwarf_Die *ret)
{
	for (size_t i = n; i-- > 1;) {
		Dwarf_Die child;
		ph_addr at;

		if (dwarf_child(&scopes[i], &child) != 0)
			continue;
		do {
			if (is_site(&child) && ph_callsite_return(&child, &at) && at == return_to) {
				*ret = child;
				return true;
			}
		} while (dwarf_siblingof(&child, &child) == 0);
	}
	return false;
}

bool ph_callsite_origin(Dwarf_Die *site, Dwarf_Die *ret)
{
	return ph_dwarf_ref(site, DW_AT_call_origin, ret) || ph_dwarf_ref(site, DW_AT_abstract_origin, ret);
}

static int each_tail(Dwarf_Die *die, unsigned depth, int (*fn)(Dwarf_Die *site, void *user), void *user)
{
	Dwarf_Die child;
	int r = 0;

	if (depth == NEST_MAX || dwarf_child(die, &child) != 0)
		return 0;
	do {
		int tag = dwarf_tag(&child);

		if (is_site(&child) &&
		    (ph_dwarf_flag(&child, DW_AT_call_tail_call) || ph_dwarf_flag(&child, DW_AT_GNU_tail_call)))
			r = fn(&child, user);
		else if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine)
			r = each_tail(&child, depth + 1, fn, user);
	} while (r == 0 && dwarf_siblingof(&child, &child) == 0);
	return r;
}

int ph_callsite_each_tail(Dwarf_Die *die, int (*fn)(Dwarf_Die *site, void *user), void *user)
{
	return each_tail(die, 0, fn, user);
}
