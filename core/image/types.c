#include "image/types.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spell.h"
#include "image/typedie.h"

#define DECLARATORS_MAX 16	/* "*" and "[4]" behind a name */
#define SCOPES_MAX	16	/* of "a::b::c" */

/* ---- Text: a keyword, a name, declarators */

enum keyword { KEYWORD_NONE, KEYWORD_STRUCT, KEYWORD_UNION, KEYWORD_ENUM, KEYWORD_CLASS };

static const char *const keywords[] = { "", "struct ", "union ", "enum ", "class " };

struct wanted {
	enum keyword keyword;
	char name[256];
	uint64_t declarators[DECLARATORS_MAX];	/* 0: a pointer; else an array of so many */
	size_t n_declarators;
};

/* What C and compilers call the same; the first of each row is how people write it. */
static const char *const synonyms[][4] = {
	{ "long", "long int" },
	{ "unsigned", "unsigned int" },
	{ "unsigned long", "long unsigned int", "unsigned long int" },
	{ "long long", "long long int" },
	{ "unsigned long long", "long long unsigned int", "unsigned long long int" },
	{ "short", "short int" },
	{ "unsigned short", "short unsigned int", "unsigned short int" },
	{ "signed", "int", "signed int" },
};

static const char *parse_declarators(const char *at, struct wanted *ret)
{
	while (*at && ret->n_declarators < DECLARATORS_MAX) {
		uint64_t *declarator = &ret->declarators[ret->n_declarators++];
		char *end;

		if (*at == '*') {
			*declarator = 0;
			at++;
		} else if (*at == '[' && isdigit((unsigned char)at[1])) {
			errno = 0;
			*declarator = strtoull(at + 1, &end, 0);
			if (errno || *end != ']' || *declarator == 0)
				return at;
			at = end + 1;
		} else {
			return at;
		}
		at += strspn(at, " \t");
	}
	return at;
}

/* One blank for many; none before the end. */
static bool copy_name(const char *from, size_t len, char *buf, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < room; i++) {
		bool is_blank = isspace((unsigned char)from[i]);

		if (!is_blank)
			buf[n++] = from[i];
		else if (n && buf[n - 1] != ' ')
			buf[n++] = ' ';
	}
	while (n && buf[n - 1] == ' ')
		n--;
	buf[n] = '\0';
	return n > 0 && n + 1 < room;
}

/* Where the name ends: at a "*" or "[" outside of template arguments. */
static size_t name_length(const char *text)
{
	unsigned depth = 0;
	size_t i;

	for (i = 0; text[i]; i++) {
		if (text[i] == '<')
			depth++;
		else if (text[i] == '>' && depth)
			depth--;
		else if (!depth && (text[i] == '*' || text[i] == '['))
			break;
	}
	return i;
}

static int parse(const char *text, struct wanted *ret)
{
	struct wanted wanted = { .keyword = KEYWORD_NONE };
	char name[sizeof(wanted.name)];
	size_t len, skip;

	text += strspn(text, " \t");
	len = name_length(text);
	if (!copy_name(text, len, name, sizeof(name)) || *parse_declarators(text + len, &wanted))
		return -EINVAL;
	skip = strncmp(name, "const ", 6) == 0 ? 6 : strncmp(name, "volatile ", 9) == 0 ? 9 : 0;
	for (enum keyword k = KEYWORD_STRUCT; k <= KEYWORD_CLASS; k++)
		if (strncmp(name + skip, keywords[k], strlen(keywords[k])) == 0)
			wanted.keyword = k;
	skip += strlen(keywords[wanted.keyword]);
	memcpy(wanted.name, name + skip, strlen(name + skip) + 1);
	*ret = wanted;
	return 0;
}

/* ---- Search: the definitions at the top of each unit, in namespaces, and in classes */

static bool suits(int tag, enum keyword keyword)
{
	switch (keyword) {
	case KEYWORD_STRUCT:
	case KEYWORD_CLASS:
		return tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
	case KEYWORD_UNION:
		return tag == DW_TAG_union_type;
	case KEYWORD_ENUM:
		return tag == DW_TAG_enumeration_type;
	case KEYWORD_NONE:
		break;
	}
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_enumeration_type || tag == DW_TAG_typedef || tag == DW_TAG_base_type ||
	       tag == DW_TAG_interface_type;
}

static bool has_types_inside(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_module;
}

