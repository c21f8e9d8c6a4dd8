/*
 * liar HOW: tells debuggers lies about what it has loaded, then calls mark(1), then exits.
 *	loop: a list that leads back into itself    wild: one that leads nowhere    long: one of 100,000 entries
 *	name: names that have no end or are not there    base: entries that lie at addresses of no file
 *	debug: no list at all    header: the program's own ELF header is overwritten
 * Output: "done"; exit 0.
 */
#include <link.h>
#include <sys/mman.h>

#include "target.h"

int mark(int n);

PLACE int mark(int n)
{
	return n;
}

static struct link_map fakes[100000];

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	struct link_map *real = _r_debug.r_map;
	/* The last byte before what cannot be read. */
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int n = strcmp(how, "long") == 0 ? 100000 : 4;

	target_begin();
	if (edge == MAP_FAILED || mprotect(edge + 4096, 4096, PROT_NONE) != 0)
		return 3;
	memset(edge, 'x', 4096);
	for (int i = 0; i < n; i++) {
		fakes[i] = *(i ? real->l_next->l_next : real);
		fakes[i].l_next = i + 1 < n ? &fakes[i + 1] : NULL;
		fakes[i].l_prev = i ? &fakes[i - 1] : NULL;
	}
	_r_debug.r_map = fakes;
	if (strcmp(how, "loop") == 0) {
		fakes[3].l_next = &fakes[1];
	} else if (strcmp(how, "wild") == 0) {
		fakes[2].l_next = (struct link_map *)(uintptr_t)0x123456789000;
	} else if (strcmp(how, "name") == 0) {
		fakes[1].l_name = edge + 4090;
		fakes[2].l_name = (char *)(uintptr_t)16;
		fakes[3].l_name = NULL;
	} else if (strcmp(how, "base") == 0) {
		fakes[1].l_addr = UINT64_MAX;
		fakes[2].l_addr = (uintptr_t)edge;
		fakes[3].l_ld = (ElfW(Dyn) *)(void *)edge;
	} else if (strcmp(how, "debug") == 0) {
		/* It is read-only by now (RELRO), and crosses two pages at most. */
		mprotect((void *)((uintptr_t)_DYNAMIC & ~4095ul), 8192, PROT_READ | PROT_WRITE);
		for (ElfW(Dyn) *dyn = _DYNAMIC; dyn->d_tag != DT_NULL; dyn++)
			if (dyn->d_tag == DT_DEBUG)
				dyn->d_un.d_ptr = (uintptr_t)edge + 4090;
	} else if (strcmp(how, "header") == 0) {
		extern char __ehdr_start[];
		char *page = (char *)((uintptr_t)__ehdr_start & ~4095ul);

		if (mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0)
			memset(page, 0xff, 64);
	} else if (strcmp(how, "long") != 0) {
		return target_usage("liar loop|wild|long|name|base|debug|header");
	}
	mark(1);
	puts("done");
	fflush(stdout);
	_exit(0);
}
