#include "image/symbols_at.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/symtab.h"

#define NO_SPAN UINT32_MAX
#define LETTERS 256	/* of a name, that are compared: hostile ones have no end */

static bool is_code(const struct ph_symbol *symbol)
{
	return symbol->type == PH_SYMBOL_FUNCTION || symbol->type == PH_SYMBOL_IFUNC;
}

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
	const struct ph_symbol_tables *tables = ph_symtab_complete(elf);
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
