#include "image/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/symtab.h"

#define SCANS_MAX 4	/* lookups by scan, before the names are worth an index */
#define NO_SPAN	  UINT32_MAX
#define LETTERS	  256	/* of a name, that an index looks at: hostile ones have no end */

/* ---- By name */

/* Symbols whose names, without versions, begin alike are chained, in the tables' order. Links are index + 1. */
struct ph_symbol_names {
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
	size_t next;	/* index; tables->n: the end */
	size_t index;	/* of the symbol just given */
};

static size_t link_index(const struct search *search, uint32_t link)
{
	return link ? link - 1 : search->tables->n;
}

static int search_begin(struct search *search, struct ph_elf *elf, const char *wanted)
{
	const struct ph_symbol_tables *tables = ph_symtab_read(elf);

	if (!tables)
		return -ENOMEM;
	*search = (struct search){ elf, tables, wanted, ph_symtab_stem(wanted, SIZE_MAX), 0, 0 };
	if (++elf->symbols->lookups > SCANS_MAX && !elf->names)
		index_names(elf, tables->n);
	if (elf->names) {
		size_t head = hash_stem(wanted) & (elf->names->n_heads - 1);

		search->next = link_index(search, elf->names->links[head]);
	}
	return 0;
}

static bool search_next(struct search *search, struct ph_symbol *ret)
{
	const struct ph_symbol_names *names = search->elf->names;

	while (search->next < search->tables->n) {
		size_t i = search->index = search->next;

		search->next = names ? link_index(search, names->links[names->n_heads + i]) : i + 1;
		if (ph_symtab_get(search->elf, i, ret) &&
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

int ph_symbols_find(struct ph_elf *elf, const char *name, struct ph_symbol *ret)
{
	struct found best = { 0 };
	struct search search;
	struct ph_symbol symbol;
	bool any = false;
	int r = search_begin(&search, elf, name);

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

static int collect(struct search *search, struct found **ret, size_t *ret_n)
{
	struct found *found = NULL, *more;
	size_t n = 0, room = 0;
	struct ph_symbol symbol;

	while (search_next(search, &symbol)) {
		if (n == room) {
			room = room ? room * 2 : 8;
			more = reallocarray(found, room, sizeof(*found));
			if (!more) {
				free(found);
				return -ENOMEM;
			}
			found = more;
		}
		found[n++] = (struct found){ symbol, search->index, score_of(search, &symbol) };
	}
	*ret = found;
	*ret_n = n;
	return n ? 0 : -ENOENT;
}

int ph_symbols_find_all(struct ph_elf *elf, const char *name, struct ph_symbol **ret, size_t *ret_n)
{
	struct ph_symbol *symbols;
	struct search search;
	struct found *found;
	size_t n;
	int r = search_begin(&search, elf, name);

	if (r < 0)
		return r;
	r = collect(&search, &found, &n);
	if (r < 0)
		return r;
	n = winnow(found, n);
	symbols = calloc(n, sizeof(*symbols));
	for (size_t i = 0; symbols && i < n; i++)
		symbols[i] = found[i].symbol;
	free(found);
	if (!symbols)
		return -ENOMEM;
	*ret = symbols;
	*ret_n = n;
	return 0;
}

bool ph_symbols_next(struct ph_elf *elf, size_t *cursor, struct ph_symbol *ret)
{
	const struct ph_symbol_tables *tables = ph_symtab_read(elf);

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

		if (stem == sizeof(plain))
			continue;
		memcpy(plain, symbol.name, stem);
		plain[stem] = '\0';
		ph_spell_offer(spell, plain);
	}
}

/* ---- By address */

/*
 * Sorted by start. `outer` leads to the nearest span before that ends later, so that
 *
 *	a |-------------------------------|
 *	b     |----|
 *	c             |-------|			outer of c is a; b, which ends before c does, cannot hold
 *	                         ^		what c does not
 *
 * from the last span that starts before an address, the chain of outers passes every one that may hold it.
 */
struct ph_symbol_spans {
	size_t n;
	struct span {
		ph_addr start, end;
		uint32_t index, outer;
	} spans[];
};

/* Above 0 when people would rather write a than b, of two symbols at one address. */
static int prefer(const struct ph_symbol *a, const struct ph_symbol *b)
{
	size_t a_len = strnlen(a->name, LETTERS), b_len = strnlen(b->name, LETTERS);
	int by_code = is_code(a) - is_code(b);
	int by_bind = (a->bind != PH_SYMBOL_LOCAL) - (b->bind != PH_SYMBOL_LOCAL);
	int by_version = !!memchr(b->name, '@', b_len) - !!memchr(a->name, '@', a_len);
	size_t a_dress = strspn(a->name, "_"), b_dress = strspn(b->name, "_");

	if (by_code || by_bind)
		return by_code ? by_code : by_bind;
	if (by_version)
		return by_version;
	if (a_dress != b_dress)
		return a_dress < b_dress ? 1 : -1;
	if (a_len != b_len)
		return a_len < b_len ? 1 : -1;
	return strncmp(b->name, a->name, LETTERS);
}

/* By start; at one start the unsized last, and otherwise the preferred one. */
static int compare_spans(const void *a, const void *b, void *elf)
{
	const struct span *one = a, *two = b;
	struct ph_symbol first, second;
	int by_name;

	if (one->start != two->start)
		return one->start < two->start ? -1 : 1;
	if ((one->end == one->start) != (two->end == two->start))
		return one->end == one->start ? 1 : -1;
	ph_symtab_get(elf, one->index, &first);
	ph_symtab_get(elf, two->index, &second);
	by_name = prefer(&first, &second);
	return by_name ? by_name : (one->index < two->index) - (one->index > two->index);
}

/* Drops the unsized ones that lie in a sized one, and ends the others at whatever comes next. */
static void end_unsized(const struct ph_elf *elf, struct ph_symbol_spans *all)
{
	ph_addr reach = 0, next = elf->high;
	size_t kept = 0;

	for (size_t i = 0; i < all->n; i++) {
		struct span span = all->spans[i];

		if (span.end > reach)
			reach = span.end;
		if (span.end > span.start || reach <= span.start)
			all->spans[kept++] = span;
	}
	all->n = kept;
	for (size_t i = kept; i-- > 0;) {
		struct span *span = &all->spans[i];
		const struct ph_elf_segment *segment;

		if (i + 1 < kept && all->spans[i + 1].start > span->start)
			next = all->spans[i + 1].start;
		if (span->end > span->start)
			continue;
		segment = ph_elf_segment_find(elf, span->start);
		span->end = next;
		if (!segment)
			span->end = span->start;
		else if (span->end > segment->vaddr + segment->memsz)
			span->end = segment->vaddr + segment->memsz;
	}
}

static void link_outers(struct ph_symbol_spans *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		uint32_t outer = i ? i - 1 : NO_SPAN;

		while (outer != NO_SPAN && all->spans[outer].end <= all->spans[i].end)
			outer = all->spans[outer].outer;
		all->spans[i].outer = outer;
	}
}

static const struct ph_symbol_spans *index_spans(struct ph_elf *elf)
{
	const struct ph_symbol_tables *tables = ph_symtab_read(elf);
	struct ph_symbol_spans *all;
	struct ph_symbol symbol;

	if (elf->spans || !tables)
		return elf->spans;
	all = malloc(sizeof(*all) + tables->n * sizeof(all->spans[0]));
	if (!all)
		return NULL;
	all->n = 0;
	for (size_t i = 0; i < tables->n; i++) {
		struct span span = { .index = (uint32_t)i };

		if (!ph_symtab_get(elf, i, &symbol))
			continue;
		span.start = symbol.vaddr;
		span.end = symbol.size > elf->high - symbol.vaddr ? elf->high : symbol.vaddr + symbol.size;
		all->spans[all->n++] = span;
	}
	qsort_r(all->spans, all->n, sizeof(all->spans[0]), compare_spans, elf);
	end_unsized(elf, all);
	link_outers(all);
	elf->spans = all;
	return all;
}

int ph_symbols_at(struct ph_elf *elf, ph_addr vaddr, struct ph_symbol *ret)
{
	const struct ph_symbol_spans *all = index_spans(elf);
	size_t low = 0, high;
	uint32_t i;

	if (!all)
		return -ENOMEM;
	high = all->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (all->spans[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	i = low ? (uint32_t)low - 1 : NO_SPAN;
	while (i != NO_SPAN && all->spans[i].end <= vaddr)
		i = all->spans[i].outer;
	if (i == NO_SPAN)
		return -ENOENT;
	ph_symtab_get(elf, all->spans[i].index, ret);
	return 0;
}
