#include "engine/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/modules.h"

#define OP "find line"

struct search {
	const struct ph_place *place;
	ph_addr *found;		/* owned */
	size_t n;
	bool has_module, has_file;
};

/* "util.c" of one library has nothing to do with that of another; "vector", "list.h" and "list.hpp" are the same. */
static bool is_header(const char *name)
{
	static const char *const suffixes[] = { ".h", ".hh", ".hpp", ".hxx", ".inc", ".inl", ".ipp", ".tcc" };
	const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');

	for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(dot, suffixes[i]) == 0)
			return true;
	return !dot;
}

static int search_module(struct search *search, struct ph_process *process, struct ph_module *module)
{
	struct ph_elf *elf = ph_modules_elf(process, module);
	ph_addr *vaddrs, *found;
	size_t n;
	int r = elf ? ph_lines_find(elf, search->place->name, search->place->line, &vaddrs, &n) : -ENOENT;

	search->has_module = true;
	search->has_file |= r >= 0 || r == -ENODATA;
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	found = reallocarray(search->found, search->n + n, sizeof(*found));
	if (!found) {
		free(vaddrs);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		found[search->n + i] = module->bias + vaddrs[i];
	search->found = found;
	search->n += n;
	free(vaddrs);
	return 0;
}

static bool is_asked(struct ph_process *process, struct ph_module *module, const char *name)
{
	const struct ph_elf *elf;

	if (!*name || ph_module_name_matches(name, module->path, NULL))
		return true;
	elf = ph_modules_elf(process, module);
	return elf && ph_module_name_matches(name, NULL, elf->soname);
}

static int not_found(struct ph_process *process, const struct search *search, struct ph_err *err)
{
	const struct ph_place *place = search->place;
	struct ph_module *module;
	struct ph_spell spell;
	const char *best;

	if (!err)
		return -ENOENT;
	if (!search->has_module)
		return ph_err_say(err, -ENOENT, OP, "no module '%s' is loaded", place->module);
	if (search->has_file)
		return ph_err_say(err, -ENOENT, OP, "%s has no code at line %u, nor behind it", place->name, place->line);
	ph_spell_init(&spell, strrchr(place->name, '/') ? strrchr(place->name, '/') + 1 : place->name);
	for (size_t i = 0; (module = ph_modules_get(process, i)); i++)
		if (module->elf && is_asked(process, module, place->module))
			ph_lines_nearest(module->elf, &spell);
	best = ph_spell_result(&spell);
	return ph_err_say(err, -ENOENT, OP, "no debug information names a file '%s'%s%s%s", place->name,
			  best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
}

int ph_source_find(struct ph_process *process, const struct ph_place *place, ph_addr **ret, size_t *ret_n,
		   bool *ret_is_known, struct ph_err *err)
{
	struct search search = { .place = place };
	struct ph_module *module;
	int r = ph_modules_main(process, err) ? ph_modules_list(process, err) : err && err->code ? err->code : -ESRCH;

	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && (module = ph_modules_get(process, i)); i++) {
		if (search.n && !is_header(place->name))
			break;
		if (is_asked(process, module, place->module))
			r = search_module(&search, process, module);
	}
	*ret_is_known = search.has_file;
	if (r < 0) {
		free(search.found);
		return ph_err_set(err, r, OP);
	}
	if (search.n == 0)
		return not_found(process, &search, err);
	*ret = search.found;
	*ret_n = search.n;
	return 0;
}

int ph_source_path_at(struct ph_process *process, ph_addr addr, char *buf, size_t len)
{
	struct ph_module *module = ph_modules_at(process, addr);
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;

	return elf ? ph_lines_path_at(elf, addr - module->bias, buf, len) : -ENOENT;
}

int ph_source_at(struct ph_process *process, ph_addr addr, struct ph_line *ret)
{
	struct ph_module *module = ph_modules_at(process, addr);
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;

	return elf ? ph_lines_at(elf, addr - module->bias, ret) : -ENOENT;
}
