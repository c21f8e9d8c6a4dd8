/*
 * resolve - what a "where" string means in a process, and what an address is called.
 *
 * Modules are asked in the dynamic linker's order (modules.h): first the program, whatever a name is in it; then what
 * the libraries export; then what is theirs alone. A library's file is opened when a name is sought that nothing
 * before it has. Before the dynamic linker has run, only the program and what `module!` names is asked: what is to be
 * loaded comes before what is there.
 */
#ifndef PH_ENGINE_RESOLVE_H
#define PH_ENGINE_RESOLVE_H

#include "engine/process.h"

struct ph_resolved {
	ph_addr addr;		/* of an IFUNC: its resolver */
	bool is_ifunc;		/* the function is another's, which ifunc.h finds out */
	int64_t offset;		/* of an IFUNC: to be added to the function's address */
};

/*
 * The places that text (DESIGN: Where) means, best first; the caller frees *ret. -ENOENT: no such name, module or line;
 * err says so with the nearest spelling. *ret_final is then true when nothing that is loaded later could bring it.
 */
int ph_resolve(struct ph_process *process, const char *text, struct ph_resolved **ret, size_t *ret_n, bool *ret_final,
	       struct ph_err *err);

/* The nearest spelling of the name in text, of all that is loaded, into buf; false when nothing is near. */
bool ph_resolve_nearest(struct ph_process *process, const char *text, char *buf, size_t len);

/*
 * "main+0x12", "libc.so.6!puts+0x12", "crackme+0x1139" or "0x7f…": where an address is, into buf. Each is a place that
 * means it, unless the name is taken by something that comes before.
 */
void ph_resolve_where(struct ph_process *process, ph_addr addr, char *buf, size_t len);

/*
 * Calls fn for each symbol whose name matches a glob ("libssl!SSL_*", "*alloc", "puts@plt"), module by module, by
 * address, one name an address; stops at its first nonzero answer and returns it.
 */
int ph_resolve_each(struct ph_process *process, const char *glob, int (*fn)(const struct ph_symbol_info *, void *), void *user,
		    struct ph_err *err);

#endif
