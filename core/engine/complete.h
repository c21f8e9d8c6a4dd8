/*
 * complete - places that begin with some letters: symbols of every module, modules, files and lines of source.
 *
 * For whoever presses Tab: bounded in number and in time, so that what is given may be only the first of them.
 */
#ifndef PH_ENGINE_COMPLETE_H
#define PH_ENGINE_COMPLETE_H

#include "engine/process.h"

/*
 * Calls fn with each, as it would be written ("puts", "libc!puts", "libc!", "file.c:", "file.c:42"), in no order and perhaps twice,
 * until it gives nonzero. Parameters of C++ functions come only when the prefix has a "(".
 */
int ph_complete_place(struct ph_process *process, const char *prefix, int (*fn)(const char *name, void *user), void *user,
		      struct ph_err *err);

#endif
