/*
 * debugreg - the CPU's four debug registers as values: ranges into pieces, DR7 written, DR6 read. Pure.
 *
 * A register watches 1, 2, 4 or 8 bytes that are aligned to their number, for writes, for reads and writes, or the
 * execution of the instruction that begins at one address (Intel SDM vol. 3, 18.2).
 */
#ifndef PH_X86_DEBUGREG_H
#define PH_X86_DEBUGREG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"

#define PH_DEBUG_REGS 4
#define PH_DEBUG_CONTROL 7	/* DR7 */
#define PH_DEBUG_STATUS 6	/* DR6 */
#define PH_DEBUG_RANGE_MAX 32	/* bytes that four registers reach */

enum ph_access {
	PH_ACCESS_WRITE,
	PH_ACCESS_READ_WRITE,	/* there is no such thing as reads alone */
	PH_ACCESS_EXECUTE,
};

/* What one register watches; len is 0: nothing. */
struct ph_debug_piece {
	ph_addr addr;
	uint8_t len;
	uint8_t access;	/* enum ph_access */
};

/*
 * [addr, addr + len) as the fewest pieces, exactly: what lies beside it triggers none. How many it takes, which may be
 * more than PH_DEBUG_REGS: only so many are written to ret. len is at least 1, the sum does not wrap.
 */
unsigned int ph_debug_split(ph_addr addr, size_t len, enum ph_access access,
			    struct ph_debug_piece ret[PH_DEBUG_REGS]);

/* DR7 for these: each enabled for this thread alone. */
uint64_t ph_debug_control(const struct ph_debug_piece pieces[PH_DEBUG_REGS]);

/* Bit i of the result: register i triggered. */
unsigned int ph_debug_triggered(uint64_t status);

/* The bits that the CPU leaves when a single step ended (BS). */
bool ph_debug_was_step(uint64_t status);

#endif
