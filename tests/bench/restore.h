/*
 * What C tracers that try guesses in place share: the target's writable pages are copied once; those that it wrote since
 * are found by one PAGEMAP_SCAN that protects them anew (userfaultfd, made in the program), and written back by one
 * process_vm_writev.
 */
#pragma once

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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

/* The program stands where it is to be put back to. Gives what put_back wants. */
static int start_restoring(pid_t pid)
{
	struct uffdio_api api = { .api = UFFD_API, .features = 1ull << 15 | 1ull << 13 };
	int theirs = (int)call(pid, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);
	int uffd = (int)syscall(SYS_pidfd_getfd, (int)syscall(SYS_pidfd_open, pid, 0), theirs, 0), pagemap;
	char path[64];

	tracer_check(ioctl(uffd, UFFDIO_API, &api), "UFFDIO_API");
	copy_memory(pid, uffd);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	tracer_check(pagemap, "pagemap");
	put_back(pid, pagemap);
	return pagemap;
}
