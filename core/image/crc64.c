/*
 * crc64 - stands in for liblzma's own of that name, which is linked statically: there a constructor asks the CPU what it
 * has, and cpuid is a trap in virtual machines. Every start paid 20 us for what minidebuginfo alone needs.
 */
#include <lzma.h>

#define ECMA_182 0xc96c5795d7870f42ull	/* reflected (.xz file format 1.0.4, section 6) */

uint64_t lzma_crc64(const uint8_t *buf, size_t size, uint64_t crc)
{
	static uint64_t table[256];

	for (unsigned int i = 0; i < 256 && !table[255]; i++) {
		uint64_t row = i;

		for (int bit = 0; bit < 8; bit++)
			row = row >> 1 ^ (row & 1 ? ECMA_182 : 0);
		table[i] = row;
	}
	crc = ~crc;
	while (size--)
		crc = table[(*buf++ ^ crc) & 0xff] ^ crc >> 8;
	return ~crc;
}
