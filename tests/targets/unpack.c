/*
 * unpack ADDRESS [rounds N]: N times (3) maps a page at ADDRESS (hexadecimal) to read and write, writes
 * "mov eax, ROUND; ret" there, makes it executable, calls it, and unmaps it again; "rwx" in place of "rounds" maps it
 * to be written and run at once, and writes a line between writing and running.
 * Output: "ready", "round K" for each, "sum S" of what the calls gave, exit 0.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "target.h"

static long one_round(void *at, int can_write_and_run, long round)
{
	int first = PROT_READ | PROT_WRITE | (can_write_and_run ? PROT_EXEC : 0);
	unsigned char *code = mmap(at, 4096, first, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	uint32_t value = (uint32_t)round;
	long result;

	if (code != at)
		exit(3);
	code[0] = 0xb8;
	memcpy(code + 1, &value, 4);
	code[5] = 0xc3;
	printf("round %ld\n", round);
	if (!can_write_and_run && mprotect(code, 4096, PROT_READ | PROT_EXEC) != 0)
		exit(3);
	result = ((uint32_t(*)(void))(uintptr_t)code)();
	munmap(code, 4096);
	return result;
}

int main(int argc, char **argv)
{
	long rounds = target_number(argc, argv, 3, 3), sum = 0;

	target_begin();
	if (argc < 2)
		return target_usage("unpack ADDRESS [rounds|rwx N]");
	puts("ready");
	for (long i = 1; i <= rounds; i++)
		sum += one_round((void *)strtoul(argv[1], NULL, 16), argc > 2 && strcmp(argv[2], "rwx") == 0, i);
	printf("sum %ld\n", sum);
	return 0;
}
