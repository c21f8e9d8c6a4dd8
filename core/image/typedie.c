#include "image/typedie.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/typename.h"

#define TYPES_MAX     (1u << 14)	/* in one list */
#define MEMBERS_MAX   (1u << 18)	/* and enumerators */
#define NEST_MAX      64		/* structures in each other, and arrays of arrays */

/* ---- References: the offset, and in which of three places it is one */

enum place { PLACE_INFO, PLACE_TYPES, PLACE_SUPPLEMENT };

ph_type_ref ph_typedie_ref(const struct ph_dwarf *dwarf, Dwarf_Die *die)
{
	enum place place = PLACE_INFO;
	Dwarf_Half version = 0;
	uint8_t type = 0;

	if (dwarf->supplement && dwarf_cu_getdwarf(die->cu) == dwarf->supplement)
		place = PLACE_SUPPLEMENT;
	else if (dwarf_cu_info(die->cu, &version, &type, NULL, NULL, NULL, NULL, NULL) == 0 && version < 5 &&
		 type == DW_UT_type)
		place = PLACE_TYPES;
	return dwarf_dieoffset(die) << 2 | place;
}

bool ph_typedie_of(const struct ph_dwarf *dwarf, ph_type_ref ref, Dwarf_Die *ret)
{
	Dwarf_Off offset = ref >> 2;

	if (!dwarf->debug)
		return false;
	switch ((enum place)(ref & 3)) {
	case PLACE_INFO:
		return dwarf_offdie(dwarf->debug, offset, ret) != NULL;
	case PLACE_TYPES:
		return dwarf_offdie_types(dwarf->debug, offset, ret) != NULL;
	case PLACE_SUPPLEMENT:
		return dwarf->supplement && dwarf_offdie(dwarf->supplement, offset, ret) != NULL;
	}
	return false;
}

bool ph_typedie_strip(Dwarf_Die *die)
{
	const char *alias;

	return ph_typename_strip(die, &alias);
}

/* ---- Lists that grow */

static int grow(void **list, size_t n, size_t size, size_t max)
{
	void *more;

	if (n >= max)
		return -EINVAL;
	/* Room doubles at powers of two. */
	if (n & (n - 1))
		return 0;
	more = reallocarray(*list, n ? n * 2 : 1, size);
	if (!more)
		return -ENOMEM;
	*list = more;
	return 0;
}

static int add_type(struct ph_types *types, struct ph_type type, const char *name, size_t *ret_index)
{
	void *list = types->types;
	int r = grow(&list, types->n, sizeof(type), TYPES_MAX);

	types->types = list;
	if (r < 0)
		return r;
	type.name = strdup(name);
	if (!type.name)
		return -ENOMEM;
	*ret_index = types->n;
	types->types[types->n++] = type;
	return 0;
}

static int add_member(struct ph_types *types, struct ph_member member, const char *name)
{
	void *list = types->members;
	int r = grow(&list, types->n_members, sizeof(member), MEMBERS_MAX);

	types->members = list;
	if (r < 0)
		return r;
	member.name = strdup(name ? name : "");
	if (!member.name)
		return -ENOMEM;
	types->members[types->n_members++] = member;
	return 0;
}

static int add_enumerator(struct ph_types *types, const char *name, int64_t value)
{
	void *list = types->enumerators;
	int r = grow(&list, types->n_enumerators, sizeof(*types->enumerators), MEMBERS_MAX);

	types->enumerators = list;
	if (r < 0)
		return r;
	types->enumerators[types->n_enumerators].name = strdup(name);
	if (!types->enumerators[types->n_enumerators].name)
		return -ENOMEM;
	types->enumerators[types->n_enumerators++].value = value;
	return 0;
}

int ph_typedie_add_pointer(struct ph_types *types, size_t element, size_t *ret_index)
{
	char name[PH_TYPENAME_MAX];
	size_t len = (size_t)snprintf(name, sizeof(name), "%s", types->types[element].name);
	struct ph_type type = { .kind = PH_TYPE_POINTER, .size = 8, .element = element };

	if (len < sizeof(name))
		snprintf(name + len, sizeof(name) - len, name[len - 1] == '*' ? "*" : " *");
	return add_type(types, type, name, ret_index);
}

int ph_typedie_add_array(struct ph_types *types, size_t element, uint64_t count, size_t *ret_index)
{
	struct ph_type type = { .kind = PH_TYPE_ARRAY, .element = element, .count = count };
	char name[PH_TYPENAME_MAX];

	if (__builtin_mul_overflow(types->types[element].size, count, &type.size))
		return -EINVAL;
	ph_typename_of_array(&types->types[element], count, name);
	return add_type(types, type, name, ret_index);
}

