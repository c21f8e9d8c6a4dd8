/*
 * Any bytes are an ELF file or an error; what it says of itself holds, and every question about its symbols, stubs,
 * relocations and debug files ends.
 */
#include <elf.h>
#include <lzma.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/debugfile.h"
#include "image/relocation.h"
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
	require(ph_symbols_find_all(elf, symbol->name, PH_SYMBOLS_ALL, &all, &n) == 0 && n > 0);
	free(all);
	if (ph_symbols_find_all(elf, symbol->name, PH_SYMBOLS_EXPORTED, &all, &n) == 0) {
		require(n > 0 && all[0].bind != PH_SYMBOL_LOCAL);
		free(all);
	}
	if (ph_symbols_at(elf, symbol->vaddr, &found) == 0)
		require(found.vaddr <= symbol->vaddr);
	ph_symbols_at(elf, symbol->vaddr + symbol->size, &found);
}

static void check_stubs(struct ph_elf *elf)
{
	struct ph_symbol stub, found;
	ph_addr at, value;
	size_t cursor = 0;

	for (unsigned i = 0; i < 64 && ph_symbols_next_stub(elf, &cursor, &stub); i++) {
		require(stub.name && stub.size > 0);
		require(ph_symbols_stub_at(elf, stub.vaddr, &found) == 0);
	}
	ph_symbols_stub_at(elf, elf->low - 1, &stub);
	ph_relocation_resolved_slot(elf, elf->entry, &at);
	ph_relocation_own_word(elf, &at, &value);
}

static int warnings;

static void warn(const char *text, void *user)
{
	(void)user;
	require(*text);
	warnings++;
}

static void check_companions(struct ph_elf *elf)
{
	static char root[] = "/nonexistent";
	static const struct ph_elf_settings settings = { .debug_root = root, .warn = warn };
	const struct ph_elf *mini;

	warnings = 0;
	elf->settings = &settings;
	require(!ph_debugfile_find(elf));
	mini = ph_debugfile_mini_find(elf);
	require(ph_debugfile_mini_find(elf) == mini && warnings <= 1);
}

static void check_symbols(struct ph_elf *elf)
{
	static const char *const names[] = { "main", "memcpy@GLIBC_2.2.5", "way@@V2", "@", "", "way@plt", "a::b(int)" };
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
	check_companions(elf);
	check_symbols(elf);
	check_stubs(elf);
	ph_elf_free(elf);
}

/* ---- A small library, whole, to be edited: from nothing, chance makes no ELF file. */

static const char strings[] = "\0main\0way\0way@V9\0V1\0V2\0libfuzz.so.1\0no_end\0.plt\0.gnu_debuglink\0"
			      ".gnu_debugdata\0_ZN1a1bEi";

enum {
	S_NONE, S_MAIN = 1, S_WAY = 6, S_WAY_V9 = 10, S_V1 = 17, S_V2 = 20, S_SONAME = 23, S_NO_END = 36, S_PLT = 43,
	S_LINK = 48, S_DATA = 63, S_CXX = 78,
};

struct library {
	Elf64_Ehdr header;
	Elf64_Phdr phdrs[4];
	Elf64_Dyn dynamic[8];
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
	uint32_t hash[4];
	uint32_t gnu_hash[12];
	Elf64_Rela relas[4];
	uint8_t stubs[32];
	char link[16];		/* a name of eleven letters, and a checksum */
	uint8_t data[512];	/* xz: whatever the room takes */
	Elf64_Shdr sections[10];
};

#define AT(member)   offsetof(struct library, member)
#define SIZE(member) sizeof(((struct library *)0)->member)
#define PHDR(type, member)                                                                                           \
	{ type, PF_R | PF_X, AT(member), AT(member), AT(member), SIZE(member), SIZE(member), 4 }
#define SHDR(type, member, link, entry)                                                                              \
	{ 0, type, SHF_ALLOC, AT(member), AT(member), SIZE(member), link, 1, 1, entry }
#define NAMED(name, member, entry)                                                                                   \
	{ name, SHT_PROGBITS, SHF_ALLOC, AT(member), AT(member), SIZE(member), 0, 0, 1, entry }
