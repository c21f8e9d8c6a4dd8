/*
 * seccomp - the filter program that lets a tracer see some system calls and costs the others nothing.
 *
 * By hand, where libseccomp could write one: the program is for another process, must let calls of every table pass
 * (libseccomp's kills those of a table that it was not told of), and is a pure function here, which tests run through
 * an interpreter. The kernel remembers which numbers always pass (Linux 5.11), so its length costs nothing there.
 *
 * Beside the calls of the set it stops every clone with CLONE_UNTRACED and every clone3: a child that no tracer gets
 * would find its calls failing with ENOSYS.
 */
#ifndef PH_X86_SECCOMP_H
#define PH_X86_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>

#include "x86/syscalls.h"

#define PH_SECCOMP_DATA 0x7068	/* what our stops carry: no other filter's is taken for it */

/* Two instructions a number, in each of the tables, and a few to tell these apart: within BPF_MAXINSNS. */
#define PH_SECCOMP_ROOM 4096

/* How many instructions; 0: they would not fit. */
size_t ph_seccomp_build(const struct ph_call_set *set, struct sock_filter ret[PH_SECCOMP_ROOM]);

#endif
