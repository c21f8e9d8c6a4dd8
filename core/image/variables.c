#include "image/variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/convention.h"
#include "image/lines.h"
#include "image/scope.h"
#include "image/typedie.h"

#define VARIABLES_MAX 4096
#define OBJECT_MAX    (1u << 20)	/* bytes of one that is not in memory */
#define XMM_FIRST     17		/* DWARF's number of xmm0 */
#define XMM_COUNT     16

void ph_variables_fini(struct ph_variables *variables)
{
	for (size_t i = 0; i < variables->n; i++) {
		free(variables->list[i].name);
		free(variables->list[i].bytes);
		free(variables->list[i].lost);
	}
	free(variables->list);
	free(variables->function);
	ph_types_fini(&variables->types);
	*variables = (struct ph_variables){ .n = 0 };
}

struct reading {
	const struct ph_variables_frame *at;
	struct ph_scope scope;
	struct ph_dwarf *dwarf;
	struct ph_variables *into;
	bool is_early;				/* the function's prologue has not run, or not all of it */
	bool is_storing;			/* if so: it may have stored some of its parameters */
	ph_addr arguments_at;			/* if so: above the return address */
	struct ph_homes arguments;	/* if so */
};

/* ---- Objects that are not in memory */

static int make_room(struct ph_variable *variable, uint64_t size)
{
	if (size > OBJECT_MAX)
		return -EINVAL;
	variable->bytes = calloc(1, size ? size : 1);
	variable->lost = calloc(1, size ? size : 1);
	variable->n_bytes = size;
	return variable->bytes && variable->lost ? 0 : -ENOMEM;
}

static void forget(struct ph_variable *variable)
{
	free(variable->bytes);
	free(variable->lost);
	variable->bytes = variable->lost = NULL;
}

/* What nobody knows is marked; what everybody knows needs no marks. */
static void settle(struct ph_variable *variable)
{
	size_t n = 0;

	for (size_t i = 0; i < variable->n_bytes; i++)
		n += variable->lost[i];
	if (n && n == variable->n_bytes) {
		forget(variable);
	} else if (!n) {
		free(variable->lost);
		variable->lost = NULL;
	}
}

static int read_register(const struct reading *reading, uint64_t n, uint8_t buf[16], size_t *ret_len)
{
	const struct ph_expression_world *world = &reading->scope.world;
	uint64_t value;
	int r;

	if (n >= XMM_FIRST && n < XMM_FIRST + XMM_COUNT) {
		*ret_len = 16;
		return reading->at->xmm ? reading->at->xmm(reading->at->user, (unsigned)(n - XMM_FIRST), buf) : -ENODATA;
	}
	r = n < PH_UNWIND_REGS ? world->reg(world->user, (unsigned)n, &value) : -ENOTSUP;
	if (r < 0)
		return r;
	memcpy(buf, &value, sizeof(value));
	*ret_len = sizeof(value);
	return 0;
}

/* len bytes of a piece from its skip-th on; fewer when it has no more. */
static size_t read_piece(const struct reading *reading, const struct ph_piece *piece, size_t skip, uint8_t *buf,
			 size_t len)
{
	const struct ph_expression_world *world = &reading->scope.world;
	uint8_t small[16];
	const uint8_t *from = small;
	size_t n = 0;

	switch (piece->kind) {
	case PH_PIECE_LOST:
		return 0;
	case PH_PIECE_MEMORY:
		return world->memory(world->user, piece->value + skip, buf, len) < 0 ? 0 : len;
	case PH_PIECE_REGISTER:
		if (read_register(reading, piece->value, small, &n) < 0)
			return 0;
		break;
	case PH_PIECE_VALUE:
		memcpy(small, &piece->value, sizeof(piece->value));
		n = sizeof(piece->value);
		break;
	case PH_PIECE_BYTES:
		from = piece->bytes;
		n = piece->n_bytes;
		break;
	}
	if (skip >= n)
		return 0;
	n = n - skip < len ? n - skip : len;
	memcpy(buf, from + skip, n);
	return n;
}

static int compose(const struct reading *reading, const struct ph_location *location, uint64_t size,
		   struct ph_variable *variable)
{
	size_t at = 0;
	int r = make_room(variable, size);

