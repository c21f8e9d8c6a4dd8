#include "x86/xstate.h"

#include <assert.h>
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/*
 * The legacy region, 512 bytes, as FXSAVE64 lays it out:
 *
 *	  0 fcw  2 fsw  4 ftw (a bit per physical register, set: in use)  6 fop  8 fip  16 fdp  24 mxcsr  28 mxcsr_mask
 *	 32 st0..st7, 16 bytes each, from the top     160 xmm0..xmm15     416 not used (464: the kernel's own words)
 *
 * The header follows: XSTATE_BV, XCOMP_BV.
 */
enum {
	FCW = 0,
	FSW = 2,
	FTW = 4,
	MXCSR = 24,
	ST = 32,
	XMM = 160,
	XMM_END = 416,
	XSTATE_BV = 512,
	HEADER_END = 576,
	SLOT = 16,		/* of one st or xmm */
	FCW_INIT = 0x37f,
};

#define BIT(component) (UINT64_C(1) << (component))

static struct ph_xstate_layout this_machine;

static bool has_xsave(void)
{
	unsigned a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE);
}

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void read_layout(void)
{
	struct ph_xstate_layout *layout = &this_machine;
	unsigned size, offset, c, d;

	layout->features = has_xsave() ? xcr0() : BIT(PH_XSTATE_X87) | BIT(PH_XSTATE_SSE);
	layout->size = HEADER_END;
	layout->component[PH_XSTATE_X87].size = XMM;
	layout->component[PH_XSTATE_SSE].offset = XMM;
	layout->component[PH_XSTATE_SSE].size = XMM_END - XMM;
	if (!has_xsave())
		return;
	__cpuid_count(0xd, 0, c, layout->size, offset, d);
	for (unsigned i = PH_XSTATE_AVX; i < PH_XSTATE_COMPONENTS; i++) {
		if (!(layout->features & BIT(i)))
			continue;
		__cpuid_count(0xd, i, size, offset, c, d);
		layout->component[i].offset = offset;
		layout->component[i].size = size;
	}
}

const struct ph_xstate_layout *ph_xstate_layout(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_layout);
	return &this_machine;
}

/* Every name: a stem, then a number below count (none when count is 0). */
static const struct {
	char stem[6];
	uint8_t kind;
	uint8_t count;
	uint8_t size;
} names[] = {
	{ "xmm", PH_XREG_VECTOR, 32, 16 },
	{ "ymm", PH_XREG_VECTOR, 32, 32 },
	{ "zmm", PH_XREG_VECTOR, 32, 64 },
	{ "k", PH_XREG_OPMASK, 8, 8 },
	{ "st", PH_XREG_ST, 8, 10 },
	{ "mxcsr", PH_XREG_MXCSR, 0, 4 },
};

/* One or two digits, no leading zero; -1 for anything else. */
static int parse_index(const char *s)
{
	if (s[0] < '0' || s[0] > '9')
		return -1;
	if (!s[1])
		return s[0] - '0';
	if (s[0] == '0' || s[1] < '0' || s[1] > '9' || s[2])
		return -1;
	return (s[0] - '0') * 10 + s[1] - '0';
}

int ph_xreg_find(const char *name, struct ph_xreg *ret)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i].stem);
		int index = 0;

		if (strncmp(name, names[i].stem, len))
			continue;
		if (names[i].count ? (index = parse_index(name + len)) < 0 || index >= names[i].count : name[len])
			continue;
		*ret = (struct ph_xreg){ names[i].kind, (uint8_t)index, names[i].size };
		return 0;
	}
	return -ENOENT;
}

static uint64_t in_use(const uint8_t *area)
{
	uint64_t bv;

	memcpy(&bv, area + XSTATE_BV, sizeof(bv));
	return bv;
}

static void mark_in_use(uint8_t *area, enum ph_xstate_component component)
{
	uint64_t bv = in_use(area) | BIT(component);

	memcpy(area + XSTATE_BV, &bv, sizeof(bv));
}

/* The initial state of what shares a component's bit with the register that is about to be written. */
static void make_used(const struct ph_xstate_layout *layout, uint8_t *area, enum ph_xstate_component component)
{
	static const uint16_t fcw = FCW_INIT;

	if (in_use(area) & BIT(component))
		return;
	if (component == PH_XSTATE_X87) {
		memset(area, 0, MXCSR);
		memset(area + ST, 0, XMM - ST);
		memcpy(area + FCW, &fcw, sizeof(fcw));
	} else {
		memset(area + layout->component[component].offset, 0, layout->component[component].size);
	}
	mark_in_use(area, component);
}

