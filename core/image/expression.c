#include "image/expression.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define STACK_MAX 64
#define STEPS_MAX 10000

struct machine {
	const struct ph_expression_world *world;
	Dwarf_Attribute *attr;
	const Dwarf_Op *ops;
	size_t n, next;
	uint64_t stack[STACK_MAX];
	size_t depth;
	struct ph_piece simple;		/* what the next piece, or the whole object, is when not in memory */
	bool has_simple;
	struct ph_location found;
};

static int push(struct machine *machine, uint64_t value)
{
	if (machine->depth == STACK_MAX)
		return -EINVAL;
	machine->stack[machine->depth++] = value;
	return 0;
}

static int pop(struct machine *machine, uint64_t *ret)
{
	if (machine->depth == 0)
		return -EINVAL;
	*ret = machine->stack[--machine->depth];
	return 0;
}

static int push_if(struct machine *machine, int r, uint64_t value)
{
	return r < 0 ? r : push(machine, value);
}

/* ---- Operations on the stack alone */

static int unary(uint8_t atom, uint64_t *value)
{
	int64_t as_signed = (int64_t)*value;

	switch (atom) {
	case DW_OP_abs:
		*value = as_signed < 0 ? 0 - *value : *value;
		return 0;
	case DW_OP_neg:
		*value = 0 - *value;
		return 0;
	case DW_OP_not:
		*value = ~*value;
		return 0;
	default:
		return -ENOTSUP;
	}
}

/* Division and comparison are signed, the remainder is not (DWARF 5, 2.5.1.4). */
static int binary(uint8_t atom, uint64_t left, uint64_t right, uint64_t *ret)
{
	int64_t l = (int64_t)left, r = (int64_t)right;

	switch (atom) {
	case DW_OP_and:
		*ret = left & right;
		return 0;
	case DW_OP_or:
		*ret = left | right;
		return 0;
	case DW_OP_xor:
		*ret = left ^ right;
		return 0;
	case DW_OP_plus:
		*ret = left + right;
		return 0;
	case DW_OP_minus:
		*ret = left - right;
		return 0;
	case DW_OP_mul:
		*ret = left * right;
		return 0;
	case DW_OP_div:
		if (r == 0)
			return -EINVAL;
		*ret = r == -1 ? 0 - left : (uint64_t)(l / r);
		return 0;
	case DW_OP_mod:
		if (right == 0)
			return -EINVAL;
		*ret = left % right;
		return 0;
	case DW_OP_shl:
		*ret = right < 64 ? left << right : 0;
		return 0;
	case DW_OP_shr:
		*ret = right < 64 ? left >> right : 0;
		return 0;
	case DW_OP_shra:
		*ret = (uint64_t)(l >> (right < 64 ? right : 63));
		return 0;
	case DW_OP_eq:
		*ret = left == right;
		return 0;
	case DW_OP_ne:
		*ret = left != right;
		return 0;
	case DW_OP_lt:
		*ret = l < r;
		return 0;
	case DW_OP_le:
		*ret = l <= r;
		return 0;
	case DW_OP_gt:
		*ret = l > r;
		return 0;
	case DW_OP_ge:
		*ret = l >= r;
		return 0;
	default:
		return -ENOTSUP;
	}
}

static int step_unary(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t value;
	int r = pop(machine, &value);

	return r < 0 || (r = unary(op->atom, &value)) < 0 ? r : push(machine, value);
}

static int step_binary(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t left, right, result;
	int r;

	if ((r = pop(machine, &right)) < 0 || (r = pop(machine, &left)) < 0 ||
	    (r = binary(op->atom, left, right, &result)) < 0)
		return r;
	return push(machine, result);
}

static int step_constant(struct machine *machine, const Dwarf_Op *op)
{
	return push(machine, op->number);
}

static int step_lit(struct machine *machine, const Dwarf_Op *op)
{
	return push(machine, op->atom - DW_OP_lit0);
}

