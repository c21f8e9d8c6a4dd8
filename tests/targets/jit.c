/*
 * jit [N]: N rounds (100) of writing "mov eax, ROUND; ret" over the same rwx page, calling jit_here(code, round),
 * then the code.
 * Output: "code 0x…" (the page), "rounds N" and exit 0 when each call gave its round's number, else "wrong K" and
 * exit 1.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "target.h"

PLACE long jit_here(const void *code, long round)
{
	return round + (code != NULL);
}

int main(int argc, char **argv)
{
	long n = target_number(argc, argv, 1, 100), wrong = 0;
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	target_begin();
	if (code == MAP_FAILED)
		return 3;
	printf("code %p\n", code);
	for (long i = 0; i < n; i++) {
		uint32_t round = i;

		code[0] = 0xb8;
		memcpy(code + 1, &round, 4);
		code[5] = 0xc3;
		jit_here(code, i);
		wrong += ((uint32_t(*)(void))(uintptr_t)code)() != round;
	}
	printf(wrong ? "wrong %ld\n" : "rounds %ld\n", wrong ? wrong : n);
	return wrong != 0;
}
