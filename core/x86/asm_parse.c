#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/spell.h"
#include "x86/asm_code.h"
#include "x86/asm_words.h"

struct parser {
	const char *at, *end;		/* what is left of the statement */
	struct ph_asm_statement *statement;
	struct ph_err *err;
};

int ph_asm_fail(const struct ph_asm_statement *statement, struct ph_err *err, const char *fmt, ...)
{
	char words[224], text[96];
	int n = statement->text_len < (int)sizeof(text) - 1 ? statement->text_len : (int)sizeof(text) - 1;
	va_list args;

	for (int i = 0; i < n; i++)
		text[i] = statement->text[i] >= ' ' && statement->text[i] <= '~' ? statement->text[i] : '?';
	text[n] = '\0';
	va_start(args, fmt);
	vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	for (char *c = words; *c; c++)
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	return ph_err_say(err, -EINVAL, "assemble", "line %u: \"%s\": %s", statement->line, text, words);
}

/* ---- Tokens */

static void skip_blanks(struct parser *parser)
{
	while (parser->at < parser->end && isspace((unsigned char)*parser->at))
		parser->at++;
}

static bool take(struct parser *parser, char c)
{
	skip_blanks(parser);
	if (parser->at == parser->end || *parser->at != c)
		return false;
	parser->at++;
	return true;
}

static bool begins_name(char c)
{
	return isalpha((unsigned char)c) || c == '_' || c == '.' || c == '$' || c == '@';
}

/* "libc.so.6!puts", "puts@plt", ".L3". */
static bool continues_name(char c)
{
	return begins_name(c) || isdigit((unsigned char)c) || c == '!';
}

/* The length of the word that comes next; 0: none does. */
static size_t word_length(struct parser *parser)
{
	const char *c;

	skip_blanks(parser);
	c = parser->at;
	if (c == parser->end || !begins_name(*c))
		return 0;
	while (c < parser->end && continues_name(*c))
		c++;
	return (size_t)(c - parser->at);
}

static int unexpected(struct parser *parser, const char *expected)
{
	skip_blanks(parser);
	if (parser->at == parser->end)
		return ph_asm_fail(parser->statement, parser->err, "%s expected at its end", expected);
	return ph_asm_fail(parser->statement, parser->err, "%s expected before '%.*s'", expected,
			   parser->end - parser->at > 24 ? 24 : (int)(parser->end - parser->at), parser->at);
}

/* 12, 0x1f, 1fh, 0b101, 'c'. */
static int take_number(struct parser *parser, uint64_t *ret)
{
	const char *from = parser->at, *to = from;
	int base = 10;
	uint64_t value = 0;

	if (*from == '\'') {
		if (parser->end - from < 3 || from[2] != '\'')
			return ph_asm_fail(parser->statement, parser->err, "one character between quotes expected, as in 'a'");
		*ret = (uint8_t)from[1];
		parser->at += 3;
		return 0;
	}
	while (to < parser->end && isalnum((unsigned char)*to))
		to++;
	parser->at = to;
	if (to - from > 2 && from[0] == '0' && (from[1] == 'x' || from[1] == 'X')) {
		base = 16;
		from += 2;
	} else if (to - from > 1 && (to[-1] == 'h' || to[-1] == 'H')) {
		base = 16;
		to--;
	} else if (to - from > 2 && from[0] == '0' && (from[1] == 'b' || from[1] == 'B')) {
		base = 2;
		from += 2;
	}
	for (; from < to; from++) {
		int digit = isdigit((unsigned char)*from) ? *from - '0' : tolower((unsigned char)*from) - 'a' + 10;
		uint64_t scaled;

		if (digit < 0 || digit >= base)
			return ph_asm_fail(parser->statement, parser->err, "'%c' is no digit of a number to the base %d", *from, base);
		if (__builtin_mul_overflow(value, (uint64_t)base, &scaled) ||
		    __builtin_add_overflow(scaled, (uint64_t)digit, &value))
			return ph_asm_fail(parser->statement, parser->err, "a number has more than 64 bits");
	}
	*ret = value;
	return 0;
}

