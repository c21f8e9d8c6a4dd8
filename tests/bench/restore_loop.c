/*
 * restore_loop COUNT CHECK WRONG PROGRAM: what a C tracer needs to try a guess in place. The program stands in CHECK (its
 * address), is given a guess, runs to WRONG; registers and the pages that it wrote are put back: found by one
 * PAGEMAP_SCAN that protects them anew (userfaultfd, made in the program), written by one process_vm_writev.
 * Its stdin is a line. Output: "runs N ns T".
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "clock.h"
#include "tracer.h"

struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, all, any, tell;
};

struct region {
	uint64_t start, end, pages;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct scan)
#define PAGE	     4096ull
#define ROOM	     64

/* Writable mappings as they were. */
static struct copy {
	uint64_t start, end;
	char *bytes;
} copies[ROOM];
static int n_copies;

static void run(pid_t pid)
{
	int status;

	tracer_check(ptrace(PTRACE_CONT, pid, NULL, NULL), "PTRACE_CONT");
	tracer_check(waitpid(pid, &status, 0), "waitpid");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		exit(1);
}

/* One call by the program, at rip. */
static long call(pid_t pid, long number, long a)
{
	struct user_regs_struct before, regs;
	int status;
	long word;

	ptrace(PTRACE_GETREGS, pid, NULL, &before);
	word = ptrace(PTRACE_PEEKTEXT, pid, before.rip, NULL);
	regs = before;
	regs.rax = (unsigned long long)number;
	regs.rdi = (unsigned long long)a;
	ptrace(PTRACE_POKETEXT, pid, before.rip, (word & ~0xffffL) | 0x050f);
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	ptrace(PTRACE_POKETEXT, pid, before.rip, word);
	ptrace(PTRACE_SETREGS, pid, NULL, &before);
	return (long)regs.rax;
}

static void copy_memory(pid_t pid, int uffd)
{
	char path[64], line[512], perms[8];
	unsigned long start, end;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps) && n_copies < ROOM) {
		struct copy *copy = &copies[n_copies];
		struct uffdio_register watch;
		struct iovec ours, theirs;

		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3 || perms[1] != 'w' || perms[3] != 'p')
			continue;
		*copy = (struct copy){ start, end, malloc(end - start) };
		ours = (struct iovec){ copy->bytes, end - start };
		theirs = (struct iovec){ (void *)start, end - start };
		tracer_check(process_vm_readv(pid, &ours, 1, &theirs, 1, 0), "process_vm_readv");
		watch = (struct uffdio_register){ .range = { start, end - start }, .mode = UFFDIO_REGISTER_MODE_WP };
		tracer_check(ioctl(uffd, UFFDIO_REGISTER, &watch), "UFFDIO_REGISTER");
		n_copies++;
	}
	if (maps)
		fclose(maps);
}

static void put_back(pid_t pid, int pagemap)
{
	struct region regions[ROOM];
	struct iovec ours[ROOM], theirs[ROOM];
	struct scan scan = { .size = sizeof(scan), .flags = 1, .end = 0x7ffffffff000, .vec = (uint64_t)regions,
			     .vec_len = ROOM, .all = 3, .any = 8, .tell = 2 };
	int found = ioctl(pagemap, PAGEMAP_SCAN, &scan), n = 0;

	tracer_check(found, "PAGEMAP_SCAN");
	for (int i = 0; i < found; i++)
		for (int j = 0; j < n_copies; j++) {
			if (regions[i].start < copies[j].start || regions[i].end > copies[j].end)
				continue;
			ours[n] = (struct iovec){ copies[j].bytes + (regions[i].start - copies[j].start),
						  regions[i].end - regions[i].start };
			theirs[n++] = (struct iovec){ (void *)regions[i].start, regions[i].end - regions[i].start };
		}
	if (n)
		tracer_check(process_vm_writev(pid, ours, (unsigned long)n, theirs, (unsigned long)n, 0), "process_vm_writev");
}

int main(int argc, char **argv)
{
	uint64_t count, check, wrong;
	long long from;
	struct user_regs_struct at_check, regs;
	struct uffdio_api api = { .api = UFFD_API, .features = 1ull << 15 | 1ull << 13 };
	char guess[16], path[64];
	int uffd, theirs, pagemap, memory;
	long word;
	pid_t pid;

	if (argc != 5)
		return 2;
	count = strtoull(argv[1], NULL, 0);
	check = strtoull(argv[2], NULL, 16);
	wrong = strtoull(argv[3], NULL, 16);
	pid = tracer_spawn(argv + 4);
	word = tracer_plant(pid, check);
	tracer_plant(pid, wrong);
	run(pid);
	ptrace(PTRACE_POKETEXT, pid, check, word);
	ptrace(PTRACE_GETREGS, pid, NULL, &at_check);
	at_check.rip = check;
	at_check.orig_rax = (unsigned long long)-1;
	ptrace(PTRACE_SETREGS, pid, NULL, &at_check);
	theirs = (int)call(pid, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);
	uffd = (int)syscall(SYS_pidfd_getfd, (int)syscall(SYS_pidfd_open, pid, 0), theirs, 0);
	tracer_check(ioctl(uffd, UFFDIO_API, &api), "UFFDIO_API");
	copy_memory(pid, uffd);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDWR);
	put_back(pid, pagemap);
	from = bench_now();
	for (uint64_t i = 0; i < count; i++) {
		put_back(pid, pagemap);
		tracer_check(ptrace(PTRACE_SETREGS, pid, NULL, &at_check), "PTRACE_SETREGS");
		snprintf(guess, sizeof(guess), "Pt4c3_m%c", (char)(33 + i % 18));
		tracer_check(pwrite(memory, guess, sizeof(guess), (off_t)at_check.rdi), "pwrite");
		run(pid);
		tracer_check(ptrace(PTRACE_GETREGS, pid, NULL, &regs), "PTRACE_GETREGS");
		tracer_sum += regs.rip;
	}
	printf("runs %llu ns %llu\n", (unsigned long long)count, (unsigned long long)(bench_now() - from));
	kill(pid, SIGKILL);
	return tracer_sum == (wrong + 1) * count ? 0 : 1;
}
