/*
 * module - one file that a process has loaded, and where it came to lie: its program, a library, the vDSO.
 *
 * Its file is opened when a name in it is wanted, never before. One that was replaced, deleted or never existed
 * (memfd, vDSO) is read from where it still is, or put together from the target's memory, which has its dynamic
 * symbols at least. Does not know how modules are found (modules.h). Addresses are the target's unless they are called
 * the file's.
 */
#ifndef PH_ENGINE_MODULE_H
#define PH_ENGINE_MODULE_H

#include "engine/linker.h"
#include "engine/space.h"
#include "image/elf.h"

struct ph_module {
	unsigned int refs;
	char *path;		/* owned; absolute, or "[vdso]" */
	const char *name;	/* the file's name, in path */
	ph_addr bias;		/* added to the file's addresses */
	ph_addr low, high;	/* what it loads lies in [low, high) */
	ph_addr dynamic;	/* its dynamic section; 0: none, or not known */
	ph_addr link_map;	/* the dynamic linker's entry for it; 0: it has none */
	uint64_t inode;		/* of the file that is mapped; 0: none */
	bool is_main, is_vdso;
	bool is_told;		/* its load event has been */
	uint8_t build_id[64];
	size_t build_id_len;	/* 0: none, or not in memory */
	struct ph_map chosen;	/* IFUNC resolver: the function it chose (ifunc.h) */
	struct ph_elf *elf;	/* owned; ph_module_elf opens it */
	bool elf_sought;
};

/* Takes path's text over; NULL: no memory. */
struct ph_module *ph_module_new(char *path);
struct ph_module *ph_module_ref(struct ph_module *module);
void ph_module_unref(struct ph_module *module);

/* The dynamic linker's entry and its name for the file, from another module, which gets the old ones. */
void ph_module_take_link(struct ph_module *module, struct ph_module *from);

/* For the world outside; what it points at is borrowed from the module. */
struct ph_module_info ph_module_describe(const struct ph_module *module);

/* What the ELF header in the target's memory at base says: bias, low, high, dynamic, build_id. False: there is none. */
bool ph_module_read_header(struct ph_module *module, const struct ph_space *space, pid_t tid, ph_addr base);

/*
 * Its file, opened at the first call; owned by the module. NULL: nothing readable is left of it, which it has warned
 * of. tid: a living thread of the space.
 */
struct ph_elf *ph_module_elf(struct ph_module *module, const struct ph_space *space, pid_t tid,
			     const struct ph_elf_settings *settings);

/* The modules of one process, as modules.h keeps them. */
struct ph_modules {
	struct ph_module **list;	/* owned; the program first, then in the linker's order, then the others */
	size_t n, room;
	struct ph_linker linker;
	bool is_listed;			/* the list was read: else it has the program at most */
	bool is_watched;		/* whoever watches the loader refreshes it (loader.h) */
	bool is_loading;		/* what was loaded just now is not relocated yet, as far as anybody knows */
	uint64_t as_of;			/* the session's stops when it was read */
};

void ph_modules_free(struct ph_modules *modules);

#endif
