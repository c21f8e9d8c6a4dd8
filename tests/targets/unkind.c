/*
 * unkind MODE [N]: is hard on whoever hooks it; N rounds (10). Output: what the mode's comment says, then "done"; exit 0
 * when all results were right, else "wrong K" and exit 1.
 *	unmap		code_here(code) and N calls of the code in a page of its own; the page is unmapped, another function
 *			mapped there; code_here and N calls again
 *	noexec		code_here(code), then N calls, each after the page was made non-executable; its SIGSEGV handler
 *			makes it executable again
 *	operand		code_here(code), then N calls, each after other bytes than the first were rewritten
 *	drop, fill, hide	N calls of work (work.h), then anonymous executable memory is unmapped, overwritten with int3,
 *			made PROT_NONE ("found K" mappings), and N calls more
 *	filter, late	N calls of work under a seccomp filter that kills whoever maps or unmaps memory; late: N without before
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"
#include "work.h"

enum {
	PAGE = 4096
};

static long wanted, wrong, faults;
static unsigned char *code;

PLACE long code_here(const void *at)
{
	return at != NULL;
}

static void expect(int good)
{
	wrong += !good;
}

static void works(void)
{
	for (long i = 0; i < wanted; i++)
		expect(work((uint64_t)i) == 2 * (uint64_t)i + 1);
}

/* mov eax, value; ret */
static void map_code(void *where, uint32_t value)
{
	code = mmap(where, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);
	if (code == MAP_FAILED)
		exit(3);
	code[0] = 0xb8;
	memcpy(code + 1, &value, sizeof(value));
	code[5] = 0xc3;
}

static uint32_t call_code(void)
{
	return ((uint32_t(*)(void))(uintptr_t)code)();
}

static void unmap(void)
{
	for (uint32_t value = 1; value <= 2; value++) {
		map_code(code, value);
		code_here(code);
		for (long i = 0; i < wanted; i++)
			expect(call_code() == value);
		munmap(code, PAGE);
	}
}

static void on_fault(int n, siginfo_t *info, void *context)
{
	(void)n;
	(void)context;
	expect(info->si_addr == code);
	faults++;
	if (mprotect(code, PAGE, PROT_READ | PROT_EXEC))
		_exit(3);
}

static void noexec(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &act, NULL);
	map_code(NULL, 7);
	code_here(code);
	for (long i = 0; i < wanted; i++) {
		if (mprotect(code, PAGE, PROT_READ))
			exit(3);
		expect(call_code() == 7);
	}
	expect(faults == wanted);
}

static void operand(void)
{
	map_code(NULL, 0);
	code_here(code);
	for (uint32_t i = 0; i < wanted; i++) {
		memcpy(code + 1, &i, sizeof(i));
		expect(call_code() == i);
	}
}

static void drop_one(void *at, size_t size)
{
	munmap(at, size);
}

static void fill_one(void *at, size_t size)
{
	if (mprotect(at, size, PROT_READ | PROT_WRITE | PROT_EXEC))
		exit(3);
	memset(at, 0xcc, size);
}

static void hide_one(void *at, size_t size)
{
	if (mprotect(at, size, PROT_NONE))
		exit(3);
}

static void each_anonymous(void (*fn)(void *, size_t))
{
	static struct {
		unsigned long start, end;
	} found[64];
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	long n = 0;

	while (maps && n < 64 && fgets(line, sizeof(line), maps))
		if (strstr(line, " r-xp ") && !strchr(line, '/') && !strchr(line, '['))
			n += sscanf(line, "%lx-%lx", &found[n].start, &found[n].end) == 2;
	if (maps)
		fclose(maps);
	printf("found %ld\n", n);
	for (long i = 0; i < n; i++)
		fn((void *)found[i].start, found[i].end - found[i].start);
}

static void spoil(void (*fn)(void *, size_t))
{
	works();
	each_anonymous(fn);
	works();
}

static void drop(void)
{
	spoil(drop_one);
}

static void fill(void)
{
	spoil(fill_one);
}

static void hide(void)
{
	spoil(hide_one);
}

static void install_filter(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(rules) / sizeof(*rules), rules };

	puts("filter");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(3);
}

static void filter(void)
{
	install_filter();
	works();
}

static void late(void)
{
	works();
	install_filter();
	works();
}

static const struct {
	const char *name;
	void (*fn)(void);
} modes[] = {
	{ "unmap", unmap }, { "noexec", noexec }, { "operand", operand }, { "drop", drop },
	{ "fill", fill },   { "hide", hide },	  { "filter", filter },   { "late", late },
};

int main(int argc, char **argv)
{
	target_begin();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		wanted = target_number(argc, argv, 2, 10);
		modes[i].fn();
		if (wrong)
			printf("wrong %ld\n", wrong);
		else
			puts("done");
		return wrong != 0;
	}
	return target_usage("unkind unmap|noexec|operand|drop|fill|hide|filter|late [N]");
}
