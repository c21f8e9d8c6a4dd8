/* Chooses distinct instructions. */
#define _GNU_SOURCE
#include "relocate_diff.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x86/zydis.h"

/* What compilers never emit, or seldom: every way of the relocator, and its edges. */
static const char *const rare[] = {
	"e2 10", "e1 10", "e0 10", "e3 10", "67 e2 10", "67 e1 10", "67 e0 10", "67 e3 10", "f2 e1 10", "f3 e0 10",
	"eb 10", "e9 00 01 00 00", "2e 74 10", "3e 75 10", "f2 eb 10", "f2 74 10", "48 eb 10",
	"e8 10 00 00 00", "f2 e8 10 00 00 00", "67 e8 10 00 00 00", "66 66 48 e8 10 00 00 00",
	"ff d0", "41 ff d7", "ff d5", "48 ff d1", "3e ff d2", "66 48 ff d3",
	"ff 10", "ff 14 24", "ff 54 24 08", "ff 54 24 f0", "ff 54 24 f8", "ff 54 24 7f", "ff 54 24 78", "ff 54 24 77",
	"ff 94 24 00 01 00 00", "42 ff 14 fc", "42 ff 54 fc 10", "41 ff 14 24", "41 ff 54 24 08", "43 ff 54 fd 08",
	"ff 15 10 00 00 00", "67 ff 15 10 00 00 00", "66 48 ff 15 10 00 00 00", "67 ff 54 24 08", "67 ff 10",
	"64 ff 14 25 10 00 00 00", "65 ff 10", "64 ff 54 24 08", "ff 14 25 00 00 00 20", "ff 55 00", "41 ff 55 00",
	"ff e0", "41 ff e3", "ff 20", "ff 64 24 08", "ff 25 10 00 00 00", "67 ff 25 10 00 00 00",
	"ff 24 c5 00 00 00 20",
	"c3", "c2 08 00", "f3 c3", "f2 c3", "48 c3", "66 c3", "66 ff e0",
	"ff 35 10 00 00 00", "8f 05 10 00 00 00", "67 ff 35 10 00 00 00", "67 48 8d 3d 10 00 00 00", "54", "5c",
	"ff 74 24 f8", "8f 44 24 f8", "8f 04 24", "c8 10 00 00", "c8 10 00 01", "c8 08 00 02", "c9", "66 c9",
	"9c", "66 9c", "9b", "d9 3d 10 00 00 00", "d9 2d 10 00 00 00", "dd 35 10 00 00 00",
	"f3 a4", "f3 a5", "f3 48 a5", "f2 ae", "f3 a6", "f3 aa", "f3 48 ab", "67 f3 a4", "f3 ac", "f3 66 af",
	"64 f3 a4", 	"a4", "48 a5", "ad", "ae", "d7", "0f 0b", "0f b9 c0", "0f ff c0", "f4", "fa", "ec",
	"e4 10", "0f 09", 	"a1 00 00 00 20 00 00 00 00", "48 a3 00 00 00 20 00 00 00 00", "67 a1 00 00 00 20",
	"f7 3d 10 00 00 00", "f6 35 10 00 00 00", "f7 f1", "48 f7 f9", "80 3d 10 00 00 00 7f",
	"66 c7 05 10 00 00 00 34 12",
	"48 c7 05 10 00 00 00 01 02 03 84", "48 69 05 10 00 00 00 01 02 03 04", "0f ba 25 10 00 00 00 07",
	"f0 0f b1 0d 10 00 00 00", "f0 48 0f c7 0d 10 00 00 00", "0f c7 0d 10 00 00 00", "48 0f c3 05 10 00 00 00",
	"0f ae 05 10 00 00 00", "0f ae 15 10 00 00 00", "0f ae 1d 10 00 00 00", "0f 18 0d 10 00 00 00",
	"0f ae 3d 10 00 00 00",
	"0f 1f 05 10 00 00 00", "0f 0f 05 10 00 00 00 9e", "66 0f 3a 0f 05 10 00 00 00 05", "0f 01 25 10 00 00 00",
	"c4 e2 7d 18 05 10 00 00 00", "c5 fc 28 05 10 00 00 00", "c4 e3 7d 06 05 10 00 00 00 31",
	"c4 e2 fb f7 05 10 00 00 00", "c4 e3 fb f0 05 10 00 00 00 07", "c5 f9 6f 05 10 00 00 00",
	"62 f1 7c 48 28 05 10 00 00 00", "62 f1 7c 48 10 05 10 00 00 00", "62 f3 7d 48 25 05 10 00 00 00 aa",
	"62 f1 7d 58 fe 05 10 00 00 00", "62 f2 7d c9 64 05 10 00 00 00", "62 e1 7c 48 11 05 10 00 00 00",
	"62 f3 75 48 1e 0d 10 00 00 00 02", "67 62 f1 7c 48 10 05 10 00 00 00", "62 f1 7c 48 10 44 24 01",
	"c4 e2 6d 92 04 08", "62 f2 7d 49 92 04 08", "8f e9 78 12 c0", "8f ea 78 10 05 10 00 00 00 01 02 03 04",
	"8f e8 78 a2 05 10 00 00 00 c0", "8f e8 78 c0 05 10 00 00 00 03", "0f f7 c1", "66 0f f7 c1", "0f 77",
	"8e d8", "8e c0", "8e e0", "0f b2 05 10 00 00 00", "0f b4 25 10 00 00 00", "0f 00 05 10 00 00 00", "0f 02 c1",
	"f3 48 0f ae c1", "f3 48 0f ae d1", "0f 01 d0", "0f ae e8", "0f ae f8", "90", "f3 90", "66 90", "f3 0f 1e fa",
	"26 48 8b 05 10 00 00 00", "65 48 8b 05 10 00 00 00", "64 48 8b 05 10 00 00 00", "64 48 8b 04 25 10 00 00 00",
	"66 66 66 66 66 66 66 48 8b 05 10 00 00 00", "48 40 8b 05 10 00 00 00", "f2 48 8b 05 10 00 00 00",
};

