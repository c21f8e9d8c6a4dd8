#include "base/pattern.h"

#include <errno.h>
#include <string.h>

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int ph_pattern_parse(const char *text, size_t len, uint8_t *ret_bytes, uint8_t *ret_mask)
{
	size_t n = (len + 1) / 3;

	if (n < 2 || n * 3 - 1 != len)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *token = text + i * 3;
		int high = digit(token[0]), low = digit(token[1]);
		bool any = token[0] == '?' && token[1] == '?';

		if ((!any && (high < 0 || low < 0)) || (i + 1 < n && token[2] != ' '))
			return -EINVAL;
		ret_bytes[i] = any ? 0 : (uint8_t)(high << 4 | low);
		ret_mask[i] = any ? 0 : 0xff;
	}
	return (int)n;
}

static bool matches(const struct ph_pattern *pattern, const uint8_t *in)
{
	for (size_t i = 0; i < pattern->len; i++)
		if ((in[i] ^ pattern->bytes[i]) & pattern->mask[i])
			return false;
	return true;
}

bool ph_pattern_find(const struct ph_pattern *pattern, const uint8_t *in, size_t len, size_t *at)
{
	const uint8_t *found;
	size_t fixed = 0;

	if (pattern->len == 0 || pattern->len > len)
		return false;
	if (!pattern->mask) {
		found = *at <= len - pattern->len ? memmem(in + *at, len - *at, pattern->bytes, pattern->len) : NULL;
		if (found)
			*at = (size_t)(found - in);
		return found != NULL;
	}
	/* memchr finds the first byte that is given; only there is the rest compared. */
	while (fixed < pattern->len && !pattern->mask[fixed])
		fixed++;
	for (size_t i = *at; i <= len - pattern->len; i++) {
		if (fixed < pattern->len) {
			found = memchr(in + i + fixed, pattern->bytes[fixed], len - pattern->len - i + 1);
			if (!found)
				return false;
			i = (size_t)(found - in) - fixed;
		}
		if (matches(pattern, in + i)) {
			*at = i;
			return true;
		}
	}
	return false;
}
