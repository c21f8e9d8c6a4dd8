/*
 * xstate - x87, vector and mask registers inside an XSAVE area.
 *
 * The area is what PTRACE_GETREGSET gives for NT_X86_XSTATE: the standard, non-compacted format (Intel SDM vol. 1,
 * 13.4; AMD APM vol. 2, 11.5). Where a component lies depends on the CPU (CPUID leaf 0xD) and is read once. Pure over
 * the caller's buffer: reading a component whose bit in XSTATE_BV is clear gives its initial state, writing one sets
 * the bit and gives the rest of the component its initial state first.
 *
 * Does not fetch or flush: whoever holds the area fetched it from a stopped thread.
 */
#ifndef PH_X86_XSTATE_H
#define PH_X86_XSTATE_H

#include <stddef.h>
#include <stdint.h>

#define PH_XREG_SIZE_MAX 64

/* The components that hold registers, by their bit in XCR0 and XSTATE_BV. */
enum ph_xstate_component {
	PH_XSTATE_X87 = 0,
	PH_XSTATE_SSE = 1,	/* xmm0..15, mxcsr */
	PH_XSTATE_AVX = 2,	/* upper halves of ymm0..15 */
	PH_XSTATE_OPMASK = 5,	/* k0..7 */
	PH_XSTATE_ZMM_HI256 = 6,/* upper halves of zmm0..15 */
	PH_XSTATE_HI16_ZMM = 7,	/* zmm16..31, whole */
	PH_XSTATE_COMPONENTS
};

struct ph_xstate_layout {
	size_t size;		/* of the area, with every component that the CPU and the kernel have enabled */
	uint64_t features;	/* components, as bits */
	struct {
		uint32_t offset;
		uint32_t size;	/* 0: the CPU has none */
	} component[PH_XSTATE_COMPONENTS];
};

enum ph_xreg_kind {
	PH_XREG_VECTOR,		/* xmm, ymm, zmm: 0..31 */
	PH_XREG_OPMASK,		/* k: 0..7 */
	PH_XREG_ST,		/* st: 0..7, from the top of the stack; 80 bits, as a long double begins */
	PH_XREG_MXCSR,
};

struct ph_xreg {
	uint8_t kind;	/* enum ph_xreg_kind */
	uint8_t index;
	uint8_t size;	/* in bytes: 16, 32, 64; 8; 10; 4 */
};

/* This machine's. */
const struct ph_xstate_layout *ph_xstate_layout(void);

/* "xmm0".."zmm31", "k0".."k7", "st0".."st7", "mxcsr". -ENOENT: no such register on any CPU. */
int ph_xreg_find(const char *name, struct ph_xreg *ret);

/*
 * reg->size bytes out of, or into, the area. The rest of a wider vector register stays as it is. Writing an st marks
 * it as not empty. -ENODEV: this CPU, or this area, has no such register. -EINVAL: no such kind, index or size.
 */
int ph_xreg_get(const struct ph_xstate_layout *layout, const void *area, size_t size, const struct ph_xreg *reg,
		void *ret);
int ph_xreg_set(const struct ph_xstate_layout *layout, void *area, size_t size, const struct ph_xreg *reg,
		const void *value);

#endif
