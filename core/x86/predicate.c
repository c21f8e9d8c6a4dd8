#include "x86/predicate.h"

#include <stdlib.h>
#include <string.h>

#include "x86/predicate_code.h"

/*
 * In one pair of parentheses, at most one left side waits for its right one at each precedence from comparisons up
 * (that of `and` and `or` is gone by then). Beside those: the top, and what the first push saves of no value.
 */
#define WAITING_MAX (PH_BINDS_PRODUCT - PH_BINDS_COMPARISON + 1)
#define STACK_MAX ((PH_PREDICATE_DEPTH_MAX + 1) * WAITING_MAX + 2)

void ph_predicate_free(struct ph_predicate *predicate)
{
	free(predicate);
}

/* False when it faults. */
static bool read_value(const struct ph_predicate_memory *memory, ph_addr at, size_t size, uint64_t *ret)
{
	uint64_t value = 0;

	if (!memory || memory->read(memory->user, at, &value, size) < 0)
		return false;
	*ret = value;
	return true;
}

#define UNARY_CASE(name, result)	\
	case PH_OP_##name:		\
		a = top;		\
		top = (result);		\
		break;

#define BINARY_CASE(name, result)	\
	case PH_OP_##name:		\
		b = top;		\
		a = *--below;		\
		top = (result);		\
		break;

bool ph_predicate_test(const struct ph_predicate *predicate, const struct user_regs_struct *regs,
		       const struct ph_predicate_memory *memory)
{
	uint64_t stack[STACK_MAX], *below = stack, top = 0;

	for (const struct ph_predicate_insn *insn = predicate->code;; insn++) {
		uint64_t a, b;

		switch ((enum ph_predicate_op)insn->op) {
		case PH_OP_END:
			return top != 0;
		case PH_OP_LITERAL:
			*below++ = top;
			top = insn->value;
			break;
		case PH_OP_FIELD:
			*below++ = top;
			memcpy(&a, (const char *)regs + insn->offset, sizeof(a));
			top = a >> insn->shift & insn->value;
			break;
		case PH_OP_READ:
			if (!read_value(memory, top, insn->size, &top))
				return false;
			break;
		case PH_OP_READ_SIGNED:
			if (!read_value(memory, top, insn->size, &top))
				return false;
			b = 64 - insn->size * 8u;
			top = (uint64_t)((int64_t)(top << b) >> b);
			break;
		case PH_OP_JUMP_IF_ZERO:
		case PH_OP_JUMP_IF_NONZERO:
			if (insn->op == PH_OP_JUMP_IF_ZERO ? !top : top != 0)
				insn = &predicate->code[insn->target - 1];
			else
				top = *--below;
			break;
		PH_PREDICATE_UNARY_OPS(UNARY_CASE)
		PH_PREDICATE_BINARY_OPS(BINARY_CASE)
		}
	}
}
