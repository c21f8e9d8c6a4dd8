#include "image/place.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#define OP "read place"

/* ---- Pieces of text */

struct span {
	const char *at, *end;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	while (end > at && is_blank(end[-1]))
		end--;
	return (struct span){ at, end };
}

static bool is_empty(struct span span)
{
	return span.at == span.end;
}

static int width(struct span span)
{
	return span.end - span.at > 80 ? 80 : (int)(span.end - span.at);
}

static bool has_hex_prefix(struct span span)
{
	return span.end - span.at >= 2 && span.at[0] == '0' && (span.at[1] == 'x' || span.at[1] == 'X');
}

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* 0, -EINVAL: not a number, -ERANGE: more than 64 bits. */
static int read_number(struct span span, uint64_t *ret)
{
	unsigned base = has_hex_prefix(span) ? 16 : 10;
	const char *at = base == 16 ? span.at + 2 : span.at;
	uint64_t value = 0;
	int r = 0;

	if (at == span.end)
		return -EINVAL;
	for (; at < span.end; at++) {
		unsigned digit = (unsigned)digit_value(*at);

		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
			r = -ERANGE;
	}
	if (r == 0)
		*ret = value;
	return r;
}

static int check_number(struct span span, const char *what, uint64_t max, uint64_t *ret, struct ph_err *err)
{
	uint64_t value;
	int r = read_number(span, &value);

	if (r == -EINVAL)
		return ph_err_say(err, r, OP, "%s %.*s is not a number", what, width(span), span.at);
	if (r == -ERANGE || value > max)
		return ph_err_say(err, -ERANGE, OP, "%s %.*s is too large", what, width(span), span.at);
	*ret = value;
	return 0;
}

static int copy(struct span span, const char *what, char *buf, size_t len, struct ph_err *err)
{
	size_t n = (size_t)(span.end - span.at);

	if (n >= len)
		return ph_err_say(err, -ENAMETOOLONG, OP, "%s %.*s... has %zu characters; at most %zu are possible",
				  what, width(span), span.at, n, len - 1);
	memcpy(buf, span.at, n);
	buf[n] = '\0';
	return 0;
}

/* ---- Where the parts begin */

/* What stands before end is the word operator: what follows belongs to a C++ name. */
static bool is_after_operator(struct span whole, const char *end)
{
	static const char word[] = "operator";
	struct span before = trim(whole.at, end);
	ptrdiff_t len = sizeof(word) - 1;

	if (before.end - before.at < len || memcmp(before.end - len, word, (size_t)len) != 0)
		return false;
	return before.end - len == before.at || !is_letter(before.end[-len - 1]);
}

/* The ! after a module; not the one of operator! and operator!=, nor one in parentheses. */
static const char *find_bang(struct span text)
{
	int depth = 0;

	for (const char *at = text.at; at < text.end; at++) {
		depth += (*at == '(') - (*at == ')');
		if (*at == '!' && depth <= 0 && !is_after_operator(text, at))
			return at;
	}
	return NULL;
}

static bool has_only_letters(struct span span, const char *others)
{
	for (const char *at = span.at; at < span.end; at++)
		if (!is_letter(*at) && !strchr(others, *at))
			return false;
	return !is_empty(span);
}

/*
 * The sign of an offset at the end: the last one, unless it is part of the name, as in operator+, crackme-two or
 * Foo<-1>::bar. From the right, for "operator++0x10" is operator+ and an offset.
 */
static const char *find_sign(struct span text)
{
	for (const char *at = text.end; at-- > text.at;) {
		struct span name = trim(text.at, at), rest = trim(at + 1, text.end);

		if (*at != '+' && *at != '-')
			continue;
		if (is_after_operator(text, at))
			return NULL;
		if (has_only_letters(rest, "") && is_digit(*rest.at))
			return at;
		/* After a name without any of C++'s marks, + begins an offset, whatever follows. */
		return *at == '+' && has_only_letters(name, ".@-") ? at : NULL;
	}
	return NULL;
}

/* The : before a line; not one of a ::. What it stands after looks like a file, or a number follows. */
static const char *find_colon(struct span text)
{
	const char *colon = memrchr(text.at, ':', (size_t)(text.end - text.at));
	struct span file = trim(text.at, colon ? colon : text.at);
	uint64_t line;

	if (is_empty(file) || file.end[-1] == ':')
		return NULL;
	if (read_number(trim(colon + 1, text.end), &line) != -EINVAL)
		return colon;
	if (memchr(text.at, '(', (size_t)(text.end - text.at)))
		return NULL;
	return memchr(file.at, '.', (size_t)(file.end - file.at)) ? colon : NULL;
}

/* ---- The parts */

static int read_offset(struct span text, const char *sign, int64_t *ret, struct ph_err *err)
{
	struct span digits = trim(sign + 1, text.end);
	uint64_t value = 0;
	int r;

	if (is_empty(digits))
		return ph_err_say(err, -EINVAL, OP, "no offset after the %c in %.*s", *sign, width(text), text.at);
	r = check_number(digits, "offset", INT64_MAX, &value, err);
	if (r < 0)
		return r;
	*ret = *sign == '-' ? -(int64_t)value : (int64_t)value;
	return 0;
}

