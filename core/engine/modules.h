/*
 * modules - what a process has loaded, kept current.
 *
 * Found through the dynamic linker's own list (linker.h), in its order, and completed from the memory map: static
 * programs, a process whose linker has not run yet, ELF files that something else mapped. The list belongs to the
 * process, is made when first asked for, and is current whenever it is asked for: what ran in between is looked after,
 * unless the loader (loader.h) is watched, who tells. Every call needs a living thread of the process, which need not
 * be stopped.
 */
#ifndef PH_ENGINE_MODULES_H
#define PH_ENGINE_MODULES_H

#include "engine/module.h"
#include "engine/process.h"

/* The program itself. NULL: the process has gone, or its program cannot be read; err says which. */
struct ph_module *ph_modules_main(struct ph_process *process, struct ph_err *err);

/* The whole list, as it is now. -ESRCH: the process has gone; -ENOMEM. */
int ph_modules_refresh(struct ph_process *process, struct ph_err *err);

/* The same, unless it is known to be current. */
int ph_modules_list(struct ph_process *process, struct ph_err *err);

/* The index-th of the list; NULL: no more. */
struct ph_module *ph_modules_get(const struct ph_process *process, size_t index);

/* The module that addr lies in, as things are now; borrowed until the next refresh. NULL: none. */
struct ph_module *ph_modules_at(struct ph_process *process, ph_addr addr);

/* Its file, opened at the first call; owned by the module. NULL: nothing readable is left of it. */
struct ph_elf *ph_modules_elf(struct ph_process *process, struct ph_module *module);

#endif