static int step_pick(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t index = op->atom == DW_OP_dup ? 0 : op->atom == DW_OP_over ? 1 : op->number;

	return index < machine->depth ? push(machine, machine->stack[machine->depth - 1 - index]) : -EINVAL;
}

static int step_drop(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t unused;

	(void)op;
	return pop(machine, &unused);
}

/* Of n entries on top, the topmost goes below the others. */
static int rotate(struct machine *machine, size_t n)
{
	uint64_t *at;
	uint64_t top;

	if (machine->depth < n)
		return -EINVAL;
	at = &machine->stack[machine->depth - n];
	top = at[n - 1];
	memmove(at + 1, at, (n - 1) * sizeof(*at));
	*at = top;
	return 0;
}

static int step_rotate(struct machine *machine, const Dwarf_Op *op)
{
	return rotate(machine, op->atom == DW_OP_swap ? 2 : 3);
}

static int step_plus_uconst(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t value;
	int r = pop(machine, &value);

	return push_if(machine, r, r < 0 ? 0 : value + op->number);
}

static int step_nop(struct machine *machine, const Dwarf_Op *op)
{
	(void)machine;
	(void)op;
	return 0;
}

/* Branches count bytes of the encoding from behind themselves, which is three bytes long. */
static int jump(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t target = op->offset + 3 + (uint64_t)(int64_t)(int16_t)op->number;
	const Dwarf_Op *last = &machine->ops[machine->n - 1];

	for (size_t i = 0; i < machine->n; i++) {
		if (machine->ops[i].offset == target) {
			machine->next = i;
			return 0;
		}
	}
	if (target <= last->offset)
		return -EINVAL;
	machine->next = machine->n;
	return 0;
}

static int step_branch(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t condition = 1;
	int r = op->atom == DW_OP_bra ? pop(machine, &condition) : 0;

	return r < 0 || !condition ? r : jump(machine, op);
}

/* ---- Operations that ask the world */

static int reg_value(struct machine *machine, uint64_t n, uint64_t *ret)
{
	if (!machine->world->reg || n > UINT32_MAX)
		return -ENOTSUP;
	return machine->world->reg(machine->world->user, (unsigned)n, ret);
}

static int step_breg(struct machine *machine, const Dwarf_Op *op)
{
	bool by_number = op->atom == DW_OP_bregx;
	uint64_t value = 0;
	int r = reg_value(machine, by_number ? op->number : (uint64_t)(op->atom - DW_OP_breg0), &value);

	return push_if(machine, r, value + (by_number ? op->number2 : op->number));
}

static int step_fbreg(struct machine *machine, const Dwarf_Op *op)
{
	ph_addr base = 0;
	int r = machine->world->frame_base ? machine->world->frame_base(machine->world->user, &base) : -ENOTSUP;

	return push_if(machine, r, base + op->number);
}

static int step_cfa(struct machine *machine, const Dwarf_Op *op)
{
	ph_addr cfa = 0;
	int r = machine->world->cfa ? machine->world->cfa(machine->world->user, &cfa) : -ENOTSUP;

	(void)op;
	return push_if(machine, r, cfa);
}

static int step_addr(struct machine *machine, const Dwarf_Op *op)
{
	return push(machine, op->number + machine->world->bias);
}

/* An index into the file's table of addresses, or of constants. */
static int step_addrx(struct machine *machine, const Dwarf_Op *op)
{
	bool is_addr = op->atom == DW_OP_addrx || op->atom == DW_OP_GNU_addr_index;
	Dwarf_Attribute attr;
	Dwarf_Addr value;

	if (!machine->attr || dwarf_getlocation_attr(machine->attr, op, &attr) != 0 ||
	    dwarf_formaddr(&attr, &value) != 0)
		return -EINVAL;
	return push(machine, is_addr ? value + machine->world->bias : value);
}

