#include "image/typename.h"

#include <stdio.h>
#include <string.h>

#define ALIASES_MAX 64	/* typedefs and qualifiers around a type */

static bool is_alias(int tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type || tag == DW_TAG_immutable_type ||
	       tag == DW_TAG_packed_type || tag == DW_TAG_shared_type;
}

bool ph_typename_strip(Dwarf_Die *die, const char **ret_alias)
{
	Dwarf_Die definition;

	*ret_alias = NULL;
	for (unsigned i = 0; is_alias(dwarf_tag(die)); i++) {
		if (dwarf_tag(die) == DW_TAG_typedef)
			*ret_alias = ph_dwarf_name(die);
		if (i == ALIASES_MAX || !ph_dwarf_ref(die, DW_AT_type, die))
			return false;
	}
	/* A declaration may name the unit of types that has it. */
	if (ph_dwarf_ref(die, DW_AT_signature, &definition))
		*die = definition;
	return true;
}

static const char *keyword_of(Dwarf_Die *die)
{
	Dwarf_Die unit;
	int language = dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1;
	/* What units share does not say whose it is. */
	bool is_c = language < 0 || language == DW_LANG_C89 || language == DW_LANG_C || language == DW_LANG_C99 ||
		    language == DW_LANG_C11;

	switch (is_c ? dwarf_tag(die) : 0) {
	case DW_TAG_structure_type:
		return "struct ";
	case DW_TAG_union_type:
		return "union ";
	case DW_TAG_enumeration_type:
		return "enum ";
	default:
		return "";
	}
}

static const char *nameless(int tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
		return "struct {...}";
	case DW_TAG_union_type:
		return "union {...}";
	case DW_TAG_enumeration_type:
		return "enum {...}";
	case DW_TAG_array_type:
		return "array";
	case DW_TAG_subroutine_type:
		return "function";
	default:
		return "type without a name";
	}
}

void ph_typename_of(Dwarf_Die *die, const char *alias, char buf[PH_TYPENAME_MAX])
{
	const char *name = die ? ph_dwarf_name(die) : "void";

	if (name)
		snprintf(buf, PH_TYPENAME_MAX, "%s%s", die ? keyword_of(die) : "", name);
	else
		snprintf(buf, PH_TYPENAME_MAX, "%s", alias ? alias : nameless(dwarf_tag(die)));
}

/* At most a few stars, of whatever is hostile. */
void ph_typename_of_pointer(Dwarf_Die *die, char buf[PH_TYPENAME_MAX])
{
	Dwarf_Die target = *die;
	const char *alias = NULL;
	unsigned stars = 0;
	bool more = true;
	size_t len;

	while (more && stars < 8 && (dwarf_tag(&target) == DW_TAG_pointer_type ||
				     dwarf_tag(&target) == DW_TAG_reference_type ||
				     dwarf_tag(&target) == DW_TAG_rvalue_reference_type)) {
		stars++;
		more = ph_dwarf_ref(&target, DW_AT_type, &target) && ph_typename_strip(&target, &alias);
	}
	ph_typename_of(more ? &target : NULL, alias, buf);
	len = strlen(buf);
	snprintf(buf + len, PH_TYPENAME_MAX - len, " %.*s", (int)stars, "********");
}

void ph_typename_of_array(const struct ph_type *element, uint64_t count, char buf[PH_TYPENAME_MAX])
{
	size_t len = element->kind == PH_TYPE_ARRAY ? strcspn(element->name, "[") : strlen(element->name);

	snprintf(buf, PH_TYPENAME_MAX, "%.*s[%llu]%s", (int)(len < 200 ? len : 200), element->name,
		 (unsigned long long)count, element->name + len);
}
