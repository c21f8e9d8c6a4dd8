/*
 * blocks - reads a line of 24 characters and enciphers it (XTEA), 8 bytes at a time, until a block is wrong. Exit 0 and
 * "Correct!", or 1 and "Wrong.". Place: encipher, once for each block. Secret: 011010010011101011100101
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint32_t key[4] = { 0x6b657921, 0x1337c0de, 0x0badf00d, 0x5eed5eed };
static const uint32_t secret[3][2] = {
	{ 0x8c8db296, 0xf34e6891 },
	{ 0xab9386ef, 0x7fe0bac7 },
	{ 0x7bff2d10, 0x55c2d560 },
};

__attribute__((noipa)) static void encipher(uint32_t v[2])
{
	uint32_t sum = 0;

	for (int i = 0; i < 32; i++) {
		v[0] += (((v[1] << 4) ^ (v[1] >> 5)) + v[1]) ^ (sum + key[sum & 3]);
		sum += 0x9e3779b9;
		v[1] += (((v[0] << 4) ^ (v[0] >> 5)) + v[0]) ^ (sum + key[sum >> 11 & 3]);
	}
}

int main(void)
{
	char line[64] = "";

	alarm(60);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	for (int i = 0; i < 3; i++) {
		uint32_t block[2];

		memcpy(block, line + 8 * i, sizeof(block));
		encipher(block);
		if (memcmp(block, secret[i], sizeof(block)) != 0) {
			puts("Wrong.");
			return 1;
		}
	}
	puts("Correct!");
	return 0;
}