static int deref(struct machine *machine, uint64_t size)
{
	uint64_t value = 0, addr;
	int r = pop(machine, &addr);

	if (r < 0)
		return r;
	if (!machine->world->memory)
		return -ENOTSUP;
	if (size == 0 || size > sizeof(value))
		return -EINVAL;
	r = machine->world->memory(machine->world->user, addr, &value, size);
	return push_if(machine, r, value);
}

static int step_deref(struct machine *machine, const Dwarf_Op *op)
{
	return deref(machine, op->atom == DW_OP_deref ? sizeof(uint64_t) : op->number);
}

static int step_entry_value(struct machine *machine, const Dwarf_Op *op)
{
	const struct ph_expression_world *world = machine->world;
	Dwarf_Attribute attr;
	uint64_t value = 0;
	Dwarf_Op *ops;
	size_t n;
	int r;

	if (!world->entry_value || !machine->attr)
		return -ENODATA;
	if (dwarf_getlocation_attr(machine->attr, op, &attr) != 0 || dwarf_getlocation(&attr, &ops, &n) != 0)
		return -EINVAL;
	r = world->entry_value(world->user, ops, n, &value);
	return push_if(machine, r, value);
}

/* ---- Typed values: integers of at most 64 bits keep their value when extended, so the stack needs no types */

struct base_type {
	uint64_t size;
	bool is_signed, is_generic;
};

static int type_of(struct machine *machine, const Dwarf_Op *op, struct base_type *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Word encoding, size;
	Dwarf_Die die;

	if (!machine->attr)
		return -EINVAL;
	if ((op->atom == DW_OP_convert || op->atom == DW_OP_GNU_convert || op->atom == DW_OP_reinterpret ||
	     op->atom == DW_OP_GNU_reinterpret) && op->number == 0) {
		*ret = (struct base_type){ sizeof(uint64_t), false, true };
		return 0;
	}
	if (dwarf_getlocation_die(machine->attr, op, &die) != 0 || dwarf_tag(&die) != DW_TAG_base_type ||
	    dwarf_formudata(dwarf_attr(&die, DW_AT_byte_size, &attr), &size) != 0 ||
	    dwarf_formudata(dwarf_attr(&die, DW_AT_encoding, &attr), &encoding) != 0)
		return -EINVAL;
	if (size == 0 || size > sizeof(uint64_t) || encoding == DW_ATE_float || encoding == DW_ATE_complex_float)
		return -ENOTSUP;
	*ret = (struct base_type){ size, encoding == DW_ATE_signed || encoding == DW_ATE_signed_char, false };
	return 0;
}

static uint64_t fit(const struct base_type *type, uint64_t value)
{
	unsigned unused = 64 - (unsigned)type->size * 8;

	return type->is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value << unused >> unused;
}

static int step_convert(struct machine *machine, const Dwarf_Op *op)
{
	struct base_type type;
	uint64_t value;
	int r = type_of(machine, op, &type);

	return r < 0 || (r = pop(machine, &value)) < 0 ? r : push(machine, fit(&type, value));
}

static int step_regval_type(struct machine *machine, const Dwarf_Op *op)
{
	struct base_type type;
	uint64_t value = 0;
	int r = type_of(machine, op, &type);

	if (r >= 0)
		r = reg_value(machine, op->number, &value);
	return r < 0 ? r : push(machine, fit(&type, value));
}

static int step_deref_type(struct machine *machine, const Dwarf_Op *op)
{
	struct base_type type;
	uint64_t value = 0;
	int r = type_of(machine, op, &type);

	if (r < 0 || (r = deref(machine, type.size)) < 0 || (r = pop(machine, &value)) < 0)
		return r;
	return push(machine, fit(&type, value));
}

static int step_const_type(struct machine *machine, const Dwarf_Op *op)
{
	struct base_type type;
	Dwarf_Attribute attr;
	Dwarf_Block block;
	uint64_t value = 0;
	int r = type_of(machine, op, &type);

	if (r < 0)
		return r;
	if (dwarf_getlocation_attr(machine->attr, op, &attr) != 0 || dwarf_formblock(&attr, &block) != 0 ||
	    block.length > sizeof(value))
		return -EINVAL;
	memcpy(&value, block.data, block.length);
	return push(machine, fit(&type, value));
}

