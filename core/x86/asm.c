#include "x86/asm.h"

#include <errno.h>
#include <string.h>

#include "x86/asm_code.h"
#include "x86/insn.h"
#include "x86/zydis.h"

/* Passes after which no branch is tried short any more, and after which a text that never settles is given up. */
#define PATIENT_PASSES 24
#define MOST_PASSES 32

static void set_offsets(const struct ph_asm_code *code)
{
	size_t offset = 0;

	for (int i = 0; i < code->n_statements; i++) {
		code->statements[i].offset = offset;
		offset += code->statements[i].length;
	}
}

/*
 * Every statement for the offsets of the pass before. Lengths begin at 0 and branches short; a branch that was once too
 * short stays long, so that lengths settle. True: nothing moved.
 */
static int pass(const struct ph_asm_code *code, ph_addr at, bool *ret_settled, struct ph_err *err)
{
	*ret_settled = true;
	for (int i = 0; i < code->n_statements; i++) {
		struct ph_asm_statement *statement = &code->statements[i];
		uint8_t length = statement->length;
		int r = 0;

		if (statement->mnemonic != ZYDIS_MNEMONIC_INVALID)
			r = ph_asm_encode(code, statement, at, at + statement->offset, err);
		if (r < 0)
			return r;
		*ret_settled &= statement->length == length;
	}
	return 0;
}

static int settle(const struct ph_asm_code *code, ph_addr at, struct ph_err *err)
{
	bool settled = false;

	for (int i = 0; i < MOST_PASSES && !settled; i++) {
		int r;

		for (int j = 0; i == PATIENT_PASSES && j < code->n_statements; j++)
			code->statements[j].near = true;
		set_offsets(code);
		r = pass(code, at, &settled, err);
		if (r < 0)
			return r;
	}
	return settled ? 0 : ph_err_say(err, -EINVAL, "assemble", "the lengths of its instructions depend on each other in "
					"a circle: give the numbers that are names a register of 64 bits, by lea");
}

int ph_asm(const char *text, ph_addr at, ph_asm_symbol symbol, void *arg, uint8_t *buf, size_t *ret_len,
	   struct ph_err *err)
{
	struct ph_asm_code code;
	size_t len = 0;
	int r;

	if (!ph_zydis())
		return ph_err_say(err, -ELIBACC, "assemble", "the library that does it is not there: install libzydis4.0");
	r = ph_asm_parse(text, symbol, arg, &code, err);
	if (r < 0)
		return r;
	r = settle(&code, at, err);
	for (int i = 0; i < code.n_statements && r >= 0; i++) {
		const struct ph_asm_statement *statement = &code.statements[i];

		if (len + statement->length > PH_ASM_MAX) {
			r = ph_err_say(err, -E2BIG, "assemble", "it becomes more than %d bytes", PH_ASM_MAX);
			break;
		}
		memcpy(buf + len, statement->bytes, statement->length);
		len += statement->length;
	}
	ph_asm_code_fini(&code);
	if (r < 0)
		return r;
	*ret_len = len;
	return 0;
}
