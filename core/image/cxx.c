#include "image/cxx.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define MANGLED_MAX   4096
#define DEMANGLED_MAX 8192

struct sink {
	char *buf;
	size_t used, len;
	jmp_buf full;
};

/* A short name may stand for an endless one. The demangler keeps all it has on the stack, so it can be left here. */
static void take(const char *text, size_t len, void *user)
{
	struct sink *sink = user;

	if (len >= sink->len - sink->used)
		longjmp(sink->full, 1);
	memcpy(sink->buf + sink->used, text, len);
	sink->used += len;
}

bool ph_cxx_demangle(const char *mangled, bool with_parameters, char *buf, size_t len)
{
	int options = with_parameters ? DMGL_PARAMS | DMGL_ANSI : DMGL_ANSI;
	struct sink sink = { .buf = buf, .len = len };
	bool good;

	if (mangled[0] != '_' || (mangled[1] != 'Z' && mangled[1] != 'R') || strnlen(mangled, MANGLED_MAX) == MANGLED_MAX)
		return false;
	if (setjmp(sink.full))
		return false;
	good = rust_demangle_callback(mangled, options, take, &sink);
	if (!good) {
		sink.used = 0;
		good = cplus_demangle_v3_callback(mangled, options, take, &sink);
	}
	if (good)
		buf[sink.used] = '\0';
	return good;
}

/* ---- Comparing */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/* Blanks stay only where two words would become one. */
static bool squeeze(const char *text, char *buf, size_t len)
{
	size_t used = 0;

	for (; *text; text++) {
		bool is_blank = *text == ' ' || *text == '\t';

		if (is_blank && !(used && is_word(buf[used - 1]) && is_word(text[1])))
			continue;
		if (used + 1 >= len)
			return false;
		buf[used++] = is_blank ? ' ' : *text;
	}
	buf[used] = '\0';
	return true;
}

static bool is_operator(const char *begin, const char *at)
{
	static const char word[] = "operator";
	size_t len = sizeof(word) - 1;

	while (at > begin && (at[-1] == '<' || at[-1] == '>' || at[-1] == '='))
		at--;
	return (size_t)(at - begin) >= len && memcmp(at - len, word, len) == 0 &&
	       ((size_t)(at - begin) == len || !is_word(at[-(ptrdiff_t)len - 1]));
}

/* The name without its template arguments and its ABI tags, in place. */
static void drop_arguments(char *text)
{
	char *out = text;
	int depth = 0;

	for (const char *at = text; *at; at++) {
		bool opens = *at == '<' && !is_operator(text, at);

		if (strncmp(at, "[abi:", 5) == 0 && strchr(at, ']')) {
			at = strchr(at, ']');
			continue;
		}
		depth += opens;
		if (depth == 0)
			*out++ = *at;
		else if (*at == '>' && at[-1] != '-')
			depth--;
	}
	*out = '\0';
}

/* "const char*" is "char const*" to the demangler: in place, for what people write. */
static void turn_const(char *text)
{
	static const char word[] = "const ";
	size_t n = sizeof(word) - 1;

	for (char *at = text; (at = strstr(at, word)); at += n) {
		char *end = at + n;
		int depth = 0;

		if (at == text || (at[-1] != '(' && at[-1] != ',' && at[-1] != '<'))
			continue;
		for (; *end && (depth || !strchr("*&,)>", *end)); end++)
			depth += (*end == '<') - (*end == '>');
		/* The word moves behind the type, its blank before it. */
		memmove(at, at + n, (size_t)(end - at) - n);
		memcpy(end - n, " const", n);
		at = end - n;
	}
}

/* The last word of the name: "bar" of Foo<int>::bar(char). Operators and the like have none. */
static void mark(struct ph_cxx_wanted *wanted)
{
	const char *end = strchr(wanted->text, '('), *begin;
	size_t len;

	/* "(anonymous namespace)::f" has a parenthesis of its own. */
	if (!end || strstr(wanted->text, "(anonymous"))
		end = strstr(wanted->text, "(anonymous") ? NULL : wanted->text + strlen(wanted->text);
	if (!end || strstr(wanted->text, "operator"))
		return;
	if (end > wanted->text && end[-1] == '>')
		return;
	begin = end;
	while (begin > wanted->text && is_word(begin[-1]))
		begin--;
	len = (size_t)(end - begin);
	if (len == 0 || len > 120)
		return;
	snprintf(wanted->marker, sizeof(wanted->marker), "%zu%.*s", len, (int)len, begin);
}

bool ph_cxx_want(const char *name, struct ph_cxx_wanted *ret)
{
	const char *last;

	*ret = (struct ph_cxx_wanted){ 0 };
	if (!squeeze(name, ret->text, sizeof(ret->text)) || !*ret->text)
		return false;
	turn_const(ret->text);
	last = strrchr(ret->text, ')');
	ret->has_parameters = last && strncmp(last, ")::", 3) != 0 &&
			      !(last - ret->text >= 9 && memcmp(last - 9, "operator(", 9) == 0 && !last[1]);
	ret->has_template = strchr(ret->text, '<') && !strstr(ret->text, "operator<");
	mark(ret);
	return true;
}

bool ph_cxx_matches(const struct ph_cxx_wanted *wanted, const char *mangled)
{
	char whole[DEMANGLED_MAX], plain[DEMANGLED_MAX];
	size_t len = strlen(wanted->text);

	if (strnlen(mangled, MANGLED_MAX) == MANGLED_MAX)
		return false;
	if (mangled[0] != '_' || (mangled[1] != 'Z' && mangled[1] != 'R') ||
	    (*wanted->marker && !strstr(mangled, wanted->marker)))
		return false;
	/* A clone is a part of the function, not the function. */
	if (strchr(mangled, '.') && ph_cxx_demangle(mangled, true, whole, sizeof(whole)) && strstr(whole, "[clone"))
		return false;
	if (!ph_cxx_demangle(mangled, wanted->has_parameters, whole, sizeof(whole)) ||
	    !squeeze(whole, plain, sizeof(plain)))
		return false;
	if (!wanted->has_parameters && !wanted->has_template)
		drop_arguments(plain);
	if (strcmp(plain, wanted->text) == 0)
		return true;
	return wanted->has_parameters && strncmp(plain, wanted->text, len) == 0 &&
	       (strcmp(plain + len, "const") == 0 || strcmp(plain + len, " const") == 0);
}
