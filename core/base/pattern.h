/*
 * pattern - byte strings with wildcards: "48 8b ?? c3". Pure.
 */
#ifndef PH_BASE_PATTERN_H
#define PH_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ph_pattern {
	const uint8_t *bytes;
	const uint8_t *mask;	/* 0: any byte; NULL: none is */
	size_t len;
};

/*
 * Two or more two-digit hexadecimal or "??" tokens with single spaces between: their number, the bytes and the mask
 * (room for (len + 1) / 3 each). -EINVAL: the text is no pattern.
 */
int ph_pattern_parse(const char *text, size_t len, uint8_t *ret_bytes, uint8_t *ret_mask);

/* The first match at *at or later: true, *at set to it. An empty pattern matches nowhere. */
bool ph_pattern_find(const struct ph_pattern *pattern, const uint8_t *in, size_t len, size_t *at);

#endif