/* ---- Operands */

static int take_scale(struct parser *parser, uint8_t *ret)
{
	uint64_t scale;
	int r;

	skip_blanks(parser);
	if (parser->at == parser->end || !isdigit((unsigned char)*parser->at))
		return unexpected(parser, "a scale of 1, 2, 4 or 8");
	r = take_number(parser, &scale);
	if (r < 0)
		return r;
	if (scale != 1 && scale != 2 && scale != 4 && scale != 8)
		return ph_asm_fail(parser->statement, parser->err, "a scale is 1, 2, 4 or 8");
	*ret = (uint8_t)scale;
	return 0;
}

static int add_register(struct parser *parser, struct ph_asm_operand *operand, ZydisRegister reg, uint8_t scale)
{
	if (!scale && operand->base == ZYDIS_REGISTER_NONE) {
		operand->base = reg;
		return 0;
	}
	if (operand->index != ZYDIS_REGISTER_NONE)
		return ph_asm_fail(parser->statement, parser->err, "an address has one base and one index register at most");
	operand->index = reg;
	operand->scale = scale ? scale : 1;
	return 0;
}

static int add_name(struct parser *parser, struct ph_asm_operand *operand, size_t len, bool minus)
{
	if (minus || operand->value.name)
		return ph_asm_fail(parser->statement, parser->err, "%s", minus ? "a name cannot be subtracted" :
				   "one name at most can stand in an operand");
	if (len >= PH_ASM_NAME_MAX)
		return ph_asm_fail(parser->statement, parser->err, "a name has more than %d characters", PH_ASM_NAME_MAX - 1);
	operand->value.name = strndup(parser->at, len);
	if (!operand->value.name)
		return ph_err_set(parser->err, -ENOMEM, "assemble");
	parser->at += len;
	return 0;
}

/* A register with its scale, a name, or a number (which may be the scale of a register). */
static int take_term(struct parser *parser, struct ph_asm_operand *operand, bool minus)
{
	bool in_memory = operand->type == ZYDIS_OPERAND_TYPE_MEMORY;
	size_t len = word_length(parser);
	ZydisRegister reg = len ? ph_asm_find_register(parser->at, len) : ZYDIS_REGISTER_NONE;
	uint64_t number;
	uint8_t scale = 0;
	int r;

	if (reg != ZYDIS_REGISTER_NONE) {
		if (!in_memory)
			return ph_asm_fail(parser->statement, parser->err, "a register cannot be added to a number outside of [ ]");
		if (minus)
			return ph_asm_fail(parser->statement, parser->err, "a register cannot be subtracted");
		parser->at += len;
		if (take(parser, '*') && (r = take_scale(parser, &scale)) < 0)
			return r;
		return add_register(parser, operand, reg, scale);
	}
	if (len)
		return add_name(parser, operand, len, minus);
	if (parser->at == parser->end || (!isdigit((unsigned char)*parser->at) && *parser->at != '\''))
		return unexpected(parser, in_memory ? "a register, a number or a name" : "an operand");
	r = take_number(parser, &number);
	if (r < 0)
		return r;
	if (in_memory && take(parser, '*')) {
		len = word_length(parser);
		reg = len ? ph_asm_find_register(parser->at, len) : ZYDIS_REGISTER_NONE;
		if (reg == ZYDIS_REGISTER_NONE || minus)
			return unexpected(parser, "a register");
		if (number != 1 && number != 2 && number != 4 && number != 8)
			return ph_asm_fail(parser->statement, parser->err, "a scale is 1, 2, 4 or 8");
		parser->at += len;
		return add_register(parser, operand, reg, (uint8_t)number);
	}
	operand->value.number = (int64_t)((uint64_t)operand->value.number + (minus ? 0 - number : number));
	return 0;
}

