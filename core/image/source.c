#include "image/source.h"

#include <stdio.h>
#include <string.h>

#include "image/dwarf.h"

bool ph_source_is(const char *path, const char *wanted)
{
	size_t len = path ? strlen(path) : 0, tail = strlen(wanted);

	if (!path || tail == 0 || tail > len || strcmp(path + len - tail, wanted) != 0)
		return false;
	return tail == len || wanted[0] == '/' || path[len - tail - 1] == '/';
}

static const char *string_of(Dwarf_Die *unit, unsigned name)
{
	Dwarf_Attribute attr;

	return dwarf_attr(unit, name, &attr) ? ph_dwarf_string(&attr) : NULL;
}

/* What libdw gives begins with the compiler's folder, though DWARF does not say so. */
static const char *below(const char *path, const char *folder)
{
	size_t len = folder ? strlen(folder) : 0;

	while (len && folder[len - 1] == '/')
		len--;
	return len && strncmp(path, folder, len) == 0 && path[len] == '/' && path[len + 1] ? path + len + 1 : NULL;
}

bool ph_source_name(Dwarf_Die *unit, const char *path, char *buf, size_t len)
{
	const char *name, *rest;

	if (!path || !*path)
		return false;
	name = string_of(unit, DW_AT_name);
	rest = below(path, string_of(unit, DW_AT_comp_dir));
	/* The unit's own name may be an absolute path below that folder. */
	snprintf(buf, len, "%s", rest && !(name && strcmp(name, path) == 0) ? rest : path);
	return true;
}
