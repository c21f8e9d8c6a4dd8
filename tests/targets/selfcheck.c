/*
 * selfcheck [all]: sums its own executable segments (all: the libraries' too), again for each byte on stdin,
 * calling poked() between.
 * Output: "pid P", "sum 0x…" each time (the first before the first byte), at the end of stdin "same" and 0, or
 * "different" and 1.
 */
#include <link.h>
#include <stdint.h>

#include "target.h"

static int whole;

PLACE long poked(long n)
{
	return n + 1;
}

static int add(struct dl_phdr_info *info, size_t size, void *arg)
{
	uint64_t *sum = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const volatile unsigned char *p = (const unsigned char *)(info->dlpi_addr + ph->p_vaddr);

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		for (size_t k = 0; k < ph->p_filesz; k++)
			*sum = (*sum ^ p[k]) * 0x100000001b3;
	}
	return !whole; /* the main program comes first */
}

static uint64_t sum(void)
{
	uint64_t s = 0xcbf29ce484222325;

	dl_iterate_phdr(add, &s);
	printf("sum 0x%016lx\n", s);
	return s;
}

int main(int argc, char **argv)
{
	uint64_t first;
	long same = 1, n = 0;
	char c;

	target_begin();
	whole = argc > 1 && !strcmp(argv[1], "all");
	printf("pid %d\n", getpid());
	first = sum();
	while (read(0, &c, 1) == 1) {
		n = poked(n);
		same &= sum() == first;
	}
	puts(same ? "same" : "different");
	return !same;
}
