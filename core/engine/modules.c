#include "engine/modules.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/thread.h"
#include "os/procfs.h"

#define OP	  "list modules"
#define VDSO_NAME "[vdso]"
#define DELETED	  " (deleted)"

/* A list in the making: the old one, from which what is still there is taken over. */
struct refresh {
	struct ph_process *process;
	const struct ph_space *space;
	pid_t tid;
	struct ph_modules old, *into;
	struct ph_maps maps;
	ph_addr vdso;
};

static int gone(const struct ph_process *process, struct ph_err *err)
{
	return ph_err_say(err, -ESRCH, OP, "process %d has ended", process->pid);
}

/* Takes the reference over. */
static bool append(struct ph_modules *modules, struct ph_module *module)
{
	if (modules->n == modules->room) {
		size_t room = modules->room ? modules->room * 2 : 16;
		struct ph_module **list = reallocarray(modules->list, room, sizeof(*list));

		if (!list) {
			ph_module_unref(module);
			return false;
		}
		modules->list = list;
		modules->room = room;
	}
	modules->list[modules->n++] = module;
	return true;
}

/* ---- The program */

static struct ph_module *open_program(struct ph_process *process, struct ph_err *err)
{
	struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_module *module;
	char path[4096], *copy;
	uint64_t entry = 0;
	size_t len;
	int fd;

	if (!thread) {
		gone(process, err);
		return NULL;
	}
	if (ph_os_exe_read(thread->tid, path, sizeof(path)) < 0)
		snprintf(path, sizeof(path), "process %d", process->pid);
	len = strlen(path);
	if (len > strlen(DELETED) && strcmp(path + len - strlen(DELETED), DELETED) == 0)
		path[len - strlen(DELETED)] = '\0';
	copy = strdup(path);
	module = copy ? ph_module_new(copy) : NULL;
	if (!module) {
		free(copy);
		ph_err_set(err, -ENOMEM, OP);
		return NULL;
	}
	fd = ph_os_exe_open(thread->tid);
	if (fd < 0 || ph_elf_open_fd(fd, module->path, &module->elf, err) < 0) {
		if (fd < 0)
			ph_err_set_in(err, fd, "open program", thread->tid);
		else
			close(fd);
		ph_module_unref(module);
		return NULL;
	}
	module->elf->settings = &process->session->tracer->elf_settings;
	module->elf_sought = module->is_main = module->is_told = true;
	/* The kernel says where the program's entry came to lie; the file says where it would have it. */
	if (ph_os_auxv_read(thread->tid, AT_ENTRY, &entry) >= 0 && module->elf->is_pie)
		module->bias = entry - module->elf->entry;
	module->low = (module->bias + module->elf->low) & ~4095ull;
	module->high = module->bias + module->elf->high;
	if (module->elf->is_dynamic)
		module->dynamic = module->bias + module->elf->dynamic;
	memcpy(module->build_id, module->elf->build_id, module->elf->build_id_len);
	module->build_id_len = module->elf->build_id_len;
	return module;
}

struct ph_module *ph_modules_main(struct ph_process *process, struct ph_err *err)
{
	struct ph_module *module;

	if (!process->modules)
		process->modules = calloc(1, sizeof(*process->modules));
	if (!process->modules) {
		ph_err_set(err, -ENOMEM, OP);
		return NULL;
	}
	if (process->modules->n)
		return process->modules->list[0];
	module = process->alive ? open_program(process, err) : NULL;
	if (!process->alive)
		gone(process, err);
	if (!module)
		return NULL;
	if (!append(process->modules, module)) {
		ph_err_set(err, -ENOMEM, OP);
		return NULL;
	}
	return module;
}

/* ---- The others */

/* The entry with which the file that is mapped at addr begins: the nearest at or before it with the offset 0. */
static const struct ph_map_entry *find_begin(const struct ph_maps *maps, ph_addr addr)
{
	const struct ph_map_entry *entry = ph_os_maps_find(maps, addr);

	for (size_t i = entry ? (size_t)(entry - maps->entries) + 1 : 0; i-- > 0;) {
		const struct ph_map_entry *at = &maps->entries[i];

		if (at->inode == entry->inode && strcmp(at->path, entry->path) == 0 && at->offset == 0)
			return at;
	}
	return NULL;
}