static int read_line(struct span text, const char *colon, struct ph_place *place, struct ph_err *err)
{
	struct span file = trim(text.at, colon), digits = trim(colon + 1, text.end);
	uint64_t line = 0;
	int r;

	if (is_empty(digits))
		return ph_err_say(err, -EINVAL, OP, "no line after %.*s:", width(file), file.at);
	if (has_hex_prefix(digits))
		return ph_err_say(err, -EINVAL, OP, "line %.*s is not a decimal number", width(digits), digits.at);
	r = check_number(digits, "line", UINT_MAX, &line, err);
	if (r < 0)
		return r;
	if (line == 0)
		return ph_err_say(err, -EINVAL, OP, "line 0 in %.*s: lines are counted from 1", width(text), text.at);
	if (find_colon(file))
		return ph_err_say(err, -EINVAL, OP, "%.*s: a line takes no column", width(text), text.at);
	place->kind = PH_PLACE_LINE;
	place->line = (unsigned)line;
	return copy(file, "file name", place->name, sizeof(place->name), err);
}

static int read_address(struct span text, struct ph_place *place, struct ph_err *err)
{
	const char *sign = find_sign(text);
	struct span digits = sign ? trim(text.at, sign) : text;
	uint64_t address = 0;
	int64_t offset = 0;
	int r = check_number(digits, "address", UINT64_MAX, &address, err);

	if (r == 0 && sign)
		r = read_offset(text, sign, &offset, err);
	if (r < 0)
		return r;
	if (offset < 0 ? address < (uint64_t)-offset : address > UINT64_MAX - (uint64_t)offset)
		return ph_err_say(err, -ERANGE, OP, "%.*s is no address: it wraps around", width(text), text.at);
	place->kind = PH_PLACE_ADDRESS;
	place->address = address + (uint64_t)offset;
	return 0;
}

/* What stands after the module, or alone: a name, an offset or a line. */
static int read_rest(struct span text, struct ph_place *place, struct ph_err *err)
{
	const char *colon = find_colon(text), *sign = find_sign(text);
	struct span name = sign ? trim(text.at, sign) : text;
	int r;

	/* First, for foo-2.c:42 has no offset. */
	if (colon)
		return read_line(text, colon, place, err);
	r = sign ? read_offset(text, sign, &place->offset, err) : 0;
	if (r < 0)
		return r;
	place->kind = place->module[0] ? PH_PLACE_MODULE_SYMBOL : PH_PLACE_SYMBOL;
	return copy(name, "name", place->name, sizeof(place->name), err);
}

static int read_module_offset(struct span text, struct ph_place *place, struct ph_err *err)
{
	if (*text.at == '-')
		return ph_err_say(err, -EINVAL, OP, "offset %.*s is negative, and there is nothing before it",
				  width(text), text.at);
	place->kind = place->module[0] ? PH_PLACE_MODULE_OFFSET : PH_PLACE_MAIN_OFFSET;
	return read_offset(text, text.at, &place->offset, err);
}

/* A sign at the beginning, and a number or nothing after it. */
static bool is_offset_alone(struct span text)
{
	struct span rest = trim(text.at + 1, text.end);

	return *text.at == '+' || (*text.at == '-' && (is_empty(rest) || is_digit(*rest.at)));
}

static bool is_address(struct span text)
{
	const char *sign = find_sign(text);
	struct span number = sign ? trim(text.at, sign) : text;
	uint64_t value;

	return has_hex_prefix(text) || read_number(number, &value) != -EINVAL;
}

static int read_in_module(struct span text, const char *bang, struct ph_place *place, struct ph_err *err)
{
	struct span module = trim(text.at, bang), rest = trim(bang + 1, text.end);
	int r;

	if (is_empty(module))
		return ph_err_say(err, -EINVAL, OP, "no module before the ! in %.*s", width(text), text.at);
	if (is_empty(rest))
		return ph_err_say(err, -EINVAL, OP, "no name after %.*s!", width(module), module.at);
	r = copy(module, "module name", place->module, sizeof(place->module), err);
	if (r < 0)
		return r;
	if (is_offset_alone(rest))
		return read_module_offset(rest, place, err);
	if (is_address(rest))
		return ph_err_say(err, -EINVAL, OP, "%.*s is not a name; for a place in %s write %s!+%.*s", width(rest),
				  rest.at, place->module, place->module, width(rest), rest.at);
	return read_rest(rest, place, err);
}

int ph_place_parse(const char *text, struct ph_place *ret, struct ph_err *err)
{
	struct span whole = trim(text, text + strlen(text));
	struct ph_place place = { 0 };
	const char *bang = find_bang(whole);
	int r;

	if (is_empty(whole))
		return ph_err_say(err, -EINVAL, OP, "empty place");
	if (bang)
		r = read_in_module(whole, bang, &place, err);
	else if (is_offset_alone(whole))
		r = read_module_offset(whole, &place, err);
	else if (is_address(whole))
		r = read_address(whole, &place, err);
	else
		r = read_rest(whole, &place, err);
	if (r == 0)
		*ret = place;
	return r;
}

/* ---- Modules */

static bool is_up_to_mark(const char *wanted, const char *name)
{
	size_t len = strlen(wanted);

	return strncmp(name, wanted, len) == 0 && (!name[len] || name[len] == '.' || name[len] == '-');
}

static bool ends_path(const char *wanted, const char *path)
{
	size_t len = strlen(wanted), path_len = strlen(path);

	if (len > path_len || strcmp(path + path_len - len, wanted) != 0)
		return false;
	return len == path_len || wanted[0] == '/' || path[path_len - len - 1] == '/';
}

bool ph_module_name_matches(const char *wanted, const char *path, const char *soname)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!wanted[0])
		return false;
	if (strchr(wanted, '/'))
		return path && ends_path(wanted, path);
	return (path && is_up_to_mark(wanted, slash ? slash + 1 : path)) || (soname && is_up_to_mark(wanted, soname));
}
