/* syscalls: names, numbers and sets; seccomp: the filter, run by an interpreter of the few instructions that it uses. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/seccomp.h"

#define N_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct {
	enum ph_abi abi;
	const char *name;
	uint32_t number;
} known[] = {
	{ PH_ABI_X86_64, "read", 0 },		{ PH_ABI_X86_64, "openat", 257 },
	{ PH_ABI_X86_64, "clone3", 435 },	{ PH_ABI_X86_64, "cachestat", 451 },
	{ PH_ABI_X86_64, "mseal", 462 },	{ PH_ABI_I386, "read", 3 },
	{ PH_ABI_I386, "openat", 295 },		{ PH_ABI_I386, "socketcall", 102 },
	{ PH_ABI_I386, "clone", 120 },		{ PH_ABI_I386, "mseal", 462 },
	{ PH_ABI_X32, "read", PH_X32_BIT | 0 }, { PH_ABI_X32, "execve", PH_X32_BIT | 520 },
	{ PH_ABI_X32, "clone", PH_X32_BIT | 56 },
};

static void names_and_numbers_are_the_kernels(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(known); i++) {
		assert_int_equal(ph_syscall_number(known[i].abi, known[i].name), known[i].number);
		assert_string_equal(ph_syscall_name(known[i].abi, known[i].number), known[i].name);
	}
	for (int abi = 0; abi < PH_ABI_COUNT; abi++) {
		assert_int_equal(ph_syscall_number((enum ph_abi)abi, "clone"), ph_abi_clones[abi].clone);
		assert_int_equal(ph_syscall_number((enum ph_abi)abi, "clone3"), ph_abi_clones[abi].clone3);
	}
	assert_int_equal(ph_syscall_number(PH_ABI_X86_64, "socketcall"), -ENOENT);
	assert_int_equal(ph_syscall_number(PH_ABI_X86_64, "no_such_call"), -ENOENT);
	assert_int_equal(ph_syscall_number(PH_ABI_X86_64, ""), -ENOENT);
	assert_null(ph_syscall_name(PH_ABI_X86_64, 1000));
	assert_null(ph_syscall_name(PH_ABI_X86_64, PH_X32_BIT));
	assert_null(ph_syscall_name(PH_ABI_X32, 0));
	assert_null(ph_syscall_name(PH_ABI_X86_64, UINT64_MAX));
	assert_null(ph_syscall_name(PH_ABI_X86_64, UINT32_MAX));
}

static void every_name_of_a_table_has_its_number(void **state)
{
	(void)state;
	for (int abi = 0; abi < PH_ABI_COUNT; abi++) {
		uint32_t bit = abi == PH_ABI_X32 ? PH_X32_BIT : 0;
		unsigned int names = 0;

		for (uint32_t number = 0; number < PH_CALLS_MAX; number++) {
			const char *name = ph_syscall_name((enum ph_abi)abi, number | bit);

			if (!name)
				continue;
			names++;
			assert_int_equal(ph_syscall_number((enum ph_abi)abi, name), number | bit);
		}
		assert_true(names > 350);
	}
}

static void the_table_of_a_call_is_told_by_arch_and_bit(void **state)
{
	(void)state;
	assert_int_equal(ph_abi_of(AUDIT_ARCH_X86_64, 0), PH_ABI_X86_64);
	assert_int_equal(ph_abi_of(AUDIT_ARCH_X86_64, PH_X32_BIT | 1), PH_ABI_X32);
	assert_int_equal(ph_abi_of(AUDIT_ARCH_X86_64, UINT32_MAX), PH_ABI_X86_64);
	assert_int_equal(ph_abi_of(AUDIT_ARCH_I386, 1), PH_ABI_I386);
	assert_int_equal(ph_abi_of(AUDIT_ARCH_I386, PH_X32_BIT | 1), PH_ABI_I386);
}

static void a_name_is_a_call_by_every_table(void **state)
{
	struct ph_call_set set = { 0 };

	(void)state;
	assert_int_equal(ph_call_set_add_name(&set, "openat"), 0);
	assert_int_equal(ph_call_set_add_name(&set, "socketcall"), 0);
	assert_int_equal(ph_call_set_add_name(&set, "opnat"), -ENOENT);
	assert_true(ph_call_set_has(&set, PH_ABI_X86_64, 257));
	assert_true(ph_call_set_has(&set, PH_ABI_I386, 295));
	assert_true(ph_call_set_has(&set, PH_ABI_X32, PH_X32_BIT | 257));
	assert_true(ph_call_set_has(&set, PH_ABI_I386, 102));
	assert_false(ph_call_set_has(&set, PH_ABI_X86_64, 102));
	assert_false(ph_call_set_has(&set, PH_ABI_X86_64, 295));
	assert_false(ph_call_set_has(&set, PH_ABI_X86_64, UINT64_MAX));
}

static void a_set_covers_its_parts(void **state)
{
	struct ph_call_set a = { 0 }, b = { 0 }, every = { .all = true };

	(void)state;
	ph_call_set_add_name(&a, "read");
	ph_call_set_add_name(&a, "write");
	ph_call_set_add_name(&b, "write");
	assert_true(ph_call_set_covers(&a, &b));
	assert_false(ph_call_set_covers(&b, &a));
	assert_true(ph_call_set_covers(&every, &a));
	assert_false(ph_call_set_covers(&a, &every));
	ph_call_set_merge(&b, &a);
	assert_true(ph_call_set_covers(&b, &a));
	assert_true(ph_call_set_has(&every, PH_ABI_X86_64, 5000));
}

static void the_nearest_name_is_found(void **state)
{
	struct ph_spell spell;

	(void)state;
	ph_spell_init(&spell, "opneat");
	ph_syscall_offer_all(&spell);
	assert_string_equal(ph_spell_result(&spell), "openat");
}

/* What the kernel would answer (bpf(2), "classic"). */
static uint32_t run_filter(const struct sock_filter *insns, size_t length, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < length; at++) {
		const struct sock_filter *insn = &insns[at];

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(insn->k % 4 == 0 && insn->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + insn->k, 4);
			break;
		case BPF_JMP | BPF_JA:
			at += insn->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == insn->k ? insn->jt : insn->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at += a & insn->k ? insn->jt : insn->jf;
			break;
		case BPF_RET | BPF_K:
			return insn->k;
		default:
			fail_msg("instruction %zu has code 0x%x", at, insn->code);
		}
	}
	fail_msg("the filter ends without an answer");
	return 0;
}

