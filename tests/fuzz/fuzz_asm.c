/*
 * Any text is bytes or an error that says the line. Bytes are whole instructions, each of which reads, and what it reads
 * as becomes an instruction that reads the same.
 *
 * Input: eight bytes of the address, then the text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x86/asm.h"
#include "x86/disasm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool lookup(void *arg, const char *name, ph_addr *ret)
{
	*ret = *(ph_addr *)arg + (uint8_t)name[0] * 16u;
	return name[0] != 'x';
}

static void check_error(int code, const struct ph_err *err)
{
	char message[PH_ERR_MESSAGE_MAX];
	unsigned int line;

	require((code == -EINVAL || code == -E2BIG) && err->code == code);
	require(code == -E2BIG || sscanf(err->detail, "line %u: ", &line) == 1 || strstr(err->detail, "circle"));
	ph_err_message(err, message, sizeof(message));
	for (const char *c = message; *c; c++)
		require(*c >= ' ' && *c <= '~');
}

/* As the formatter writes it; not everything that it writes is in our grammar. */
static void read_back(const struct ph_disasm *one, ph_addr at)
{
	uint8_t again[PH_ASM_MAX];
	struct ph_disasm second;
	size_t len;
	char *comment = strstr(one->text, "  #"), text[PH_DISASM_TEXT_MAX];

	snprintf(text, sizeof(text), "%.*s", comment ? (int)(comment - one->text) : (int)strlen(one->text), one->text);
	if (ph_asm(text, at, NULL, NULL, again, &len, NULL) < 0)
		return;
	require(ph_disasm_one(again, len, at, PH_DISASM_INTEL, NULL, NULL, &second) >= 0 && !second.is_bad);
	require(second.insn.length == len);
	/* A form of another length has another displacement. */
	require(one->insn.length != second.insn.length || strcmp(one->text, second.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t bytes[PH_ASM_MAX];
	size_t n = 0;
	struct ph_err err;
	ph_addr at;
	char *text;
	int r;

	if (len < 8 || len > 600)
		return 0;
	memcpy(&at, data, 8);
	text = strndup((const char *)data + 8, len - 8);
	if (!text)
		return 0;
	r = ph_asm(text, at, lookup, &at, bytes, &n, &err);
	if (r < 0)
		check_error(r, &err);
	for (size_t i = 0; i < n;) {
		struct ph_disasm one;

		require(ph_disasm_one(bytes + i, n - i, at + i, PH_DISASM_INTEL, NULL, NULL, &one) >= 0 && !one.is_bad);
		read_back(&one, at + i);
		i += one.insn.length;
	}
	free(text);
	return 0;
}
