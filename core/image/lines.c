#include "image/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/dwarf.h"
#include "image/source.h"

#define ROWS_MAX (1u << 20)	/* of one line */

/* A line is asked for by its number or, when it has no code, by the nearest behind it. */
struct search {
	struct ph_elf *elf;
	const char *file;
	unsigned line;
	bool has_file;
	unsigned best;		/* the nearest line from `line` on that has code; 0: none yet */
	ph_addr *found;		/* owned; where rows of best begin */
	size_t n, room;
};

static int add(struct search *search, ph_addr vaddr)
{
	if (search->n == ROWS_MAX)
		return 0;
	if (search->n == search->room) {
		size_t room = search->room ? search->room * 2 : 16;
		void *found = reallocarray(search->found, room, sizeof(*search->found));

		if (!found)
			return -ENOMEM;
		search->found = found;
		search->room = room;
	}
	search->found[search->n++] = vaddr;
	return 0;
}

static int take_row(struct search *search, Dwarf_Line *row)
{
	bool is_statement = false, is_end = true;
	Dwarf_Addr vaddr;
	int line;

	if (dwarf_lineno(row, &line) != 0 || line <= 0 || (unsigned)line < search->line ||
	    (search->best && (unsigned)line > search->best) || dwarf_linebeginstatement(row, &is_statement) != 0 ||
	    !is_statement || dwarf_lineendsequence(row, &is_end) != 0 || is_end || dwarf_lineaddr(row, &vaddr) != 0 ||
	    !ph_elf_segment_find(search->elf, vaddr))
		return 0;
	if ((unsigned)line != search->best) {
		search->best = (unsigned)line;
		search->n = 0;
	}
	return add(search, vaddr);
}

static bool unit_has_file(Dwarf_Die *unit, const char *file)
{
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(unit, &files, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ph_source_is(dwarf_filesrc(files, i, NULL, NULL), file))
			return true;
	return false;
}

static int search_unit(struct search *search, Dwarf_Die *unit)
{
	const char *last = NULL;
	bool matches = false;
	Dwarf_Lines *rows;
	size_t n;
	int r = 0;

	if (!unit_has_file(unit, search->file) || dwarf_getsrclines(unit, &rows, &n) != 0)
		return 0;
	search->has_file = true;
	for (size_t i = 0; i < n && r >= 0; i++) {
		Dwarf_Line *row = dwarf_onesrcline(rows, i);
		const char *source = row ? dwarf_linesrc(row, NULL, NULL) : NULL;

		/* The same name is the same pointer, mostly. */
		if (source != last)
			matches = ph_source_is(source, search->file);
		last = source;
		if (matches)
			r = take_row(search, row);
	}
	return r;
}

/* ---- One place in each function, inlined copy and block */

