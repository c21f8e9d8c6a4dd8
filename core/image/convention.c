#include "image/convention.h"

#include "image/unwind.h"

#define GENERAL_MAX 6
#define XMM_MAX	    8
#define NEST_MAX    16	/* structures in each other */

static const uint8_t general_order[GENERAL_MAX] = {
	PH_UNWIND_RDI, PH_UNWIND_RSI, PH_UNWIND_RDX, PH_UNWIND_RCX, PH_UNWIND_R8, PH_UNWIND_R9,
};

enum class { NO_CLASS, SSE, INTEGER, MEMORY, UNKNOWN };

static enum class merge(enum class a, enum class b)
{
	return a > b ? a : b;
}

/* The classes of the two eight-byte halves of what is at offset in an object of at most 16 bytes. */
static void classify(const struct ph_types *types, size_t index, uint64_t offset, unsigned depth, enum class halves[2])
{
	const struct ph_type *type = &types->types[index];
	enum class class = INTEGER;

	if (depth == NEST_MAX || offset >= 16 || offset + type->size > 16) {
		halves[0] = UNKNOWN;
		return;
	}
	switch (type->kind) {
	case PH_TYPE_STRUCT:
	case PH_TYPE_UNION:
		for (size_t i = 0; i < type->n; i++)
			classify(types, types->members[type->first + i].type,
				 offset + types->members[type->first + i].offset, depth + 1, halves);
		return;
	case PH_TYPE_ARRAY:
		for (uint64_t i = 0; i < type->count && i < 16; i++)
			classify(types, type->element, offset + i * types->types[type->element].size, depth + 1, halves);
		return;
	case PH_TYPE_FLOAT:
		class = type->size <= 8 ? SSE : MEMORY;
		break;
	case PH_TYPE_INTEGER:
	case PH_TYPE_BOOLEAN:
	case PH_TYPE_ENUM:
	case PH_TYPE_POINTER:
		break;
	case PH_TYPE_VOID:
	case PH_TYPE_FUNCTION:
	case PH_TYPE_OTHER:
		class = UNKNOWN;
		break;
	}
	/* Packed structures go to memory. */
	if (type->size && offset % type->size)
		class = merge(class, MEMORY);
	halves[offset / 8] = merge(halves[offset / 8], class);
}

static void classify_whole(const struct ph_types *types, size_t index, enum class halves[2])
{
	const struct ph_type *type = &types->types[index];

	halves[0] = halves[1] = NO_CLASS;
	if (type->size == 0 || type->is_incomplete)
		halves[0] = UNKNOWN;
	else if (type->size > 16 || (type->kind == PH_TYPE_FLOAT && type->size > 8))
		halves[0] = MEMORY;
	else
		classify(types, index, 0, 0, halves);
	if (halves[0] == UNKNOWN || halves[1] == UNKNOWN)
		halves[0] = UNKNOWN;
	else if (halves[0] == MEMORY || halves[1] == MEMORY)
		halves[0] = MEMORY;
}

bool ph_home_is_in_memory(const struct ph_types *types, size_t type)
{
	enum class halves[2];

	classify_whole(types, type, halves);
	return halves[0] == MEMORY && types->types[type].kind != PH_TYPE_FLOAT;
}

struct ph_home ph_home_of_result(const struct ph_types *types, size_t type)
{
	static const uint8_t general_results[] = { PH_UNWIND_RAX, PH_UNWIND_RDX };
	struct ph_home result = { .kind = PH_HOME_REGISTERS };
	unsigned general = 0, xmm = 0;
	enum class halves[2];

	classify_whole(types, type, halves);
	/* long double is in st(0), which has no number here. */
	if (halves[0] == UNKNOWN || types->types[type].size == 0 ||
	    (types->types[type].kind == PH_TYPE_FLOAT && types->types[type].size > 8))
		return (struct ph_home){ .kind = PH_HOME_UNKNOWN };
	if (halves[0] == MEMORY)
		return (struct ph_home){ .kind = PH_HOME_STACK };
	for (; result.n_parts < (types->types[type].size + 7) / 8; result.n_parts++) {
		bool is_xmm = halves[result.n_parts] != INTEGER;

		result.parts[result.n_parts].is_xmm = is_xmm;
		result.parts[result.n_parts].n = is_xmm ? xmm++ : general_results[general++];
	}
	return result;
}

void ph_homes_begin(struct ph_homes *state, bool hidden_result)
{
	*state = (struct ph_homes){ .general = hidden_result };
}

static struct ph_home on_stack(struct ph_homes *state, uint64_t size)
{
	struct ph_home argument = { .kind = PH_HOME_STACK };

	/* long double is aligned to 16 bytes, and so is the stack below the return address. */
	argument.offset = state->stack;
	state->stack += (size + 7) & ~(uint64_t)7;
	return argument;
}

struct ph_home ph_homes_next(struct ph_homes *state, const struct ph_types *types, size_t type)
{
	struct ph_home argument = { .kind = PH_HOME_REGISTERS };
	uint64_t size = types->types[type].size;
	enum class halves[2];
	unsigned general = 0, xmm = 0;

	classify_whole(types, type, halves);
	if (state->is_lost || halves[0] == UNKNOWN) {
		state->is_lost = true;
		return (struct ph_home){ .kind = PH_HOME_UNKNOWN };
	}
	for (size_t i = 0; i < (size + 7) / 8 && i < 2; i++) {
		general += halves[i] == INTEGER;
		xmm += halves[i] == SSE || halves[i] == NO_CLASS;
	}
	if (halves[0] == MEMORY || state->general + general > GENERAL_MAX || state->xmm + xmm > XMM_MAX) {
		if (types->types[type].kind == PH_TYPE_FLOAT && size > 8)
			state->stack = (state->stack + 15) & ~(uint64_t)15;
		return on_stack(state, size);
	}
	for (; argument.n_parts < (size + 7) / 8; argument.n_parts++) {
		bool is_xmm = halves[argument.n_parts] != INTEGER;

		argument.parts[argument.n_parts].is_xmm = is_xmm;
		argument.parts[argument.n_parts].n = is_xmm ? state->xmm++ : general_order[state->general++];
	}
	return argument;
}