/* Whatever of these can be loaded has its text read; the C library and libm are there already. */
static const char *const libraries[] = {
	"libcrypto.so.3", "libcrypto.so.1.1", "libmvec.so.1", "libpython3.11.so.1.0", "libpython3.12.so.1.0",
	"libstdc++.so.6", "libgmp.so.10", "libz.so.1", "liblzma.so.5", "libzstd.so.1", "libsqlite3.so.0",
	"libgcrypt.so.20", "libnettle.so.8", "libcapstone.so.4", "libgnutls.so.30", "libX11.so.6", "libpixman-1.so.0",
	"libjpeg.so.62", "libdw.so.1", "libelf.so.1", "libluajit-5.1.so.2", "libZydis.so.4.0",
};

/* Their results differ from one time to the next, they wait, or they speak to the hypervisor. */
static const ZydisMnemonic not_repeatable[] = {
	ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_RDTSCP, ZYDIS_MNEMONIC_RDRAND, ZYDIS_MNEMONIC_RDSEED, ZYDIS_MNEMONIC_RDPRU,
	ZYDIS_MNEMONIC_CPUID, ZYDIS_MNEMONIC_RDPID, ZYDIS_MNEMONIC_RDPMC, ZYDIS_MNEMONIC_XSAVEC,
	ZYDIS_MNEMONIC_XSAVEC64,
	ZYDIS_MNEMONIC_XSAVEOPT, ZYDIS_MNEMONIC_XSAVEOPT64, ZYDIS_MNEMONIC_XSAVES, ZYDIS_MNEMONIC_XSAVES64,
	ZYDIS_MNEMONIC_XSAVE, ZYDIS_MNEMONIC_XSAVE64, ZYDIS_MNEMONIC_MONITORX, ZYDIS_MNEMONIC_MWAITX,
	ZYDIS_MNEMONIC_UMONITOR, ZYDIS_MNEMONIC_UMWAIT, ZYDIS_MNEMONIC_TPAUSE, ZYDIS_MNEMONIC_MONITOR,
	ZYDIS_MNEMONIC_MWAIT, ZYDIS_MNEMONIC_VMCALL, ZYDIS_MNEMONIC_VMMCALL, ZYDIS_MNEMONIC_VMFUNC,
	ZYDIS_MNEMONIC_WRPKRU, ZYDIS_MNEMONIC_XRSTOR, ZYDIS_MNEMONIC_XRSTOR64,
};

static bool is_repeatable(ZydisMnemonic mnemonic)
{
	for (size_t i = 0; i < sizeof(not_repeatable) / sizeof(not_repeatable[0]); i++)
		if (not_repeatable[i] == mnemonic)
			return false;
	return true;
}