/* ---- One type after the other */

struct builder {
	struct ph_dwarf *dwarf;
	struct ph_types *types;
	ph_type_ref *refs;	/* owned; of each type of the list, 0 for those without a DIE */
	size_t room;
	unsigned depth;
};

static int add(struct builder *builder, Dwarf_Die *die, size_t *ret_index);

static size_t find_built(const struct builder *builder, ph_type_ref ref)
{
	for (size_t i = 0; i < builder->room && i < builder->types->n; i++)
		if (builder->refs[i] == ref)
			return i;
	return SIZE_MAX;
}

static int remember(struct builder *builder, size_t index, ph_type_ref ref)
{
	if (index >= builder->room) {
		size_t room = (index + 1) * 2;
		ph_type_ref *refs = reallocarray(builder->refs, room, sizeof(*refs));

		if (!refs)
			return -ENOMEM;
		memset(refs + builder->room, 0, (room - builder->room) * sizeof(*refs));
		builder->refs = refs;
		builder->room = room;
	}
	builder->refs[index] = ref;
	return 0;
}

static uint64_t size_of(Dwarf_Die *die)
{
	uint64_t size;

	return ph_dwarf_udata(die, DW_AT_byte_size, &size) ? size : 0;
}

static struct ph_type base_type(Dwarf_Die *die)
{
	struct ph_type type = { .kind = PH_TYPE_OTHER, .size = size_of(die) };
	const char *name = ph_dwarf_name(die);
	uint64_t encoding = 0;

	ph_dwarf_udata(die, DW_AT_encoding, &encoding);
	switch (encoding) {
	case DW_ATE_boolean:
		type.kind = PH_TYPE_BOOLEAN;
		break;
	case DW_ATE_float:
		type.kind = PH_TYPE_FLOAT;
		break;
	case DW_ATE_signed_char:
	case DW_ATE_signed:
		type.is_signed = true;
		type.kind = PH_TYPE_INTEGER;
		break;
	case DW_ATE_unsigned_char:
	case DW_ATE_unsigned:
	case DW_ATE_UTF:
	case DW_ATE_address:
		type.kind = PH_TYPE_INTEGER;
		break;
	default:
		break;
	}
	type.is_char = type.size == 1 && name && strcmp(name, "char") == 0;
	if (type.kind != PH_TYPE_FLOAT && type.size > 8)
		type.kind = PH_TYPE_OTHER;
	return type;
}

static int fill_enum(struct builder *builder, size_t index, Dwarf_Die *die)
{
	struct ph_types *types = builder->types;
	size_t first = types->n_enumerators;
	bool is_signed = false;
	Dwarf_Die child;
	int r = 0;

	if (dwarf_child(die, &child) == 0) {
		do {
			const char *name = ph_dwarf_name(&child);
			Dwarf_Attribute attr;
			Dwarf_Sword value;

			if (dwarf_tag(&child) != DW_TAG_enumerator || !name ||
			    dwarf_formsdata(dwarf_attr(&child, DW_AT_const_value, &attr), &value) != 0)
				continue;
			is_signed |= value < 0;
			r = add_enumerator(types, name, value);
		} while (r >= 0 && dwarf_siblingof(&child, &child) == 0);
	}
	types->types[index].first = first;
	types->types[index].n = types->n_enumerators - first;
	types->types[index].is_signed = is_signed;
	return r;
}

/* ---- Structures */

/* Bits from the structure's start; false: this is no member that an object has at a fixed place. */
static bool place_of(Dwarf_Die *die, uint64_t *ret_bytes)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	*ret_bytes = 0;
	if (!dwarf_attr(die, DW_AT_data_member_location, &attr))
		return !ph_dwarf_flag(die, DW_AT_external) && !ph_dwarf_flag(die, DW_AT_declaration);
	if (ph_dwarf_udata(die, DW_AT_data_member_location, ret_bytes))
		return true;
	if (dwarf_getlocation(&attr, &ops, &n) != 0 || n != 1 || ops[0].atom != DW_OP_plus_uconst)
		return false;
	*ret_bytes = ops[0].number;
	return true;
}

