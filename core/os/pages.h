/*
 * pages - which pages of a target are there, and which were written since somebody asked.
 *
 * userfaultfd(2) with asynchronous write protection notes writes in the page tables, at the price of one short fault for
 * each page and without waking anybody; PAGEMAP_SCAN on /proc/PID/pagemap reads what was noted, and protects anew. Both
 * are Linux 6.7's, and ours alone to use: the target only makes the descriptor, in whose memory it is. Where they are
 * not, /proc/PID/pagemap still says which pages are there.
 */
#ifndef PH_OS_PAGES_H
#define PH_OS_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/types.h"

/* Of a page: PAGE_IS_… of linux/fs.h. */
enum ph_os_page {
	PH_PAGE_WATCHED = 1,	/* its mapping was given to ph_os_uffd_watch */
	PH_PAGE_WRITTEN = 2,	/* not protected: written since, or new */
	PH_PAGE_FILE = 4,	/* the file's own page, or shared memory's */
	PH_PAGE_PRESENT = 8,
	PH_PAGE_SWAPPED = 16,
};

struct ph_os_region {
	uint64_t start, end, pages;	/* enum ph_os_page: those of them that were asked for */
};

/* Pages for which, after inverting, every bit of all and, if there are any, one bit of any is set. */
struct ph_os_scan {
	ph_addr start, end;
	uint64_t inverted, all, any, tell;
	bool protect;		/* them, too */
};

/* /proc/TID/pagemap and maps, of the memory that the thread has now; -errno. */
int ph_os_pagemap_open(pid_t tid);
int ph_os_maps_open(pid_t tid);

/*
 * The number of regions, sorted; fewer than room: there are no more. *ret_end: where a next scan begins. (Without room
 * for regions the kernel protects whatever it finds, and marks what is not there.)
 */
ssize_t ph_os_pages_scan(int pagemap, const struct ph_os_scan *scan, struct ph_os_region *regions, size_t room,
			 ph_addr *ret_end);

/* Bit 63 of an entry: present, 62: swapped, 61: a file's or shared (Linux 4.2). The number of entries, or -errno. */
ssize_t ph_os_pagemap_read(int pagemap, ph_addr addr, uint64_t *entries, size_t n);

#define PH_PAGEMAP_PRESENT (1ull << 63)
#define PH_PAGEMAP_SWAPPED (1ull << 62)
#define PH_PAGEMAP_FILE	   (1ull << 61)

/* A descriptor of userfaultfd's, made in the target and taken over: 0 when it can note writes without telling us. */
int ph_os_uffd_begin(int uffd);
int ph_os_uffd_watch(int uffd, ph_addr start, ph_addr end);

#endif
