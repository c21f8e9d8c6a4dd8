#include "image/functions.h"

#include "image/dwarf.h"
#include "image/source.h"

static const char *linkage_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (!dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) &&
	    !dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		return NULL;
	return ph_dwarf_string(&attr);
}

/* Where an inlined function was called. */
static void read_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct ph_line *ret)
{
	uint64_t file, line;
	Dwarf_Files *files;
	size_t n;

	if (!ph_dwarf_udata(inlined, DW_AT_call_line, &line) || line > UINT32_MAX ||
	    !ph_dwarf_udata(inlined, DW_AT_call_file, &file) || dwarf_getsrcfiles(unit, &files, &n) != 0 || file >= n ||
	    !ph_source_name(unit, dwarf_filesrc(files, file, NULL, NULL), ret->file, sizeof(ret->file)))
		return;
	ret->line = (unsigned)line;
}

size_t ph_functions_at(struct ph_elf *elf, ph_addr vaddr, struct ph_function ret[PH_FUNCTIONS_MAX])
{
	Dwarf_Die scopes[PH_DWARF_DEPTH_MAX];
	size_t n = ph_dwarf_scopes_at(elf, vaddr, scopes), found = 0;
	struct ph_line line = { .line = 0 };
	bool is_whole = false;

	if (n && ph_lines_at(elf, vaddr, &line) < 0)
		line.line = 0;
	for (size_t i = n; i-- > 1 && !is_whole && found < PH_FUNCTIONS_MAX;) {
		int tag = dwarf_tag(&scopes[i]);
		struct ph_function *function = &ret[found];

		if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine)
			continue;
		is_whole = tag == DW_TAG_subprogram;
		*function = (struct ph_function){
			.name = ph_dwarf_name(&scopes[i]), .linkage = linkage_of(&scopes[i]), .is_inlined = !is_whole,
			.begins = vaddr && dwarf_haspc(&scopes[i], vaddr - 1) == 0, .line = line,
		};
		if (!ph_dwarf_entry(&scopes[i], &function->entry))
			function->entry = vaddr;
		line.line = 0;
		if (!is_whole)
			read_call(&scopes[0], &scopes[i], &line);
		found++;
	}
	return found;
}