#define SYM(name, bind, type, value, size) { name, ELF64_ST_INFO(bind, type), 0, 1, value, size }

static struct library whole(void)
{
	struct library library = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x100,
			.e_phoff = AT(phdrs), .e_shoff = AT(sections), .e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 4,
			.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 10, .e_shstrndx = 1,
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
			{ DT_SYMTAB, { AT(syms) } },
			{ DT_HASH, { AT(hash) } },
			{ DT_GNU_HASH, { AT(gnu_hash) } },
			{ DT_VERSYM, { AT(versions) } },
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
			SYM(S_CXX, STB_GLOBAL, STT_FUNC, 0x200, 0x10),
		},
		.versions = { 0, 1, 2, 0x8003, 1, 1, 1, 1 },
		.verdefs = {
			{ { 1, 0, 2, 1, 0, sizeof(Elf64_Verdef), SIZE(verdefs[0]) }, { S_V2, 0 } },
			{ { 1, 0, 3, 1, 0, sizeof(Elf64_Verdef), 0 }, { S_V1, 0 } },
		},
		.hash = { 1, 8 },
		.gnu_hash = { 1, 7, 1, 6, 0, 0, 7, 1 },
		.relas = {
			{ AT(data) + 8, ELF64_R_INFO(2, R_X86_64_JUMP_SLOT), 0 },
			{ AT(data) + 16, ELF64_R_INFO(0, R_X86_64_IRELATIVE), 0x180 },
			{ AT(data) + 24, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0x100 },
		},
		.stubs = { 0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25 },
		.link = "fuzz.debug",
		.sections = {
			{ 0 },
			SHDR(SHT_STRTAB, strings, 0, 0),
			SHDR(SHT_SYMTAB, syms, 1, sizeof(Elf64_Sym)),
			SHDR(SHT_DYNSYM, syms, 1, sizeof(Elf64_Sym)),
			SHDR(SHT_GNU_versym, versions, 3, sizeof(Elf64_Half)),
			SHDR(SHT_GNU_verdef, verdefs, 1, 0),
			SHDR(SHT_RELA, relas, 3, sizeof(Elf64_Rela)),
			NAMED(S_PLT, stubs, 16),
			NAMED(S_LINK, link, 0),
			NAMED(S_DATA, data, 0),
		},
	};
	int32_t far;

	memcpy(library.strings, strings, sizeof(strings));
	far = (int32_t)(AT(data) + 8 - (AT(stubs) + 11));
	memcpy(library.stubs + 7, &far, sizeof(far));
	library.stubs[16] = 0xff;
	library.stubs[17] = 0x25;
	far = (int32_t)(AT(data) + 16 - (AT(stubs) + 22));
	memcpy(library.stubs + 18, &far, sizeof(far));
	return library;
}

/* Bytes as .gnu_debugdata has them: packed, so that what they hold is looked at. Too many, and it stays as it is. */
static void pack(struct library *library, const void *bytes, size_t len)
{
	size_t used = 0;

	if (lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL, bytes, len, library->data, &used, sizeof(library->data)) !=
	    LZMA_OK)
		return;
	library->sections[9].sh_size = used;
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
	require(ph_symbols_find(elf, "a::b", &symbol) == 0 && symbol.vaddr == 0x200);
	require(ph_symbols_find(elf, "way@plt", &symbol) == 0 && symbol.vaddr == AT(stubs));
	require(ph_symbols_stub_at(elf, AT(stubs) + 31, &symbol) == 0 && strcmp(symbol.name, "way") == 0);
	ph_elf_free(elf);
	/* Without section headers the dynamic section leads to the same. */
	library.header.e_shoff = library.header.e_shnum = library.header.e_shstrndx = 0;
	elf = open_bytes(&library, sizeof(library));
	require(elf && ph_symbols_find(elf, "main", &symbol) == 0 && symbol.vaddr == 0x100);
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
	pack(&library, data, len);
	edit(&library, data, len);
	check_bytes(&library, len % 8 == 7 ? sizeof(library) * len / 4096 % sizeof(library) : sizeof(library));
	return 0;
}
