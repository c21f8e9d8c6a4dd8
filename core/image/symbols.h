/*
 * symbols - the names in one ELF file.
 *
 * .symtab and .dynsym, as the file has them, and what was stripped off (debugfile.h): functions, data and assembly
 * labels that have a place in a loaded segment. Not what a name means in a process (a module's load address, the
 * implementation behind an IFUNC): addresses are the file's own. Nothing is read before the first question; one name
 * costs a scan, many build an index.
 *
 * A name without a version means the default one: "memcpy" finds memcpy@@GLIBC_2.14, "memcpy@GLIBC_2.2.5" the other.
 * "puts@plt" is the stub through which the file calls puts (plt.h). What no symbol is called is taken for a name of
 * C++ or Rust (cxx.h): "Foo::bar" means every overload, "Foo::bar(int)" one.
 */
#ifndef PH_IMAGE_SYMBOLS_H
#define PH_IMAGE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/spell.h"
#include "image/elf.h"
#include "image/symbol.h"
#include "image/symbols_at.h"

/*
 * The symbol that name means; of several, functions come first, then default versions, then globals, then the table's
 * order. -ENOENT: none; -ENOMEM.
 */
int ph_symbols_find(struct ph_elf *elf, const char *name, struct ph_symbol *ret);

enum ph_symbols_scope {
	PH_SYMBOLS_EXPORTED,	/* not local, and not stripped off: what another file could call */
	PH_SYMBOLS_ALL,
};

/* Every place that name means, best first, one symbol an address; the caller frees *ret. -ENOENT: none; -ENOMEM. */
int ph_symbols_find_all(struct ph_elf *elf, const char *name, enum ph_symbols_scope scope, struct ph_symbol **ret,
			size_t *ret_n);

/*
 * The next symbol of all, in the tables' order; *cursor begins at 0. False after the last. What several tables have
 * comes several times.
 */
bool ph_symbols_next(struct ph_elf *elf, size_t *cursor, struct ph_symbol *ret);

/*
 * The stub that vaddr lies in: *ret's name is that of the function that it calls, without "@plt", and its vaddr the
 * stub's. -ENOENT: none.
 */
int ph_symbols_stub_at(struct ph_elf *elf, ph_addr vaddr, struct ph_symbol *ret);

/* Every such stub, by address; *cursor begins at 0. */
bool ph_symbols_next_stub(struct ph_elf *elf, size_t *cursor, struct ph_symbol *ret);

/* Offers every name, without its version; those of C++ without their parameters. */
void ph_symbols_nearest(struct ph_elf *elf, struct ph_spell *spell);

#endif