/* Where the mappings of that file end that begin at entry. */
static ph_addr find_end(const struct ph_maps *maps, const struct ph_map_entry *entry)
{
	const struct ph_map_entry *at = entry, *stop = maps->entries + maps->count;
	ph_addr end = entry->end;

	while (++at < stop && (at->start == end || at->inode) && at->offset != 0 && at->inode == entry->inode)
		end = at->end;
	return end;
}

static char *copy_path(const char *path)
{
	size_t len = strlen(path), tail = strlen(DELETED);

	return strndup(path, len > tail && strcmp(path + len - tail, DELETED) == 0 ? len - tail : len);
}

/* Found in the memory map, a module has the file's path; the dynamic linker's own comes later. */
static bool is_same(const struct ph_module *old, const struct ph_module *found)
{
	return old->low == found->low && old->bias == found->bias && old->dynamic == found->dynamic &&
	       old->inode == found->inode && (!old->link_map || !found->link_map || strcmp(old->path, found->path) == 0);
}

static struct ph_module *take_old(struct refresh *refresh, const struct ph_module *found)
{
	for (size_t i = 0; i < refresh->old.n; i++) {
		struct ph_module *module = refresh->old.list[i];

		if (module && is_same(module, found)) {
			refresh->old.list[i] = NULL;
			return module;
		}
	}
	return NULL;
}

/* What found describes joins the list: the module that was there before, if it is the same. */
static bool join(struct refresh *refresh, struct ph_module *found)
{
	struct ph_module *module = take_old(refresh, found);

	if (!module)
		return append(refresh->into, found);
	if (found->link_map)
		ph_module_take_link(module, found);
	ph_module_unref(found);
	return append(refresh->into, module);
}

/* entry: where it begins; NULL: nothing is known but the link. */
static struct ph_module *describe(struct refresh *refresh, const struct ph_map_entry *entry, const struct ph_link *link,
				  const char *path)
{
	char *copy = copy_path(path);
	struct ph_module *module = copy ? ph_module_new(copy) : NULL;
	ph_addr base = entry ? entry->start : 0;

	if (!module) {
		free(copy);
		return NULL;
	}
	module->inode = entry ? entry->inode : 0;
	module->is_vdso = base && base == refresh->vdso;
	if (!ph_module_read_header(module, refresh->space, refresh->tid, base ? base : link->bias)) {
		if (!link) {
			ph_module_unref(module);
			return NULL;
		}
		module->low = base ? base : link->bias;
		module->high = entry ? find_end(&refresh->maps, entry) : link->dynamic;
		if (module->high < module->low)
			module->high = module->low;
	}
	if (link) {
		module->bias = link->bias;
		module->dynamic = link->dynamic;
		module->link_map = link->map;
	}
	return module;
}

static bool add_link(struct refresh *refresh, const struct ph_link *link)
{
	struct ph_module *program = refresh->into->list[0];
	const struct ph_map_entry *entry = find_begin(&refresh->maps, link->dynamic);
	struct ph_module *module;
	char path[4096];

	if (link->dynamic && link->dynamic == program->dynamic) {
		program->link_map = link->map;
		return true;
	}
	/* What is not mapped is a list that changes under us, or no list. */
	if (!ph_os_maps_find(&refresh->maps, link->dynamic))
		return true;
	ph_linker_string(refresh->space, refresh->tid, link->name, path, sizeof(path));
	/* By a relative name nobody could find it; without one it may be anything. */
	if (entry && entry->start == refresh->vdso)
		snprintf(path, sizeof(path), VDSO_NAME);
	else if (path[0] != '/' && entry && *entry->path)
		snprintf(path, sizeof(path), "%s", entry->path);
	module = describe(refresh, entry, link, path);
	return module && join(refresh, module);
}

static bool is_listed(const struct ph_modules *modules, ph_addr addr)
{
	for (size_t i = 0; i < modules->n; i++)
		if (addr >= modules->list[i]->low && addr < modules->list[i]->high)
			return true;
	return false;
}

/* Something of the file that begins at entry may run. */
static bool has_code(const struct ph_maps *maps, const struct ph_map_entry *entry)
{
	const struct ph_map_entry *stop = maps->entries + maps->count;

	for (const struct ph_map_entry *at = entry; at < stop && at->inode == entry->inode; at++) {
		if (at > entry && at->offset == 0)
			break;
		if (at->perms[2] == 'x')
			return true;
	}
	return false;
}

