#include "engine/resolve.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spell.h"
#include "engine/modules.h"
#include "engine/source.h"
#include "image/cxx.h"
#include "image/place.h"
#include "image/symbols.h"

#define NAME_MAX_LEN 1024

/* ---- Modules by name */

static bool has_name(struct ph_process *process, struct ph_module *module, const char *name, bool by_soname)
{
	const struct ph_elf *elf;

	if (!by_soname)
		return ph_module_name_matches(name, module->path, module->is_vdso ? "vdso" : NULL) ||
		       fnmatch(name, module->name, 0) == 0;
	elf = ph_modules_elf(process, module);
	return elf && ph_module_name_matches(name, NULL, elf->soname);
}

struct matching {
	struct ph_module **list;	/* owned; the modules are the list's */
	size_t n;
};

/* By file name; sonames are asked for only when no file has the name. */
static int find_modules(struct ph_process *process, const char *name, struct matching *ret, struct ph_err *err)
{
	struct ph_module *program = ph_modules_main(process, err), *module;
	int r;

	if (!program)
		return err && err->code ? err->code : -ESRCH;
	r = ph_modules_list(process, err);
	if (r < 0)
		return r;
	*ret = (struct matching){ .list = calloc(process->modules->n, sizeof(struct ph_module *)) };
	if (!ret->list)
		return ph_err_set(err, -ENOMEM, "find module");
	for (int by_soname = 0; by_soname < 2 && !ret->n; by_soname++)
		for (size_t i = 0; (module = ph_modules_get(process, i)); i++)
			if (has_name(process, module, name, by_soname))
				ret->list[ret->n++] = module;
	return 0;
}

/* ---- Names */

struct places {
	struct ph_resolved *list;
	size_t n;
};

static int take_symbols(const struct ph_module *module, const struct ph_symbol *symbols, size_t n, int64_t offset,
			struct places *ret)
{
	ret->list = calloc(n, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	ret->n = n;
	for (size_t i = 0; i < n; i++) {
		bool is_ifunc = symbols[i].type == PH_SYMBOL_IFUNC;

		ret->list[i] = (struct ph_resolved){
			.addr = module->bias + symbols[i].vaddr + (is_ifunc ? 0 : (uint64_t)offset),
			.is_ifunc = is_ifunc,
			.offset = is_ifunc ? offset : 0,
		};
	}
	return 0;
}

static int find_in(struct ph_process *process, struct ph_module *module, const struct ph_place *place,
		   enum ph_symbols_scope scope, struct places *ret)
{
	struct ph_elf *elf = ph_modules_elf(process, module);
	struct ph_symbol *symbols;
	size_t n;
	int r = elf ? ph_symbols_find_all(elf, place->name, scope, &symbols, &n) : -ENOENT;

