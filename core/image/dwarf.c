#include "image/dwarf.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/debugfile.h"
#include "image/section.h"

#define RANGES_MAX     (1u << 22)	/* of all units */
#define CONTAINERS_MAX 16		/* namespaces and classes in each other */

static void dwarf_free(struct ph_dwarf *dwarf)
{
	if (dwarf->cfi)
		dwarf_cfi_end(dwarf->cfi);
	dwarf_end(dwarf->debug);
	dwarf_end(dwarf->supplement);
	elf_end(dwarf->supplement_file);
	if (dwarf->supplement_fd >= 0)
		close(dwarf->supplement_fd);
	free(dwarf->ranges);
	free(dwarf);
}

/* libdw reads on to a text's end wherever it begins, so that the last has to have one. */
static bool texts_end(Elf *file)
{
	static const char *const sections[] = { ".debug_str", ".debug_line_str" };

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		Elf_Scn *section = ph_section_find(file, sections[i]);
		const Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;

		if (data && data->d_size && (!data->d_buf || ((const char *)data->d_buf)[data->d_size - 1] != '\0'))
			return false;
	}
	return true;
}

/* ---- The supplementary file, which .gnu_debugaltlink names */

static bool open_supplement_at(struct ph_dwarf *dwarf, const char *path, const void *build_id, size_t len)
{
	/* A name out of a hostile file may be a FIFO's. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const void *has = NULL;
	struct Elf *file;
	struct stat st;

	if (fd < 0)
		return false;
	file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
	if (file && dwelf_elf_gnu_build_id(file, &has) == (ssize_t)len && memcmp(has, build_id, len) == 0)
		dwarf->supplement = dwarf_begin_elf(file, DWARF_C_READ, NULL);
	if (dwarf->supplement && !texts_end(file)) {
		dwarf_end(dwarf->supplement);
		dwarf->supplement = NULL;
	}
	if (!dwarf->supplement) {
		elf_end(file);
		close(fd);
		return false;
	}
	dwarf->supplement_file = file;
	dwarf->supplement_fd = fd;
	return true;
}

static void open_supplement(struct ph_dwarf *dwarf, const struct ph_elf *of, const char *name, const void *build_id,
			    size_t len)
{
	const char *slash = strrchr(of->path, '/');
	char path[PATH_MAX], hex[129];
	const uint8_t *id = build_id;

	if (len < 2 || len > 64)
		return;
	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - of->path) + 1 : 0, of->path, name);
	if (open_supplement_at(dwarf, path, build_id, len))
		return;
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug",
		 of->settings && of->settings->debug_root ? of->settings->debug_root : PH_DEBUG_ROOT, hex, hex + 2);
	open_supplement_at(dwarf, path, build_id, len);
}

/* ---- Opening */

/* Debug information of the file that describes code, or only .debug_frame, or NULL. */
static Dwarf *open_file(struct ph_elf *elf, bool *ret_has_units)
{
	Dwarf *debug = dwarf_begin_elf(elf->file, DWARF_C_READ, NULL);
	Dwarf_CU *unit = NULL;

	if (debug && !texts_end(elf->file)) {
		ph_elf_warn(elf, "debug information of %s not used: it is cut off", elf->path);
		dwarf_end(debug);
		debug = NULL;
	}

	*ret_has_units = debug && dwarf_get_units(debug, NULL, &unit, NULL, NULL, NULL, NULL) == 0;
	return debug;
}

static void open_debug(struct ph_elf *elf, struct ph_dwarf *dwarf)
{
	const void *build_id;
	const char *name;
	struct ph_elf *of = elf, *other;
	bool has_units;
	ssize_t len;

	dwarf->debug = open_file(elf, &has_units);
	other = has_units ? NULL : ph_debugfile_find(elf);
	if (other) {
		dwarf_end(dwarf->debug);
		dwarf->debug = open_file(of = other, &has_units);
	}
	if (!dwarf->debug)
		return;
	/* Given no other, libdw would open whatever is named. */
	len = dwelf_dwarf_gnu_debugaltlink(dwarf->debug, &name, &build_id);
	if (len > 0)
		open_supplement(dwarf, of, name, build_id, (size_t)len);
	if (dwarf->supplement) {
		dwarf_setalt(dwarf->debug, dwarf->supplement);
	} else if (len != 0) {
		ph_elf_warn(elf, "debug information of %s not used: the file '%s' with its other half is not there",
			    elf->path, len > 0 ? name : ".gnu_debugaltlink");
		dwarf_end(dwarf->debug);
		dwarf->debug = NULL;
	}
}

/* Empty at first: unwinding needs no debug information, which may be large. */
static struct ph_dwarf *attach(struct ph_elf *elf)
{
	static uint64_t last_serial;

	if (elf->dwarf)
		return elf->dwarf;
	elf->dwarf = calloc(1, sizeof(*elf->dwarf));
	if (!elf->dwarf)
		return NULL;
	elf->dwarf->serial = ++last_serial;
	elf->dwarf->supplement_fd = -1;
	elf->dwarf_free = dwarf_free;
	return elf->dwarf;
}

struct ph_dwarf *ph_dwarf_get(struct ph_elf *elf)
{
	struct ph_dwarf *dwarf = attach(elf);

	if (dwarf && !dwarf->opened) {
		dwarf->opened = true;
		open_debug(elf, dwarf);
	}
	return dwarf;
}

Dwarf_CFI *ph_dwarf_eh_frame(struct ph_elf *elf)
{
	struct ph_dwarf *dwarf = attach(elf);

	if (!dwarf)
		return NULL;
	if (!dwarf->sought_cfi) {
		dwarf->sought_cfi = true;
		dwarf->cfi = dwarf_getcfi_elf(elf->file);
	}
	return dwarf->cfi;
}

Dwarf_CFI *ph_dwarf_debug_frame(struct ph_elf *elf)
{
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);

	return dwarf && dwarf->debug ? dwarf_getcfi(dwarf->debug) : NULL;
}