#define TRACE (SECCOMP_RET_TRACE | PH_SECCOMP_DATA)

static uint32_t answer_to(const struct ph_call_set *set, uint32_t arch, uint32_t number, uint64_t first)
{
	static struct sock_filter insns[PH_SECCOMP_ROOM];
	struct seccomp_data data = { .nr = (int)number, .arch = arch, .args = { first } };
	size_t length = ph_seccomp_build(set, insns);

	assert_true(length > 0 && length <= BPF_MAXINSNS);
	return run_filter(insns, length, &data);
}

static void the_filter_stops_the_calls_of_its_set_alone(void **state)
{
	static const char *const names[] = { "openat", "socketcall", "execve" };
	struct ph_call_set set = { 0 };

	(void)state;
	for (size_t i = 0; i < N_OF(names); i++)
		ph_call_set_add_name(&set, names[i]);
	for (int abi = 0; abi < PH_ABI_COUNT; abi++) {
		uint32_t bit = abi == PH_ABI_X32 ? PH_X32_BIT : 0;
		int64_t clone3 = ph_syscall_number((enum ph_abi)abi, "clone3");

		for (uint32_t number = bit; number < bit + PH_CALLS_MAX; number++) {
			bool wanted = ph_call_set_has(&set, (enum ph_abi)abi, number) || number == clone3;

			assert_int_equal(answer_to(&set, ph_abi_arch((enum ph_abi)abi), number, 0),
					 wanted ? TRACE : SECCOMP_RET_ALLOW);
		}
	}
	assert_int_equal(answer_to(&set, AUDIT_ARCH_X86_64, UINT32_MAX, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer_to(&set, AUDIT_ARCH_I386, UINT32_MAX, 0), SECCOMP_RET_ALLOW);
}

static void the_filter_stops_clones_that_nobody_would_trace(void **state)
{
	struct ph_call_set set = { 0 };
	static const struct {
		enum ph_abi abi;
		uint32_t clone;
	} rows[] = { { PH_ABI_X86_64, 56 }, { PH_ABI_I386, 120 }, { PH_ABI_X32, PH_X32_BIT | 56 } };

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		uint32_t arch = ph_abi_arch(rows[i].abi);

		assert_int_equal(answer_to(&set, arch, rows[i].clone, CLONE_VM | 17), SECCOMP_RET_ALLOW);
		assert_int_equal(answer_to(&set, arch, rows[i].clone, CLONE_UNTRACED | 17), TRACE);
		assert_int_equal(answer_to(&set, arch, rows[i].clone + 1, CLONE_UNTRACED), SECCOMP_RET_ALLOW);
	}
	ph_call_set_add_name(&set, "clone");
	assert_int_equal(answer_to(&set, AUDIT_ARCH_X86_64, 56, 17), TRACE);
}

static void the_filter_of_every_call_fits(void **state)
{
	struct ph_call_set every = { .all = true }, each = { 0 };

	(void)state;
	assert_int_equal(answer_to(&every, AUDIT_ARCH_X86_64, 5000, 0), TRACE);
	assert_int_equal(answer_to(&every, AUDIT_ARCH_I386, 1, 0), TRACE);
	for (int abi = 0; abi < PH_ABI_COUNT; abi++)
		for (uint32_t number = 0; number < PH_CALLS_MAX; number++) {
			uint32_t full = abi == PH_ABI_X32 ? number | PH_X32_BIT : number;

			if (ph_syscall_name((enum ph_abi)abi, full))
				ph_call_set_add(&each, (enum ph_abi)abi, full);
		}
	assert_int_equal(answer_to(&each, AUDIT_ARCH_X86_64, 257, 0), TRACE);
	assert_int_equal(answer_to(&each, AUDIT_ARCH_X86_64, 999, 0), SECCOMP_RET_ALLOW);
	/* More than any kernel has: it says so, and writes nothing behind its room. */
	memset(each.bits, 0xff, sizeof(each.bits));
	struct sock_filter *insns = malloc(PH_SECCOMP_ROOM * sizeof(*insns));

	assert_int_equal(ph_seccomp_build(&each, insns), 0);
	free(insns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_are_the_kernels),
		cmocka_unit_test(every_name_of_a_table_has_its_number),
		cmocka_unit_test(the_table_of_a_call_is_told_by_arch_and_bit),
		cmocka_unit_test(a_name_is_a_call_by_every_table),
		cmocka_unit_test(a_set_covers_its_parts),
		cmocka_unit_test(the_nearest_name_is_found),
		cmocka_unit_test(the_filter_stops_the_calls_of_its_set_alone),
		cmocka_unit_test(the_filter_stops_clones_that_nobody_would_trace),
		cmocka_unit_test(the_filter_of_every_call_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
