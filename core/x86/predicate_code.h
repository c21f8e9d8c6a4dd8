/*
 * predicate_code - what a predicate is compiled to: postfix instructions and jumps over a stack of values.
 *
 * Private to predicate_parse.c, which writes it, and predicate.c, which runs it.
 */
#ifndef PH_X86_PREDICATE_CODE_H
#define PH_X86_PREDICATE_CODE_H

#include <stddef.h>
#include <stdint.h>

/* X(name, what it makes of a, or of a and b) */
#define PH_PREDICATE_UNARY_OPS(X)			\
	X(NOT, !a)					\
	X(MINUS, -a)					\
	X(COMPLEMENT, ~a)

#define PH_PREDICATE_BINARY_OPS(X)			\
	X(ADD, a + b)					\
	X(SUB, a - b)					\
	X(MUL, a * b)					\
	X(AND, a & b)					\
	X(OR, a | b)					\
	X(XOR, a ^ b)					\
	X(SHL, b < 64 ? a << b : 0)			\
	X(SHR, b < 64 ? a >> b : 0)			\
	X(EQ, a == b)					\
	X(NE, a != b)					\
	X(LT, a < b)					\
	X(LE, a <= b)					\
	X(GT, a > b)					\
	X(GE, a >= b)					\
	X(LT_SIGNED, (int64_t)a < (int64_t)b)		\
	X(LE_SIGNED, (int64_t)a <= (int64_t)b)		\
	X(GT_SIGNED, (int64_t)a > (int64_t)b)		\
	X(GE_SIGNED, (int64_t)a >= (int64_t)b)

enum ph_predicate_op {
	PH_OP_END,		/* the result is on top */
	PH_OP_LITERAL,
	PH_OP_FIELD,		/* of the registers */
	PH_OP_READ,
	PH_OP_READ_SIGNED,
	PH_OP_JUMP_IF_ZERO,	/* keeps the value when it jumps, drops it when not */
	PH_OP_JUMP_IF_NONZERO,
#define PH_OP_NAME(name, result) PH_OP_##name,
	PH_PREDICATE_UNARY_OPS(PH_OP_NAME)
	PH_PREDICATE_BINARY_OPS(PH_OP_NAME)
#undef PH_OP_NAME
};

struct ph_predicate_insn {
	uint8_t op;		/* enum ph_predicate_op */
	uint8_t offset;		/* FIELD: in the struct, in bytes */
	uint8_t shift;		/* FIELD: in bits */
	uint8_t size;		/* READ: in bytes */
	uint16_t target;	/* JUMP: index of an instruction */
	uint64_t value;		/* LITERAL; FIELD: its mask, once shifted */
};

struct ph_predicate {
	size_t count;
	struct ph_predicate_insn code[];
};

enum ph_predicate_precedence {
	PH_BINDS_NOTHING,
	PH_BINDS_OR,
	PH_BINDS_AND,
	PH_BINDS_COMPARISON,
	PH_BINDS_BIT_OR,
	PH_BINDS_BIT_XOR,
	PH_BINDS_BIT_AND,
	PH_BINDS_SHIFT,
	PH_BINDS_SUM,
	PH_BINDS_PRODUCT,
};

#endif
