/*
 * antidebug_checksum: looks for foreign bytes in its own code: functions one() to four(), which it calls before.
 * Output: as antidebug.h says.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/uio.h>

#include "antidebug.h"

PLACE long one(long n) { return n + 1; }
PLACE long two(long n) { return n * 2; }
PLACE long three(long n) { return n ^ 3; }
PLACE long four(long n) { return n - 4; }

static long (*const functions[])(long) = { one, two, three, four };

static const unsigned char *text;	/* the executable segment, and where its file has it */
static size_t text_size;
static off_t text_offset;
static unsigned char *file_text, *copy;

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
			text = (const unsigned char *)(info->dlpi_addr + ph->p_vaddr);
			text_size = ph->p_filesz;
			text_offset = (off_t)ph->p_offset;
		}
	}
	return 1; /* the main program comes first */
}

static int read_at(const char *path, void *buf, size_t size, off_t at)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = pread(fd, buf, size, at);

	close(fd);
	return n == (ssize_t)size ? 0 : -1;
}

static uint64_t sum(const unsigned char *at, size_t size)
{
	uint64_t s = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		s = (s ^ ((const volatile unsigned char *)at)[i]) * 0x100000001b3;
	return s;
}

static int by_sum(void)
{
	return sum(text, text_size) != sum(file_text, text_size);
}

static int by_entries(void)
{
	int found = 0;

	for (size_t i = 0; i < 4; i++)
		found |= *(const volatile unsigned char *)functions[i] == 0xcc;
	return found;
}

static int by_compare(void)
{
	return memcmp(text, file_text, text_size) != 0;
}

static int by_mem(void)
{
	return read_at("/proc/self/mem", copy, text_size, (off_t)(uintptr_t)text) < 0 || memcmp(copy, file_text, text_size) != 0;
}

static pid_t parent;

static int by_other_process(void)
{
	struct iovec to = { copy, text_size }, from = { (void *)(uintptr_t)text, text_size };

	/* A kernel that lets only parents do that. */
	if (process_vm_readv(parent, &to, 1, &from, 1, 0) < 0 && errno == EPERM)
		return 0;
	return memcmp(copy, file_text, text_size) != 0;
}

/* A copy of a function runs as the function does; a byte of a debugger's would not. */
static int by_copy(void)
{
	for (size_t i = 0; i < 4; i++) {
		memcpy(copy, (const void *)(uintptr_t)functions[i], 16);
		if (memcmp(copy, file_text + ((const unsigned char *)(uintptr_t)functions[i] - text), 16) != 0)
			return 1;
	}
	return 0;
}

static int by_pipe(void)
{
	int ends[2], found;

	if (pipe(ends) < 0)
		return 1;
	found = write(ends[1], (const void *)(uintptr_t)one, 16) != 16 || read(ends[0], copy, 16) != 16 ||
		memcmp(copy, file_text + ((const unsigned char *)(uintptr_t)one - text), 16) != 0;
	close(ends[0]);
	close(ends[1]);
	return found;
}

int main(void)
{
	long n = 5;

	target_begin();
	parent = getpid();
	dl_iterate_phdr(find_text, NULL);
	file_text = malloc(text_size);
	copy = malloc(text_size);
	if (read_at("/proc/self/exe", file_text, text_size, text_offset) < 0)
		return 2;
	for (size_t i = 0; i < 4; i++)
		n = functions[i](n);
	printf("%ld\n", n);
	verdict("sum", by_sum());
	verdict("entries", by_entries());
	verdict("compare", by_compare());
	verdict("mem", by_mem());
	verdict("other process", in_child(by_other_process));
	verdict("copy", by_copy());
	verdict("pipe", by_pipe());
	return antidebug_found;
}
