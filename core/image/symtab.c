#include "image/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "image/debugfile.h"
#include "image/dynamic.h"
#include "image/section.h"

#define VERSION_HIDDEN 0x8000
#define VERSIONS_MAX   1024
#define SYMBOLS_MAX    (1u << 30)	/* so that an index fits in 32 bits */

/* ---- Sections */

/* The first of a type; that there are more, or that it is broken, is no reason to read any other. */
static Elf_Scn *find_section(Elf *file, Elf64_Word type)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file, section))) {
		const Elf64_Shdr *header = elf64_getshdr(section);

		if (header && header->sh_type == type)
			break;
	}
	return section;
}

static const char *read_strings(Elf *file, size_t link, size_t *ret_len)
{
	Elf_Scn *section = elf_getscn(file, link);
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;
	const char *strings, *last;
	size_t len;

	if (!header || header->sh_type != SHT_STRTAB)
		return NULL;
	strings = ph_section_read(section, &len);
	/* A name that the end of the section cuts off is none. */
	last = strings ? memrchr(strings, '\0', len) : NULL;
	if (!last)
		return NULL;
	*ret_len = (size_t)(last - strings) + 1;
	return strings;
}

static void read_table(Elf *file, Elf64_Word type, struct ph_symtab *table)
{
	Elf_Scn *section = find_section(file, type);
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;
	struct ph_symtab read = { 0 };
	size_t len;

	if (!header || header->sh_entsize != sizeof(Elf64_Sym))
		return;
	read.strings = read_strings(file, header->sh_link, &read.strings_len);
	read.syms = read.strings ? ph_section_read(section, &len) : NULL;
	if (!read.syms || len / sizeof(Elf64_Sym) > SYMBOLS_MAX)
		return;
	read.n = len / sizeof(Elf64_Sym);
	*table = read;
}

static void read_versions(Elf *file, struct ph_symtab *table)
{
	size_t len;

	table->versions = ph_section_read(find_section(file, SHT_GNU_versym), &len);
	table->n_versions = table->versions ? len / sizeof(Elf64_Half) : 0;
	table->verdef = ph_section_read(find_section(file, SHT_GNU_verdef), &table->verdef_len);
	if (!table->verdef)
		table->verdef_len = 0;
}

/* ---- .dynsym without section headers */

/* Symbols with a hash: the longest chain's end. Those before first have none (undefined ones, mostly). */
static uint64_t count_by_gnu_hash(struct ph_elf *elf, ph_addr vaddr)
{
	uint64_t room = ph_dynamic_room(elf, vaddr), words = room / 4, last = 0, chains;
	const uint32_t *hash = words ? ph_dynamic_bytes(elf, vaddr, words * 4) : NULL;

	/* buckets, first, words of 64 bits in the filter, shift; filter, buckets, chains */
	if (!hash || words < 4)
		return 0;
	chains = 4 + (uint64_t)hash[2] * 2 + hash[0];
	if (chains > words)
		return 0;
	for (uint64_t i = chains - hash[0]; i < chains; i++)
		last = hash[i] > last ? hash[i] : last;
	if (last < hash[1])
		return hash[1];
	while (chains + last - hash[1] < words && !(hash[chains + last - hash[1]] & 1))
		last++;
	return last + 1;
}

static uint64_t count_symbols(struct ph_elf *elf)
{
	const uint32_t *hash;
	uint64_t at;

	if (ph_dynamic_get(elf, DT_HASH, &at)) {
		hash = ph_dynamic_bytes(elf, at, 2 * sizeof(*hash));
		return hash ? hash[1] : 0;
	}
	return ph_dynamic_get(elf, DT_GNU_HASH, &at) ? count_by_gnu_hash(elf, at) : 0;
}

static void read_dynamic_table(struct ph_elf *elf, struct ph_symtab *table)
{
	uint64_t n = count_symbols(elf), syms, strings, strings_len, at;
	struct ph_symtab read = { 0 };
	const char *last;

	if (n == 0 || n > SYMBOLS_MAX || !ph_dynamic_get(elf, DT_SYMTAB, &syms) ||
	    !ph_dynamic_get(elf, DT_STRTAB, &strings) || !ph_dynamic_get(elf, DT_STRSZ, &strings_len))
		return;
	read.syms = ph_dynamic_bytes(elf, syms, n * sizeof(Elf64_Sym));
	read.strings = strings_len ? ph_dynamic_bytes(elf, strings, strings_len) : NULL;
	last = read.strings ? memrchr(read.strings, '\0', strings_len) : NULL;
	if (!read.syms || !last)
		return;
	read.n = n;
	read.strings_len = (size_t)(last - read.strings) + 1;
	if (ph_dynamic_get(elf, DT_VERSYM, &at)) {
		read.versions = ph_dynamic_bytes(elf, at, n * sizeof(Elf64_Half));
		read.n_versions = read.versions ? n : 0;
	}
	if (ph_dynamic_get(elf, DT_VERDEF, &at)) {
		read.verdef_len = ph_dynamic_room(elf, at);
		read.verdef = read.verdef_len ? ph_dynamic_bytes(elf, at, read.verdef_len) : NULL;
		read.verdef_len = read.verdef ? read.verdef_len : 0;
	}
	*table = read;
}

/* ---- All of them */

const struct ph_symbol_tables *ph_symtab_read(struct ph_elf *elf)
{
	struct ph_symbol_tables *read;

	if (elf->symbols)
		return elf->symbols;
	read = calloc(1, sizeof(*read));
	if (!read)
		return NULL;
	read_table(elf->file, SHT_SYMTAB, &read->tables[0]);
	read_table(elf->file, SHT_DYNSYM, &read->tables[1]);
	if (read->tables[1].n)
		read_versions(elf->file, &read->tables[1]);
	else
		read_dynamic_table(elf, &read->tables[1]);
	read->n = read->tables[0].n + read->tables[1].n;
	elf->symbols = read;
	return read;
}

