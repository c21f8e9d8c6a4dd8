#include "image/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/cxx.h"
#include "image/plt.h"
#include "image/symtab.h"

#define SCANS_MAX 4	/* lookups by scan, before the names are worth an index */
#define LETTERS	  256	/* of a name, that an index looks at: hostile ones have no end */

/* ---- By name */

/* Symbols whose names, without versions, begin alike are chained, in the tables' order. Links are index + 1. */
struct ph_symbol_names {
	size_t n;		/* symbols that it knows: those of a companion may have come later */
	size_t n_heads;		/* a power of two */
	uint32_t links[];	/* the heads, then the next of each symbol */
};

static size_t hash_stem(const char *name)
{
	size_t len = ph_symtab_stem(name, LETTERS);
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3ull;
	return (size_t)(hash ^ hash >> 32);
}

/* Without memory for it there is none, and scans go on. */
static void index_names(struct ph_elf *elf, size_t n)
{
	struct ph_symbol_names *names;
	struct ph_symbol symbol;
	size_t n_heads = 1;

	while (n_heads < n)
		n_heads *= 2;
	names = calloc(1, sizeof(*names) + (n_heads + n) * sizeof(names->links[0]));
	if (!names)
		return;
	names->n = n;
	names->n_heads = n_heads;
	for (size_t i = n; i-- > 0;) {
		uint32_t *head;

		if (!ph_symtab_get(elf, i, &symbol))
			continue;
		head = &names->links[hash_stem(symbol.name) & (n_heads - 1)];
		names->links[n_heads + i] = *head;
		*head = (uint32_t)i + 1;
	}
	elf->names = names;
}

/* A walk over the symbols that a name means. */
struct search {
	struct ph_elf *elf;
	const struct ph_symbol_tables *tables;
	const char *wanted;
	size_t stem;
	enum ph_symbols_scope scope;
	size_t next;	/* index; tables->n: the end */
	size_t index;	/* of the symbol just given */
};

static size_t link_index(const struct search *search, uint32_t link)
{
	return link ? link - 1 : search->tables->n;
}

static int search_begin(struct search *search, struct ph_elf *elf, const char *wanted, enum ph_symbols_scope scope)
{
	const struct ph_symbol_tables *tables = scope == PH_SYMBOLS_ALL ? ph_symtab_complete(elf) : ph_symtab_read(elf);

	if (!tables)
		return -ENOMEM;
	*search = (struct search){ elf, tables, wanted, ph_symtab_stem(wanted, SIZE_MAX), scope, 0, 0 };
	if (elf->names && elf->names->n < tables->n) {
		free(elf->names);
		elf->names = NULL;
	}
	if (++elf->symbols->lookups > SCANS_MAX && !elf->names)
		index_names(elf, tables->n);
	if (elf->names) {
		size_t head = hash_stem(wanted) & (elf->names->n_heads - 1);

		search->next = link_index(search, elf->names->links[head]);
	}
	return 0;
}

static bool is_in_scope(const struct search *search, const struct ph_symbol *symbol)
{
	return search->scope == PH_SYMBOLS_ALL || symbol->bind != PH_SYMBOL_LOCAL;
}

static bool search_next(struct search *search, struct ph_symbol *ret)
{
	const struct ph_symbol_names *names = search->elf->names;

	while (search->next < search->tables->n) {
		size_t i = search->index = search->next;

		search->next = names ? link_index(search, names->links[names->n_heads + i]) : i + 1;
		if (ph_symtab_get(search->elf, i, ret) && is_in_scope(search, ret) &&
		    ph_symtab_means(search->elf, i, ret->name, search->wanted, search->stem))
			return true;
	}
	return false;
}

static bool is_code(const struct ph_symbol *symbol)
{
	return symbol->type == PH_SYMBOL_FUNCTION || symbol->type == PH_SYMBOL_IFUNC;
}

struct found {
	struct ph_symbol symbol;
	size_t index;
	unsigned score;
};

/* What counts more stands higher. Only what differs below SCORE_KIND may be meant by one name together. */
#define SCORE_KIND(score) ((score) >> 3)
#define SCORE_BEST	  0x1cu

static unsigned score_of(const struct search *search, const struct ph_symbol *symbol)
{
	bool is_old = ph_symtab_is_old(search->elf, search->index, symbol->name);

	return (unsigned)is_code(symbol) << 4 | (unsigned)!is_old << 3 | (unsigned)symbol->bind << 1 |
	       (symbol->type == PH_SYMBOL_OBJECT);
}