/* ---- Attributes */

bool ph_dwarf_udata(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!dwarf_attr_integrate(die, name, &attr) || dwarf_formudata(&attr, &value) != 0)
		return false;
	*ret = value;
	return true;
}

bool ph_dwarf_flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	bool flag;

	return dwarf_attr_integrate(die, name, &attr) && dwarf_formflag(&attr, &flag) == 0 && flag;
}

bool ph_dwarf_ref(Dwarf_Die *die, unsigned name, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, name, &attr) && dwarf_formref_die(&attr, ret);
}

/* libdw sees to it that other texts end; one in the DIE itself is to end before its section does. */
static bool ends_within(Elf *file, const char *text)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file, section))) {
		const Elf_Data *data = elf_rawdata(section, NULL);
		const char *start = data ? data->d_buf : NULL;

		if (start && text >= start && text < start + data->d_size)
			return memchr(text, '\0', (size_t)(start + data->d_size - text));
	}
	return false;
}

const char *ph_dwarf_string(Dwarf_Attribute *attr)
{
	const char *text = dwarf_formstring(attr);

	if (text && attr->form == DW_FORM_string && !ends_within(dwarf_getelf(dwarf_cu_getdwarf(attr->cu)), text))
		return NULL;
	return text;
}

const char *ph_dwarf_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_name, &attr) ? ph_dwarf_string(&attr) : NULL;
}

bool ph_dwarf_entry(Dwarf_Die *die, ph_addr *ret)
{
	Dwarf_Addr low, high, base, lowest = UINT64_MAX;
	ptrdiff_t at = 0;
	unsigned n = 0;

	if (dwarf_lowpc(die, &low) == 0) {
		*ret = low;
		return true;
	}
	/* The first range is the hot part, though an outlined cold one may lie below it. */
	while (n++ == 0 && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0)
		lowest = low;
	*ret = lowest;
	return lowest != UINT64_MAX;
}

/* ---- By address */

static int go_on(Dwarf_Attribute *attr, void *user)
{
	(void)attr;
	(void)user;
	return DWARF_CB_OK;
}

/* libdw uses the attributes of a unit without a look at where they end; this looks. */
static bool is_whole(Dwarf_Die *unit)
{
	return dwarf_getattrs(unit, go_on, NULL, 0) == 1;
}

bool ph_dwarf_next_unit(struct ph_dwarf *dwarf, Dwarf_CU **cursor, Dwarf_Die *ret)
{
	uint8_t type;

	if (!dwarf->debug)
		return false;
	while (dwarf_get_units(dwarf->debug, *cursor, cursor, NULL, &type, ret, NULL) == 0)
		if ((type == DW_UT_compile || type == DW_UT_partial || type == DW_UT_skeleton) && is_whole(ret))
			return true;
	return false;
}

static int by_low(const void *a, const void *b)
{
	const struct ph_dwarf_range *one = a, *two = b;

	return one->low < two->low ? -1 : one->low > two->low;
}

