/*
 * syscalls - system calls by name and number, and sets of them.
 *
 * A 64-bit thread can call by three tables: `syscall` with a plain number, `int 0x80` (the numbers of i386), and
 * `syscall` with bit 30 set (x32). A name may have a number in each. Names come from libseccomp, and from a few rows of
 * ours for calls younger than it. Pure: values in, values out.
 */
#ifndef PH_X86_SYSCALLS_H
#define PH_X86_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spell.h"

enum ph_abi {
	PH_ABI_X86_64,
	PH_ABI_I386,
	PH_ABI_X32,
	PH_ABI_COUNT,
};

#define PH_X32_BIT 0x40000000u	/* in the number of an x32 call */
#define PH_CALLS_MAX 1024	/* numbers, without that bit, lie below */

/* arch: AUDIT_ARCH_…, as the kernel says it of a call. */
enum ph_abi ph_abi_of(uint32_t arch, uint64_t number);
uint32_t ph_abi_arch(enum ph_abi abi);
const char *ph_abi_name(enum ph_abi abi);	/* "x86_64", "i386", "x32" */

/* The two calls that make a child as their flags say. */
struct ph_abi_clones {
	uint32_t clone, clone3;
};
extern const struct ph_abi_clones ph_abi_clones[PH_ABI_COUNT];

/* True of the calls that end a thread; *ret_whole: its whole process. */
bool ph_abi_ends(enum ph_abi abi, uint64_t number, bool *ret_whole);

/* The number, as a call carries it, or -ENOENT. */
int64_t ph_syscall_number(enum ph_abi abi, const char *name);

/* The name, or NULL when the table has none for it. Valid for ever. */
const char *ph_syscall_name(enum ph_abi abi, uint64_t number);

/* Every name of every table, to one who looks for the nearest. */
void ph_syscall_offer_all(struct ph_spell *spell);

struct ph_call_set {
	bool all;	/* whatever the number, also of calls that no table has */
	uint64_t bits[PH_ABI_COUNT][PH_CALLS_MAX / 64];
};

void ph_call_set_add(struct ph_call_set *set, enum ph_abi abi, uint64_t number);

/* By every table that has it. -ENOENT: none has. */
int ph_call_set_add_name(struct ph_call_set *set, const char *name);

/* Those of ph_abi_ends, by every table. */
void ph_call_set_add_ends(struct ph_call_set *set);

bool ph_call_set_has(const struct ph_call_set *set, enum ph_abi abi, uint64_t number);
void ph_call_set_merge(struct ph_call_set *set, const struct ph_call_set *other);

/* Every call of part is in whole. */
bool ph_call_set_covers(const struct ph_call_set *whole, const struct ph_call_set *part);

#endif
