#include "x86/syscalls.h"

#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t audit, seccomp, bit;
} abis[PH_ABI_COUNT] = {
	[PH_ABI_X86_64] = { "x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0 },
	[PH_ABI_I386] = { "i386", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0 },
	[PH_ABI_X32] = { "x32", AUDIT_ARCH_X86_64, SCMP_ARCH_X32, PH_X32_BIT },
};

const struct ph_abi_clones ph_abi_clones[PH_ABI_COUNT] = {
	[PH_ABI_X86_64] = { 56, 435 },
	[PH_ABI_I386] = { 120, 435 },
	[PH_ABI_X32] = { PH_X32_BIT | 56, PH_X32_BIT | 435 },
};

static const struct {
	uint32_t exit, exit_group;
} ends[PH_ABI_COUNT] = {
	[PH_ABI_X86_64] = { 60, 231 },
	[PH_ABI_I386] = { 1, 252 },
	[PH_ABI_X32] = { PH_X32_BIT | 60, PH_X32_BIT | 231 },
};

bool ph_abi_ends(enum ph_abi abi, uint64_t number, bool *ret_whole)
{
	*ret_whole = number == ends[abi].exit_group;
	return *ret_whole || number == ends[abi].exit;
}

/* Since 5.18 calls have one number in all tables (x32's bit aside); libseccomp 2.5 ends before them. */
static const struct {
	const char *name;
	unsigned int number;
} young[] = {
	{ "cachestat", 451 },	     { "fchmodat2", 452 },	  { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	     { "futex_wait", 455 },	  { "futex_requeue", 456 },
	{ "statmount", 457 },	     { "listmount", 458 },	  { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },	     { "getxattrat", 464 },	  { "listxattrat", 465 },
	{ "removexattrat", 466 },    { "open_tree_attr", 467 },	  { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

#define N_YOUNG (sizeof(young) / sizeof(young[0]))

/* Made once: libseccomp answers one number at a time, with memory that somebody has to free. */
static const char *const *names_of(enum ph_abi abi)
{
	static const char *names[PH_ABI_COUNT][PH_CALLS_MAX];
	static bool made[PH_ABI_COUNT];

	if (made[abi])
		return names[abi];
	for (unsigned int number = 0; number < PH_CALLS_MAX; number++)
		names[abi][number] = seccomp_syscall_resolve_num_arch(abis[abi].seccomp,
								      (int)(number | abis[abi].bit));
	for (size_t i = 0; i < N_YOUNG; i++)
		if (!names[abi][young[i].number])
			names[abi][young[i].number] = young[i].name;
	made[abi] = true;
	return names[abi];
}

enum ph_abi ph_abi_of(uint32_t arch, uint64_t number)
{
	if (arch == AUDIT_ARCH_I386)
		return PH_ABI_I386;
	/* A number of -1, which answers a call without the kernel, has that bit as well. */
	return (number & PH_X32_BIT) && (uint32_t)number != UINT32_MAX ? PH_ABI_X32 : PH_ABI_X86_64;
}

uint32_t ph_abi_arch(enum ph_abi abi)
{
	return abis[abi].audit;
}

const char *ph_abi_name(enum ph_abi abi)
{
	return abis[abi].name;
}

/* Where the number stands in its table, or PH_CALLS_MAX. The kernel looks at its low 32 bits. */
static unsigned int index_of(enum ph_abi abi, uint64_t number)
{
	uint32_t at = (uint32_t)number;

	if ((at & PH_X32_BIT) != abis[abi].bit)
		return PH_CALLS_MAX;
	at &= ~abis[abi].bit;
	return at < PH_CALLS_MAX ? at : PH_CALLS_MAX;
}

/* By the table, not by libseccomp's own search, which has numbers of its own for what socketcall and ipc do on i386. */
int64_t ph_syscall_number(enum ph_abi abi, const char *name)
{
	const char *const *names = names_of(abi);

	for (unsigned int number = 0; number < PH_CALLS_MAX; number++)
		if (names[number] && strcmp(names[number], name) == 0)
			return number | abis[abi].bit;
	return -ENOENT;
}

const char *ph_syscall_name(enum ph_abi abi, uint64_t number)
{
	unsigned int at = index_of(abi, number);

	return at < PH_CALLS_MAX ? names_of(abi)[at] : NULL;
}

void ph_syscall_offer_all(struct ph_spell *spell)
{
	for (int abi = 0; abi < PH_ABI_COUNT; abi++)
		for (unsigned int at = 0; at < PH_CALLS_MAX; at++)
			if (names_of((enum ph_abi)abi)[at])
				ph_spell_offer(spell, names_of((enum ph_abi)abi)[at]);
}

void ph_call_set_add(struct ph_call_set *set, enum ph_abi abi, uint64_t number)
{
	unsigned int at = index_of(abi, number);

	if (at < PH_CALLS_MAX)
		set->bits[abi][at / 64] |= 1ull << at % 64;
}

int ph_call_set_add_name(struct ph_call_set *set, const char *name)
{
	int r = -ENOENT;

	for (int abi = 0; abi < PH_ABI_COUNT; abi++) {
		int64_t number = ph_syscall_number((enum ph_abi)abi, name);

		if (number < 0)
			continue;
		ph_call_set_add(set, (enum ph_abi)abi, (uint64_t)number);
		r = 0;
	}
	return r;
}

void ph_call_set_add_ends(struct ph_call_set *set)
{
	for (int abi = 0; abi < PH_ABI_COUNT; abi++) {
		ph_call_set_add(set, (enum ph_abi)abi, ends[abi].exit);
		ph_call_set_add(set, (enum ph_abi)abi, ends[abi].exit_group);
	}
}

bool ph_call_set_has(const struct ph_call_set *set, enum ph_abi abi, uint64_t number)
{
	unsigned int at;

	if (set->all)
		return true;
	at = index_of(abi, number);
	return at < PH_CALLS_MAX && (set->bits[abi][at / 64] >> at % 64 & 1);
}

void ph_call_set_merge(struct ph_call_set *set, const struct ph_call_set *other)
{
	set->all |= other->all;
	for (int abi = 0; abi < PH_ABI_COUNT; abi++)
		for (int i = 0; i < PH_CALLS_MAX / 64; i++)
			set->bits[abi][i] |= other->bits[abi][i];
}

bool ph_call_set_covers(const struct ph_call_set *whole, const struct ph_call_set *part)
{
	if (whole->all)
		return true;
	if (part->all)
		return false;
	for (int abi = 0; abi < PH_ABI_COUNT; abi++)
		for (int i = 0; i < PH_CALLS_MAX / 64; i++)
			if (part->bits[abi][i] & ~whole->bits[abi][i])
				return false;
	return true;
}
