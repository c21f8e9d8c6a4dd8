#include "x86/predicate.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spell.h"
#include "x86/predicate_code.h"

static const struct binary {
	char text[4];
	uint8_t precedence;	/* enum ph_predicate_precedence */
	uint8_t op;		/* enum ph_predicate_op */
	uint8_t op_signed;
} binaries[] = {
	{ "or", PH_BINDS_OR, PH_OP_JUMP_IF_NONZERO, PH_OP_JUMP_IF_NONZERO },
	{ "and", PH_BINDS_AND, PH_OP_JUMP_IF_ZERO, PH_OP_JUMP_IF_ZERO },
	{ "==", PH_BINDS_COMPARISON, PH_OP_EQ, PH_OP_EQ },
	{ "~=", PH_BINDS_COMPARISON, PH_OP_NE, PH_OP_NE },
	{ "<", PH_BINDS_COMPARISON, PH_OP_LT, PH_OP_LT_SIGNED },
	{ "<=", PH_BINDS_COMPARISON, PH_OP_LE, PH_OP_LE_SIGNED },
	{ ">", PH_BINDS_COMPARISON, PH_OP_GT, PH_OP_GT_SIGNED },
	{ ">=", PH_BINDS_COMPARISON, PH_OP_GE, PH_OP_GE_SIGNED },
	{ "|", PH_BINDS_BIT_OR, PH_OP_OR, PH_OP_OR },
	{ "^", PH_BINDS_BIT_XOR, PH_OP_XOR, PH_OP_XOR },
	{ "&", PH_BINDS_BIT_AND, PH_OP_AND, PH_OP_AND },
	{ "<<", PH_BINDS_SHIFT, PH_OP_SHL, PH_OP_SHL },
	{ ">>", PH_BINDS_SHIFT, PH_OP_SHR, PH_OP_SHR },
	{ "+", PH_BINDS_SUM, PH_OP_ADD, PH_OP_ADD },
	{ "-", PH_BINDS_SUM, PH_OP_SUB, PH_OP_SUB },
	{ "*", PH_BINDS_PRODUCT, PH_OP_MUL, PH_OP_MUL },
};

static const struct unary {
	char text[4];
	uint8_t op;	/* enum ph_predicate_op */
} unaries[] = {
	{ "not", PH_OP_NOT },
	{ "-", PH_OP_MINUS },
	{ "~", PH_OP_COMPLEMENT },
};

static const struct width {
	char name[4];
	uint8_t size;	/* in bytes */
	bool is_signed;
} widths[] = {
	{ "u8", 1, false }, { "u16", 2, false }, { "u32", 4, false }, { "u64", 8, false },
	{ "i8", 1, true },  { "i16", 2, true },  { "i32", 4, true },  { "i64", 8, true },
};

/* What other languages write, and is an error here. */
static const struct {
	char text[3];
	char ours[5];
} hints[] = {
	{ "&&", "and" }, { "||", "or" }, { "!", "not" },  { "!=", "~=" },
	{ "<>", "~=" },	 { "=", "==" },	 { "~", "^" },	  { "[", "u64[" },
};

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

struct token {
	enum { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_SYMBOL } kind;
	const char *text;
	size_t len;
};