/* DWARF 4 counts from the structure's start; before, and in GCC's DWARF 4 still, from the storage unit's high end. */
static bool place_bits(Dwarf_Die *die, uint64_t type_size, struct ph_member *member)
{
	uint64_t bits, from, storage;

	if (!ph_dwarf_udata(die, DW_AT_bit_size, &bits))
		return true;
	if (bits == 0 || bits > 64)
		return false;
	if (!ph_dwarf_udata(die, DW_AT_data_bit_offset, &from)) {
		if (!ph_dwarf_udata(die, DW_AT_byte_size, &storage))
			storage = type_size;
		if (!ph_dwarf_udata(die, DW_AT_bit_offset, &from) || storage > 8 || from + bits > storage * 8)
			return false;
		from = storage * 8 - from - bits;
	}
	member->offset += from / 8;
	member->bit = (unsigned)(from % 8);
	member->bits = (unsigned)bits;
	return true;
}

static int read_member(struct builder *builder, Dwarf_Die *die, struct ph_member *ret, bool *ret_has)
{
	struct ph_member member = { .is_base = dwarf_tag(die) == DW_TAG_inheritance };
	Dwarf_Die type;
	int r;

	*ret_has = false;
	if ((dwarf_tag(die) != DW_TAG_member && !member.is_base) || !place_of(die, &member.offset) ||
	    !ph_dwarf_ref(die, DW_AT_type, &type))
		return 0;
	r = add(builder, &type, &member.type);
	if (r < 0)
		return r;
	if (!place_bits(die, builder->types->types[member.type].size, &member))
		return 0;
	*ret_has = true;
	*ret = member;
	return 0;
}

/* Members of members are added meanwhile, and a structure's are to stand together, so they wait. */
static int fill_struct(struct builder *builder, size_t index, Dwarf_Die *die)
{
	struct waiting {
		struct ph_member member;
		const char *name;
	} *waiting = NULL;
	struct ph_types *types = builder->types;
	size_t n = 0;
	Dwarf_Die child;
	int r = 0;

	if (dwarf_child(die, &child) == 0) {
		do {
			void *list = waiting;
			bool has = false;

			r = grow(&list, n, sizeof(*waiting), MEMBERS_MAX);
			waiting = list;
			if (r >= 0)
				r = read_member(builder, &child, &waiting[n].member, &has);
			if (r >= 0 && has)
				waiting[n++].name = ph_dwarf_name(&child);
		} while (r >= 0 && dwarf_siblingof(&child, &child) == 0);
	}
	types->types[index].first = types->n_members;
	for (size_t i = 0; i < n && r >= 0; i++)
		r = add_member(types, waiting[i].member,
			       waiting[i].member.is_base ? types->types[waiting[i].member.type].name : waiting[i].name);
	types->types[index].n = types->n_members - types->types[index].first;
	free(waiting);
	return r;
}

/* ---- Arrays */

static uint64_t count_of(Dwarf_Die *subrange)
{
	uint64_t count, upper, lower = 0;

	if (ph_dwarf_udata(subrange, DW_AT_count, &count))
		return count;
	/* Without one, or with one that is computed, nobody here knows. */
	if (!ph_dwarf_udata(subrange, DW_AT_upper_bound, &upper) || upper > INT64_MAX)
		return 0;
	ph_dwarf_udata(subrange, DW_AT_lower_bound, &lower);
	return upper >= lower && upper - lower < INT64_MAX ? upper - lower + 1 : 0;
}

#define DIMENSIONS_MAX 16

/* The array itself is in the list already, at index; arrays of the dimensions below it come behind. */
static int fill_array(struct builder *builder, size_t index, Dwarf_Die *die)
{
	uint64_t counts[DIMENSIONS_MAX];
	struct ph_type *type;
	size_t n = 0, element;
	Dwarf_Die child;
	int r;

	r = ph_dwarf_ref(die, DW_AT_type, &child) ? add(builder, &child, &element) : -EINVAL;
	if (r < 0)
		return r;
	if (dwarf_child(die, &child) == 0) {
		do {
			if (dwarf_tag(&child) == DW_TAG_subrange_type && n < DIMENSIONS_MAX)
				counts[n++] = count_of(&child);
		} while (dwarf_siblingof(&child, &child) == 0);
	}
	while (n > 1 && r >= 0)
		r = ph_typedie_add_array(builder->types, element, counts[--n], &element);
	if (r < 0)
		return r;
	type = &builder->types->types[index];
	type->element = element;
	type->count = n ? counts[0] : 0;
	return __builtin_mul_overflow(type->count, builder->types->types[element].size, &type->size) ? -EINVAL : 0;
}