static int take_sum(struct parser *parser, struct ph_asm_operand *operand)
{
	bool minus = take(parser, '-');
	int r;

	if (!minus)
		take(parser, '+');
	do {
		r = take_term(parser, operand, minus);
		if (r < 0)
			return r;
		minus = false;
	} while (take(parser, '+') || (minus = take(parser, '-')));
	return 0;
}

static int take_memory(struct parser *parser, struct ph_asm_operand *operand)
{
	int r;

	operand->type = ZYDIS_OPERAND_TYPE_MEMORY;
	r = take_sum(parser, operand);
	if (r < 0)
		return r;
	if (!take(parser, ']'))
		return unexpected(parser, "']'");
	/* rsp can be no index, and a register that is not scaled may as well be the base. */
	if (operand->index != ZYDIS_REGISTER_NONE && operand->scale == 1 &&
	    (operand->base == ZYDIS_REGISTER_NONE || operand->index == ZYDIS_REGISTER_RSP ||
	     operand->index == ZYDIS_REGISTER_ESP)) {
		ZydisRegister base = operand->base;

		operand->base = operand->index;
		operand->index = base;
		operand->scale = base != ZYDIS_REGISTER_NONE;
	}
	return 0;
}

static bool take_segment(struct parser *parser)
{
	size_t len = word_length(parser);
	const char *c = parser->at + len;
	ZydisInstructionAttributes segment;

	while (c < parser->end && isspace((unsigned char)*c))
		c++;
	if (!len || c == parser->end || *c != ':')
		return false;
	segment = ph_asm_find_segment(parser->at, len);
	if (!segment)
		return false;
	parser->at = c + 1;
	parser->statement->prefixes |= segment;
	return parser->statement->has_segment = true;
}

static void take_size(struct parser *parser, struct ph_asm_operand *operand)
{
	size_t len = word_length(parser);
	unsigned int size = len ? ph_asm_find_size(parser->at, len) : 0;

	if (!size)
		return;
	operand->size = (uint16_t)size;
	parser->at += len;
	len = word_length(parser);
	if (len && ph_asm_is_word(parser->at, len, "ptr"))
		parser->at += len;
}

/* "st(1)". */
static bool take_stack_register(struct parser *parser, struct ph_asm_operand *operand)
{
	const char *c = parser->at;

	if (parser->end - c < 5 || strncasecmp(c, "st(", 3) != 0 || c[3] < '0' || c[3] > '7' || c[4] != ')')
		return false;
	operand->reg = (ZydisRegister)(ZYDIS_REGISTER_ST0 + (c[3] - '0'));
	parser->at += 5;
	return true;
}

static int take_operand(struct parser *parser, struct ph_asm_operand *operand)
{
	ZydisRegister reg;
	bool has_segment;
	size_t len;

	take_size(parser, operand);
	has_segment = take_segment(parser);
	if (take(parser, '['))
		return take_memory(parser, operand);
	if (has_segment || operand->size)
		return unexpected(parser, "'['");
	len = word_length(parser);
	if (len && (ph_asm_is_word(parser->at, len, "short") || ph_asm_is_word(parser->at, len, "near"))) {
		parser->at += len;
		len = word_length(parser);
	}
	operand->type = ZYDIS_OPERAND_TYPE_REGISTER;
	if (len && take_stack_register(parser, operand))
		return 0;
	reg = len ? ph_asm_find_register(parser->at, len) : ZYDIS_REGISTER_NONE;
	if (reg != ZYDIS_REGISTER_NONE) {
		operand->reg = reg;
		parser->at += len;
		return 0;
	}
	operand->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
	return take_sum(parser, operand);
}

/* ---- Statements */