	if (r < 0)
		return r;
	for (size_t i = 0; i < location->n && at < size; i++) {
		const struct ph_piece *piece = &location->pieces[i];
		size_t len = piece->bits ? (piece->bits + 7) / 8 : size, got = 0;

		len = len < size - at ? len : size - at;
		/* Pieces that begin within a byte are of no compiler that we know. */
		if (piece->bits % 8 == 0 && piece->skip % 8 == 0)
			got = read_piece(reading, piece, piece->skip / 8, variable->bytes + at, len);
		memset(variable->lost + at + got, 1, len - got);
		at += len;
	}
	memset(variable->lost + at, 1, size - at);
	settle(variable);
	return 0;
}

/* ---- By location */

static int place(const struct reading *reading, const struct ph_location *location, struct ph_variable *variable)
{
	const struct ph_piece *piece = &location->pieces[0];

	if (location->n == 1 && !piece->bits && piece->kind == PH_PIECE_MEMORY) {
		variable->in_memory = true;
		variable->address = piece->value;
		return 0;
	}
	return compose(reading, location, reading->into->types.types[variable->type].size, variable);
}

static int place_constant(const struct reading *reading, Dwarf_Attribute *attr, struct ph_variable *variable)
{
	struct ph_location location = { .n = 1, .pieces = { { .kind = PH_PIECE_VALUE } } };
	struct ph_piece *piece = &location.pieces[0];
	Dwarf_Block block;
	Dwarf_Sword value;
	const char *text;

	if (dwarf_formblock(attr, &block) == 0) {
		*piece = (struct ph_piece){ .kind = PH_PIECE_BYTES, .bytes = block.data, .n_bytes = block.length };
	} else if (dwarf_formsdata(attr, &value) == 0) {
		piece->value = (uint64_t)value;
	} else {
		text = ph_dwarf_string(attr);
		if (!text)
			return 0;
		*piece = (struct ph_piece){ .kind = PH_PIECE_BYTES, .bytes = text, .n_bytes = strlen(text) + 1 };
	}
	return place(reading, &location, variable);
}

/* ---- By the calling convention */

/* Is it where code that was not optimised keeps it: in the frame (1), or, what is passed by reference, behind it (2)? */
static int is_homed(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr(die, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &n) != 0 || n == 0 || n > 2 ||
	    ops[0].atom != DW_OP_fbreg)
		return 0;
	return n == 1 ? 1 : ops[1].atom == DW_OP_deref ? 2 : 0;
}

static int place_argument(const struct reading *reading, const struct ph_home *argument,
			  struct ph_variable *variable)
{
	struct ph_location location = { .n = argument->n_parts };

	switch (argument->kind) {
	case PH_HOME_UNKNOWN:
		return 0;
	case PH_HOME_STACK:
		variable->in_memory = true;
		variable->address = reading->arguments_at + argument->offset;
		return 0;
	case PH_HOME_REGISTERS:
		break;
	}
	for (size_t i = 0; i < argument->n_parts; i++)
		location.pieces[i] = (struct ph_piece){
			.kind = PH_PIECE_REGISTER, .bits = 64,
			.value = argument->parts[i].n + (argument->parts[i].is_xmm ? XMM_FIRST : 0u),
		};
	return compose(reading, &location, reading->into->types.types[variable->type].size, variable);
}

/* The register has where it is. */
static int place_by_reference(struct reading *reading, struct ph_variable *variable)
{
	static const struct ph_type address = { .kind = PH_TYPE_POINTER, .size = 8 };
	const struct ph_types types = { .types = (struct ph_type *)&address, .n = 1 };
	struct ph_home argument = ph_homes_next(&reading->arguments, &types, 0);
	const struct ph_unwind_frame *frame = reading->at->frame;
	ph_addr at;

	if (argument.kind == PH_HOME_REGISTERS) {
		variable->address = frame->regs[argument.parts[0].n];
	} else {
		if (reading->at->memory->read(reading->at->memory->user, reading->arguments_at + argument.offset,
					      &at, sizeof(at)) < 0)
			return 0;
		variable->address = at;
	}
	variable->in_memory = true;
	return 0;
}

/*
 * Either the parameter is still where it came in, or it is where it goes; when the two have the same, it does not matter.
 * (Compilers use the registers of those that they have stored for others.)
 */
