#include "engine/linker.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/symbols.h"

#define DYNAMIC_MAX    1024	/* entries that are looked at */
#define LINKS_MAX      16384
#define NAMESPACES_MAX 64

/* link.h, as 64-bit numbers: its pointers are the target's. */
struct r_debug {
	int32_t version, pad;
	ph_addr map, brk;
	int32_t state, pad2;
	ph_addr base;
	ph_addr next;	/* since version 2: the next namespace's */
};

struct link_map {
	ph_addr bias, name, dynamic, next, prev;
};

static bool read_at(const struct ph_space *space, pid_t tid, ph_addr addr, void *buf, size_t len)
{
	return addr && ph_space_read(space, tid, addr, buf, len, NULL) >= 0;
}

/* The version 1 structure ends before next, perhaps at the end of a page. */
static bool read_debug(const struct ph_space *space, pid_t tid, ph_addr addr, struct r_debug *ret)
{
	*ret = (struct r_debug){ 0 };
	if (!read_at(space, tid, addr, ret, offsetof(struct r_debug, next)))
		return false;
	if (ret->version >= 2 && !read_at(space, tid, addr, ret, sizeof(*ret)))
		ret->next = 0;
	return ret->version > 0;
}

static ph_addr find_debug(const struct ph_space *space, pid_t tid, ph_addr dynamic)
{
	Elf64_Dyn dyn;

	for (size_t i = 0; i < DYNAMIC_MAX; i++) {
		if (!read_at(space, tid, dynamic + i * sizeof(dyn), &dyn, sizeof(dyn)) || dyn.d_tag == DT_NULL)
			break;
		if (dyn.d_tag == DT_DEBUG)
			return dyn.d_un.d_ptr;
	}
	return 0;
}

void ph_linker_read(const struct ph_space *space, pid_t tid, struct ph_elf *program, ph_addr bias, struct ph_linker *ret)
{
	static const enum ph_linker_state states[] = { PH_LINKER_CONSISTENT, PH_LINKER_ADDING, PH_LINKER_DELETING };
	struct ph_symbol symbol;
	struct r_debug debug;

	*ret = (struct ph_linker){ 0 };
	if (!program->is_dynamic)
		return;
	ret->debug = find_debug(space, tid, bias + program->dynamic);
	/* The dynamic linker itself, run as a program, tells nobody but by name. */
	if (!ret->debug && program->can_load && !program->has_interp && ph_symbols_find(program, "_r_debug", &symbol) == 0)
		ret->debug = bias + symbol.vaddr;
	if (!read_debug(space, tid, ret->debug, &debug)) {
		ret->debug = 0;
		return;
	}
	ret->brk = debug.brk;
	/* Each namespace has a state of its own; one that is changing makes the whole of it change. */
	for (size_t i = 0; i < NAMESPACES_MAX && ret->state == PH_LINKER_CONSISTENT; i++) {
		ret->state = debug.state >= 0 && debug.state <= 2 ? states[debug.state] : PH_LINKER_CONSISTENT;
		if (!read_debug(space, tid, debug.next, &debug))
			break;
	}
}

struct links {
	struct ph_link *list;
	size_t n, room;
};

static bool add_link(struct links *links, struct ph_link link)
{
	if (links->n == links->room) {
		size_t room = links->room ? links->room * 2 : 16;
		struct ph_link *list = reallocarray(links->list, room, sizeof(*list));

		if (!list)
			return false;
		links->list = list;
		links->room = room;
	}
	links->list[links->n++] = link;
	return true;
}

struct ph_link *ph_linker_list(const struct ph_space *space, pid_t tid, const struct ph_linker *linker, size_t *ret_n)
{
	struct links links = { 0 };
	ph_addr at = linker->debug;
	struct r_debug debug;

	for (size_t i = 0; i < NAMESPACES_MAX && read_debug(space, tid, at, &debug); i++, at = debug.next) {
		struct link_map map;
		ph_addr before = 0;

		/* A list that leads back to where it was already has an entry whose previous one is another. */
		for (ph_addr entry = debug.map; links.n < LINKS_MAX; before = entry, entry = map.next) {
			if (!read_at(space, tid, entry, &map, sizeof(map)) || map.prev != before ||
			    !add_link(&links, (struct ph_link){ entry, map.bias, map.dynamic, map.name }))
				break;
		}
	}
	*ret_n = links.n;
	return links.list;
}

void ph_linker_string(const struct ph_space *space, pid_t tid, ph_addr addr, char *buf, size_t len)
{
	struct ph_err err = { 0 };
	size_t good = len - 1;

	buf[0] = '\0';
	if (!addr)
		return;
	if (ph_space_read(space, tid, addr, buf, good, &err) < 0)
		good = err.done;
	if (memchr(buf, '\0', good) == NULL)
		buf[good == len - 1 ? good : 0] = '\0';
}
