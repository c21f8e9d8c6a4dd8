#include "x86/zydis.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define LONGEST ((size_t)ZYDIS_MAX_INSTRUCTION_LENGTH)

static struct ph_zydis_library library;
static const struct ph_zydis_library *loaded;

static void load(void)
{
	char name[32];
	void *handle;

	/* Its soname is its version's first two numbers. */
	snprintf(name, sizeof(name), "libZydis.so.%u.%u", (unsigned int)ZYDIS_VERSION_MAJOR(ZYDIS_VERSION),
		 (unsigned int)ZYDIS_VERSION_MINOR(ZYDIS_VERSION));
	handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
#define FIND(function)                                                      \
	if (handle)                                                         \
		*(void **)&library.function = dlsym(handle, #function);     \
	if (!library.function)                                              \
		return;
	PH_ZYDIS_FUNCTIONS(FIND)
#undef FIND
	loaded = &library;
}

const struct ph_zydis_library *ph_zydis(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return loaded;
}

int ph_zydis_decode(const uint8_t *bytes, size_t len, struct ph_zydis *ret)
{
	const struct ph_zydis_library *zydis = ph_zydis();
	ZydisDecoder decoder;
	ZyanStatus status;

	if (!zydis)
		return -ELIBACC;
	zydis->ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	status = zydis->ZydisDecoderDecodeFull(&decoder, bytes, len < LONGEST ? len : LONGEST, &ret->insn, ret->operands);
	if (ZYAN_SUCCESS(status))
		return 0;
	/* Out of data behind the 15th byte is not cut short: no instruction is that long. */
	return status == ZYDIS_STATUS_NO_MORE_DATA && len < LONGEST ? -ENODATA : -EILSEQ;
}

uint8_t ph_zydis_reg(ZydisRegister reg)
{
	const struct ph_reg *row;

	/* Zydis says "sp" for the 16 bits that scripts cannot name. */
	if (reg == ZYDIS_REGISTER_NONE || reg == ZYDIS_REGISTER_SP)
		return PH_REG_NONE;
	row = ph_reg_find(ph_zydis()->ZydisRegisterGetString(reg));
	return row ? (uint8_t)(row - ph_regs) : PH_REG_NONE;
}

bool ph_zydis_operand(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *from, ph_addr at,
		      struct ph_operand *ret)
{
	const ZydisDecodedOperandMem *mem = &from->mem;
	struct ph_operand operand = {
		.base = ph_zydis_reg(mem->base),
		.index = ph_zydis_reg(mem->index),
		.scale = mem->scale,
		.segment = mem->segment == ZYDIS_REGISTER_FS ? PH_REG_fs_base :
			   mem->segment == ZYDIS_REGISTER_GS ? PH_REG_gs_base : PH_REG_NONE,
		.is_32 = insn->address_width == 32,
		.displacement = mem->disp.has_displacement ? mem->disp.value : 0,
	};

	if (from->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    (mem->type != ZYDIS_MEMOP_TYPE_MEM && mem->type != ZYDIS_MEMOP_TYPE_AGEN))
		return false;
	if (ph_zydis_is_rip_relative(insn)) {
		operand.base = PH_REG_NONE;
		operand.displacement = (int64_t)((uint64_t)operand.displacement + at + insn->length);
	} else if ((mem->base != ZYDIS_REGISTER_NONE && operand.base == PH_REG_NONE) ||
		   (mem->index != ZYDIS_REGISTER_NONE && operand.index == PH_REG_NONE)) {
		return false;	/* a vector of indexes, or the like */
	}
	if (mem->type == ZYDIS_MEMOP_TYPE_AGEN)
		operand.segment = PH_REG_NONE;
	*ret = operand;
	return true;
}
