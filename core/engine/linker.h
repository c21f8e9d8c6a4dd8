/*
 * linker - what a process's dynamic linker says of itself, in its own memory: struct r_debug and the list behind it
 * (link.h; glibc's and musl's are alike), of every namespace.
 *
 * Reads only, trusts nothing: lists that do not end are cut off, strings that have no end are empty.
 */
#ifndef PH_ENGINE_LINKER_H
#define PH_ENGINE_LINKER_H

#include "engine/space.h"

struct ph_elf;

enum ph_linker_state {
	PH_LINKER_CONSISTENT,	/* the list is whole */
	PH_LINKER_ADDING,
	PH_LINKER_DELETING,
};

struct ph_linker {
	ph_addr debug;		/* struct r_debug; 0: there is none, or not yet */
	ph_addr brk;		/* where the linker stops for debuggers whenever the list changes; 0: not known */
	enum ph_linker_state state;
};

struct ph_link {
	ph_addr map;		/* of the entry */
	ph_addr bias, dynamic;
	ph_addr name;		/* of its path, a string */
};

/*
 * program: the main program, loaded with bias. ret->debug is 0 while the linker has not run yet, and in programs that
 * have none.
 */
void ph_linker_read(const struct ph_space *space, pid_t tid, struct ph_elf *program, ph_addr bias, struct ph_linker *ret);

/* Its list, one namespace after the other, into a block that the caller frees; NULL when there is none. */
struct ph_link *ph_linker_list(const struct ph_space *space, pid_t tid, const struct ph_linker *linker, size_t *ret_n);

/* The string at addr, cut to fit; "" when it cannot be read. */
void ph_linker_string(const struct ph_space *space, pid_t tid, ph_addr addr, char *buf, size_t len);

#endif
