/*
 * memory - what scripts write into a target, and who has to know.
 *
 * A snapshot looks for changes where the program writes by itself; a watchpoint tells of what the program does, and
 * nobody else. The functions for processes are ptracehook.h's.
 */
#ifndef PH_ENGINE_MEMORY_H
#define PH_ENGINE_MEMORY_H

#include "engine/thread.h"

/* As ph_space_write. The thread is any of its process. */
int ph_memory_write(struct ph_thread *thread, ph_addr addr, const void *buf, size_t len, struct ph_err *err);

#endif
