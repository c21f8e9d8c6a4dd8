/*
 * source - places by line of source in a process, and the line that an address belongs to.
 *
 * Modules are asked in the dynamic linker's order (modules.h), and the first that has code of the line is meant, as it
 * is for names; but a header's code may be in several of them, and all of it is meant.
 */
#ifndef PH_ENGINE_SOURCE_H
#define PH_ENGINE_SOURCE_H

#include "engine/process.h"
#include "image/lines.h"
#include "image/place.h"

/*
 * Every address that a place of kind PH_PLACE_LINE means, those of one module ascending; the caller frees *ret.
 * -ENOENT: no such module, no such file in it, or no code for the line; err says so, with the nearest spelling.
 * *ret_is_known: some module has the file, so that none which is loaded later is waited for.
 */
int ph_source_find(struct ph_process *process, const struct ph_place *place, ph_addr **ret, size_t *ret_n,
		   bool *ret_is_known, struct ph_err *err);

/* -ENOENT: no debug information says which. */
int ph_source_at(struct ph_process *process, ph_addr addr, struct ph_line *ret);

/* Where that line's file was when it was compiled. */
int ph_source_path_at(struct ph_process *process, ph_addr addr, char *buf, size_t len);

#endif
