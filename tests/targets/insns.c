/*
 * insns [NAME...]: runs each assembly function of insns_fn.S (or those named), whose interesting instruction is at
 * the label at_NAME, and checks its results, flags, return addresses and faults from C.
 * insns list prints the names.
 * Output: "NAME ok", "NAME wrong" or "NAME skip" (the CPU or kernel lacks it); exit 0 when none is wrong, else 1.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "target.h"

/* flags: CF 1 PF 4 ZF 40 SF 80 TF 100 IF 200 DF 400 OF 800; AF (10) is left out where it is undefined */
enum {
	FLAGS = 0xfd5,
	NO_AF = 0xfc5,
	LARGE = (1 << 20) + 3
};

static unsigned char from[LARGE], to[LARGE];
static unsigned char *page;
static long good_value = 99;

/* What the last fault was; what its handler does: rip += skip, or register = value, or the page made writable. */
static struct {
	int count, signal, code;
	uintptr_t rip, addr;
} seen;
static struct {
	int skip, reg;
	long value;
	bool open_page;
	const char *skip_if_at;
} cure;

static void on_fault(int n, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	seen.count++;
	seen.signal = n;
	seen.code = info->si_code;
	seen.addr = (uintptr_t)info->si_addr;
	seen.rip = regs[REG_RIP];
	regs[REG_RIP] += cure.skip_if_at ? regs[REG_RIP] == (greg_t)cure.skip_if_at : cure.skip;
	if (cure.open_page)
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	if (!cure.skip && !cure.open_page)
		regs[cure.reg] = cure.value;
	if (seen.count > 10)
		_exit(4);
}

static bool faulted(int signal, const void *at, long past)
{
	return seen.count == 1 && seen.signal == signal && seen.rip == (uintptr_t)at + past;
}

#define FUNCTION(name)                   \
	long f_##name(long, long, long); \
	extern const char at_##name[]
#define IS(name, expression)           \
	FUNCTION(name);                \
	static bool check_##name(void) \
	{                              \
		return expression;     \
	}
#define IN_FULL(name)   \
	FUNCTION(name); \
	static bool check_##name(void)

IS(pushfq, (f_pushfq(0, 0, 0) & NO_AF) == 0x245)
IS(pushfw, (f_pushfw(0, 0, 0) & NO_AF) == 0x245)
IS(popfq, (f_popfq(0, 0, 0) & FLAGS) == 0xad5)
IS(lahf, (f_lahf(0, 0, 0) & 0xc5) == 0x45)
IS(iretq, f_iretq(0, 0, 0) == 0)
IS(mov_ss, f_mov_ss(41, 0, 0) == 42)

IN_FULL(syscall)
{
	long pid, r11;

	return f_syscall((long)&pid, (long)&r11, 0) == 0 && pid == getpid() && (r11 & 0x300) == 0x200;
}

IN_FULL(int80)
{
	long r;

	cure.skip = 2;
	r = f_int80(0, 0, 0);
	return seen.count || r == getpid();
}

static void fill(void)
{
	for (int i = 0; i < LARGE; i++)
		from[i] = i * 7 + i / 251;
	memset(to, 0, LARGE);
}

IN_FULL(rep_movsb)
{
	fill();
	return f_rep_movsb((long)to, (long)from, LARGE) == 0 && !memcmp(to, from, LARGE) && f_rep_movsb(1, 1, 0) == 0;
}

IN_FULL(rep_movsb_down)
{
	fill();
	return f_rep_movsb_down((long)(to + LARGE - 1), (long)(from + LARGE - 1), LARGE) == 0 &&
	       !memcmp(to, from, LARGE);
}

IN_FULL(rep_stosq)
{
	static long cells[10000];
	long sum = 0;

	f_rep_stosq((long)cells, 3, 10000);
	for (int i = 0; i < 10000; i++)
		sum += cells[i];
	return sum == 30000;
}

IS(repne_scasb, f_repne_scasb((long)"abcdefgh", 'c', 8) == 5)
IS(repe_cmpsb, f_repe_cmpsb((long)"abcdefgh", (long)"abcdXfgh", 8) == 3)

IN_FULL(fault_rep)
{
	fill();
	page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
	mprotect(page, 4096, PROT_NONE);
	cure.open_page = true;
	return f_fault_rep((long)(page - 4096), (long)from, 3 * 4096) == 0 && !memcmp(page - 4096, from, 3 * 4096) &&
	       faulted(SIGSEGV, at_fault_rep, 0) && seen.addr == (uintptr_t)page;
}

IS(call, f_call(0, 0, 0) == 0)
IS(call_reg, f_call_reg(0, 0, 0) == 0)
IS(call_rip, f_call_rip(0, 0, 0) == 0)
IS(call_rsp, f_call_rsp(0, 0, 0) == 0)
IS(call_next, f_call_next(0, 0, 0) == 0)
IS(ret, f_ret(0, 0, 0) == 7)
IS(rep_ret, f_rep_ret(6, 0, 0) == 7)
IS(ret_imm, f_ret_imm(0, 0, 0) == 0)