#define SEEN_BITS 20

struct picker {
	struct samples *to;
	size_t room;
	uint64_t *seen;		/* hashes of shapes, open addressing; 0: free */
	size_t n_seen;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Two instructions of one shape differ in displacement and immediate only, or in which other register they use. */
static uint64_t shape_of(const struct ph_zydis *zydis)
{
	const ZydisDecodedInstruction *insn = &zydis->insn;
	bool has_sib = insn->raw.modrm.rm == 4, is_rbp_like = insn->raw.modrm.rm == 5;
	uint64_t rex = (uint64_t)insn->raw.rex.R << 2 | (uint64_t)insn->raw.rex.X << 1 | insn->raw.rex.B;
	uint64_t hash = mix(1, insn->mnemonic);

	hash = mix(hash, (uint64_t)insn->encoding << 32 | (uint64_t)insn->opcode_map << 8 | insn->opcode);
	hash = mix(hash, insn->attributes);
	hash = mix(hash, (uint64_t)insn->operand_width << 16 | insn->avx.vector_length);
	hash = mix(hash, (uint64_t)insn->avx.mask.mode << 8 | insn->avx.broadcast.mode);
	hash = mix(hash, (uint64_t)insn->raw.modrm.mod << 16 | (uint64_t)has_sib << 9 | (uint64_t)is_rbp_like << 8);
	hash = mix(hash, rex << 1 | (has_sib && insn->raw.sib.base == 4));
	hash = mix(hash, (uint64_t)insn->raw.disp.size << 16 | (uint64_t)insn->raw.imm[0].size << 8 | insn->length);
	for (int i = 0; i < insn->operand_count_visible; i++)
		hash = mix(hash, (uint64_t)zydis->operands[i].type << 16 | zydis->operands[i].size);
	return hash ? hash : 1;
}

/* True the first time. */
static bool is_new(struct picker *picker, uint64_t shape)
{
	size_t mask = ((size_t)1 << SEEN_BITS) - 1, at = shape & mask;

	for (; picker->seen[at]; at = (at + 1) & mask)
		if (picker->seen[at] == shape)
			return false;
	if (picker->n_seen++ > mask / 2)
		return false;
	picker->seen[at] = shape;
	return true;
}

static void add(struct picker *picker, const uint8_t *bytes, size_t length)
{
	struct samples *to = picker->to;

	if (to->n == picker->room) {
		picker->room = picker->room ? picker->room * 2 : 4096;
		to->list = realloc(to->list, picker->room * sizeof(*to->list));
		if (!to->list)
			abort();
	}
	memcpy(to->list[to->n].bytes, bytes, length);
	to->list[to->n++].length = (uint8_t)length;
}

/* Returns the instruction's length, 1 where there is none. */
static size_t consider(struct picker *picker, const uint8_t *bytes, size_t len)
{
	struct ph_zydis zydis;

	if (ph_zydis_decode(bytes, len, &zydis) < 0)
		return 1;
	if (is_repeatable(zydis.insn.mnemonic) && is_new(picker, shape_of(&zydis)))
		add(picker, bytes, zydis.insn.length);
	return zydis.insn.length;
}

static int sweep(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		const uint8_t *text = (const uint8_t *)(info->dlpi_addr + phdr->p_vaddr);

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & (PF_X | PF_R)) == (PF_X | PF_R))
			for (size_t at = 0; at < phdr->p_memsz;)
				at += consider(arg, text + at, phdr->p_memsz - at);
	}
	return 0;
}

void samples_pick(struct samples *ret)
{
	struct picker picker = { .to = ret, .seen = calloc((size_t)1 << SEEN_BITS, sizeof(uint64_t)) };

	if (!picker.seen)
		abort();
	*ret = (struct samples){ NULL, 0 };
	for (size_t i = 0; i < sizeof(rare) / sizeof(rare[0]); i++) {
		uint8_t bytes[INSN_MAX];
		const char *hex = rare[i];
		size_t n = 0;
		unsigned byte;
		int used;

		for (; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
			bytes[n++] = (uint8_t)byte;
		add(&picker, bytes, n);
	}
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
	dl_iterate_phdr(sweep, &picker);
	free(picker.seen);
}

void samples_free(struct samples *samples)
{
	free(samples->list);
}