static bool add_range(struct ph_elf *elf, struct ph_dwarf *dwarf, size_t *room, struct ph_dwarf_range range)
{
	/* What the linker left out stays behind as a range from 0 or 1. */
	if (range.low >= range.high || !ph_elf_segment_find(elf, range.low))
		return true;
	if (dwarf->n_ranges == *room) {
		size_t more = *room ? *room * 2 : 256;
		void *ranges = more > RANGES_MAX ? NULL : reallocarray(dwarf->ranges, more, sizeof(*dwarf->ranges));

		if (!ranges)
			return false;
		dwarf->ranges = ranges;
		*room = more;
	}
	dwarf->ranges[dwarf->n_ranges++] = range;
	return true;
}

/* A unit without functions may have code all the same, which the compiler made (a sanitizer's constructors). */
static bool add_sequences(struct ph_elf *elf, struct ph_dwarf *dwarf, size_t *room, Dwarf_Die *unit)
{
	struct ph_dwarf_range range = { .unit = dwarf_dieoffset(unit) };
	bool begins = true, more = true, is_end;
	Dwarf_Lines *rows;
	Dwarf_Addr at;
	size_t n;

	if (dwarf_tag(unit) != DW_TAG_compile_unit || dwarf_getsrclines(unit, &rows, &n) != 0)
		return true;
	for (size_t i = 0; i < n && more; i++) {
		Dwarf_Line *row = dwarf_onesrcline(rows, i);

		if (dwarf_lineaddr(row, &at) != 0 || dwarf_lineendsequence(row, &is_end) != 0)
			continue;
		if (begins)
			range.low = at;
		range.high = at;
		begins = is_end;
		if (is_end)
			more = add_range(elf, dwarf, room, range);
	}
	return more;
}

static void index_ranges(struct ph_elf *elf, struct ph_dwarf *dwarf)
{
	Dwarf_CU *cursor = NULL;
	bool more = true;
	size_t room = 0;
	Dwarf_Die unit;

	while (more && ph_dwarf_next_unit(dwarf, &cursor, &unit)) {
		struct ph_dwarf_range range = { .unit = dwarf_dieoffset(&unit) };
		bool has_any = false;
		Dwarf_Addr base;
		ptrdiff_t at = 0;

		while (more && (at = dwarf_ranges(&unit, at, &base, &range.low, &range.high)) > 0) {
			has_any = true;
			more = add_range(elf, dwarf, &room, range);
		}
		if (more && !has_any)
			more = add_sequences(elf, dwarf, &room, &unit);
	}
	if (dwarf->n_ranges)
		qsort(dwarf->ranges, dwarf->n_ranges, sizeof(*dwarf->ranges), by_low);
	dwarf->indexed = true;
}

bool ph_dwarf_unit_at(struct ph_elf *elf, ph_addr vaddr, Dwarf_Die *ret)
{
	struct ph_dwarf *dwarf = ph_dwarf_get(elf);
	size_t low = 0, high;

	if (!dwarf || !dwarf->debug)
		return false;
	if (!dwarf->indexed)
		index_ranges(elf, dwarf);
	high = dwarf->n_ranges;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dwarf->ranges[middle].low <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	/* Units overlap where a file is odd; the nearest few will do. */
	for (size_t i = low; i-- > 0 && low - i <= 16;)
		if (vaddr < dwarf->ranges[i].high)
			return dwarf_offdie(dwarf->debug, dwarf->ranges[i].unit, ret) != NULL;
	return false;
}

static bool is_scope(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_try_block || tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

/* It may have functions among its children without having addresses. */
static bool is_container(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_interface_type;
}

/* The scope among parent's children that vaddr lies in. */
static bool find_scope(Dwarf_Die *parent, ph_addr vaddr, unsigned depth, Dwarf_Die *ret)
{
	Dwarf_Die child;

	if (depth == CONTAINERS_MAX || dwarf_child(parent, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);

		if (is_scope(tag) && dwarf_haspc(&child, vaddr) > 0) {
			*ret = child;
			return true;
		}
		if (is_container(tag) && find_scope(&child, vaddr, depth + 1, ret))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

size_t ph_dwarf_scopes_at(struct ph_elf *elf, ph_addr vaddr, Dwarf_Die scopes[PH_DWARF_DEPTH_MAX])
{
	size_t n = 1;

	if (!ph_dwarf_unit_at(elf, vaddr, &scopes[0]))
		return 0;
	while (n < PH_DWARF_DEPTH_MAX && find_scope(&scopes[n - 1], vaddr, 0, &scopes[n]))
		n++;
	return n;
}