IS(jmp_short, f_jmp_short(0, 0, 0) == 1)
IS(jmp_near, f_jmp_near(0, 0, 0) == 1)
IS(jmp_bnd, f_jmp_bnd(0, 0, 0) == 1)
IS(jmp_rip, f_jmp_rip(0, 0, 0) == 1)
IS(jmp_reg, f_jmp_reg(0, 0, 0) == 1)
IS(jmp_back, f_jmp_back(0, 0, 0) == 1)
IS(jmp_table, f_jmp_table(0, 0, 0) == 10 && f_jmp_table(1, 0, 0) == 11)
IS(jcc_short, f_jcc_short(1, 2, 0) == 1 && f_jcc_short(2, 2, 0) == 2 && f_jcc_short(-1, 2, 0) == 2)
IS(jcc_near, f_jcc_near(1, 2, 0) == 1 && f_jcc_near(2, 2, 0) == 2 && f_jcc_near(-1, 2, 0) == 2)
IS(jcc_near_le, f_jcc_near_le(2, 2, 0) == 1 && f_jcc_near_le(-1, 2, 0) == 1 && f_jcc_near_le(3, 2, 0) == 2)
IS(loop, f_loop(0, 0, 0) == 5)
IS(loop_self, f_loop_self(7, 0, 0) == 0)
IS(loope, f_loope(9, 4, 0) == 4 && f_loope(3, 9, 0) == 3)
IS(jrcxz, f_jrcxz(0, 0, 0) == 1 && f_jrcxz(1L << 40, 0, 0) == 2)
IS(jecxz, f_jecxz(1L << 40, 0, 0) == 1 && f_jecxz(1, 0, 0) == 2)

IS(rip_load, f_rip_load(0, 0, 0) == 0x1122334455667788)
IS(rip_store, f_rip_store(0x1234567890, 0, 0) == 0x1234567890)
IS(rip_imm, f_rip_imm(0, 0, 0) == 0x12345678)
IS(rip_cmp, f_rip_cmp(0, 0, 0) == 1)
IS(rip_lea, f_rip_lea(0, 0, 0) == 0x1122334455667788)
IS(rip_push, f_rip_push(0, 0, 0) == 0x1122334455667788)
IS(rip_lock, f_rip_lock(5, 100, 0) == 205)
IS(rip_sse, f_rip_sse(0, 0, 0) == 0x1122334455667788)
IS(rip_sse_imm, f_rip_sse_imm(0, 0, 0) == 0x1122334455667788)
IS(rip_vex, f_rip_vex(0, 0, 0) == 0x1122334455667788)
IS(rip_evex, f_rip_evex(0, 0, 0) == 0x1122334455667788)

IS(push_rsp, f_push_rsp(0, 0, 0) == 0)
IS(pop_rsp, f_pop_rsp(0, 0, 0) == 0)
IS(enter, f_enter(0, 0, 0) == 40)
IS(leave, f_leave(0, 0, 0) == 8)

IS(fs_load, f_fs_load(0, 0, 0) == (long)__builtin_thread_pointer())
IS(xlat, f_xlat(1, 0, 0) == 0x77)
IS(cpuid, f_cpuid(0, 0, 0) > 0)
IS(endbr64, f_endbr64(41, 0, 0) == 42)
IS(nop9, f_nop9(41, 0, 0) == 42)
IS(cmpxchg16b, f_cmpxchg16b(100, 1000, 0) == 1101)

IS(int3, f_int3(41, 0, 0) == 42 && faulted(SIGTRAP, at_int3, 1) && seen.code == SI_KERNEL)
IS(int3_long, f_int3_long(41, 0, 0) == 42 && faulted(SIGTRAP, at_int3_long, 2) && seen.code == SI_KERNEL)

/* Some hypervisors report icebp as a fault, before it (rip at it); the CPU itself as a trap, past it. */
IN_FULL(icebp)
{
	cure.skip_if_at = at_icebp;
	return f_icebp(41, 0, 0) == 42 && (faulted(SIGTRAP, at_icebp, 1) || faulted(SIGTRAP, at_icebp, 0));
}

IN_FULL(ud2)
{
	cure.skip = 2;
	return f_ud2(41, 0, 0) == 42 && faulted(SIGILL, at_ud2, 0) && seen.addr == (uintptr_t)at_ud2;
}

IN_FULL(hlt)
{
	cure.skip = 1;
	return f_hlt(41, 0, 0) == 42 && faulted(SIGSEGV, at_hlt, 0);
}

IN_FULL(div0)
{
	cure.skip = 2;
	return f_div0(41, 0, 0) == 42 && faulted(SIGFPE, at_div0, 0) && seen.addr == (uintptr_t)at_div0;
}

