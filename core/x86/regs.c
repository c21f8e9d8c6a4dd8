#include "x86/regs.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define ROW(reg_name, field, bytes, bits, reg_kind)			\
	[PH_REG_##reg_name] = {						\
		.name = #reg_name,					\
		.offset = offsetof(struct user_regs_struct, field),	\
		.size = (bytes),					\
		.shift = (bits),					\
		.kind = (reg_kind),					\
	},

const struct ph_reg ph_regs[PH_REGS_COUNT] = { PH_REGS(ROW) };

#define FLAG(flag_name, flag_bit) [PH_FLAG_##flag_name] = { .name = #flag_name, .bit = (flag_bit) },

const struct ph_flag ph_flags[PH_FLAGS_COUNT] = { PH_FLAGS(FLAG) };

const uint8_t ph_reg_args[PH_REG_ARGS_COUNT] = {
	PH_REG_rdi, PH_REG_rsi, PH_REG_rdx, PH_REG_rcx, PH_REG_r8, PH_REG_r9,
};

/* syscall(2), "Architecture calling conventions": rcx holds the return address, so r10 takes its place. */
const uint8_t ph_reg_syscall_args[PH_REG_ARGS_COUNT] = {
	PH_REG_rdi, PH_REG_rsi, PH_REG_rdx, PH_REG_r10, PH_REG_r8, PH_REG_r9,
};

#define NAME_MAX_SIZE sizeof(((struct ph_reg *)0)->name)
#define ONE_IF_WHOLE(reg_name, field, bytes, bits, reg_kind) + ((reg_kind) == PH_REG_WHOLE)
#define CHECK_ROW(reg_name, field, bytes, bits, reg_kind)						\
	static_assert(sizeof(((struct user_regs_struct *)0)->field) == sizeof(uint64_t), #reg_name);	\
	static_assert(offsetof(struct user_regs_struct, field) <= UINT8_MAX, #reg_name);		\
	static_assert((bytes) * 8 + (bits) <= 64, #reg_name);						\
	static_assert(sizeof(#reg_name) <= NAME_MAX_SIZE, #reg_name);

static_assert(0 PH_REGS(ONE_IF_WHOLE) == sizeof(struct user_regs_struct) / sizeof(uint64_t), "a field has no row");
PH_REGS(CHECK_ROW)

const struct ph_reg *ph_reg_find(const char *name)
{
	for (size_t i = 0; i < PH_REGS_COUNT; i++)
		if (!strcmp(ph_regs[i].name, name))
			return &ph_regs[i];
	return NULL;
}

const struct ph_flag *ph_flag_find(const char *name)
{
	for (size_t i = 0; i < PH_FLAGS_COUNT; i++)
		if (!strcmp(ph_flags[i].name, name))
			return &ph_flags[i];
	return NULL;
}

static uint64_t low_mask(const struct ph_reg *reg)
{
	return reg->size == 8 ? UINT64_MAX : (UINT64_C(1) << reg->size * 8) - 1;
}

uint64_t ph_reg_get(const struct user_regs_struct *regs, const struct ph_reg *reg)
{
	uint64_t field;

	memcpy(&field, (const char *)regs + reg->offset, sizeof(field));
	return field >> reg->shift & low_mask(reg);
}

void ph_reg_set(struct user_regs_struct *regs, const struct ph_reg *reg, uint64_t value)
{
	/* What stays: nothing beside a 32-bit part, everything around a smaller one. */
	uint64_t keep = reg->size >= 4 ? 0 : ~(low_mask(reg) << reg->shift);
	uint64_t field;

	memcpy(&field, (const char *)regs + reg->offset, sizeof(field));
	field = (field & keep) | (value & low_mask(reg)) << reg->shift;
	memcpy((char *)regs + reg->offset, &field, sizeof(field));
}

int ph_flag_get(const struct user_regs_struct *regs, const struct ph_flag *flag)
{
	return regs->eflags >> flag->bit & 1;
}

void ph_flag_set(struct user_regs_struct *regs, const struct ph_flag *flag, int value)
{
	uint64_t bit = UINT64_C(1) << flag->bit;

	regs->eflags = value ? regs->eflags | bit : regs->eflags & ~bit;
}