/* The best of what is called exactly so in the own tables, or with what was stripped off. */
static int find_exactly(struct ph_elf *elf, const char *name, enum ph_symbols_scope scope, struct ph_symbol *ret)
{
	struct found best = { 0 };
	struct search search;
	struct ph_symbol symbol;
	bool any = false;
	int r = search_begin(&search, elf, name, scope);

	if (r < 0)
		return r;
	while ((!any || best.score < SCORE_BEST) && search_next(&search, &symbol)) {
		unsigned score = score_of(&search, &symbol);

		/* What .symtab has is not asked of .dynsym. */
		if (any && best.index < search.tables->tables[0].n && search.index >= search.tables->tables[0].n)
			break;
		if (!any || score > best.score)
			best = (struct found){ symbol, search.index, score };
		any = true;
	}
	if (!any)
		return -ENOENT;
	*ret = best.symbol;
	return 0;
}

int ph_symbols_find(struct ph_elf *elf, const char *name, struct ph_symbol *ret)
{
	int r = find_exactly(elf, name, PH_SYMBOLS_EXPORTED, ret);
	struct ph_symbol *all;
	size_t n;

	if (r == -ENOENT)
		r = find_exactly(elf, name, PH_SYMBOLS_ALL, ret);
	if (r != -ENOENT)
		return r;
	r = ph_symbols_find_all(elf, name, PH_SYMBOLS_ALL, &all, &n);
	if (r < 0)
		return r;
	*ret = all[0];
	free(all);
	return 0;
}

static int best_first(const void *a, const void *b)
{
	const struct found *one = a, *two = b;

	if (one->score != two->score)
		return one->score > two->score ? -1 : 1;
	return one->index < two->index ? -1 : one->index > two->index;
}

static int by_vaddr_then_best(const void *a, const void *b)
{
	const struct found *one = a, *two = b;

	if (one->symbol.vaddr != two->symbol.vaddr)
		return one->symbol.vaddr < two->symbol.vaddr ? -1 : 1;
	return best_first(a, b);
}

/* What is of another kind than the best goes, and so does what stands at the same address as a better one. */
static size_t winnow(struct found *found, size_t n)
{
	size_t kept = 0, of_kind = 0;

	qsort(found, n, sizeof(*found), best_first);
	while (of_kind < n && SCORE_KIND(found[of_kind].score) == SCORE_KIND(found[0].score))
		of_kind++;
	qsort(found, of_kind, sizeof(*found), by_vaddr_then_best);
	for (size_t i = 0; i < of_kind; i++)
		if (i == 0 || found[i].symbol.vaddr != found[i - 1].symbol.vaddr)
			found[kept++] = found[i];
	qsort(found, kept, sizeof(*found), best_first);
	return kept;
}

struct founds {
	struct found *list;
	size_t n, room;
};