const struct ph_symbol_tables *ph_symtab_complete(struct ph_elf *elf)
{
	struct ph_elf *companion;
	struct ph_symbol_tables *read;

	if (!ph_symtab_read(elf))
		return NULL;
	read = elf->symbols;
	if (read->is_complete)
		return read;
	read->is_complete = true;
	/* What has its own names lacks none. */
	if (read->tables[0].n)
		return read;
	companion = ph_debugfile_find(elf);
	if (companion)
		read_table(companion->file, SHT_SYMTAB, &read->tables[2]);
	companion = read->tables[2].n ? NULL : ph_debugfile_mini_find(elf);
	if (companion)
		read_table(companion->file, SHT_SYMTAB, &read->tables[2]);
	read->n += read->tables[2].n;
	return read;
}

/* ---- Symbols */

static const struct ph_symtab *table_of(const struct ph_symbol_tables *all, size_t *index)
{
	const struct ph_symtab *table = all->tables;

	while (*index >= table->n && table < &all->tables[2])
		*index -= table++->n;
	return table;
}

static bool read_type(const Elf64_Sym *sym, enum ph_symbol_type *ret)
{
	static const struct {
		bool is_place;
		enum ph_symbol_type type;
	} types[16] = {
		[STT_NOTYPE] = { true, PH_SYMBOL_LABEL },
		[STT_OBJECT] = { true, PH_SYMBOL_OBJECT },
		[STT_FUNC] = { true, PH_SYMBOL_FUNCTION },
		[STT_GNU_IFUNC] = { true, PH_SYMBOL_IFUNC },
	};
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	*ret = types[type].type;
	return types[type].is_place;
}

static enum ph_symbol_bind read_bind(const Elf64_Sym *sym)
{
	static const enum ph_symbol_bind binds[16] = {
		[STB_GLOBAL] = PH_SYMBOL_GLOBAL,
		[STB_WEAK] = PH_SYMBOL_WEAK,
		[STB_GNU_UNIQUE] = PH_SYMBOL_GLOBAL,
	};

	return binds[ELF64_ST_BIND(sym->st_info)];
}

bool ph_symtab_get(const struct ph_elf *elf, size_t index, struct ph_symbol *ret)
{
	const struct ph_symtab *table = table_of(elf->symbols, &index);
	const Elf64_Sym *sym = &table->syms[index];
	enum ph_symbol_type type;

	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_COMMON || !read_type(sym, &type))
		return false;
	/* Absolute ones are no places (versions, sizes), but for those that a program with a fixed address has. */
	if (sym->st_shndx == SHN_ABS && elf->is_pie)
		return false;
	/* _end and the like stand right behind the last byte. */
	if (sym->st_value < elf->low || sym->st_value > elf->high)
		return false;
	if (sym->st_name >= table->strings_len || !table->strings[sym->st_name])
		return false;
	*ret = (struct ph_symbol){
		.name = table->strings + sym->st_name,
		.vaddr = sym->st_value,
		.size = sym->st_size,
		.type = type,
		.bind = read_bind(sym),
	};
	return true;
}

/* ---- Versions */

static Elf64_Half version_of(const struct ph_elf *elf, size_t index)
{
	const struct ph_symtab *table = table_of(elf->symbols, &index);

	return index < table->n_versions ? table->versions[index] : VER_NDX_GLOBAL;
}

/* The name that .gnu.version_d gives to a version; NULL: none. */
static const char *version_name(const struct ph_symtab *table, unsigned version)
{
	size_t at = 0;

	for (unsigned n = 0; n < VERSIONS_MAX; n++) {
		Elf64_Verdef def;
		Elf64_Verdaux aux;

		if (at > table->verdef_len || table->verdef_len - at < sizeof(def))
			return NULL;
		memcpy(&def, table->verdef + at, sizeof(def));
		if (def.vd_ndx == version) {
			if (def.vd_aux > table->verdef_len - at ||
			    table->verdef_len - at - def.vd_aux < sizeof(aux))
				return NULL;
			memcpy(&aux, table->verdef + at + def.vd_aux, sizeof(aux));
			return aux.vda_name < table->strings_len ? table->strings + aux.vda_name : NULL;
		}
		if (def.vd_next < sizeof(def))
			return NULL;
		at += def.vd_next;
	}
	return NULL;
}

size_t ph_symtab_stem(const char *name, size_t limit)
{
	size_t len = 0;

	/* An @ at the beginning is a letter like another. */
	while (len < limit && name[len] && (name[len] != '@' || len == 0))
		len++;
	return len;
}

bool ph_symtab_means(const struct ph_elf *elf, size_t index, const char *name, const char *wanted, size_t stem)
{
	const char *version = wanted + stem;
	bool only_default = version[0] && version[1] == '@';

	if (strncmp(name, wanted, stem) != 0 || (name[stem] && name[stem] != '@'))
		return false;
	if (!version[0] || strcmp(name, wanted) == 0)
		return true;
	version += strspn(version, "@");
	if (only_default && ph_symtab_is_old(elf, index, name))
		return false;
	if (name[stem])
		return strcmp(name + stem + strspn(name + stem, "@"), version) == 0;
	name = version_name(table_of(elf->symbols, &(size_t){ index }), version_of(elf, index) & ~VERSION_HIDDEN);
	return name && strcmp(name, version) == 0;
}

bool ph_symtab_is_old(const struct ph_elf *elf, size_t index, const char *name)
{
	const char *version = name + ph_symtab_stem(name, SIZE_MAX);

	return version[0] ? version[1] != '@' : version_of(elf, index) & VERSION_HIDDEN;
}
