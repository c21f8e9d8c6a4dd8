/*
 * again [PART...]: does what a snapshot has to undo, between two places, and says in `report` what it found and made.
 *   Stands in begin(), does each part once, stands in done(), prints the report; exit 0. Without PART: all of them but
 *   `threads`.
 *   heap read files print memory brk tls mask stack code
 *   threads: three threads count in `counts` from before "ready" and begin() on; a fourth is born behind them.
 *            Prints "counted". `again threads` alone; with `wait` it waits for the end of its input first.
 *   big BYTES: that much memory, touched; in done() each page of the first `dirty` bytes has been written.
 *   crash, crash_late: a null pointer is written to behind begin(), or before done().
 *   exits: exit status is what begin() was given in `code`, 7 unless changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

#define PAGE 4096

char report[16384];
static size_t used;
volatile long counts[4], dirty = 64 << 20, code = 7;
char *volatile big;
static __thread int own = 5;
static char *block, *kept, *dropped, *cleared, *protected, *text;
static FILE *file;
static int second;
static char input[64];

PLACE void begin(void)
{
	__asm__ volatile("");
}

PLACE void done(void)
{
	__asm__ volatile("");
}

#define SAY(...) (used += (size_t)snprintf(report + used, sizeof(report) - used, __VA_ARGS__))

static uint64_t hash(const void *bytes, size_t n)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
	return h;
}

/* Mappings as the kernel has them, but for the stack, which may stay grown, and for what a tracer has of its own. */
static void say_maps(void)
{
	static char line[512];
	static char buf[65536];
	int fd = open("/proc/self/maps", O_RDONLY);
	ssize_t n, len = 0;

	while (fd >= 0 && (n = read(fd, buf + len, sizeof(buf) - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	buf[len] = '\0';
	for (char *at = buf, *end; (end = strchr(at, '\n')); at = end + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
		if (!strstr(line, "[stack]"))
			SAY("map %s\n", line);
	}
}

static void say_files(void)
{
	for (int fd = 0; fd < 20; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			SAY("fd %d at %ld\n", fd, (long)(fd == 1 ? 0 : lseek(fd, 0, SEEK_CUR)));
}

static void heap(void)
{
	char *many[64];

	SAY("block %p %llx\n", (void *)block, (unsigned long long)hash(block, 100000));
	for (int i = 0; i < 64; i++) {
		many[i] = malloc((size_t)(i * i * 97 % 300000 + 1));
		memset(many[i], i, (size_t)(i * i * 97 % 300000 + 1));
	}
	for (int i = 0; i < 64; i += 2)
		free(many[i]);
	block = realloc(block, 900000);
	memset(block, 'b', 900000);
	SAY("blocks %p %p %p\n", (void *)block, (void *)many[1], (void *)many[63]);
}

static void read_more(void)
{
	char line[64] = "nothing";

	SAY("input %s", input);
	if (!fgets(line, sizeof(line), stdin))
		clearerr(stdin);
	SAY("line %s", line);
	if (read(0, line, 3) > 0)
		SAY("bytes %.3s\n", line);
}

static void files(void)
{
	char buf[32] = "";

	SAY("second %ld\n", (long)lseek(second, 0, SEEK_CUR));
	if (read(second, buf, 16) == 16)
		SAY("read %.16s\n", buf + 0);
	SAY("opened %d\n", open("/proc/self/exe", O_RDONLY));
	SAY("doubled %d\n", dup(second));
	if (file)
		fclose(file);
	file = NULL;
	SAY("opened %d\n", open("/dev/null", O_WRONLY));
}

static void print(void)
{
	printf("printed %d\n", own);
}

static void memory(void)
{
	SAY("memory %llx %llx %llx\n", (unsigned long long)hash(cleared, 3 * PAGE), (unsigned long long)hash(protected, PAGE),
	    (unsigned long long)hash(dropped, 2 * PAGE));
	memset(cleared, 'x', PAGE);
	madvise(cleared + PAGE, PAGE, MADV_DONTNEED);
	memset(protected, 'y', PAGE);
	mprotect(protected, PAGE, PROT_READ);
	mprotect(text, PAGE, PROT_READ | PROT_WRITE);
	text[0] = 'z';
	mprotect(text, PAGE, PROT_READ | PROT_EXEC);
	munmap(dropped, PAGE);
	/* Alike, and in the same place, but another. */
	mmap(dropped + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	SAY("more %p\n", mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SAY("longer %p\n", mremap(kept, PAGE, 40 * PAGE, MREMAP_MAYMOVE));
}

static void move_brk(void)
{
	char *at = sbrk(0);

	SAY("brk %p\n", (void *)at);
	if (sbrk(5 * PAGE) == at)
		memset(at, 'q', 5 * PAGE);
	SAY("brk %p\n", sbrk(0));
}

static void mask(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	SAY("mask %d\n", sigismember(&old, SIGUSR1));
	sigpending(&set);
	SAY("waits %d\n", sigismember(&set, SIGUSR1));
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
}

PLACE int deep(int n)
{
	volatile char room[PAGE];

	room[0] = (char)n;
	room[PAGE - 1] = (char)(n + room[0]);
	return n ? deep(n - 1) + room[PAGE - 1] : 0;
}

static int (*make_code(void))(void)
{
	static char *page;
	static const unsigned char body[] = { 0xb8, 1, 0, 0, 0, 0xc3 };	/* mov eax, 1; ret */

	if (!page) {
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(page, body, sizeof(body));
	}
	return (int (*)(void))(uintptr_t)page;
}

static void change_code(void)
{
	int (*fn)(void) = make_code();

	SAY("code %d\n", fn());
	((volatile unsigned char *)(uintptr_t)fn)[1]++;
	SAY("code %d\n", fn());
}

static int want(int argc, char **argv, const char *part)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], part) == 0)
			return 1;
	return argc < 2;
}

static void prepare(void)
{
	block = malloc(100000);
	memset(block, 'a', 100000);
	kept = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	dropped = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cleared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	protected = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	text = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(kept, 'k', PAGE);
	memset(dropped, 'd', 2 * PAGE);
	memset(cleared, 'c', 2 * PAGE);	/* the third is untouched */
	memset(protected, 'p', PAGE);
	memset(text, 't', PAGE);
	mprotect(text, PAGE, PROT_READ | PROT_EXEC);
	file = fopen("/proc/self/exe", "r");
	second = open("/proc/self/exe", O_RDONLY);
	lseek(second, 100, SEEK_SET);
	make_code();
	if (!fgets(input, sizeof(input), stdin))
		strcpy(input, "none\n");
}

/* Registers that are alive over a place, wide ones where the CPU has them. Whatever comes behind it overwrites them. */
static void begin_with_registers(void)
{
	unsigned char before[64], after[64];
	double x = 0;

	for (int i = 0; i < 64; i++)
		before[i] = (unsigned char)(i * 3);
	if (!__builtin_cpu_supports("avx")) {
		begin();
		return;
	}
	__asm__ volatile("vmovdqu (%1), %%ymm9\n\tvmovdqu 32(%1), %%ymm10\n\tfldpi\n\t"
			 "call begin\n\t"
			 "fstpl %0\n\tvmovdqu %%ymm9, (%2)\n\tvmovdqu %%ymm10, 32(%2)\n\t"
			 "vpxor %%xmm9, %%xmm9, %%xmm9\n\tvpxor %%xmm10, %%xmm10, %%xmm10"
			 : "=m"(x) : "b"(before), "r"(after)
			 : "memory", "cc", "xmm9", "xmm10", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
	SAY("regs %d %.6f\n", memcmp(before, after, sizeof(before)), x);
}

static void *count(void *arg)
{
	volatile long *mine = arg;

	for (;;) {
		++*mine;
		usleep(100);
	}
	return NULL;
}

static int run_threads(int wait)
{
	pthread_t threads[4];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, count, (void *)(uintptr_t)&counts[i]);
	while (!counts[0] || !counts[1] || !counts[2])
		usleep(100);
	puts("ready");
	begin();
	pthread_create(&threads[3], NULL, count, (void *)(uintptr_t)&counts[3]);
	while (!counts[3])
		usleep(100);
	done();
	while (wait && getchar() != EOF)
		;
	puts("counted");
	return 0;
}

static int run_big(size_t bytes)
{
	big = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < bytes; i += PAGE)
		*(volatile size_t *)(void *)(big + i) = i;
	begin();
	for (size_t i = 0; i < (size_t)dirty && i < bytes; i += PAGE)
		*(volatile size_t *)(void *)(big + i) = ~i;
	done();
	return 0;
}

int main(int argc, char **argv)
{
	target_begin();
	if (argc > 1 && strcmp(argv[1], "threads") == 0)
		return run_threads(argc > 2);
	if (argc > 1 && strcmp(argv[1], "big") == 0)
		return run_big((size_t)target_number(argc, argv, 2, 64 << 20));
	if (argc > 1 && strcmp(argv[1], "exits") == 0) {
		begin();
		exit((int)code);
	}
	prepare();
	begin_with_registers();
	if (argc > 1 && strcmp(argv[1], "crash") == 0)
		*(volatile int *)(uintptr_t)(argc - 2) = 1;
	if (want(argc, argv, "heap"))
		heap();
	if (want(argc, argv, "read"))
		read_more();
	if (want(argc, argv, "files"))
		files();
	if (want(argc, argv, "print"))
		print();
	if (want(argc, argv, "memory"))
		memory();
	if (want(argc, argv, "brk"))
		move_brk();
	if (want(argc, argv, "tls"))
		SAY("tls %d\n", own++);
	if (want(argc, argv, "mask"))
		mask();
	if (want(argc, argv, "stack"))
		SAY("deep %d\n", deep(200));
	if (want(argc, argv, "code"))
		change_code();
	say_maps();
	say_files();
	if (argc > 1 && strcmp(argv[1], "crash_late") == 0)
		*(volatile int *)(uintptr_t)(argc - 2) = 1;
	done();
	fputs(report, stdout);
	return 0;
}