/* What is left of wanted behind "name::"; NULL: it does not begin so. */
static const char *behind_scope(const char *wanted, const char *name)
{
	size_t len = strlen(name);

	return strncmp(wanted, name, len) == 0 && strncmp(wanted + len, "::", 2) == 0 ? wanted + len + 2 : NULL;
}

static bool search_children(Dwarf_Die *parent, const char *name, enum keyword keyword, unsigned depth, Dwarf_Die *ret)
{
	Dwarf_Die child;

	if (depth == SCOPES_MAX || dwarf_child(parent, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);
		const char *has, *rest;

		if (!has_types_inside(tag) && !suits(tag, keyword))
			continue;
		has = ph_dwarf_name(&child);
		if (has && suits(tag, keyword) && strcmp(has, name) == 0 && !ph_dwarf_flag(&child, DW_AT_declaration)) {
			*ret = child;
			return true;
		}
		/* Namespaces without a name, and inline ones, are looked through. */
		if (tag == DW_TAG_namespace && (!has || ph_dwarf_flag(&child, DW_AT_export_symbols)) &&
		    search_children(&child, name, keyword, depth + 1, ret))
			return true;
		rest = has && has_types_inside(tag) ? behind_scope(name, has) : NULL;
		if (rest && search_children(&child, rest, keyword, depth + 1, ret))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

static bool search_spellings(Dwarf_Die *unit, const struct wanted *wanted, Dwarf_Die *ret)
{
	if (search_children(unit, wanted->name, wanted->keyword, 0, ret))
		return true;
	for (size_t row = 0; !wanted->keyword && row < sizeof(synonyms) / sizeof(synonyms[0]); row++) {
		bool is_one = false;

		for (size_t i = 0; i < 4 && synonyms[row][i]; i++)
			is_one |= strcmp(wanted->name, synonyms[row][i]) == 0;
		for (size_t i = 0; is_one && i < 4 && synonyms[row][i]; i++)
			if (search_children(unit, synonyms[row][i], KEYWORD_NONE, 0, ret))
				return true;
	}
	return false;
}

/* Units of types too, and those of the supplementary file. */
static bool search_file(Dwarf *debug, const struct wanted *wanted, Dwarf_Die *ret)
{
	Dwarf_CU *cursor = NULL;
	Dwarf_Die unit;

	while (dwarf_get_units(debug, cursor, &cursor, NULL, NULL, &unit, NULL) == 0)
		if (search_spellings(&unit, wanted, ret))
			return true;
	return false;
}

static bool search(struct ph_elf *elf, struct ph_dwarf *dwarf, const struct wanted *wanted, ph_addr near,
		   Dwarf_Die *ret)
{
	Dwarf_Die unit;

	if (near && ph_dwarf_unit_at(elf, near, &unit) && search_spellings(&unit, wanted, ret))
		return true;
	return search_file(dwarf->debug, wanted, ret) ||
	       (dwarf->supplement && search_file(dwarf->supplement, wanted, ret));
}

/* What was asked for comes first in the list. */
static void put_first(struct ph_types *types, size_t index)
{
	struct ph_type first = types->types[index];

	if (index == 0)
		return;
	types->types[index] = types->types[0];
	types->types[0] = first;
	for (size_t i = 0; i < types->n; i++) {
		size_t *element = &types->types[i].element;

		*element = *element == index ? 0 : *element == 0 ? index : *element;
	}
	for (size_t i = 0; i < types->n_members; i++) {
		size_t *type = &types->members[i].type;

		*type = *type == index ? 0 : *type == 0 ? index : *type;
	}
}

static int build(struct ph_dwarf *dwarf, Dwarf_Die *die, const struct wanted *wanted, struct ph_types *ret)
{
	struct ph_types types = { 0 };
	size_t index, n_arrays;
	int r = ph_typedie_add(dwarf, &types, die, &index);

	/* Pointers from left to right, arrays behind them from right to left: int *[2][3]. */
	for (n_arrays = wanted->n_declarators; n_arrays && wanted->declarators[n_arrays - 1]; n_arrays--)
		;
	for (size_t i = 0; r >= 0 && i < n_arrays; i++)
		r = wanted->declarators[i] ? -EINVAL : ph_typedie_add_pointer(&types, index, &index);
	for (size_t i = wanted->n_declarators; r >= 0 && i > n_arrays; i--)
		r = ph_typedie_add_array(&types, index, wanted->declarators[i - 1], &index);
	if (r < 0) {
		ph_types_fini(&types);
		return r;
	}
	put_first(&types, index);
	*ret = types;
	return 0;
}

int ph_types_find(struct ph_elf *elf, const char *text, ph_addr near, struct ph_types *ret)
{
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	struct wanted wanted;
	bool is_void;
	Dwarf_Die die;
	int r = dwarf ? parse(text, &wanted) : -ENOMEM;

	if (r < 0)
		return r;
	is_void = strcmp(wanted.name, "void") == 0;
	if (!dwarf->debug || (!is_void && !search(elf, dwarf, &wanted, near, &die)))
		return -ENOENT;
	return build(dwarf, is_void ? NULL : &die, &wanted, ret);
}

/* The definition of a structure that die only declares; die itself when there is none. */
static void complete(struct ph_elf *elf, struct ph_dwarf *dwarf, Dwarf_Die *die)
{
	struct wanted wanted = { .keyword = KEYWORD_STRUCT };
	int tag = dwarf_tag(die);
	const char *name = ph_dwarf_name(die);
	Dwarf_Die definition;

	if (!ph_dwarf_flag(die, DW_AT_declaration) || !name || strlen(name) >= sizeof(wanted.name) ||
	    !suits(tag, KEYWORD_NONE))
		return;
	wanted.keyword = tag == DW_TAG_union_type ? KEYWORD_UNION : tag == DW_TAG_enumeration_type ? KEYWORD_ENUM :
												     KEYWORD_STRUCT;
	strcpy(wanted.name, name);
	if (search(elf, dwarf, &wanted, 0, &definition))
		*die = definition;
}

int ph_types_follow(struct ph_elf *elf, ph_type_ref ref, struct ph_types *ret)
{
	static const struct wanted plain = { .n_declarators = 0 };
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	Dwarf_Die die;
	bool is_void;

	if (!dwarf)
		return -ENOMEM;
	if (!ph_typedie_of(dwarf, ref, &die))
		return -EINVAL;
	is_void = !ph_typedie_strip(&die);
	if (!is_void)
		complete(elf, dwarf, &die);
	return build(dwarf, is_void ? NULL : &die, &plain, ret);
}

uint64_t ph_types_serial(struct ph_elf *elf)
{
	const struct ph_dwarf *dwarf = ph_dwarf_get(elf);

	return dwarf ? dwarf->serial : 0;
}

bool ph_types_has_any(struct ph_elf *elf)
{
	const struct ph_dwarf *dwarf = ph_dwarf_get(elf);

	return dwarf && dwarf->debug;
}

/* ---- Spelling */

struct nearest {
	struct ph_spell spell;
	int tag;	/* of the best */
};

static void offer_unit(struct nearest *nearest, Dwarf_Die *unit)
{
	Dwarf_Die child;

	if (dwarf_child(unit, &child) != 0)
		return;
	do {
		const char *name = suits(dwarf_tag(&child), KEYWORD_NONE) ? ph_dwarf_name(&child) : NULL;
		unsigned before = nearest->spell.distance;

		if (name)
			ph_spell_offer(&nearest->spell, name);
		if (nearest->spell.distance < before)
			nearest->tag = dwarf_tag(&child);
	} while (dwarf_siblingof(&child, &child) == 0);
}

bool ph_types_nearest(struct ph_elf *elf, const char *text, char *buf, size_t len)
{
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	struct nearest nearest = { .tag = 0 };
	struct wanted wanted;
	Dwarf_CU *cursor = NULL;
	const char *best;
	enum keyword keyword = KEYWORD_NONE;
	Dwarf_Die unit;

	if (!dwarf || !dwarf->debug || parse(text, &wanted) < 0)
		return false;
	ph_spell_init(&nearest.spell, wanted.name);
	while (dwarf_get_units(dwarf->debug, cursor, &cursor, NULL, NULL, &unit, NULL) == 0)
		offer_unit(&nearest, &unit);
	cursor = NULL;
	while (dwarf->supplement && dwarf_get_units(dwarf->supplement, cursor, &cursor, NULL, NULL, &unit, NULL) == 0)
		offer_unit(&nearest, &unit);
	best = ph_spell_result(&nearest.spell);
	if (!best)
		return false;
	if (wanted.keyword)
		keyword = nearest.tag == DW_TAG_structure_type   ? KEYWORD_STRUCT :
			  nearest.tag == DW_TAG_union_type	 ? KEYWORD_UNION :
			  nearest.tag == DW_TAG_enumeration_type ? KEYWORD_ENUM :
								   KEYWORD_NONE;
	snprintf(buf, len, "%s%s", keywords[keyword], best);
	return true;
}