static bool add_mapped(struct refresh *refresh)
{
	for (size_t i = 0; i < refresh->maps.count; i++) {
		const struct ph_map_entry *entry = &refresh->maps.entries[i];
		bool is_file = entry->inode && entry->offset == 0 && entry->path[0] == '/';
		struct ph_module *module;

		if (is_listed(refresh->into, entry->start))
			continue;
		if (entry->start != refresh->vdso && !(is_file && has_code(&refresh->maps, entry)))
			continue;
		module = describe(refresh, entry, NULL, entry->start == refresh->vdso ? VDSO_NAME : entry->path);
		if (module && !join(refresh, module))
			return false;
	}
	return true;
}

static bool add_linked(struct refresh *refresh)
{
	struct ph_modules *into = refresh->into;
	struct ph_link *links;
	bool good = true;
	size_t n;

	ph_linker_read(refresh->space, refresh->tid, into->list[0]->elf, into->list[0]->bias, &into->linker);
	if (!into->linker.debug)
		return true;
	links = ph_linker_list(refresh->space, refresh->tid, &into->linker, &n);
	for (size_t i = 0; i < n && good; i++)
		good = add_link(refresh, &links[i]);
	free(links);
	return good;
}

int ph_modules_refresh(struct ph_process *process, struct ph_err *err)
{
	struct ph_module *program = ph_modules_main(process, err);
	struct ph_thread *thread = ph_process_any_thread(process);
	struct ph_modules *modules = process->modules;
	struct refresh refresh;
	bool good;
	int r;

	if (!program || !thread)
		return program ? gone(process, err) : err && err->code ? err->code : -ESRCH;
	refresh = (struct refresh){ .process = process, .space = process->space, .tid = thread->tid, .into = modules };
	r = ph_os_maps_read(thread->tid, &refresh.maps);
	if (r < 0)
		return ph_err_set_in(err, r, OP, thread->tid);
	ph_os_auxv_read(thread->tid, AT_SYSINFO_EHDR, &refresh.vdso);
	refresh.old = *modules;
	modules->list = NULL;
	modules->n = modules->room = 0;
	refresh.old.list[0] = NULL;
	good = append(modules, program) && add_linked(&refresh) && add_mapped(&refresh);
	for (size_t i = 0; i < refresh.old.n; i++)
		ph_module_unref(refresh.old.list[i]);
	free(refresh.old.list);
	ph_os_maps_fini(&refresh.maps);
	if (!good)
		return ph_err_set(err, -ENOMEM, OP);
	modules->is_listed = true;
	modules->as_of = process->session->stats.stops;
	return 0;
}

int ph_modules_list(struct ph_process *process, struct ph_err *err)
{
	const struct ph_modules *modules = process->modules;

	if (modules && modules->is_listed &&
	    (modules->is_watched || modules->as_of == process->session->stats.stops))
		return 0;
	return ph_modules_refresh(process, err);
}

struct ph_module *ph_modules_get(const struct ph_process *process, size_t index)
{
	const struct ph_modules *modules = process->modules;

	return modules && index < modules->n ? modules->list[index] : NULL;
}

static struct ph_module *find(const struct ph_process *process, ph_addr addr)
{
	struct ph_module *module;

	for (size_t i = 0; (module = ph_modules_get(process, i)); i++)
		if (addr >= module->low && addr < module->high)
			return module;
	return NULL;
}

struct ph_module *ph_modules_at(struct ph_process *process, ph_addr addr)
{
	struct ph_module *module = ph_modules_main(process, NULL);

	/* The program never moves. */
	if (!module || (addr >= module->low && addr < module->high))
		return module;
	if (ph_modules_list(process, NULL) < 0)
		return NULL;
	module = find(process, addr);
	if (module || process->modules->as_of == process->session->stats.stops || ph_modules_refresh(process, NULL) < 0)
		return module;
	return find(process, addr);
}

struct ph_elf *ph_modules_elf(struct ph_process *process, struct ph_module *module)
{
	struct ph_thread *thread = ph_process_any_thread(process);

	if (module->elf_sought || !thread)
		return module->elf;
	return ph_module_elf(module, process->space, thread->tid, &process->session->tracer->elf_settings);
}

/* fn only looks, so the list stays as it is. */
int ph_process_each_module(struct ph_process *process, int (*fn)(const struct ph_module_info *, void *), void *user,
			   struct ph_err *err)
{
	struct ph_module *module;
	int r = process->alive ? ph_modules_refresh(process, err) : gone(process, err);

	for (size_t i = 0; r >= 0 && (module = ph_modules_get(process, i)); i++) {
		struct ph_module_info info = ph_module_describe(module);

		if ((r = fn(&info, user)) != 0)
			break;
	}
	return r;
}