static void confirm(struct reading *reading, Dwarf_Die *die, struct ph_variable *variable)
{
	const struct ph_unwind_memory *memory = reading->at->memory;
	struct ph_location location;
	Dwarf_Attribute attr;
	uint8_t *stored = variable->bytes ? malloc(variable->n_bytes ? variable->n_bytes : 1) : NULL;

	if (!stored || !dwarf_attr(die, DW_AT_location, &attr) ||
	    ph_scope_locate(&reading->scope, &attr, &location) < 0 || location.pieces[0].kind != PH_PIECE_MEMORY ||
	    memory->read(memory->user, location.pieces[0].value, stored, variable->n_bytes) < 0 ||
	    memcmp(stored, variable->bytes, variable->n_bytes) != 0)
		forget(variable);
	free(stored);
}

/* False: it is to be found by its location. */
static bool place_early(struct reading *reading, Dwarf_Die *die, struct ph_variable *variable, int *ret)
{
	int homed = is_homed(die);
	struct ph_home argument;

	if (homed == 2) {
		*ret = place_by_reference(reading, variable);
		return true;
	}
	argument = ph_homes_next(&reading->arguments, &reading->into->types, variable->type);
	if (homed)
		*ret = place_argument(reading, &argument, variable);
	if (homed && reading->is_storing && argument.kind == PH_HOME_REGISTERS && *ret >= 0)
		confirm(reading, die, variable);
	return homed;
}

/* ---- One after the other */

static struct ph_variable *slot_for(struct ph_variables *into, const char *name)
{
	void *list;

	for (size_t i = 0; i < into->n; i++) {
		struct ph_variable *variable = &into->list[i];

		/* The inner one hides the outer one. */
		if (strcmp(variable->name, name) == 0) {
			forget(variable);
			*variable = (struct ph_variable){ .name = variable->name };
			return variable;
		}
	}
	list = into->n < VARIABLES_MAX ? reallocarray(into->list, into->n + 1, sizeof(*into->list)) : NULL;
	if (!list)
		return NULL;
	into->list = list;
	into->list[into->n] = (struct ph_variable){ .name = strdup(name) };
	return into->list[into->n].name ? &into->list[into->n++] : NULL;
}

/* What cannot be found out is as good as optimised out; only a lack of memory is an error. */
static int add_variable(struct reading *reading, Dwarf_Die *die)
{
	const char *name = ph_dwarf_name(die);
	struct ph_variable *variable;
	struct ph_location location;
	Dwarf_Attribute attr;
	Dwarf_Die type;
	size_t index;
	int r = ph_dwarf_ref(die, DW_AT_type, &type) ? ph_typedie_add(reading->dwarf, &reading->into->types, &type, &index) :
						       -EINVAL;

	if (r < 0) {
		reading->arguments.is_lost = true;
		return r == -ENOMEM ? r : 0;
	}
	variable = slot_for(reading->into, name ? name : "");
	if (!variable)
		return -ENOMEM;
	variable->type = index;
	if (reading->is_early && dwarf_tag(die) == DW_TAG_formal_parameter &&
	    place_early(reading, die, variable, &r)) {
		/* Found. */
	} else if (dwarf_attr_integrate(die, DW_AT_location, &attr)) {
		r = ph_scope_locate(&reading->scope, &attr, &location);
		if (r >= 0)
			r = place(reading, &location, variable);
	} else if (dwarf_attr_integrate(die, DW_AT_const_value, &attr)) {
		r = place_constant(reading, &attr, variable);
	}
	return r == -ENOMEM ? r : 0;
}

static bool is_wanted(Dwarf_Die *die, int tag)
{
	return dwarf_tag(die) == tag && !ph_dwarf_flag(die, DW_AT_declaration) &&
	       !(tag == DW_TAG_variable && ph_dwarf_flag(die, DW_AT_artificial));
}

static int add_children(struct reading *reading, Dwarf_Die *parent, int tag)
{
	Dwarf_Die child;
	int r = 0;

	if (dwarf_child(parent, &child) != 0)
		return 0;
	do {
		if (is_wanted(&child, tag))
			r = add_variable(reading, &child);
	} while (r >= 0 && dwarf_siblingof(&child, &child) == 0);
	return r;
}

static bool has_name(const struct ph_variables *variables, const char *name)
{
	for (size_t i = 0; i < variables->n; i++)
		if (strcmp(variables->list[i].name, name) == 0)
			return true;
	return false;
}

