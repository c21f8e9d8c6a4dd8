/*
 * mem [NAME+OFFSET=HEX…]: prints its regions as "name 0x…", calls mem_here(), then compares them all with what they
 * were, the changes of argv applied; exit 0 when equal, else 1 and "NAME+0x… is XX not YY".
 * Regions (see main): pattern, edge (its string ends with the mapping), run (text without a NUL up to the hole),
 * hole (not mapped), none (PROT_NONE), rodata, file, past (a mapping beyond its file's end: SIGBUS), shared,
 * shared_ro, big (4 MiB; deadbeefcafe at +0x123456 and +0x1ffffd), text, write (a counter).
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "target.h"

enum {
	PAGE = 4096,
	BIG = 4 << 20
};

static const unsigned char needle[] = { 0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe };
static const char constant[PAGE] __attribute__((aligned(PAGE))) = "read-only data";

struct region {
	const char *name;
	unsigned char *at, *copy;
	size_t size;
};

static struct region regions[16];
static int count;

PLACE void mem_here(void)
{
	__asm__ volatile("");
}

static unsigned char *map(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The region's bytes now are what it must keep; size 0 for one that nobody may read. */
static void region(const char *name, void *at, size_t size)
{
	struct region *r = &regions[count++];

	printf("%s %p\n", name, at);
	*r = (struct region){ .name = name, .at = at, .size = size, .copy = malloc(size + 1) };
	if (size)
		memcpy(r->copy, at, size);
}

/* pattern: bytes 0…255, then from 0x100 on one of each kind that mem has a view for. */
static void fill_pattern(unsigned char *p)
{
	static const struct {
		uint64_t u64;
		int64_t i64;
		double f64;
		float f32;
		int32_t i32;
		uint16_t u16;
		int16_t i16;
		uint8_t u8;
		int8_t i8;
		uint16_t pad;
		uint32_t u32;
	} __attribute__((packed)) kinds = {
		.u64 = 0x1122334455667788, /* +0x100 */
		.i64 = -2,                 /* +0x108 */
		.f64 = 1.5,                /* +0x110 */
		.f32 = -0.25F,             /* +0x118 */
		.i32 = -5,                 /* +0x11c */
		.u16 = 0xbeef,             /* +0x120 */
		.i16 = -300,               /* +0x122 */
		.u8 = 0xff,                /* +0x124 */
		.i8 = -1,                  /* +0x125 */
		.u32 = 0xfffffffe,         /* +0x128 */
	};
	static const char text[] = "a string";

	for (int i = 0; i < 256; i++)
		p[i] = i;
	memcpy(p + 0x100, &kinds, sizeof(kinds));
	memcpy(p + 0x130, &(unsigned char *){ p + 0x140 }, 8); /* +0x130: a pointer to the string at +0x140 */
	memcpy(p + 0x140, text, sizeof(text));
}

/* Far below everything, where no later mapping fills the hole. */
static bool make_edges(void)
{
	static const char text[] = "ends at the edge";
	unsigned char *p = mmap((void *)0x20000000, 4 * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p + PAGE, PAGE);
	memcpy(p + PAGE - sizeof(text), text, sizeof(text));
	region("edge", p + PAGE - sizeof(text), sizeof(text));
	region("hole", p + PAGE, 0);
	munmap(p + 3 * PAGE, PAGE);
	memset(p + 3 * PAGE - 64, 'r', 64);
	region("run", p + 3 * PAGE - 64, 64);
	return true;
}

static bool make_files(void)
{
	int own = open("/proc/self/exe", O_RDONLY), short_one = memfd_create("short", 0);
	unsigned char *file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, own, 0), *past, *shared;

	if (file == MAP_FAILED || ftruncate(short_one, PAGE))
		return false;
	past = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, short_one, 0);
	if (past == MAP_FAILED)
		return false;
	memset(past, 's', PAGE);
	region("file", file, PAGE);
	region("shared", past, PAGE);
	region("past", past + PAGE, 0);
	shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, short_one, 0);
	region("shared_ro", shared, PAGE);
	close(own);
	close(short_one);
	return true;
}

static void make_plain(void)
{
	static unsigned char counter[8];
	unsigned char *pattern = map(PAGE), *none = map(PAGE), *rodata = map(PAGE), *big = map(BIG);

	fill_pattern(pattern);
	region("pattern", pattern, PAGE);
	memset(none, 'n', PAGE);
	region("none", none, PAGE);
	mprotect(none, PAGE, PROT_NONE);
	memset(rodata, 'o', PAGE);
	mprotect(rodata, PAGE, PROT_READ);
	region("rodata", rodata, PAGE);
	region("constant", (void *)constant, PAGE);
	memcpy(big + 0x123456, needle, sizeof(needle));
	memcpy(big + 0x1ffffd, needle, sizeof(needle));
	region("big", big, BIG);
	region("text", (void *)mem_here, 1);
	region("write", counter, sizeof(counter));
}

/* NAME+OFFSET=HEX onto the copy of what must be there. */
static bool expect(const char *change)
{
	char name[32];
	long offset = 0;
	unsigned byte;
	const char *hex = strchr(change, '=');

	if (!hex || sscanf(change, "%31[^+=]+%li", name, &offset) < 1)
		return false;
	for (int i = 0; i < count; i++) {
		if (strcmp(name, regions[i].name))
			continue;
		for (hex++; sscanf(hex, "%2x", &byte) == 1; hex += 2, offset++) {
			if (offset < 0 || (size_t)offset >= regions[i].size)
				return false;
			regions[i].copy[offset] = byte;
		}
		return true;
	}
	return false;
}

static bool as_wanted(const struct region *r)
{
	if (!memcmp(r->at, r->copy, r->size))
		return true;
	for (size_t k = 0; k < r->size; k++)
		if (r->at[k] != r->copy[k]) {
			printf("%s+0x%zx is %02x not %02x\n", r->name, k, r->at[k], r->copy[k]);
			break;
		}
	return false;
}

int main(int argc, char **argv)
{
	bool good = true;

	target_begin();
	make_plain();
	if (!make_edges() || !make_files())
		return 3;
	mem_here();
	for (int i = 1; i < argc; i++)
		if (!expect(argv[i]))
			return target_usage("mem [NAME+OFFSET=HEX...]");
	for (int i = 0; i < count; i++) {
		if (!strcmp(regions[i].name, "none"))
			mprotect(regions[i].at, PAGE, PROT_READ);
		good &= as_wanted(&regions[i]);
	}
	return !good;
}
