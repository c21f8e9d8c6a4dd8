/*
 * asm_code - a text of assembler between its parser and its encoder. Private to x86/.
 */
#ifndef PH_X86_ASM_CODE_H
#define PH_X86_ASM_CODE_H

#include "x86/asm.h"
#include "x86/zydis.h"

#define PH_ASM_OPERANDS 4
#define PH_ASM_NAME_MAX 128

/* A name, or none, and a number that is added. */
struct ph_asm_value {
	int64_t number;
	char *name;		/* owned; NULL: none */
	int label;		/* the statement that it stands before; -1: a symbol, whose address is in number already */
};

struct ph_asm_operand {
	ZydisOperandType type;	/* REGISTER, MEMORY or IMMEDIATE */
	ZydisRegister reg, base, index;
	uint8_t scale;
	uint16_t size;		/* of memory, in bytes; 0: not said */
	struct ph_asm_value value;
};

struct ph_asm_statement {
	unsigned int line;
	const char *text;	/* borrowed: as it was written */
	int text_len;
	ZydisMnemonic mnemonic;	/* INVALID: only labels stand here */
	ZydisInstructionAttributes prefixes;
	bool has_segment;
	uint8_t n_operands;
	struct ph_asm_operand operands[PH_ASM_OPERANDS];
	bool is_branch;		/* its operand, when a number, is where it goes */
	bool near;		/* no short form */
	size_t offset;
	uint8_t length;
	uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
};

struct ph_asm_label {
	char *name;		/* owned */
	int statement;
};

struct ph_asm_code {
	struct ph_asm_statement *statements;	/* owned */
	int n_statements;
	struct ph_asm_label *labels;		/* owned */
	int n_labels;
};

/* Fails with the statement's line and text before the words. */
int ph_asm_fail(const struct ph_asm_statement *statement, struct ph_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Names are bound to labels, or asked for. */
int ph_asm_parse(const char *text, ph_asm_symbol symbol, void *arg, struct ph_asm_code *ret, struct ph_err *err);
void ph_asm_code_fini(struct ph_asm_code *code);

/* The bytes of one statement that stands at `at`; labels lie at start + their offset. */
int ph_asm_encode(const struct ph_asm_code *code, struct ph_asm_statement *statement, ph_addr start, ph_addr at,
		  struct ph_err *err);

#endif
