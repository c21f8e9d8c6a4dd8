/* Any bytes are an ELF file or an error; what it says of itself holds, and every question about its symbols ends. */
#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_facts(const struct ph_elf *elf)
{
	require(elf->n_segments > 0 && elf->low < elf->high);
	require(elf->build_id_len <= sizeof(elf->build_id));
	require(memchr(elf->soname, '\0', sizeof(elf->soname)));
	for (size_t i = 0; i < elf->n_segments; i++) {
		require(elf->segments[i].vaddr >= elf->low && elf->segments[i].memsz > 0);
		require(elf->segments[i].vaddr + elf->segments[i].memsz <= elf->high);
		require(ph_elf_segment_find(elf, elf->segments[i].vaddr));
	}
}

static void check_symbol(struct ph_elf *elf, const struct ph_symbol *symbol)
{
	struct ph_symbol found, *all;
	size_t n;

	require(symbol->name[0] && symbol->vaddr >= elf->low && symbol->vaddr <= elf->high);
	require(ph_symbols_find(elf, symbol->name, &found) == 0);
	require(ph_symbols_find_all(elf, symbol->name, &all, &n) == 0 && n > 0);
	free(all);
	if (ph_symbols_at(elf, symbol->vaddr, &found) == 0)
		require(found.vaddr <= symbol->vaddr);
	ph_symbols_at(elf, symbol->vaddr + symbol->size, &found);
}

static void check_symbols(struct ph_elf *elf)
{
	static const char *const names[] = { "main", "memcpy@GLIBC_2.2.5", "way@@V2", "@", "" };
	struct ph_symbol symbol;
	struct ph_spell spell;
	size_t cursor = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ph_symbols_find(elf, names[i], &symbol);
	for (unsigned i = 0; i < 64 && ph_symbols_next(elf, &cursor, &symbol); i++)
		check_symbol(elf, &symbol);
	ph_symbols_at(elf, elf->entry, &symbol);
	ph_symbols_at(elf, elf->low - 1, &symbol);
	ph_symbols_at(elf, elf->high, &symbol);
	ph_spell_init(&spell, "mian");
	ph_symbols_nearest(elf, &spell);
}

/* NULL: an error. */
static struct ph_elf *open_bytes(const void *bytes, size_t len)
{
	int r, fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct ph_elf *elf;
	struct ph_err err;

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	r = ph_elf_open_fd(fd, "fuzz", &elf, &err);
	if (r == 0)
		return elf;
	require(err.code == r && err.detail[0]);
	close(fd);
	return NULL;
}

static void check_bytes(const void *bytes, size_t len)
{
	struct ph_elf *elf = open_bytes(bytes, len);

	ph_elf_machine_name(bytes, len);
	if (!elf)
		return;
	require(ph_elf_kind(bytes, len) == PH_ELF_X86_64);
	check_facts(elf);
	check_symbols(elf);
	ph_elf_free(elf);
}

/* ---- A small library, whole, to be edited: from nothing, chance makes no ELF file. */

static const char strings[] = "\0main\0way\0way@V9\0V1\0V2\0libfuzz.so.1\0no_end";

enum { S_NONE, S_MAIN = 1, S_WAY = 6, S_WAY_V9 = 10, S_V1 = 17, S_V2 = 20, S_SONAME = 23, S_NO_END = 36 };

struct library {
	Elf64_Ehdr header;
	Elf64_Phdr phdrs[4];
	Elf64_Dyn dynamic[4];
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint8_t id[8];
	} note;
	Elf64_Sym syms[8];
	Elf64_Half versions[8];
	struct {
		Elf64_Verdef def;
		Elf64_Verdaux aux;
	} verdefs[2];
	char strings[sizeof(strings)];
	Elf64_Shdr sections[6];
};

#define AT(member)   offsetof(struct library, member)
#define SIZE(member) sizeof(((struct library *)0)->member)
#define PHDR(type, member)                                                                                           \
	{ type, PF_R | PF_X, AT(member), AT(member), AT(member), SIZE(member), SIZE(member), 4 }
#define SHDR(type, member, link, entry)                                                                              \
	{ 0, type, SHF_ALLOC, AT(member), AT(member), SIZE(member), link, 1, 1, entry }
#define SYM(name, bind, type, value, size) { name, ELF64_ST_INFO(bind, type), 0, 1, value, size }