static int fill(struct builder *builder, size_t index, Dwarf_Die *die)
{
	switch (builder->types->types[index].kind) {
	case PH_TYPE_ENUM:
		return fill_enum(builder, index, die);
	case PH_TYPE_STRUCT:
	case PH_TYPE_UNION:
		return fill_struct(builder, index, die);
	case PH_TYPE_ARRAY:
		return fill_array(builder, index, die);
	case PH_TYPE_VOID:
	case PH_TYPE_INTEGER:
	case PH_TYPE_BOOLEAN:
	case PH_TYPE_FLOAT:
	case PH_TYPE_POINTER:
	case PH_TYPE_FUNCTION:
	case PH_TYPE_OTHER:
		break;
	}
	return 0;
}

static struct ph_type pointer_type(struct builder *builder, Dwarf_Die *die)
{
	struct ph_type type = { .kind = PH_TYPE_POINTER, .size = size_of(die) };
	Dwarf_Die target;

	/* Anything of another width is no pointer of this machine. */
	if (type.size != 0 && type.size != 8)
		return (struct ph_type){ .kind = PH_TYPE_OTHER, .size = type.size };
	type.size = 8;
	if (ph_dwarf_ref(die, DW_AT_type, &target))
		type.ref = ph_typedie_ref(builder->dwarf, &target);
	return type;
}

/* The outside of a type; fill gives it the inside. */
static struct ph_type begin(struct builder *builder, Dwarf_Die *die)
{
	struct ph_type type = { .kind = PH_TYPE_OTHER, .size = size_of(die) };

	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
		return base_type(die);
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		return pointer_type(builder, die);
	case DW_TAG_enumeration_type:
		type.kind = type.size && type.size <= 8 ? PH_TYPE_ENUM : PH_TYPE_OTHER;
		break;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_interface_type:
		type.kind = PH_TYPE_STRUCT;
		break;
	case DW_TAG_union_type:
		type.kind = PH_TYPE_UNION;
		break;
	case DW_TAG_array_type:
		type.kind = PH_TYPE_ARRAY;
		break;
	case DW_TAG_subroutine_type:
		type.kind = PH_TYPE_FUNCTION;
		break;
	default:
		break;
	}
	type.is_incomplete = (type.kind == PH_TYPE_STRUCT || type.kind == PH_TYPE_UNION) &&
			     ph_dwarf_flag(die, DW_AT_declaration);
	return type;
}

static int add(struct builder *builder, Dwarf_Die *of, size_t *ret_index)
{
	Dwarf_Die die = *of;
	char name[PH_TYPENAME_MAX];
	const char *alias;
	ph_type_ref ref;
	size_t index;
	int r;

	if (!ph_typename_strip(&die, &alias))
		return add_type(builder->types, (struct ph_type){ .kind = PH_TYPE_VOID }, "void", ret_index);
	ref = ph_typedie_ref(builder->dwarf, &die);
	index = find_built(builder, ref);
	if (index != SIZE_MAX) {
		*ret_index = index;
		return 0;
	}
	if (builder->depth == NEST_MAX)
		return -EINVAL;
	if (dwarf_tag(&die) == DW_TAG_pointer_type || dwarf_tag(&die) == DW_TAG_reference_type)
		ph_typename_of_pointer(&die, name);
	else
		ph_typename_of(&die, alias, name);
	r = add_type(builder->types, begin(builder, &die), name, &index);
	if (r >= 0)
		builder->types->types[index].self = ref;
	if (r < 0 || (r = remember(builder, index, ref)) < 0)
		return r;
	builder->depth++;
	r = fill(builder, index, &die);
	builder->depth--;
	if (r >= 0 && builder->types->types[index].kind == PH_TYPE_ARRAY) {
		struct ph_type *type = &builder->types->types[index];

		ph_typename_of_array(&builder->types->types[type->element], type->count, name);
		free(type->name);
		type->name = strdup(name);
		r = type->name ? 0 : -ENOMEM;
	}
	*ret_index = index;
	return r;
}

int ph_typedie_add(struct ph_dwarf *dwarf, struct ph_types *types, Dwarf_Die *die, size_t *ret_index)
{
	struct builder builder = { .dwarf = dwarf, .types = types };
	int r;

	if (!die)
		return add_type(types, (struct ph_type){ .kind = PH_TYPE_VOID }, "void", ret_index);
	r = add(&builder, die, ret_index);
	free(builder.refs);
	return r;
}