static int add_found(struct founds *founds, struct found found)
{
	if (founds->n == founds->room) {
		size_t room = founds->room ? founds->room * 2 : 8;
		struct found *list = reallocarray(founds->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		founds->list = list;
		founds->room = room;
	}
	founds->list[founds->n++] = found;
	return 0;
}

static int collect(struct search *search, struct founds *founds)
{
	struct ph_symbol symbol;
	int r = 0;

	while (r == 0 && search_next(search, &symbol))
		r = add_found(founds, (struct found){ symbol, search->index, score_of(search, &symbol) });
	return r;
}

/* Functions and data that people call name; a label has no mangled one. */
static int collect_demangled(struct search *search, struct founds *founds)
{
	struct ph_cxx_wanted wanted;
	struct ph_symbol symbol;
	int r = 0;

	if (!ph_cxx_want(search->wanted, &wanted))
		return 0;
	for (size_t i = 0; i < search->tables->n && r == 0; i++)
		if (ph_symtab_get(search->elf, i, &symbol) && is_in_scope(search, &symbol) &&
		    ph_cxx_matches(&wanted, symbol.name)) {
			search->index = i;
			r = add_found(founds, (struct found){ symbol, i, score_of(search, &symbol) });
		}
	return r;
}

/* ---- Stubs */

#define STUB "@plt"

/* IFUNC stubs have no name but that of the resolver. */
static bool stub_symbol(struct ph_elf *elf, const struct ph_plt_entry *entry, struct ph_symbol *ret)
{
	struct ph_symbol resolver = { .name = entry->name };

	if (!entry->name && ph_symbols_at(elf, entry->resolver, &resolver) < 0)
		return false;
	*ret = (struct ph_symbol){ .name = resolver.name, .vaddr = entry->vaddr, .size = entry->size,
				   .type = PH_SYMBOL_FUNCTION, .bind = PH_SYMBOL_LOCAL };
	return true;
}

int ph_symbols_stub_at(struct ph_elf *elf, ph_addr vaddr, struct ph_symbol *ret)
{
	const struct ph_plt_entry *entry = ph_plt_at(elf, vaddr);

	return entry && stub_symbol(elf, entry, ret) ? 0 : -ENOENT;
}

bool ph_symbols_next_stub(struct ph_elf *elf, size_t *cursor, struct ph_symbol *ret)
{
	const struct ph_plt *plt = ph_plt_read(elf);

	while (plt && *cursor < plt->n)
		if (stub_symbol(elf, &plt->entries[(*cursor)++], ret))
			return true;
	return false;
}

static int collect_stubs(struct ph_elf *elf, const char *name, size_t stem, struct founds *founds)
{
	struct ph_cxx_wanted wanted;
	struct ph_symbol stub;
	char plain[512];
	size_t cursor = 0;
	bool is_cxx;
	int r = 0;

	if (stem >= sizeof(plain))
		return 0;
	memcpy(plain, name, stem);
	plain[stem] = '\0';
	is_cxx = ph_cxx_want(plain, &wanted);
	while (r == 0 && ph_symbols_next_stub(elf, &cursor, &stub))
		if ((strncmp(stub.name, plain, stem) == 0 && (!stub.name[stem] || stub.name[stem] == '@')) ||
		    (is_cxx && ph_cxx_matches(&wanted, stub.name)))
			r = add_found(founds, (struct found){ stub, cursor, 0 });
	return r;
}

static int collect_all(struct ph_elf *elf, const char *name, enum ph_symbols_scope scope, struct founds *founds)
{
	struct search search;
	int r = search_begin(&search, elf, name, scope);

	if (r >= 0)
		r = collect(&search, founds);
	if (r >= 0 && !founds->n && strcmp(name + search.stem, STUB) == 0)
		r = scope == PH_SYMBOLS_ALL ? collect_stubs(elf, name, search.stem, founds) : 0;
	else if (r >= 0 && !founds->n)
		r = collect_demangled(&search, founds);
	return r;
}

int ph_symbols_find_all(struct ph_elf *elf, const char *name, enum ph_symbols_scope scope, struct ph_symbol **ret,
			size_t *ret_n)
{
	struct ph_symbol *symbols = NULL;
	struct founds founds = { 0 };
	int r = collect_all(elf, name, scope, &founds);
	size_t n = 0;

	if (r >= 0 && !founds.n)
		r = -ENOENT;
	if (r >= 0) {
		n = winnow(founds.list, founds.n);
		symbols = calloc(n, sizeof(*symbols));
		r = symbols ? 0 : -ENOMEM;
	}
	for (size_t i = 0; symbols && i < n; i++)
		symbols[i] = founds.list[i].symbol;
	free(founds.list);
	if (r < 0)
		return r;
	*ret = symbols;
	*ret_n = n;
	return 0;
}

bool ph_symbols_next(struct ph_elf *elf, size_t *cursor, struct ph_symbol *ret)
{
	const struct ph_symbol_tables *tables = ph_symtab_complete(elf);

	while (tables && *cursor < tables->n)
		if (ph_symtab_get(elf, (*cursor)++, ret))
			return true;
	return false;
}

void ph_symbols_nearest(struct ph_elf *elf, struct ph_spell *spell)
{
	struct ph_symbol symbol;
	size_t cursor = 0;

	while (ph_symbols_next(elf, &cursor, &symbol)) {
		size_t stem = ph_symtab_stem(symbol.name, PH_SPELL_MAX);
		char plain[PH_SPELL_MAX];

		if (!ph_cxx_demangle(symbol.name, false, plain, sizeof(plain))) {
			if (stem == sizeof(plain))
				continue;
			memcpy(plain, symbol.name, stem);
			plain[stem] = '\0';
		}
		ph_spell_offer(spell, plain);
	}
}