static struct library whole(void)
{
	struct library library = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x100,
			.e_phoff = AT(phdrs), .e_shoff = AT(sections), .e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 4,
			.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 6, .e_shstrndx = 1,
		},
		.phdrs = {
			{ PT_LOAD, PF_R | PF_X, 0, 0, 0, sizeof(struct library), 0x2000, 0x1000 },
			{ PT_LOAD, PF_R | PF_W, 0, 0x3000, 0x3000, 0, 0x100, 0x1000 },
			PHDR(PT_DYNAMIC, dynamic),
			PHDR(PT_NOTE, note),
		},
		.dynamic = {
			{ DT_STRTAB, { AT(strings) } },
			{ DT_STRSZ, { sizeof(strings) } },
			{ DT_SONAME, { S_SONAME } },
			{ DT_NULL, { 0 } },
		},
		.note = { { sizeof(ELF_NOTE_GNU), 8, NT_GNU_BUILD_ID }, ELF_NOTE_GNU, "12345678" },
		.syms = {
			{ 0 },
			SYM(S_MAIN, STB_GLOBAL, STT_FUNC, 0x100, 0x40),
			SYM(S_WAY, STB_GLOBAL, STT_FUNC, 0x140, 0x40),
			SYM(S_WAY, STB_GLOBAL, STT_GNU_IFUNC, 0x180, 0x10),
			SYM(S_WAY_V9, STB_WEAK, STT_NOTYPE, 0x110, 0),
			SYM(S_NO_END, STB_LOCAL, STT_FUNC, 0x1000, 0x800),
			SYM(S_V1, STB_LOCAL, STT_OBJECT, 0x1100, 0x20),
			SYM(S_SONAME, STB_LOCAL, STT_NOTYPE, 0x3010, 0),
		},
		.versions = { 0, 1, 2, 0x8003, 1, 1, 1, 1 },
		.verdefs = {
			{ { 1, 0, 2, 1, 0, sizeof(Elf64_Verdef), SIZE(verdefs[0]) }, { S_V2, 0 } },
			{ { 1, 0, 3, 1, 0, sizeof(Elf64_Verdef), 0 }, { S_V1, 0 } },
		},
		.sections = {
			{ 0 },
			SHDR(SHT_STRTAB, strings, 0, 0),
			SHDR(SHT_SYMTAB, syms, 1, sizeof(Elf64_Sym)),
			SHDR(SHT_DYNSYM, syms, 1, sizeof(Elf64_Sym)),
			SHDR(SHT_GNU_versym, versions, 3, sizeof(Elf64_Half)),
			SHDR(SHT_GNU_verdef, verdefs, 1, 0),
		},
	};

	memcpy(library.strings, strings, sizeof(strings));
	return library;
}

/* Unedited, it has all that there is to break. */
static void check_library(void)
{
	struct library library = whole();
	struct ph_elf *elf = open_bytes(&library, sizeof(library));
	struct ph_symbol symbol;

	require(elf && elf->n_segments == 2 && elf->build_id_len == 8 && strcmp(elf->soname, "libfuzz.so.1") == 0);
	require(ph_symbols_find(elf, "way@V2", &symbol) == 0 && symbol.vaddr == 0x140);
	require(ph_symbols_find(elf, "way@V1", &symbol) == 0 && symbol.vaddr == 0x180);
	require(ph_symbols_find(elf, "main", &symbol) == 0 && symbol.vaddr == 0x100);
	require(ph_symbols_at(elf, 0x13f, &symbol) == 0 && strcmp(symbol.name, "main") == 0);
	ph_elf_free(elf);
}

/* Eight bytes of the input put one number somewhere. */
struct edit {
	uint16_t at;
	uint8_t width, shift;
	uint32_t value;
};

static void edit(struct library *library, const uint8_t *data, size_t len)
{
	for (; len >= sizeof(struct edit); data += sizeof(struct edit), len -= sizeof(struct edit)) {
		size_t width, at;
		uint64_t value;
		struct edit e;

		memcpy(&e, data, sizeof(e));
		width = 1u << e.width % 4;
		at = e.at % (sizeof(*library) - width + 1);
		value = (uint64_t)(int64_t)(int32_t)e.value << e.shift % 64;
		memcpy((char *)library + at, &value, width);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct library library = whole();

	if (len == 0)
		check_library();
	check_bytes(data, len);
	edit(&library, data, len);
	check_bytes(&library, len % 8 == 7 ? sizeof(library) * len / 4096 % sizeof(library) : sizeof(library));
	return 0;
}
