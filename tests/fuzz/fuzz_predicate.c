/*
 * Any text is a predicate or an error that says where; a predicate reads nothing but through its reader, and gives the
 * same answer for the same registers and memory.
 *
 * Input: a byte of how often reads fail, eight of registers' seed, then the text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x86/predicate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

struct source {
	uint64_t seed;
	uint8_t failing;	/* of 256 reads */
	bool failed;
};

static int read_source(void *user, ph_addr addr, void *buf, size_t len)
{
	struct source *source = user;
	uint64_t value = mix(addr ^ source->seed);

	require(len == 1 || len == 2 || len == 4 || len == 8);
	require(!source->failed);	/* the first fault ends it */
	if ((uint8_t)(value >> 56) < source->failing) {
		source->failed = true;
		return -EFAULT;
	}
	memcpy(buf, &value, len);
	return 0;
}

static void check_error(const struct ph_err *err, int code, size_t len)
{
	char message[PH_ERR_MESSAGE_MAX];
	size_t column;

	require(code == -EINVAL && err->code == code);
	require(sscanf(err->detail, "column %zu: ", &column) == 1 && column >= 1 && column <= len + 1);
	ph_err_message(err, message, sizeof(message));
	for (const char *c = message; *c; c++)
		require(*c >= ' ' && *c <= '~');
}

static bool run(const struct ph_predicate *predicate, const struct user_regs_struct *regs, struct source source)
{
	bool result = ph_predicate_test(predicate, regs, &(struct ph_predicate_memory){ read_source, &source });

	require(!result || !source.failed);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct source source = { .failed = false };
	struct ph_predicate *predicate = NULL;
	struct user_regs_struct regs;
	struct ph_err err;
	char *text;
	int r;

	if (len < 9)
		return 0;
	source.failing = data[0];
	memcpy(&source.seed, data + 1, 8);
	text = strndup((const char *)data + 9, len - 9);
	if (!text)
		return 0;
	for (size_t i = 0; i < sizeof(regs) / 8; i++) {
		uint64_t value = mix(source.seed + i);

		value >>= value & 1 ? 60 : 0;	/* small ones too */
		memcpy((char *)&regs + i * 8, &value, 8);
	}
	r = ph_predicate_compile(text, &predicate, &err);
	if (r < 0) {
		require(!predicate);
		check_error(&err, r, strlen(text));
	} else {
		require(r == 0 && predicate);
		require(run(predicate, &regs, source) == run(predicate, &regs, source));
		source.failing = 0;
		(void)run(predicate, &regs, source);
		(void)ph_predicate_test(predicate, &regs, NULL);
	}
	ph_predicate_free(predicate);
	free(text);
	return 0;
}