	if (r < 0)
		return r;
	r = take_symbols(module, symbols, n, place->offset, ret);
	free(symbols);
	return r;
}

/* The dynamic linker is there, and has not said yet what is to be loaded. */
static bool is_before_linker(const struct ph_process *process)
{
	return process->modules->list[0]->elf->can_load && !process->modules->linker.debug;
}

static int find_anywhere(struct ph_process *process, const struct ph_place *place, struct places *ret, struct ph_err *err)
{
	struct ph_module *module = ph_modules_main(process, err);
	int r = module ? find_in(process, module, place, PH_SYMBOLS_ALL, ret) : err && err->code ? err->code : -ESRCH;

	if (r != -ENOENT)
		return r;
	r = ph_modules_list(process, err);
	if (r < 0)
		return r;
	if (is_before_linker(process))
		return -ENOENT;
	for (int scope = PH_SYMBOLS_EXPORTED; scope <= PH_SYMBOLS_ALL; scope++)
		for (size_t i = 1; (module = ph_modules_get(process, i)); i++) {
			r = find_in(process, module, place, scope, ret);
			if (r != -ENOENT)
				return r;
		}
	return -ENOENT;
}

/* ---- What could not be found */

static void offer_module(struct ph_process *process, struct ph_module *module, struct ph_spell *spell)
{
	struct ph_elf *elf = ph_modules_elf(process, module);

	if (elf)
		ph_symbols_nearest(elf, spell);
}

bool ph_resolve_nearest(struct ph_process *process, const char *text, char *buf, size_t len)
{
	struct matching in = { 0 };
	struct ph_module *module;
	struct ph_place place;
	struct ph_spell spell;
	const char *best;

	if (ph_place_parse(text, &place, NULL) < 0 || !*place.name || !ph_modules_main(process, NULL))
		return false;
	ph_spell_init(&spell, place.name);
	if (*place.module && find_modules(process, place.module, &in, NULL) >= 0) {
		for (size_t i = 0; i < in.n; i++)
			offer_module(process, in.list[i], &spell);
		free(in.list);
	} else if (ph_modules_list(process, NULL) >= 0) {
		for (size_t i = 0; (module = ph_modules_get(process, i)); i++)
			offer_module(process, module, &spell);
	}
	best = ph_spell_result(&spell);
	/* The very name is somewhere where it is of no use: the dynamic linker's own, before the libraries are there. */
	if (!best || strcmp(best, place.name) == 0)
		return false;
	snprintf(buf, len, "%s%s%s", place.module, *place.module ? "!" : "", best);
	return true;
}

static int no_symbol(struct ph_process *process, const char *text, const struct ph_place *place,
		     const struct ph_module *in, struct ph_err *err)
{
	char nearest[128];
	bool near = err && ph_resolve_nearest(process, text, nearest, sizeof(nearest));
	bool is_early = !*place->module && is_before_linker(process);
	const char *others = !*place->module && in->elf->can_load && !is_early ? " and its libraries have" : " has";

	return ph_err_say(err, -ENOENT, "find symbol", "%s%s no symbol '%s'%s%s%s%s", in->name, others, place->name,
			  is_early ? ", and its libraries are not loaded yet" : "", near ? "; did you mean '" : "",
			  near ? nearest : "", near ? "'?" : "");
}

static int no_module(struct ph_process *process, const char *name, struct ph_err *err)
{
	struct ph_module *module;
	struct ph_spell spell;
	const char *best;

	if (!err)
		return -ENOENT;
	ph_spell_init(&spell, name);
	for (size_t i = 0; (module = ph_modules_get(process, i)); i++)
		ph_spell_offer(&spell, module->name);
	best = ph_spell_result(&spell);
	return ph_err_say(err, -ENOENT, "find module", "no module '%s' is loaded%s%s%s; the main program is '%s'", name,
			  best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "",
			  process->modules->list[0]->name);
}

/* ---- Places */

static int one_place(ph_addr addr, struct places *ret)
{
	ret->list = calloc(1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	ret->list[0].addr = addr;
	ret->n = 1;
	return 0;
}

static int resolve_in_module(struct ph_process *process, const char *text, const struct ph_place *place,
			     struct places *ret, bool *ret_final, struct ph_err *err)
{
	struct matching in;
	int r = find_modules(process, place->module, &in, err);

	if (r < 0)
		return r;
	if (!in.n) {
		*ret_final = !process->modules->list[0]->elf->can_load;
		r = no_module(process, place->module, err);
	} else if (place->kind == PH_PLACE_MODULE_OFFSET) {
		r = one_place(in.list[0]->bias + (uint64_t)place->offset, ret);
	} else {
		r = -ENOENT;
		for (size_t i = 0; i < in.n && r == -ENOENT; i++)
			r = find_in(process, in.list[i], place, PH_SYMBOLS_ALL, ret);
		if (r == -ENOENT)
			r = no_symbol(process, text, place, in.list[0], err);
	}
	free(in.list);
	return r;
}

/* A symbol wins over a module of the same name; "crackme+0x1139" is the module's own address. */
static int resolve_symbol(struct ph_process *process, const char *text, const struct ph_place *place,
			  struct places *ret, bool *ret_final, struct ph_err *err)
{
	int r = find_anywhere(process, place, ret, err);
	struct matching in;

	if (r != -ENOENT)
		return r;
	if (place->offset >= 0 && strchr(text, '+')) {
		r = find_modules(process, place->name, &in, err);
		if (r < 0)
			return r;
		r = in.n ? one_place(in.list[0]->bias + (uint64_t)place->offset, ret) : -ENOENT;
		free(in.list);
		if (r != -ENOENT)
			return r;
	}
	*ret_final = !process->modules->list[0]->elf->can_load;
	return no_symbol(process, text, place, process->modules->list[0], err);
}

static int resolve_line(struct ph_process *process, const struct ph_place *place, struct places *ret, bool *ret_final,
			struct ph_err *err)
{
	bool is_known = false;
	ph_addr *addrs;
	int r = ph_source_find(process, place, &addrs, &ret->n, &is_known, err);

	*ret_final = is_known || !process->modules->list[0]->elf->can_load;
	if (r < 0)
		return r;
	ret->list = calloc(ret->n, sizeof(*ret->list));
	for (size_t i = 0; ret->list && i < ret->n; i++)
		ret->list[i].addr = addrs[i];
	free(addrs);
	return ret->list ? 0 : -ENOMEM;
}

static int resolve(struct ph_process *process, const char *text, const struct ph_place *place, struct places *ret,
		   bool *ret_final, struct ph_err *err)
{
	struct ph_module *program;

	switch (place->kind) {
	case PH_PLACE_ADDRESS:
		return one_place(place->address, ret);
	case PH_PLACE_MAIN_OFFSET:
		program = ph_modules_main(process, err);
		if (!program)
			return err && err->code ? err->code : -ESRCH;
		return one_place(program->bias + (uint64_t)place->offset, ret);
	case PH_PLACE_MODULE_OFFSET:
	case PH_PLACE_MODULE_SYMBOL:
		return resolve_in_module(process, text, place, ret, ret_final, err);
	case PH_PLACE_SYMBOL:
		return resolve_symbol(process, text, place, ret, ret_final, err);
	case PH_PLACE_LINE:
		break;
	}
	return resolve_line(process, place, ret, ret_final, err);
}

int ph_resolve(struct ph_process *process, const char *text, struct ph_resolved **ret, size_t *ret_n, bool *ret_final,
	       struct ph_err *err)
{
	struct places places = { 0 };
	struct ph_place place;
	int r = ph_place_parse(text, &place, err);

	*ret_final = true;
	if (r < 0)
		return r;
	r = resolve(process, text, &place, &places, ret_final, err);
	if (r == -ENOMEM)
		return ph_err_set(err, r, "find symbol");
	if (r < 0)
		return r;
	*ret = places.list;
	*ret_n = places.n;
	return 0;
}

/* ---- Addresses */

static const char *plain_name(const struct ph_symbol *symbol, char *buf, size_t len)
{
	return ph_cxx_demangle(symbol->name, true, buf, len) ? buf : symbol->name;
}

void ph_resolve_where(struct ph_process *process, ph_addr addr, char *buf, size_t len)
{
	struct ph_module *module = process->alive ? ph_modules_at(process, addr) : NULL;
	struct ph_elf *elf = module ? ph_modules_elf(process, module) : NULL;
	ph_addr vaddr = module ? addr - module->bias : 0;
	const char *prefix = module && !module->is_main ? module->name : "", *bang = *prefix ? "!" : "", *stub = "";
	char name[NAME_MAX_LEN], offset[32] = "";
	struct ph_symbol symbol;
	int r = -ENOENT;

	if (!module) {
		snprintf(buf, len, "0x%llx", (unsigned long long)addr);
		return;
	}
	if (elf && ph_elf_segment_find(elf, vaddr)) {
		r = ph_symbols_stub_at(elf, vaddr, &symbol);
		stub = r >= 0 ? "@plt" : "";
		if (r < 0)
			r = ph_symbols_at(elf, vaddr, &symbol);
	}
	if (r < 0) {
		snprintf(buf, len, "%s+0x%llx", module->name, (unsigned long long)vaddr);
		return;
	}
	if (vaddr != symbol.vaddr)
		snprintf(offset, sizeof(offset), "+0x%llx", (unsigned long long)(vaddr - symbol.vaddr));
	snprintf(buf, len, "%s%s%s%s%s", prefix, bang, plain_name(&symbol, name, sizeof(name)), stub, offset);
}

/* ---- Globs */

struct one_name {
	struct ph_symbol symbol;
	size_t index;
};

static int by_address(const void *a, const void *b)
{
	const struct one_name *one = a, *two = b;

	if (one->symbol.vaddr != two->symbol.vaddr)
		return one->symbol.vaddr < two->symbol.vaddr ? -1 : 1;
	if (one->symbol.name != two->symbol.name && strcmp(one->symbol.name, two->symbol.name) != 0)
		return strcmp(one->symbol.name, two->symbol.name);
	return one->index < two->index ? -1 : one->index > two->index;
}

/* A version is no part of the name for a glob that has none. */
static bool matches(const char *glob, const struct ph_symbol *symbol, bool is_stub, char *name, size_t len)
{
	size_t end = strnlen(symbol->name, len - 1);

	if (!ph_cxx_demangle(symbol->name, true, name, len)) {
		if (is_stub || !strchr(glob, '@'))
			end = end ? strcspn(symbol->name + 1, "@") + 1 : 0;
		end = end < len - 1 ? end : len - 1;
		memcpy(name, symbol->name, end);
		name[end] = '\0';
	}
	if (is_stub)
		strncat(name, "@plt", len - strlen(name) - 1);
	return fnmatch(glob, name, 0) == 0;
}

static struct one_name *list_names(struct ph_elf *elf, const char *glob, bool stubs, size_t *ret_n)
{
	struct one_name *list = NULL;
	size_t n = 0, room = 0, cursor = 0;
	char name[NAME_MAX_LEN];
	struct ph_symbol symbol;

	while (stubs ? ph_symbols_next_stub(elf, &cursor, &symbol) : ph_symbols_next(elf, &cursor, &symbol)) {
		if (!matches(glob, &symbol, stubs, name, sizeof(name)))
			continue;
		if (n == room) {
			struct one_name *more = reallocarray(list, room ? room * 2 : 64, sizeof(*list));

			if (!more)
				break;
			room = room ? room * 2 : 64;
			list = more;
		}
		list[n] = (struct one_name){ symbol, n };
		n++;
	}
	if (list)
		qsort(list, n, sizeof(*list), by_address);
	*ret_n = n;
	return list;
}

/* What is called for each symbol may raise, and unwind through here. */
static void free_names(struct one_name **list)
{
	free(*list);
}

static void free_matching(struct matching *matching)
{
	free(matching->list);
}

static int each_in(struct ph_process *process, struct ph_module *module, const char *glob,
		   int (*fn)(const struct ph_symbol_info *, void *), void *user)
{
	static const char *const kinds[] = {
		[PH_SYMBOL_LABEL] = "label", [PH_SYMBOL_OBJECT] = "object",
		[PH_SYMBOL_FUNCTION] = "function", [PH_SYMBOL_IFUNC] = "ifunc",
	};
	struct ph_elf *elf = ph_modules_elf(process, module);
	bool stubs = strlen(glob) >= 4 && strcmp(glob + strlen(glob) - 4, "@plt") == 0;
	char name[NAME_MAX_LEN], last[NAME_MAX_LEN] = "";
	ph_addr last_at = PH_ADDR_NONE;
	int r = 0;
	size_t n = 0;
	struct one_name *list __attribute__((cleanup(free_names))) = elf ? list_names(elf, glob, stubs, &n) : NULL;

	for (size_t i = 0; list && i < n && r == 0; i++) {
		const struct ph_symbol *symbol = &list[i].symbol;

		matches(glob, symbol, stubs, name, sizeof(name));
		/* What two tables have, or constructors that share their code, is one. */
		if (symbol->vaddr == last_at && strcmp(name, last) == 0)
			continue;
		last_at = symbol->vaddr;
		memcpy(last, name, sizeof(last));
		r = fn(&(struct ph_symbol_info){ name, kinds[symbol->type], module->bias + symbol->vaddr, symbol->size,
						 module->name }, user);
	}
	return r;
}

int ph_resolve_each(struct ph_process *process, const char *glob, int (*fn)(const struct ph_symbol_info *, void *), void *user,
		    struct ph_err *err)
{
	const char *bang = strchr(glob, '!');
	struct matching in __attribute__((cleanup(free_matching))) = { 0 };
	struct ph_module *module;
	char name[256];
	int r;

	if (bang) {
		snprintf(name, sizeof(name), "%.*s", (int)(bang - glob), glob);
		r = find_modules(process, name, &in, err);
		for (size_t i = 0; r >= 0 && i < in.n; i++)
			r = each_in(process, in.list[i], bang + 1, fn, user);
		return r;
	}
	r = ph_modules_list(process, err);
	for (size_t i = 0; r >= 0 && (module = ph_modules_get(process, i)); i++)
		if ((r = each_in(process, module, glob, fn, user)) != 0)
			break;
	return r;
}

void ph_process_where(struct ph_process *process, ph_addr addr, char *buf, size_t len)
{
	ph_resolve_where(process, addr, buf, len);
}

int ph_process_each_symbol(struct ph_process *process, const char *glob, int (*fn)(const struct ph_symbol_info *, void *),
			   void *user, struct ph_err *err)
{
	if (!process->alive)
		return ph_err_say(err, -ESRCH, "find symbols", "process %d has ended", process->pid);
	return ph_resolve_each(process, glob, fn, user, err);
}