static bool has_variables(Dwarf_Die *block)
{
	Dwarf_Die child;

	if (dwarf_child(block, &child) != 0)
		return false;
	do {
		if (dwarf_tag(&child) == DW_TAG_variable)
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

struct location {
	ph_addr vaddr;
	Dwarf_Off scope;	/* of the innermost scope; 0: none */
};

static struct location locate(const struct search *search, ph_addr vaddr)
{
	struct location location = { .vaddr = vaddr };
	Dwarf_Die scopes[PH_DWARF_DEPTH_MAX];
	size_t n = ph_dwarf_scopes_at(search->elf, vaddr, scopes);

	/* Blocks of nothing but statements are no places of their own. */
	while (n > 1 && dwarf_tag(&scopes[n - 1]) == DW_TAG_lexical_block && !has_variables(&scopes[n - 1]))
		n--;
	if (n > 1)
		location.scope = dwarf_dieoffset(&scopes[n - 1]);
	return location;
}

static int by_scope(const void *a, const void *b)
{
	const struct location *one = a, *two = b;

	if (one->scope != two->scope)
		return one->scope < two->scope ? -1 : 1;
	return one->vaddr < two->vaddr ? -1 : one->vaddr > two->vaddr;
}

static int by_address(const void *a, const void *b)
{
	const ph_addr *one = a, *two = b;

	return *one < *two ? -1 : *one > *two;
}

static int winnow(struct search *search)
{
	struct location *locations;
	size_t kept = 0;

	if (!search->n)
		return 0;
	locations = calloc(search->n, sizeof(*locations));
	if (!locations)
		return -ENOMEM;
	for (size_t i = 0; i < search->n; i++)
		locations[i] = locate(search, search->found[i]);
	qsort(locations, search->n, sizeof(*locations), by_scope);
	for (size_t i = 0; i < search->n; i++) {
		bool is_same = i && (locations[i].scope ? locations[i].scope == locations[i - 1].scope :
							  locations[i].vaddr == locations[i - 1].vaddr);

		if (!is_same)
			search->found[kept++] = locations[i].vaddr;
	}
	free(locations);
	qsort(search->found, kept, sizeof(*search->found), by_address);
	search->n = kept;
	return 0;
}

int ph_lines_find(struct ph_elf *elf, const char *file, unsigned line, ph_addr **ret, size_t *ret_n)
{
	struct search search = { .elf = elf, .file = file, .line = line };
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	Dwarf_CU *cursor = NULL;
	Dwarf_Die unit;
	int r = dwarf ? 0 : -ENOMEM;

	while (r >= 0 && ph_dwarf_next_unit(dwarf, &cursor, &unit))
		r = search_unit(&search, &unit);
	if (r >= 0)
		r = winnow(&search);
	if (r >= 0 && search.n == 0)
		r = search.has_file ? -ENODATA : -ENOENT;
	if (r < 0) {
		free(search.found);
		return r;
	}
	*ret = search.found;
	*ret_n = search.n;
	return 0;
}

/* The row of the line table that vaddr is in, and its line; NULL: nobody wrote it. */
static Dwarf_Line *row_at(struct ph_elf *elf, ph_addr vaddr, Dwarf_Die *unit, int *line)
{
	Dwarf_Line *row = ph_dwarf_unit_at(elf, vaddr, unit) ? dwarf_getsrc_die(unit, vaddr) : NULL;
	bool is_end;

	if (!row || dwarf_lineendsequence(row, &is_end) != 0 || is_end || dwarf_lineno(row, line) != 0 || *line <= 0)
		return NULL;
	return row;
}

int ph_lines_at(struct ph_elf *elf, ph_addr vaddr, struct ph_line *ret)
{
	Dwarf_Die unit;
	int line;
	Dwarf_Line *row = row_at(elf, vaddr, &unit, &line);

	if (!row || !ph_source_name(&unit, dwarf_linesrc(row, NULL, NULL), ret->file, sizeof(ret->file)))
		return -ENOENT;
	ret->line = (unsigned)line;
	return 0;
}

int ph_lines_path_at(struct ph_elf *elf, ph_addr vaddr, char *buf, size_t len)
{
	Dwarf_Die unit;
	int line;
	Dwarf_Line *row = row_at(elf, vaddr, &unit, &line);
	const char *path = row ? dwarf_linesrc(row, NULL, NULL) : NULL;

	if (!path)
		return -ENOENT;
	snprintf(buf, len, "%s", path);
	return 0;
}

bool ph_lines_next(struct ph_elf *elf, ph_addr vaddr, ph_addr *ret)
{
	Dwarf_Lines *rows;
	Dwarf_Die unit;
	size_t n, low = 0, high;
	Dwarf_Addr at;

	if (!ph_dwarf_unit_at(elf, vaddr, &unit) || dwarf_getsrclines(&unit, &rows, &n) != 0)
		return false;
	high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dwarf_lineaddr(dwarf_onesrcline(rows, middle), &at) == 0 && at <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == n || dwarf_lineaddr(dwarf_onesrcline(rows, low), &at) != 0)
		return false;
	*ret = at;
	return true;
}

static int each_line_of(Dwarf_Die *unit, const char *file, int (*fn)(unsigned line, void *user), void *user)
{
	int line, last = 0, r = 0;
	Dwarf_Lines *rows;
	size_t n;

	if (!unit_has_file(unit, file) || dwarf_getsrclines(unit, &rows, &n) != 0)
		return 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		Dwarf_Line *row = dwarf_onesrcline(rows, i);
		bool is_statement = false, is_end = true;

		if (!row || dwarf_lineno(row, &line) != 0 || line <= 0 || line == last ||
		    dwarf_linebeginstatement(row, &is_statement) != 0 || !is_statement ||
		    dwarf_lineendsequence(row, &is_end) != 0 || is_end || !ph_source_is(dwarf_linesrc(row, NULL, NULL), file))
			continue;
		last = line;
		r = fn((unsigned)line, user);
	}
	return r;
}

int ph_lines_each(struct ph_elf *elf, const char *file, int (*fn)(unsigned line, void *user), void *user)
{
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	Dwarf_CU *cursor = NULL;
	Dwarf_Die unit;
	int r = 0;

	while (dwarf && r == 0 && ph_dwarf_next_unit(dwarf, &cursor, &unit))
		r = each_line_of(&unit, file, fn, user);
	return r;
}

int ph_lines_each_file(struct ph_elf *elf, int (*fn)(const char *name, void *user), void *user)
{
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	Dwarf_CU *cursor = NULL;
	Dwarf_Die unit;
	int r = 0;

	while (dwarf && r == 0 && ph_dwarf_next_unit(dwarf, &cursor, &unit)) {
		Dwarf_Files *files;
		size_t n;

		if (dwarf_getsrcfiles(&unit, &files, &n) != 0)
			continue;
		for (size_t i = 0; i < n && r == 0; i++) {
			const char *source = dwarf_filesrc(files, i, NULL, NULL);
			const char *slash = source ? strrchr(source, '/') : NULL;

			if (source)
				r = fn(slash ? slash + 1 : source, user);
		}
	}
	return r;
}

static int offer(const char *name, void *spell)
{
	ph_spell_offer(spell, name);
	return 0;
}

void ph_lines_nearest(struct ph_elf *elf, struct ph_spell *spell)
{
	ph_lines_each_file(elf, offer, spell);
}