static void put(int reg, long value)
{
	cure.reg = reg;
	cure.value = value;
}

IN_FULL(fault_load)
{
	put(REG_RDI, (long)&good_value);
	return f_fault_load(0x1008, 0, 0) == 99 && faulted(SIGSEGV, at_fault_load, 0) && seen.addr == 0x1008;
}

IN_FULL(fault_store)
{
	long cell = 0;

	put(REG_RDI, (long)&cell);
	return f_fault_store(0x1010, 77, 0) == 77 && cell == 77 && faulted(SIGSEGV, at_fault_store, 0) &&
	       seen.addr == 0x1010;
}

IN_FULL(fault_push)
{
	static long stack[8];

	put(REG_RSP, (long)(stack + 8));
	return f_fault_push(0x1018, 78, 0) == 78 && stack[7] == 78 && faulted(SIGSEGV, at_fault_push, 0);
}

/* A jump to nowhere: the fault is at the place it went to, the handler sends it on to where rdx points. */
IN_FULL(fault_jump)
{
	put(REG_RIP, (long)(at_fault_jump + 2));
	return f_fault_jump(0x1020, 0, 0) == 3 && seen.count == 1 && seen.signal == SIGSEGV && seen.rip == 0x1020;
}

static bool avx(void)
{
	return __builtin_cpu_supports("avx");
}

static bool avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}

#define ROW_IF(name_, has_)                                           \
	{                                                             \
		.name = #name_, .check = check_##name_, .has = (has_) \
	}
#define ROW(name_) ROW_IF(name_, NULL)
static const struct {
	const char *name;
	bool (*check)(void);
	bool (*has)(void);
} rows[] = {
	ROW(pushfq),
	ROW(pushfw),
	ROW(popfq),
	ROW(lahf),
	ROW(iretq),
	ROW(mov_ss),
	ROW(syscall),
	ROW(int80),
	ROW(rep_movsb),
	ROW(rep_movsb_down),
	ROW(rep_stosq),
	ROW(repne_scasb),
	ROW(repe_cmpsb),
	ROW(fault_rep),
	ROW(call),
	ROW(call_reg),
	ROW(call_rip),
	ROW(call_rsp),
	ROW(call_next),
	ROW(ret),
	ROW(rep_ret),
	ROW(ret_imm),
	ROW(jmp_short),
	ROW(jmp_near),
	ROW(jmp_bnd),
	ROW(jmp_rip),
	ROW(jmp_reg),
	ROW(jmp_back),
	ROW(jmp_table),
	ROW(jcc_short),
	ROW(jcc_near),
	ROW(jcc_near_le),
	ROW(loop),
	ROW(loop_self),
	ROW(loope),
	ROW(jrcxz),
	ROW(jecxz),
	ROW(rip_load),
	ROW(rip_store),
	ROW(rip_imm),
	ROW(rip_cmp),
	ROW(rip_lea),
	ROW(rip_push),
	ROW(rip_lock),
	ROW(rip_sse),
	ROW(rip_sse_imm),
	ROW_IF(rip_vex, avx),
	ROW_IF(rip_evex, avx512),
	ROW(push_rsp),
	ROW(pop_rsp),
	ROW(enter),
	ROW(leave),
	ROW(fs_load),
	ROW(xlat),
	ROW(cpuid),
	ROW(endbr64),
	ROW(nop9),
	ROW(cmpxchg16b),
	ROW(int3),
	ROW(int3_long),
	ROW(icebp),
	ROW(ud2),
	ROW(hlt),
	ROW(div0),
	ROW(fault_load),
	ROW(fault_store),
	ROW(fault_push),
	ROW(fault_jump),
};
enum {
	ROWS = sizeof(rows) / sizeof(*rows)
};

static bool run(int i)
{
	bool good;

	if (rows[i].has && !rows[i].has()) {
		printf("%s skip\n", rows[i].name);
		return true;
	}
	memset(&seen, 0, sizeof(seen));
	memset(&cure, 0, sizeof(cure));
	good = rows[i].check();
	printf("%s %s\n", rows[i].name, good ? "ok" : "wrong");
	return good;
}

static bool run_named(const char *name)
{
	for (int i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return run(i);
	fprintf(stderr, "insns: no %s\n", name);
	return false;
}

int main(int argc, char **argv)
{
	static char alt_stack[64 << 10];
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	const int caught[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP };
	bool good = true;

	target_begin();
	sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) }, NULL);
	for (int i = 0; i < 4; i++)
		sigaction(caught[i], &act, NULL);
	if (argc > 1 && !strcmp(argv[1], "list")) {
		for (int i = 0; i < ROWS; i++)
			puts(rows[i].name);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		good &= run_named(argv[i]);
	for (int i = 0; argc == 1 && i < ROWS; i++)
		good &= run(i);
	return !good;
}
