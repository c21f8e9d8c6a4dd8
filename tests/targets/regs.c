/*
 * regs: has known values (below) in every register at the label regs_here; exit 0 when they are the same after it.
 * regs print: prints all afterwards, "rax 0x…", "xmm0 BYTES" (memory order), "st0 1.5". regs changed NAME=VALUE…:
 * exit 0 when exactly these are changed (xmm0=BYTES in hex; prefix of the rest kept), else 1 and "rax is 0x… not
 * 0x…" for each that is wrong.
 */
#include <asm/prctl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "target.h"

struct registers {
	uint64_t general[16];
	uint64_t rflags;
	uint32_t mxcsr, pad;
	long double st[2];
	uint64_t gs_base, pad2;
	unsigned char vector[32][64];
};
_Static_assert(offsetof(struct registers, st) == 144, "as in regs_run.S");
_Static_assert(offsetof(struct registers, vector) == 192, "as in regs_run.S");

struct registers regs_in __attribute__((aligned(64))), regs_out __attribute__((aligned(64)));
int regs_vector_size;

void regs_run(void);

static const char *const names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
				     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

/*
 * general register k: 0xa1b2c3d4e5f60000 + k (past 2^53 and negative); rflags: CF, ZF and OF set; st0 = 3.25, st1 =
 * -1.5; byte j of vector n: 7 * n + j; gs_base = 0x12345678000; mxcsr rounds down (0x3f80).
 */
static void fill(struct registers *r)
{
	for (int k = 0; k < 16; k++)
		r->general[k] = 0xa1b2c3d4e5f60000 + k;
	r->rflags = 0xa43;
	r->mxcsr = 0x3f80;
	r->st[0] = 3.25L;
	r->st[1] = -1.5L;
	r->gs_base = 0x12345678000;
	for (int n = 0; n < 32; n++)
		for (int j = 0; j < 64; j++)
			r->vector[n][j] = 7 * n + j;
}

static uint64_t *integer(struct registers *r, const char *name)
{
	for (int k = 0; k < 16; k++)
		if (!strcmp(name, names[k]))
			return &r->general[k];
	if (!strcmp(name, "rflags"))
		return &r->rflags;
	return strcmp(name, "gs_base") ? NULL : &r->gs_base;
}

static bool set(struct registers *r, const char *name, const char *value)
{
	unsigned n, byte;
	uint64_t *to = integer(r, name);

	if (to)
		*to = strtoull(value, NULL, 0);
	else if (!strcmp(name, "mxcsr"))
		r->mxcsr = strtoul(value, NULL, 0);
	else if (sscanf(name, "st%u", &n) == 1 && n < 2)
		r->st[n] = strtold(value, NULL);
	else if (sscanf(name + 1, "mm%u", &n) == 1 && n < 32)
		for (int j = 0; j < 64 && sscanf(value + 2 * j, "%2x", &byte) == 1; j++)
			r->vector[n][j] = byte;
	else
		return false;
	return true;
}

static int vector_count(void)
{
	return regs_vector_size == 64 ? 32 : 16;
}

static void print_vector(int n)
{
	printf("%cmm%d ", regs_vector_size == 64 ? 'z' : regs_vector_size == 32 ? 'y' : 'x', n);
	for (int j = 0; j < regs_vector_size; j++)
		printf("%02x", regs_out.vector[n][j]);
	puts("");
}

static void print(void)
{
	for (int k = 0; k < 16; k++)
		printf("%s 0x%lx\n", names[k], regs_out.general[k]);
	printf("rflags 0x%lx\ngs_base 0x%lx\nmxcsr 0x%x\n", regs_out.rflags, regs_out.gs_base, regs_out.mxcsr);
	printf("st0 %Lg\nst1 %Lg\n", regs_out.st[0], regs_out.st[1]);
	for (int n = 0; n < vector_count(); n++)
		print_vector(n);
}

static bool same(const char *name, uint64_t is, uint64_t wanted)
{
	if (is != wanted)
		printf("%s is 0x%lx not 0x%lx\n", name, is, wanted);
	return is == wanted;
}

static bool as_wanted(const struct registers *wanted)
{
	bool good = true;

	for (int k = 0; k < 16; k++)
		good &= same(names[k], regs_out.general[k], wanted->general[k]);
	good &= same("rflags", regs_out.rflags, wanted->rflags);
	good &= same("mxcsr", regs_out.mxcsr, wanted->mxcsr);
	good &= same("gs_base", regs_out.gs_base, wanted->gs_base);
	for (int n = 0; n < 2; n++) {
		if (regs_out.st[n] == wanted->st[n])
			continue;
		printf("st%d is %Lg not %Lg\n", n, regs_out.st[n], wanted->st[n]);
		good = false;
	}
	for (int n = 0; n < vector_count(); n++) {
		if (!memcmp(regs_out.vector[n], wanted->vector[n], regs_vector_size))
			continue;
		print_vector(n);
		good = false;
	}
	return good;
}

int main(int argc, char **argv)
{
	bool changed = argc > 2 && !strcmp(argv[1], "changed");
	struct registers wanted;

	target_begin();
	if (argc > 1 && !changed && strcmp(argv[1], "print"))
		return target_usage("regs [print | changed NAME=VALUE...]");
	regs_vector_size = __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx") ? 32 : 16;
	fill(&regs_in);
	syscall(SYS_arch_prctl, ARCH_SET_GS, regs_in.gs_base);
	regs_run();
	syscall(SYS_arch_prctl, ARCH_GET_GS, &regs_out.gs_base);

	wanted = regs_in;
	for (int i = 2; changed && i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value)
			*value++ = '\0';
		if (!value || !set(&wanted, argv[i], value))
			return target_usage("regs changed rax=0x1 xmm0=00112233 st0=1.5 rflags= mxcsr= gs_base=");
	}
	if (argc == 2)
		print();
	return argc == 2 || as_wanted(&wanted) ? 0 : 1;
}