/* What the source has, and nothing in this copy of the function speaks of. */
static int add_forgotten(struct reading *reading, Dwarf_Die *function, int tag)
{
	Dwarf_Attribute attr;
	Dwarf_Die origin, child;
	int r = 0;

	if (!dwarf_attr(function, DW_AT_abstract_origin, &attr) || !dwarf_formref_die(&attr, &origin) ||
	    dwarf_child(&origin, &child) != 0)
		return 0;
	do {
		const char *name = is_wanted(&child, tag) ? ph_dwarf_name(&child) : NULL;

		if (name && !has_name(reading->into, name))
			r = add_variable(reading, &child);
	} while (r >= 0 && dwarf_siblingof(&child, &child) == 0);
	return r;
}

/* How long the instructions are that set a frame up: endbr64, push rbp, mov rbp, rsp, sub rsp, N. What stores follows. */
static size_t setup_length(const struct ph_unwind_memory *memory, ph_addr function)
{
	static const struct {
		uint8_t bytes[4];
		size_t n, length;
	} steps[] = {
		{ { 0xf3, 0x0f, 0x1e, 0xfa }, 4, 4 }, { { 0x55 }, 1, 1 }, { { 0x48, 0x89, 0xe5 }, 3, 3 },
		{ { 0x48, 0x83, 0xec }, 3, 4 },	      { { 0x48, 0x81, 0xec }, 3, 7 },
	};
	size_t at = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint8_t code[4];

		if (memory->read(memory->user, function + at, code, steps[i].n) >= 0 &&
		    memcmp(code, steps[i].bytes, steps[i].n) == 0)
			at += steps[i].length;
	}
	return at;
}

/* Before its body, a function stores parameters where they live, if they do so in its frame. */
static bool is_early(struct reading *reading, Dwarf_Die *function)
{
	ph_addr entry, body, vaddr = reading->scope.vaddr, cfa;
	const struct ph_expression_world *world = &reading->scope.world;

	if (reading->scope.function != reading->scope.whole || !reading->at->frame->is_exact ||
	    !ph_dwarf_entry(function, &entry) || vaddr < entry)
		return false;
	if (vaddr != entry && !(ph_lines_next(reading->scope.elf, entry, &body) && vaddr < body))
		return false;
	reading->is_storing = vaddr - entry > setup_length(reading->at->memory, entry + reading->scope.bias);
	reading->arguments_at = world->cfa(world->user, &cfa) < 0 ? reading->at->frame->regs[PH_UNWIND_RSP] + 8 : cfa;
	return true;
}

static void begin_arguments(struct reading *reading)
{
	Dwarf_Die *function = &reading->scope.dies[reading->scope.whole], type;
	bool hidden = false;
	size_t index;

	reading->is_early = is_early(reading, function);
	if (reading->is_early && ph_dwarf_ref(function, DW_AT_type, &type) &&
	    ph_typedie_add(reading->dwarf, &reading->into->types, &type, &index) >= 0)
		hidden = ph_home_is_in_memory(&reading->into->types, index);
	ph_homes_begin(&reading->arguments, hidden);
}

int ph_variables_read(struct ph_elf *elf, ph_addr bias, const struct ph_variables_frame *at,
		      enum ph_variables_which which, struct ph_variables *ret)
{
	int tag = which == PH_VARIABLES_PARAMETERS ? DW_TAG_formal_parameter : DW_TAG_variable;
	struct ph_variables variables = { .n = 0 };
	struct reading *reading = calloc(1, sizeof(*reading));
	const char *name;
	int r;

	if (!reading)
		return -ENOMEM;
	reading->at = at;
	reading->into = &variables;
	reading->dwarf = ph_dwarf_get(elf);
	r = reading->dwarf ? ph_scope_init(&reading->scope, elf, bias, at->frame, at->memory) : -ENOMEM;
	if (r >= 0 && at->is_before_inlined)
		ph_scope_leave_begun(&reading->scope);
	if (r >= 0) {
		Dwarf_Die *function = &reading->scope.dies[reading->scope.function];

		begin_arguments(reading);
		name = ph_dwarf_name(function);
		variables.function = name ? strdup(name) : NULL;
		r = add_children(reading, function, tag);
		for (size_t i = reading->scope.function + 1; r >= 0 && tag == DW_TAG_variable && i < reading->scope.n; i++)
			r = add_children(reading, &reading->scope.dies[i], tag);
		if (r >= 0)
			r = add_forgotten(reading, function, tag);
	}
	free(reading);
	if (r < 0) {
		ph_variables_fini(&variables);
		return r;
	}
	*ret = variables;
	return 0;
}