/* ---- Operations that end a description */

static int describe(struct machine *machine, struct ph_piece piece)
{
	if (machine->has_simple)
		return -EINVAL;
	machine->simple = piece;
	machine->has_simple = true;
	return 0;
}

static int step_reg(struct machine *machine, const Dwarf_Op *op)
{
	uint64_t n = op->atom == DW_OP_regx ? op->number : (uint64_t)(op->atom - DW_OP_reg0);

	return describe(machine, (struct ph_piece){ .kind = PH_PIECE_REGISTER, .value = n });
}

static int step_stack_value(struct machine *machine, const Dwarf_Op *op)
{
	struct ph_piece piece = { .kind = PH_PIECE_VALUE };
	int r = pop(machine, &piece.value);

	(void)op;
	return r < 0 ? r : describe(machine, piece);
}

static int step_implicit_value(struct machine *machine, const Dwarf_Op *op)
{
	Dwarf_Block block;

	if (!machine->attr || dwarf_getlocation_implicit_value(machine->attr, op, &block) != 0)
		return -EINVAL;
	return describe(machine, (struct ph_piece){ .kind = PH_PIECE_BYTES, .bytes = block.data,
						    .n_bytes = block.length });
}

static int step_lost(struct machine *machine, const Dwarf_Op *op)
{
	(void)op;
	return describe(machine, (struct ph_piece){ .kind = PH_PIECE_LOST });
}

/* What stands before a piece, or before the end. */
static struct ph_piece take_piece(struct machine *machine)
{
	struct ph_piece piece = { .kind = PH_PIECE_LOST };

	if (machine->has_simple)
		piece = machine->simple;
	else if (machine->depth)
		piece = (struct ph_piece){ .kind = PH_PIECE_MEMORY, .value = machine->stack[--machine->depth] };
	machine->has_simple = false;
	return piece;
}

static int step_piece(struct machine *machine, const Dwarf_Op *op)
{
	struct ph_piece piece = take_piece(machine);

	if (machine->found.n == PH_PIECES_MAX || op->number > UINT32_MAX)
		return -EINVAL;
	piece.bits = op->atom == DW_OP_piece ? op->number * 8 : op->number;
	piece.skip = op->atom == DW_OP_piece ? 0 : op->number2;
	if (piece.skip > UINT32_MAX)
		return -EINVAL;
	if (piece.bits)
		machine->found.pieces[machine->found.n++] = piece;
	return 0;
}

/* ---- All of them */

typedef int (*step_fn)(struct machine *machine, const Dwarf_Op *op);

