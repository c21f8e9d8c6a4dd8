#include "x86/debugreg.h"

/* A register takes two bits of enabling from bit 0 on (local, global), and four of what it watches from bit 16 on. */
#define ENABLE_SHIFT(i) (2 * (i))
#define WATCH_SHIFT(i) (16 + 4 * (i))
#define STEP_BIT 14

static const uint8_t type_bits[] = {
	[PH_ACCESS_EXECUTE] = 0,
	[PH_ACCESS_WRITE] = 1,
	[PH_ACCESS_READ_WRITE] = 3,
};

/* By the number of bytes; two bits above the type's. */
static const uint8_t length_bits[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };

unsigned int ph_debug_split(ph_addr addr, size_t len, enum ph_access access,
			    struct ph_debug_piece ret[PH_DEBUG_REGS])
{
	unsigned int n = 0;

	while (len) {
		size_t size = 8;

		while (size > len || addr % size)
			size /= 2;
		if (n < PH_DEBUG_REGS)
			ret[n] = (struct ph_debug_piece){ addr, (uint8_t)size, (uint8_t)access };
		n++;
		addr += size;
		len -= size;
	}
	return n;
}

uint64_t ph_debug_control(const struct ph_debug_piece pieces[PH_DEBUG_REGS])
{
	uint64_t control = 0;

	for (unsigned int i = 0; i < PH_DEBUG_REGS; i++) {
		const struct ph_debug_piece *piece = &pieces[i];

		if (!piece->len)
			continue;
		control |= 1ull << ENABLE_SHIFT(i);
		control |= (uint64_t)(length_bits[piece->len] << 2 | type_bits[piece->access]) << WATCH_SHIFT(i);
	}
	return control;
}

unsigned int ph_debug_triggered(uint64_t status)
{
	return (unsigned int)status & ((1u << PH_DEBUG_REGS) - 1);
}

bool ph_debug_was_step(uint64_t status)
{
	return status >> STEP_BIT & 1;
}
