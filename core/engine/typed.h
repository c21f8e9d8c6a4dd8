/*
 * typed - types and variables of a process, by the debug information of what it has loaded.
 *
 * Answers are plain values (image/types.h, image/variables.h). A serial number names the debug information that they
 * are of, for as long as the module that has it is loaded.
 */
#ifndef PH_ENGINE_TYPED_H
#define PH_ENGINE_TYPED_H

#include "engine/thread.h"
#include "image/signature.h"
#include "image/types.h"
#include "image/variables.h"

/*
 * The type that text names ("struct task", "libfoo!task_t *"), of the module in which the thread stands, the program,
 * or another, in this order. -ENOENT, with the nearest spelling; -EINVAL; -ENOMEM.
 */
int ph_typed_find(struct ph_thread *thread, const char *text, struct ph_types *ret, uint64_t *ret_serial,
		  struct ph_err *err);

/* What a pointer of those types leads to. -ENOENT: the module is not loaded any more. */
int ph_typed_follow(struct ph_process *process, uint64_t serial, ph_type_ref ref, struct ph_types *ret,
		    struct ph_err *err);

/* Of the function in which the thread stands. -ENOENT: no debug information describes it. */
int ph_typed_variables(struct ph_thread *thread, enum ph_variables_which which, struct ph_variables *ret,
		       uint64_t *ret_serial, struct ph_err *err);

/* Of the function that begins at addr. -ENOENT, without words: no debug information describes it. */
int ph_typed_signature(struct ph_process *process, ph_addr addr, struct ph_signature *ret, uint64_t *ret_serial,
		       struct ph_err *err);

#endif