static int no_mnemonic(struct parser *parser, size_t len)
{
	char word[32];
	struct ph_spell spell;
	const char *nearest;

	snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ? len : sizeof(word) - 1), parser->at);
	ph_spell_init(&spell, word);
	ph_asm_offer_mnemonics(&spell);
	nearest = ph_spell_result(&spell);
	return ph_asm_fail(parser->statement, parser->err, "there is no instruction '%s'%s%s%s", word,
			   nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool take_prefix(struct parser *parser)
{
	size_t len = word_length(parser);
	ZydisInstructionAttributes prefix = len ? ph_asm_find_prefix(parser->at, len) : 0;

	if (!prefix)
		return false;
	parser->statement->prefixes |= prefix;
	parser->at += len;
	return true;
}

static int take_instruction(struct parser *parser)
{
	struct ph_asm_statement *statement = parser->statement;
	size_t len;
	int r;

	while (take_prefix(parser))
		;
	len = word_length(parser);
	if (!len)
		return unexpected(parser, "an instruction");
	statement->mnemonic = ph_asm_find_mnemonic(parser->at, len);
	if (statement->mnemonic == ZYDIS_MNEMONIC_INVALID)
		return no_mnemonic(parser, len);
	statement->is_branch = ph_asm_is_branch(statement->mnemonic);
	parser->at += len;
	skip_blanks(parser);
	while (parser->at < parser->end) {
		if (statement->n_operands == PH_ASM_OPERANDS)
			return ph_asm_fail(statement, parser->err, "no instruction has more than %d operands", PH_ASM_OPERANDS);
		r = take_operand(parser, &statement->operands[statement->n_operands++]);
		if (r < 0)
			return r;
		skip_blanks(parser);
		if (parser->at < parser->end && !take(parser, ','))
			return unexpected(parser, "','");
		skip_blanks(parser);
		if (parser->at == parser->end && parser->at[-1] == ',')
			return unexpected(parser, "an operand");
	}
	return 0;
}

static int add_label(struct ph_asm_code *code, struct parser *parser, size_t len)
{
	struct ph_asm_label *labels;

	if (ph_asm_find_register(parser->at, len) != ZYDIS_REGISTER_NONE)
		return ph_asm_fail(parser->statement, parser->err, "'%.*s' is a register and no label", (int)len, parser->at);
	if (len >= PH_ASM_NAME_MAX)
		return ph_asm_fail(parser->statement, parser->err, "a name has more than %d characters", PH_ASM_NAME_MAX - 1);
	for (int i = 0; i < code->n_labels; i++)
		if (strlen(code->labels[i].name) == len && strncmp(code->labels[i].name, parser->at, len) == 0)
			return ph_asm_fail(parser->statement, parser->err, "the label '%.*s' stands here twice", (int)len, parser->at);
	labels = reallocarray(code->labels, (size_t)code->n_labels + 1, sizeof(*labels));
	if (!labels)
		return ph_err_set(parser->err, -ENOMEM, "assemble");
	code->labels = labels;
	labels[code->n_labels].name = strndup(parser->at, len);
	labels[code->n_labels].statement = code->n_statements - 1;
	return labels[code->n_labels].name ? code->n_labels++, 0 : ph_err_set(parser->err, -ENOMEM, "assemble");
}

static int take_labels(struct ph_asm_code *code, struct parser *parser)
{
	for (;;) {
		size_t len = word_length(parser);
		const char *c = parser->at + len;
		int r;

		while (c < parser->end && isspace((unsigned char)*c))
			c++;
		if (!len || c == parser->end || *c != ':')
			return 0;
		r = add_label(code, parser, len);
		if (r < 0)
			return r;
		parser->at = c + 1;
	}
}

static struct ph_asm_statement *add_statement(struct ph_asm_code *code, struct ph_err *err)
{
	struct ph_asm_statement *statements;

	if (code->n_statements == PH_ASM_MAX) {
		ph_err_say(err, -E2BIG, "assemble", "more than %d statements", PH_ASM_MAX);
		return NULL;
	}
	/* Grown at the powers of two. */
	if ((code->n_statements & (code->n_statements - 1)) == 0) {
		size_t room = code->n_statements ? (size_t)code->n_statements * 2 : 1;

		statements = reallocarray(code->statements, room, sizeof(*statements));
		if (!statements) {
			ph_err_set(err, -ENOMEM, "assemble");
			return NULL;
		}
		code->statements = statements;
	}
	statements = &code->statements[code->n_statements++];
	memset(statements, 0, sizeof(*statements));
	return statements;
}

static int take_statement(struct ph_asm_code *code, const char *from, const char *to, unsigned int line,
			  struct ph_err *err)
{
	struct parser parser = { .at = from, .end = to, .err = err };
	int r;

	while (parser.end > from && isspace((unsigned char)parser.end[-1]))
		parser.end--;
	skip_blanks(&parser);
	if (parser.at == parser.end)
		return 0;
	parser.statement = add_statement(code, err);
	if (!parser.statement)
		return code->n_statements == PH_ASM_MAX ? -E2BIG : -ENOMEM;
	parser.statement->line = line;
	parser.statement->text = parser.at;
	parser.statement->text_len = (int)(parser.end - parser.at > INT_MAX ? INT_MAX : parser.end - parser.at);
	r = take_labels(code, &parser);
	skip_blanks(&parser);
	return r < 0 || parser.at == parser.end ? r : take_instruction(&parser);
}

static int bind_name(const struct ph_asm_code *code, const struct ph_asm_statement *statement,
		     struct ph_asm_value *value, ph_asm_symbol symbol, void *arg, struct ph_err *err)
{
	ph_addr addr;

	value->label = -1;
	if (!value->name)
		return 0;
	for (int i = 0; i < code->n_labels; i++)
		if (strcmp(code->labels[i].name, value->name) == 0) {
			value->label = code->labels[i].statement;
			return 0;
		}
	if (!symbol || !symbol(arg, value->name, &addr)) {
		struct ph_spell spell;
		const char *nearest;

		ph_spell_init(&spell, value->name);
		for (int i = 0; i < code->n_labels; i++)
			ph_spell_offer(&spell, code->labels[i].name);
		nearest = ph_spell_result(&spell);
		return ph_asm_fail(statement, err, "there is no label, register or symbol '%s'%s%s%s", value->name,
				   nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	}
	value->number = (int64_t)((uint64_t)value->number + addr);
	return 0;
}

static int bind_names(struct ph_asm_code *code, ph_asm_symbol symbol, void *arg, struct ph_err *err)
{
	for (int i = 0; i < code->n_statements; i++) {
		struct ph_asm_statement *statement = &code->statements[i];

		for (unsigned int j = 0; j < statement->n_operands; j++) {
			int r = bind_name(code, statement, &statement->operands[j].value, symbol, arg, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int ph_asm_parse(const char *text, ph_asm_symbol symbol, void *arg, struct ph_asm_code *ret, struct ph_err *err)
{
	unsigned int line = 1;
	int r = 0;

	*ret = (struct ph_asm_code){ 0 };
	for (const char *from = text; r >= 0;) {
		size_t len = strcspn(from, ";\n#");
		const char *to = from + len;

		r = take_statement(ret, from, to, line, err);
		if (*to == '#')
			to += strcspn(to, "\n");
		if (!*to)
			break;
		line += *to == '\n';
		from = to + 1;
	}
	if (r >= 0)
		r = bind_names(ret, symbol, arg, err);
	if (r < 0)
		ph_asm_code_fini(ret);
	return r;
}

void ph_asm_code_fini(struct ph_asm_code *code)
{
	for (int i = 0; i < code->n_statements; i++)
		for (unsigned int j = 0; j < PH_ASM_OPERANDS; j++)
			free(code->statements[i].operands[j].value.name);
	for (int i = 0; i < code->n_labels; i++)
		free(code->labels[i].name);
	free(code->statements);
	free(code->labels);
	*code = (struct ph_asm_code){ 0 };
}
