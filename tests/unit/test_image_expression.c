/* expression: each operation by rows, and what is malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "image/expression.h"

#define BIAS 0x10000
#define CFA  0x7000
#define BASE 0x6000

static int read_memory(void *user, ph_addr addr, void *buf, size_t len)
{
	(void)user;
	if (addr == 0xbad)
		return -EIO;
	memset(buf, 0, len);
	memcpy(buf, &addr, len < sizeof(addr) ? len : sizeof(addr));
	return 0;
}

static int read_reg(void *user, unsigned n, uint64_t *ret)
{
	(void)user;
	if (n > 16)
		return -ENODATA;
	*ret = 100 * n;
	return 0;
}

static int read_cfa(void *user, ph_addr *ret)
{
	(void)user;
	*ret = CFA;
	return 0;
}

static int read_base(void *user, ph_addr *ret)
{
	(void)user;
	*ret = BASE;
	return 0;
}

static const struct ph_expression_world world = {
	.bias = BIAS, .memory = read_memory, .reg = read_reg, .cfa = read_cfa, .frame_base = read_base,
};

#define OPS(...) { __VA_ARGS__ }
#define MINUS(n) (uint64_t)-(n)

struct row {
	const char *name;
	Dwarf_Op ops[8];
	size_t n;
	int r;
	uint64_t value;
};

static const struct row rows[] = {
	{ "literal", OPS({ DW_OP_lit0 + 7, 0, 0, 0 }), 1, 0, 7 },
	{ "constant", OPS({ DW_OP_const4s, MINUS(5), 0, 0 }), 1, 0, MINUS(5) },
	{ "address with bias", OPS({ DW_OP_addr, 0x1234, 0, 0 }), 1, 0, BIAS + 0x1234 },
	{ "register and offset", OPS({ DW_OP_breg0 + 7, MINUS(8), 0, 0 }), 1, 0, 692 },
	{ "numbered register and offset", OPS({ DW_OP_bregx, 3, 9, 0 }), 1, 0, 309 },
	{ "unknown register", OPS({ DW_OP_bregx, 40, 9, 0 }), 1, -ENODATA, 0 },
	{ "frame base", OPS({ DW_OP_fbreg, MINUS(16), 0, 0 }), 1, 0, BASE - 16 },
	{ "frame address", OPS({ DW_OP_call_frame_cfa, 0, 0, 0 }), 1, 0, CFA },
	{ "dereference", OPS({ DW_OP_lit0 + 9, 0, 0, 0 }, { DW_OP_deref, 0, 0, 1 }), 2, 0, 9 },
	{ "dereference of a byte", OPS({ DW_OP_const2u, 0x1ff, 0, 0 }, { DW_OP_deref_size, 1, 0, 3 }), 2, 0, 0xff },
	{ "dereference of too much", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_deref_size, 9, 0, 1 }), 2, -EINVAL, 0 },
	{ "dereference of nothing", OPS({ DW_OP_const2u, 0xbad, 0, 0 }, { DW_OP_deref, 0, 0, 3 }), 2, -EIO, 0 },
	{ "plus", OPS({ DW_OP_lit0 + 5, 0, 0, 0 }, { DW_OP_lit0 + 3, 0, 0, 1 }, { DW_OP_plus, 0, 0, 2 }), 3, 0, 8 },
	{ "minus", OPS({ DW_OP_lit0 + 3, 0, 0, 0 }, { DW_OP_lit0 + 5, 0, 0, 1 }, { DW_OP_minus, 0, 0, 2 }), 3, 0, MINUS(2) },
	{ "signed division", OPS({ DW_OP_const1s, MINUS(9), 0, 0 }, { DW_OP_lit0 + 2, 0, 0, 2 }, { DW_OP_div, 0, 0, 3 }), 3,
	  0, MINUS(4) },
	{ "division of the least number by -1",
	  OPS({ DW_OP_const8u, 1ull << 63, 0, 0 }, { DW_OP_const1s, MINUS(1), 0, 9 }, { DW_OP_div, 0, 0, 11 }), 3, 0,
	  1ull << 63 },
	{ "division by zero", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_lit0, 0, 0, 1 }, { DW_OP_div, 0, 0, 2 }), 3, -EINVAL, 0 },
	{ "remainder by zero", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_lit0, 0, 0, 1 }, { DW_OP_mod, 0, 0, 2 }), 3, -EINVAL, 0 },
	{ "shift by 64", OPS({ DW_OP_lit0 + 1, 0, 0, 0 }, { DW_OP_const1u, 64, 0, 1 }, { DW_OP_shl, 0, 0, 3 }), 3, 0, 0 },
	{ "arithmetic shift by 64",
	  OPS({ DW_OP_const1s, MINUS(1), 0, 0 }, { DW_OP_const1u, 64, 0, 2 }, { DW_OP_shra, 0, 0, 4 }), 3, 0, MINUS(1) },
	{ "signed comparison", OPS({ DW_OP_const1s, MINUS(1), 0, 0 }, { DW_OP_lit0, 0, 0, 2 }, { DW_OP_lt, 0, 0, 3 }), 3, 0, 1 },
	{ "negation", OPS({ DW_OP_lit0 + 4, 0, 0, 0 }, { DW_OP_neg, 0, 0, 1 }), 2, 0, MINUS(4) },
	{ "complement", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_not, 0, 0, 1 }), 2, 0, MINUS(1) },
	{ "absolute value", OPS({ DW_OP_const1s, MINUS(7), 0, 0 }, { DW_OP_abs, 0, 0, 2 }), 2, 0, 7 },
	{ "swap", OPS({ DW_OP_lit0 + 1, 0, 0, 0 }, { DW_OP_lit0 + 2, 0, 0, 1 }, { DW_OP_swap, 0, 0, 2 }), 3, 0, 1 },
	{ "rotation", OPS({ DW_OP_lit0 + 1, 0, 0, 0 }, { DW_OP_lit0 + 2, 0, 0, 1 }, { DW_OP_lit0 + 3, 0, 0, 2 },
			  { DW_OP_rot, 0, 0, 3 }), 4, 0, 2 },
	{ "second entry", OPS({ DW_OP_lit0 + 1, 0, 0, 0 }, { DW_OP_lit0 + 2, 0, 0, 1 }, { DW_OP_over, 0, 0, 2 }), 3, 0, 1 },
	{ "pick beyond the stack", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_pick, 1, 0, 1 }), 2, -EINVAL, 0 },
	{ "drop of nothing", OPS({ DW_OP_drop, 0, 0, 0 }), 1, -EINVAL, 0 },
	{ "branch taken", OPS({ DW_OP_lit0 + 6, 0, 0, 0 }, { DW_OP_lit0 + 1, 0, 0, 1 }, { DW_OP_bra, 1, 0, 2 },
			      { DW_OP_drop, 0, 0, 5 }, { DW_OP_nop, 0, 0, 6 }), 5, 0, 6 },
	{ "branch not taken", OPS({ DW_OP_lit0 + 6, 0, 0, 0 }, { DW_OP_lit0, 0, 0, 1 }, { DW_OP_bra, 1, 0, 2 },
				  { DW_OP_neg, 0, 0, 5 }, { DW_OP_nop, 0, 0, 6 }), 5, 0, MINUS(6) },
	{ "branch past the end", OPS({ DW_OP_lit0 + 6, 0, 0, 0 }, { DW_OP_skip, 100, 0, 1 }, { DW_OP_drop, 0, 0, 4 }), 3, 0, 6 },
	{ "branch into an operand", OPS({ DW_OP_skip, 1, 0, 0 }, { DW_OP_const2u, 5, 0, 3 }, { DW_OP_nop, 0, 0, 6 }), 3,
	  -EINVAL, 0 },
	{ "endless loop", OPS({ DW_OP_skip, MINUS(3), 0, 0 }), 1, -EINVAL, 0 },
	{ "endless pushing", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_skip, MINUS(4), 0, 1 }), 2, -EINVAL, 0 },
	{ "stack value", OPS({ DW_OP_lit0 + 3, 0, 0, 0 }, { DW_OP_stack_value, 0, 0, 1 }), 2, 0, 3 },
	{ "register", OPS({ DW_OP_reg0 + 5, 0, 0, 0 }), 1, 0, 500 },
	{ "two descriptions", OPS({ DW_OP_reg0, 0, 0, 0 }, { DW_OP_reg0, 0, 0, 1 }), 2, -EINVAL, 0 },
	{ "operation that nobody knows", OPS({ 0xff, 0, 0, 0 }), 1, -ENOTSUP, 0 },
	{ "entry value without a caller", OPS({ DW_OP_entry_value, 0, 0, 0 }), 1, -ENODATA, 0 },
	{ "typed operation without a file", OPS({ DW_OP_lit0, 0, 0, 0 }, { DW_OP_convert, 5, 0, 1 }), 2, -EINVAL, 0 },
	{ "conversion to the generic type", OPS({ DW_OP_lit0 + 2, 0, 0, 0 }, { DW_OP_addr, 0, 0, 1 },
						{ DW_OP_drop, 0, 0, 10 }), 3, 0, 2 },
};

static void every_operation_computes_what_dwarf_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;
		int r = ph_expression_compute(&world, NULL, rows[i].ops, rows[i].n, &value);

		if (r != rows[i].r || (r == 0 && value != rows[i].value))
			fail_msg("%s: %d, 0x%llx", rows[i].name, r, (unsigned long long)value);
	}
}

static void an_empty_expression_is_lost(void **state)
{
	struct ph_location location;

	(void)state;
	assert_int_equal(ph_expression_locate(&world, NULL, NULL, 0, &location), 0);
	assert_int_equal(location.n, 1);
	assert_int_equal(location.pieces[0].kind, PH_PIECE_LOST);
}

static void pieces_stand_in_their_order(void **state)
{
	static const Dwarf_Op ops[] = {
		{ DW_OP_reg0 + 3, 0, 0, 0 }, { DW_OP_piece, 8, 0, 1 },
		{ DW_OP_piece, 4, 0, 3 },
		{ DW_OP_fbreg, 8, 0, 5 }, { DW_OP_bit_piece, 32, 8, 7 },
		{ DW_OP_lit0 + 9, 0, 0, 10 }, { DW_OP_stack_value, 0, 0, 11 }, { DW_OP_piece, 2, 0, 12 },
	};
	struct ph_location location;

	(void)state;
	assert_int_equal(ph_expression_locate(&world, NULL, ops, 8, &location), 0);
	assert_int_equal(location.n, 4);
	assert_int_equal(location.pieces[0].kind, PH_PIECE_REGISTER);
	assert_int_equal(location.pieces[0].value, 3);
	assert_int_equal(location.pieces[0].bits, 64);
	assert_int_equal(location.pieces[1].kind, PH_PIECE_LOST);
	assert_int_equal(location.pieces[2].kind, PH_PIECE_MEMORY);
	assert_int_equal(location.pieces[2].value, BASE + 8);
	assert_int_equal(location.pieces[2].skip, 8);
	assert_int_equal(location.pieces[3].kind, PH_PIECE_VALUE);
	assert_int_equal(location.pieces[3].bits, 16);
}

static void pieces_are_no_number(void **state)
{
	static const Dwarf_Op ops[] = { { DW_OP_lit0, 0, 0, 0 }, { DW_OP_piece, 8, 0, 1 } };
	uint64_t value;

	(void)state;
	assert_int_equal(ph_expression_compute(&world, NULL, ops, 2, &value), -EINVAL);
}

static void more_pieces_than_there_is_room_for_are_refused(void **state)
{
	Dwarf_Op ops[PH_PIECES_MAX + 1];
	struct ph_location location;

	(void)state;
	for (size_t i = 0; i < PH_PIECES_MAX + 1; i++)
		ops[i] = (Dwarf_Op){ DW_OP_piece, 1, 0, i * 2 };
	assert_int_equal(ph_expression_locate(&world, NULL, ops, PH_PIECES_MAX + 1, &location), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_computes_what_dwarf_says),
		cmocka_unit_test(an_empty_expression_is_lost),
		cmocka_unit_test(pieces_stand_in_their_order),
		cmocka_unit_test(pieces_are_no_number),
		cmocka_unit_test(more_pieces_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests_name("image/expression", tests, NULL, NULL);
}