/* A run of a register's bytes inside one component. */
struct piece {
	enum ph_xstate_component component;
	uint32_t offset;	/* within it */
	uint8_t size;
};

#define PIECES_MAX 3

static int vector_pieces(const struct ph_xreg *reg, struct piece ret[PIECES_MAX])
{
	uint32_t i = reg->index;

	if (i > 31 || (reg->size != 16 && reg->size != 32 && reg->size != 64))
		return -EINVAL;
	if (i >= 16) {
		ret[0] = (struct piece){ PH_XSTATE_HI16_ZMM, (i - 16) * 64, reg->size };
		return 1;
	}
	ret[0] = (struct piece){ PH_XSTATE_SSE, i * SLOT, 16 };
	ret[1] = (struct piece){ PH_XSTATE_AVX, i * 16, 16 };
	ret[2] = (struct piece){ PH_XSTATE_ZMM_HI256, i * 32, 32 };
	return reg->size == 16 ? 1 : reg->size == 32 ? 2 : 3;
}

static int pieces_of(const struct ph_xreg *reg, struct piece ret[PIECES_MAX])
{
	switch ((enum ph_xreg_kind)reg->kind) {
	case PH_XREG_VECTOR:
		return vector_pieces(reg, ret);
	case PH_XREG_OPMASK:
		if (reg->index > 7 || reg->size != 8)
			return -EINVAL;
		ret[0] = (struct piece){ PH_XSTATE_OPMASK, reg->index * 8u, 8 };
		return 1;
	case PH_XREG_ST:
		if (reg->index > 7 || reg->size != 10)
			return -EINVAL;
		ret[0] = (struct piece){ PH_XSTATE_X87, ST + reg->index * SLOT, 10 };
		return 1;
	case PH_XREG_MXCSR:
		if (reg->index || reg->size != 4)
			return -EINVAL;
		ret[0] = (struct piece){ PH_XSTATE_X87, MXCSR, 4 };
		return 1;
	}
	return -EINVAL;
}

/* The pieces of a register that is there; a negative number of them is the error. */
static int locate(const struct ph_xstate_layout *layout, size_t size, const struct ph_xreg *reg,
		  struct piece ret[PIECES_MAX])
{
	int n = pieces_of(reg, ret);

	if (n > 0 && size < HEADER_END)
		return -ENODEV;
	for (int i = 0; i < n; i++) {
		size_t component_size = layout->component[ret[i].component].size;

		if (ret[i].offset + ret[i].size > component_size ||
		    layout->component[ret[i].component].offset + component_size > size)
			return -ENODEV;
	}
	return n;
}

int ph_xreg_get(const struct ph_xstate_layout *layout, const void *area, size_t size, const struct ph_xreg *reg,
		void *ret)
{
	struct piece pieces[PIECES_MAX];
	int n = locate(layout, size, reg, pieces);
	uint8_t *to = ret;

	if (n < 0)
		return n;
	for (int i = 0; i < n; to += pieces[i++].size) {
		const uint8_t *from = (const uint8_t *)area + layout->component[pieces[i].component].offset +
				      pieces[i].offset;

		/* MXCSR has no bit of its own: XSAVE stores it always (SDM vol. 1, 13.7), as the kernel does. */
		if (reg->kind == PH_XREG_MXCSR || (in_use(area) & BIT(pieces[i].component)))
			memcpy(to, from, pieces[i].size);
		else
			memset(to, 0, pieces[i].size);
	}
	return 0;
}

/* The tag is by physical register: st(i) is number TOP + i. */
static void mark_not_empty(uint8_t *area, unsigned index)
{
	unsigned top = area[FSW + 1] >> 3 & 7;

	area[FTW] |= (uint8_t)(1 << ((top + index) & 7));
}

int ph_xreg_set(const struct ph_xstate_layout *layout, void *area, size_t size, const struct ph_xreg *reg,
		const void *value)
{
	struct piece pieces[PIECES_MAX];
	int n = locate(layout, size, reg, pieces);
	const uint8_t *from = value;

	if (n < 0)
		return n;
	for (int i = 0; i < n; from += pieces[i++].size) {
		uint8_t *to = (uint8_t *)area + layout->component[pieces[i].component].offset + pieces[i].offset;

		/* The kernel takes a new MXCSR only beside a component that uses it (copy_uabi_to_xstate()). */
		make_used(layout, area, reg->kind == PH_XREG_MXCSR ? PH_XSTATE_SSE : pieces[i].component);
		memcpy(to, from, pieces[i].size);
	}
	if (reg->kind == PH_XREG_ST)
		mark_not_empty(area, reg->index);
	return 0;
}
