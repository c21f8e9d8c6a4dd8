/*
 * libFuzzer: no input crashes the relocator, or makes it write outside its slot; every copy decodes into the
 * instructions that its map is made of; and whatever decodes has a text, whatever does not is bad.
 *
 * Input: eight bytes of address, eight of slot, then the instruction. Built with -DPH_FUZZ_STANDALONE, it reads files
 * instead (a corpus, a crash), for compilers without libFuzzer.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x86/access.h"
#include "x86/disasm.h"
#include "x86/emulate.h"
#include "x86/insn.h"
#include "x86/relocate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)								\
	do {										\
		if (!(condition)) {							\
			fprintf(stderr, "%d: " #condition " does not hold\n", __LINE__);\
			abort();							\
		}									\
	} while (0)

/* On both sides of the result: bytes that must stay. */
struct fenced {
	uint8_t below[64];
	struct ph_copy copy;
	uint8_t above[64];
};

static void check_fences(const struct fenced *fenced)
{
	for (size_t i = 0; i < sizeof(fenced->below); i++)
		CHECK(fenced->below[i] == 0xa5 && fenced->above[i] == 0xa5);
}

static void check_copy(const uint8_t *bytes, const struct ph_insn *original, ph_addr from, ph_addr to,
		       const struct ph_copy *copy)
{
	struct ph_insn last = { .length = 0 };
	uint8_t n_points = 0;

	CHECK(copy->code_len <= copy->len && copy->len <= PH_COPY_SIZE);
	CHECK(copy->n_points >= 1 && copy->n_points <= PH_COPY_POINTS);
	for (size_t at = 0; at < copy->code_len; at += last.length) {
		const struct ph_copy_point *point = ph_copy_find(copy, at);

		CHECK(ph_insn_decode(copy->bytes + at, copy->code_len - at, &last) == 0);
		CHECK(!last.is_syscall && !last.is_int3 && !last.is_icebp && !last.is_iret && !last.is_far);
		CHECK(point == &copy->points[n_points]);
		n_points++;
	}
	CHECK(n_points == copy->n_points);
	CHECK(last.is_branch && !last.is_conditional);	/* nothing falls out at the end */
	CHECK(copy->points[0].at == 0 && copy->points[0].state == PH_COPY_BEFORE && copy->points[0].stands_for == from);
	for (int i = 0; i < copy->n_points; i++) {
		const struct ph_copy_point *point = &copy->points[i];

		CHECK(point->state <= PH_COPY_AFTER);
		CHECK((point->state == PH_COPY_UNDO) == (point->rsp_add != 0));
		CHECK(point->state == PH_COPY_AFTER || point->stands_for == from);
	}

	/* A direct branch ends at its target; a jump is seen to do so where that is in the copy's reach. */
	if (original->is_direct && copy->n_points > 1)
		CHECK(copy->points[copy->n_points - 1].stands_for == ph_insn_target(original, from));
	if (original->is_direct && last.is_direct)
		CHECK(ph_insn_target(&last, to + copy->code_len - last.length) == ph_insn_target(original, from));

	/* What was no branch is itself, but for the displacement, and means the same place. */
	if (!original->is_branch) {
		struct ph_insn moved;
		int differing = 0;

		CHECK(ph_insn_decode(copy->bytes, copy->len, &moved) == 0 && moved.length == original->length);
		for (int i = 0; i < moved.length; i++)
			differing += copy->bytes[i] != bytes[i];
		CHECK(differing <= (original->has_relative ? 4 : 0));
		CHECK(moved.has_relative == original->has_relative);
		CHECK(!moved.has_relative || ph_insn_target(&moved, to) == ph_insn_target(original, from));
	}
}

/* As long as a name can be, for every address. */
static bool long_name(void *arg, ph_addr addr, char *buf, size_t len)
{
	(void)arg;
	return snprintf(buf, len, "%0400llx", (unsigned long long)addr) > 0;
}

static void check_text(const uint8_t *bytes, size_t n, ph_addr from, int decoded)
{
	static const enum ph_disasm_syntax syntaxes[] = { PH_DISASM_INTEL, PH_DISASM_ATT };
	struct ph_disasm line;

	for (size_t i = 0; i < 2; i++) {
		CHECK(ph_disasm_one(bytes, n, from, syntaxes[i], long_name, NULL, &line) ==
		      (decoded == -ENODATA ? -ENODATA : 0));
		if (decoded == -ENODATA)
			continue;
		CHECK(line.insn.length >= 1 && line.insn.length <= n);
		CHECK(line.is_bad == (decoded == -EILSEQ) && line.is_bad == (strcmp(line.text, "(bad)") == 0));
		/* Nothing was cut off. */
		CHECK(*line.text && strlen(line.text) < sizeof(line.text) - 1);
		CHECK(!strchr(line.text, '<') || line.text[strlen(line.text) - 1] == '>');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct user_regs_struct regs = { .rip = 0 };
	struct ph_access_range accesses[PH_ACCESSES_MAX];
	struct ph_emulation_store store;
	struct ph_emulation emulation;
	struct fenced fenced;
	struct ph_insn insn;
	ph_addr from, to;
	uint8_t *bytes;
	size_t n;
	int decoded, r;

	if (size < 16)
		return 0;
	memcpy(&from, data, 8);
	memcpy(&to, data + 8, 8);
	n = size - 16;
	/* To the byte, so that a read behind the end is seen. */
	bytes = malloc(n ? n : 1);
	if (!bytes)
		return 0;
	memcpy(bytes, data + 16, n);

	memset(&fenced, 0xa5, sizeof(fenced));
	decoded = ph_insn_decode(bytes, n, &insn);
	CHECK(decoded == 0 || decoded == -EILSEQ || decoded == -ENODATA);
	r = ph_relocate(bytes, n, from, to, &fenced.copy);
	check_fences(&fenced);
	CHECK(decoded == 0 ? r == 0 || r == -ENOTSUP || r == -ERANGE : r == decoded);
	if (r == 0) {
		memcpy(&regs, data, size < sizeof(regs) ? size : sizeof(regs));
		check_copy(bytes, &insn, from, to, &fenced.copy);
		(void)ph_copy_suits(&fenced.copy, &regs);
	}
	check_text(bytes, n, from, decoded);
	if (ph_emulation_plan(bytes, n, from, &emulation) == 0)
		(void)ph_emulation_run(&emulation, &regs, &store);
	CHECK(ph_access_find(bytes, n, from, &regs, accesses) <= PH_ACCESSES_MAX);
	free(bytes);
	return 0;
}

#ifdef PH_FUZZ_STANDALONE
int main(int argc, char **argv)
{
	static uint8_t data[65536];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");

		if (!file) {
			perror(argv[i]);
			return 2;
		}
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), file));
		fclose(file);
	}
	return 0;
}
#endif