struct parser {
	const char *text;
	struct token token;	/* the next one, not taken yet */
	unsigned depth;
	struct ph_predicate *out;	/* has room for an instruction a character */
	struct ph_err *err;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct parser *p, const char *at, const char *fmt, ...)
{
	char words[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	return ph_err_say(p->err, -EINVAL, "compile predicate", "column %zu: %s", (size_t)(at - p->text) + 1, words);
}

/* Tokens */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_pair(const char *at)
{
	static const char pairs[][3] = { "==", "~=", "<=", ">=", "<<", ">>", "&&", "||", "!=", "<>" };

	for (size_t i = 0; i < N_OF(pairs); i++)
		if (!strncmp(at, pairs[i], 2))
			return true;
	return false;
}

static void advance(struct parser *p)
{
	struct token *token = &p->token;

	token->text += token->len;
	token->text += strspn(token->text, " \t\r\n\v\f");
	token->len = 0;
	if (!*token->text) {
		token->kind = TOKEN_END;
	} else if (is_word(*token->text)) {
		/* A number takes all that touches it, so that "5and" and "1.5" are not two tokens. */
		token->kind = is_digit(*token->text) ? TOKEN_NUMBER : TOKEN_NAME;
		while (is_word(token->text[token->len]) ||
		       (token->kind == TOKEN_NUMBER && token->text[token->len] == '.'))
			token->len++;
	} else {
		token->kind = TOKEN_SYMBOL;
		token->len = is_pair(token->text) ? 2 : 1;
	}
}

static bool is(const struct token *token, const char *text)
{
	return token->len == strlen(text) && !memcmp(token->text, text, token->len);
}

static const struct binary *binary_of(const struct token *token)
{
	for (size_t i = 0; i < N_OF(binaries); i++)
		if (is(token, binaries[i].text))
			return &binaries[i];
	return NULL;
}

static const struct unary *unary_of(const struct token *token)
{
	for (size_t i = 0; i < N_OF(unaries); i++)
		if (is(token, unaries[i].text))
			return &unaries[i];
	return NULL;
}

static const char *quote(const struct token *token, char *buf, size_t len)
{
	static const int shown = 32;

	if (token->kind == TOKEN_END)
		snprintf(buf, len, "the end");
	else if (token->kind == TOKEN_SYMBOL && (*token->text < ' ' || *token->text > '~'))
		snprintf(buf, len, "byte 0x%02x", (unsigned char)*token->text);
	else if (token->len > (size_t)shown)
		snprintf(buf, len, "'%.*s...'", shown, token->text);
	else
		snprintf(buf, len, "'%.*s'", (int)token->len, token->text);
	return buf;
}

#define QUOTE_MAX 48

static int expected(const struct parser *p, const char *what)
{
	char found[QUOTE_MAX], hint[16] = "";

	for (size_t i = 0; i < N_OF(hints); i++)
		if (is(&p->token, hints[i].text))
			snprintf(hint, sizeof(hint), "; write '%s'", hints[i].ours);
	return fail(p, p->token.text, "expected %s, found %s%s", what, quote(&p->token, found, sizeof(found)), hint);
}

/* Values. The word before the next token is the name; a cut one is no register's, they are short. */

static int unknown(const struct parser *p, const struct token *name)
{
	char wanted[PH_SPELL_MAX], found[QUOTE_MAX];
	struct ph_spell spell;
	const char *best;

	snprintf(wanted, sizeof(wanted), "%.*s", (int)name->len, name->text);
	ph_spell_init(&spell, wanted);
	if (is(&p->token, "[")) {
		for (size_t i = 0; i < N_OF(widths); i++)
			ph_spell_offer(&spell, widths[i].name);
	} else {
		for (size_t i = 0; i < PH_REGS_COUNT; i++)
			ph_spell_offer(&spell, ph_regs[i].name);
		for (size_t i = 0; i < PH_FLAGS_COUNT; i++)
			ph_spell_offer(&spell, ph_flags[i].name);
	}
	best = ph_spell_result(&spell);
	return fail(p, name->text, "expected a %s, found %s%s%s%s", is(&p->token, "[") ? "width" : "register or flag",
		    quote(name, found, sizeof(found)), best ? "; did you mean '" : "", best ? best : "",
		    best ? "'?" : "");
}

static void emit(struct parser *p, struct ph_predicate_insn insn)
{
	p->out->code[p->out->count++] = insn;
}

static void emit_op(struct parser *p, uint8_t op)
{
	emit(p, (struct ph_predicate_insn){ .op = op });
}

static void emit_field(struct parser *p, unsigned offset, unsigned shift, unsigned bits)
{
	emit(p, (struct ph_predicate_insn){ .op = PH_OP_FIELD, .offset = (uint8_t)offset, .shift = (uint8_t)shift,
					    .value = UINT64_MAX >> (64 - bits) });
}

static int digit_of(char c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 16;
}

static int parse_number(struct parser *p, bool negative)
{
	const struct token *token = &p->token;
	bool hex = token->len > 2 && token->text[0] == '0' && (token->text[1] | 0x20) == 'x';
	uint64_t base = hex ? 16 : 10, value = 0;
	char found[QUOTE_MAX];

	for (size_t i = hex ? 2 : 0; i < token->len; i++) {
		uint64_t digit = (uint64_t)digit_of(token->text[i]);

		if (digit >= base)
			return expected(p, "a decimal or 0x number");
		if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
			return fail(p, token->text, "expected a number of at most 64 bits, found %s",
				    quote(token, found, sizeof(found)));
	}
	if (negative && value > (uint64_t)INT64_MAX + 1)
		return fail(p, token->text, "expected a number of at most 2^63 behind '-', found %s",
			    quote(token, found, sizeof(found)));
	emit(p, (struct ph_predicate_insn){ .op = PH_OP_LITERAL, .value = negative ? -value : value });
	advance(p);
	return 0;
}

static int enter(struct parser *p)
{
	if (p->depth == PH_PREDICATE_DEPTH_MAX)
		return fail(p, p->token.text, "nested more than %d deep", PH_PREDICATE_DEPTH_MAX);
	p->depth++;
	return 0;
}

static int parse_expression(struct parser *p, unsigned above, bool *ret_signed);

/* What lies between the two, of which the first comes next. */
static int parse_enclosed(struct parser *p, const char *close, bool *ret_signed)
{
	const char *open = p->token.text;
	char what[64];
	int r;

	r = enter(p);
	if (r < 0)
		return r;
	advance(p);
	r = parse_expression(p, PH_BINDS_NOTHING, ret_signed);
	if (r < 0)
		return r;
	if (!is(&p->token, close)) {
		snprintf(what, sizeof(what), "an operator, or '%s' for column %zu", close,
			 (size_t)(open - p->text) + 1);
		return expected(p, what);
	}
	advance(p);
	p->depth--;
	return 0;
}

static int parse_read(struct parser *p, const struct width *width, bool *ret_signed)
{
	bool address_signed;
	int r;

	if (!is(&p->token, "["))
		return expected(p, "'['");
	r = parse_enclosed(p, "]", &address_signed);
	if (r < 0)
		return r;
	emit(p, (struct ph_predicate_insn){ .op = width->is_signed ? PH_OP_READ_SIGNED : PH_OP_READ,
					    .size = width->size });
	*ret_signed = width->is_signed;
	return 0;
}

static int parse_name(struct parser *p, bool *ret_signed)
{
	struct token token = p->token;
	const struct ph_flag *flag;
	const struct ph_reg *reg;
	char name[16];

	snprintf(name, sizeof(name), "%.*s", (int)token.len, token.text);
	reg = ph_reg_find(name);
	flag = ph_flag_find(name);
	advance(p);
	*ret_signed = false;
	for (size_t i = 0; i < N_OF(widths); i++)
		if (is(&token, widths[i].name))
			return parse_read(p, &widths[i], ret_signed);
	if (reg)
		emit_field(p, reg->offset, reg->shift, reg->size * 8);
	else if (flag)
		emit_field(p, ph_regs[PH_REG_rflags].offset, flag->bit, 1);
	else
		return unknown(p, &token);
	return 0;
}

/* Expressions */

static int parse_value(struct parser *p, bool *ret_signed)
{
	if (p->token.kind == TOKEN_NUMBER) {
		*ret_signed = false;
		return parse_number(p, false);
	}
	if (is(&p->token, "("))
		return parse_enclosed(p, ")", ret_signed);
	if (p->token.kind == TOKEN_NAME && !binary_of(&p->token))
		return parse_name(p, ret_signed);
	return expected(p, "a register, a number, u8[...] or '('");
}

static int parse_unary(struct parser *p, bool *ret_signed)
{
	const struct unary *unary = unary_of(&p->token);
	int r;

	if (!unary)
		return parse_value(p, ret_signed);
	r = enter(p);
	if (r < 0)
		return r;
	advance(p);
	if (unary->op == PH_OP_MINUS && p->token.kind == TOKEN_NUMBER) {
		r = parse_number(p, true);
		*ret_signed = true;
	} else {
		r = parse_unary(p, ret_signed);
		if (r < 0)
			return r;
		emit_op(p, unary->op);
		*ret_signed &= unary->op != PH_OP_NOT;
	}
	p->depth--;
	return r;
}

static int parse_right(struct parser *p, const struct binary *binary, bool *is_signed)
{
	bool is_jump = binary->precedence <= PH_BINDS_AND, right_signed = false;
	size_t at = p->out->count;
	int r;

	if (is_jump)
		emit_op(p, binary->op);
	r = parse_expression(p, binary->precedence, &right_signed);
	if (r < 0)
		return r;
	if (binary->precedence != PH_BINDS_SHIFT)
		*is_signed |= right_signed;
	if (is_jump)
		p->out->code[at].target = (uint16_t)p->out->count;
	else
		emit_op(p, *is_signed ? binary->op_signed : binary->op);
	if (binary->precedence == PH_BINDS_COMPARISON)
		*is_signed = false;
	return 0;
}

/* Operators that bind stronger than `above`. Goes deeper once a precedence at most, then through enter(). */
static int parse_expression(struct parser *p, unsigned above, bool *ret_signed)
{
	const struct binary *binary;
	unsigned last = PH_BINDS_NOTHING;
	bool is_signed = false;
	int r;

	r = parse_unary(p, &is_signed);
	if (r < 0)
		return r;
	for (; (binary = binary_of(&p->token)) && binary->precedence > above; last = binary->precedence) {
		if (last == PH_BINDS_COMPARISON && binary->precedence == PH_BINDS_COMPARISON)
			return expected(p, "parentheses around one of two comparisons");
		advance(p);
		r = parse_right(p, binary, &is_signed);
		if (r < 0)
			return r;
	}
	*ret_signed = is_signed;
	return 0;
}

int ph_predicate_compile(const char *text, struct ph_predicate **ret, struct ph_err *err)
{
	struct parser p = { .text = text, .token = { .text = text }, .err = err };
	size_t len = strnlen(text, PH_PREDICATE_LEN_MAX + 1);
	struct ph_predicate *cut;
	bool is_signed;
	int r;

	static_assert(PH_PREDICATE_LEN_MAX <= UINT16_MAX, "a jump has 16 bits");
	if (len > PH_PREDICATE_LEN_MAX)
		return fail(&p, text + PH_PREDICATE_LEN_MAX, "expected the end, more than %d characters",
			    PH_PREDICATE_LEN_MAX);
	p.out = malloc(sizeof(*p.out) + (len + 1) * sizeof(p.out->code[0]));
	if (!p.out)
		return ph_err_set(err, -ENOMEM, "compile predicate");
	p.out->count = 0;
	advance(&p);
	r = parse_expression(&p, PH_BINDS_NOTHING, &is_signed);
	if (r == 0 && p.token.kind != TOKEN_END)
		r = expected(&p, "an operator or the end");
	if (r < 0) {
		free(p.out);
		return r;
	}
	emit_op(&p, PH_OP_END);
	cut = realloc(p.out, sizeof(*p.out) + p.out->count * sizeof(p.out->code[0]));
	*ret = cut ? cut : p.out;
	return 0;
}