static const step_fn steps[256] = {
	[DW_OP_addr] = step_addr,
	[DW_OP_deref] = step_deref,
	[DW_OP_deref_size] = step_deref,
	[DW_OP_const1u] = step_constant,
	[DW_OP_const1s] = step_constant,
	[DW_OP_const2u] = step_constant,
	[DW_OP_const2s] = step_constant,
	[DW_OP_const4u] = step_constant,
	[DW_OP_const4s] = step_constant,
	[DW_OP_const8u] = step_constant,
	[DW_OP_const8s] = step_constant,
	[DW_OP_constu] = step_constant,
	[DW_OP_consts] = step_constant,
	[DW_OP_dup] = step_pick,
	[DW_OP_over] = step_pick,
	[DW_OP_pick] = step_pick,
	[DW_OP_drop] = step_drop,
	[DW_OP_swap] = step_rotate,
	[DW_OP_rot] = step_rotate,
	[DW_OP_abs] = step_unary,
	[DW_OP_neg] = step_unary,
	[DW_OP_not] = step_unary,
	[DW_OP_and] = step_binary,
	[DW_OP_div] = step_binary,
	[DW_OP_minus] = step_binary,
	[DW_OP_mod] = step_binary,
	[DW_OP_mul] = step_binary,
	[DW_OP_or] = step_binary,
	[DW_OP_plus] = step_binary,
	[DW_OP_shl] = step_binary,
	[DW_OP_shr] = step_binary,
	[DW_OP_shra] = step_binary,
	[DW_OP_xor] = step_binary,
	[DW_OP_eq ... DW_OP_ne] = step_binary,
	[DW_OP_plus_uconst] = step_plus_uconst,
	[DW_OP_bra] = step_branch,
	[DW_OP_skip] = step_branch,
	[DW_OP_lit0 ... DW_OP_lit31] = step_lit,
	[DW_OP_reg0 ... DW_OP_reg31] = step_reg,
	[DW_OP_regx] = step_reg,
	[DW_OP_breg0 ... DW_OP_breg31] = step_breg,
	[DW_OP_bregx] = step_breg,
	[DW_OP_fbreg] = step_fbreg,
	[DW_OP_piece] = step_piece,
	[DW_OP_bit_piece] = step_piece,
	[DW_OP_nop] = step_nop,
	[DW_OP_call_frame_cfa] = step_cfa,
	[DW_OP_implicit_value] = step_implicit_value,
	[DW_OP_stack_value] = step_stack_value,
	[DW_OP_implicit_pointer] = step_lost,
	[DW_OP_GNU_implicit_pointer] = step_lost,
	[DW_OP_GNU_variable_value] = step_lost,
	[DW_OP_addrx] = step_addrx,
	[DW_OP_constx] = step_addrx,
	[DW_OP_GNU_addr_index] = step_addrx,
	[DW_OP_GNU_const_index] = step_addrx,
	[DW_OP_entry_value] = step_entry_value,
	[DW_OP_GNU_entry_value] = step_entry_value,
	[DW_OP_const_type] = step_const_type,
	[DW_OP_GNU_const_type] = step_const_type,
	[DW_OP_regval_type] = step_regval_type,
	[DW_OP_GNU_regval_type] = step_regval_type,
	[DW_OP_deref_type] = step_deref_type,
	[DW_OP_GNU_deref_type] = step_deref_type,
	[DW_OP_convert] = step_convert,
	[DW_OP_GNU_convert] = step_convert,
	[DW_OP_reinterpret] = step_convert,
	[DW_OP_GNU_reinterpret] = step_convert,
	[DW_OP_GNU_uninit] = step_nop,
};

static int run(struct machine *machine)
{
	for (unsigned count = 0; machine->next < machine->n; count++) {
		const Dwarf_Op *op = &machine->ops[machine->next++];
		int r = count == STEPS_MAX ? -EINVAL : steps[op->atom] ? steps[op->atom](machine, op) : -ENOTSUP;

		if (r < 0)
			return r;
	}
	return 0;
}

int ph_expression_locate(const struct ph_expression_world *world, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n,
			 struct ph_location *ret)
{
	struct machine machine = { .world = world, .attr = attr, .ops = ops, .n = n };
	int r = run(&machine);

	if (r < 0)
		return r;
	if (machine.found.n == 0)
		machine.found.pieces[machine.found.n++] = take_piece(&machine);
	*ret = machine.found;
	return 0;
}

int ph_expression_compute(const struct ph_expression_world *world, Dwarf_Attribute *attr, const Dwarf_Op *ops,
			  size_t n, uint64_t *ret)
{
	struct ph_location location;
	int r = ph_expression_locate(world, attr, ops, n, &location);
	const struct ph_piece *piece = &location.pieces[0];

	if (r < 0)
		return r;
	if (location.n != 1 || piece->bits)
		return -EINVAL;
	if (piece->kind == PH_PIECE_MEMORY || piece->kind == PH_PIECE_VALUE) {
		*ret = piece->value;
		return 0;
	}
	if (piece->kind != PH_PIECE_REGISTER)
		return -EINVAL;
	return world->reg ? world->reg(world->user, (unsigned)piece->value, ret) : -ENOTSUP;
}
