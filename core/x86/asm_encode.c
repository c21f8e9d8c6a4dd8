#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "x86/asm_code.h"
#include "x86/asm_words.h"
#include "x86/insn.h"

/* Sizes that an operand in memory may have, tried where none was said. */
static const uint16_t guesses[] = { 1, 2, 4, 6, 8, 10, 14, 16, 28, 32, 64, 94, 108, 512 };
#define N_GUESSES (sizeof(guesses) / sizeof(guesses[0]))

/* One statement, as it is to be encoded now. */
struct form {
	ZydisEncoderRequest request;
	uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
	uint8_t length;
};

static bool is_memory(const struct ph_asm_operand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static const struct ph_asm_operand *memory_of(const struct ph_asm_statement *statement)
{
	for (unsigned int i = 0; i < statement->n_operands; i++)
		if (is_memory(&statement->operands[i]))
			return &statement->operands[i];
	return NULL;
}

static uint64_t value_of(const struct ph_asm_code *code, const struct ph_asm_value *value, ph_addr start)
{
	uint64_t number = (uint64_t)value->number;

	return value->label < 0 ? number : number + start + code->statements[value->label].offset;
}

static ZydisEncoderRequest request_for(const struct ph_asm_code *code, const struct ph_asm_statement *statement,
				       ph_addr start)
{
	ZydisEncoderRequest request = {
		.machine_mode = ZYDIS_MACHINE_MODE_LONG_64, .mnemonic = statement->mnemonic,
		.prefixes = statement->prefixes, .operand_count = statement->n_operands,
	};

	for (unsigned int i = 0; i < statement->n_operands; i++) {
		const struct ph_asm_operand *from = &statement->operands[i];
		ZydisEncoderOperand *to = &request.operands[i];
		uint64_t value = value_of(code, &from->value, start);

		to->type = from->type;
		if (from->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			to->reg.value = from->reg;
		} else if (is_memory(from)) {
			to->mem.base = from->base;
			to->mem.index = from->index;
			to->mem.scale = from->scale;
			to->mem.displacement = (ZyanI64)value;
			to->mem.size = from->size;
		} else {
			to->imm.u = value;
		}
	}
	return request;
}

/* ---- What was encoded, looked at again */

static unsigned int width_of_register(ZydisRegister reg)
{
	return ph_zydis()->ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg);
}

static uint64_t low_bits(uint64_t value, unsigned int bits)
{
	return bits >= 64 ? value : value & ((1ull << bits) - 1);
}

static bool is_same_memory(const ZydisEncoderOperand *wanted, const ZydisDecodedOperand *got)
{
	unsigned int bits = wanted->mem.base != ZYDIS_REGISTER_NONE ? width_of_register(wanted->mem.base) :
			    wanted->mem.index != ZYDIS_REGISTER_NONE ? width_of_register(wanted->mem.index) : 64;

	return got->type == ZYDIS_OPERAND_TYPE_MEMORY && got->mem.base == wanted->mem.base &&
	       got->mem.index == wanted->mem.index &&
	       (wanted->mem.index == ZYDIS_REGISTER_NONE || got->mem.scale == wanted->mem.scale) &&
	       low_bits((uint64_t)got->mem.disp.value, bits) == low_bits((uint64_t)wanted->mem.displacement, bits);
}

static bool is_same_operand(const ZydisEncoderOperand *wanted, const ZydisDecodedOperand *got)
{
	switch (wanted->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return got->type == ZYDIS_OPERAND_TYPE_REGISTER && got->reg.value == wanted->reg.value;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return is_same_memory(wanted, got);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return got->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		       (low_bits(got->imm.value.u, got->size) == low_bits(wanted->imm.u, got->size) ||
			got->imm.value.u == wanted->imm.u);
	default:
		return false;
	}
}

/* The encoder is trusted with nothing: what the CPU would see is what was asked for. */
static bool is_what_was_meant(const struct form *form)
{
	const ZydisEncoderRequest *request = &form->request;
	struct ph_zydis got;

	if (ph_zydis_decode(form->bytes, form->length, &got) < 0 || got.insn.length != form->length ||
	    got.insn.mnemonic != request->mnemonic || got.insn.operand_count_visible < request->operand_count)
		return false;
	for (unsigned int i = 0; i < request->operand_count; i++)
		if (!is_same_operand(&request->operands[i], &got.operands[i]))
			return false;
	return true;
}

static bool encode_plain(struct form *form)
{
	ZyanUSize length = sizeof(form->bytes);

	if (!ZYAN_SUCCESS(ph_zydis()->ZydisEncoderEncodeInstruction(&form->request, form->bytes, &length)))
		return false;
	form->length = (uint8_t)length;
	return is_what_was_meant(form);
}

/* AVX-512 instructions have a mask where the text has none: k0, which means all. */
static bool encode(struct form *form)
{
	ZydisEncoderRequest *request = &form->request, plain = *request;

	if (encode_plain(form))
		return true;
	if (request->operand_count == 0 || request->operand_count == ZYDIS_ENCODER_MAX_OPERANDS)
		return false;
	memmove(&request->operands[2], &request->operands[1], (request->operand_count - 1u) * sizeof(request->operands[0]));
	memset(&request->operands[1], 0, sizeof(request->operands[1]));
	request->operands[1].type = ZYDIS_OPERAND_TYPE_REGISTER;
	request->operands[1].reg.value = ZYDIS_REGISTER_K0;
	request->operand_count++;
	if (encode_plain(form))
		return true;
	*request = plain;
	return false;
}

/* ---- Numbers */

static ZydisEncoderOperand *number_of(ZydisEncoderRequest *request)
{
	for (unsigned int i = request->operand_count; i-- > 0;)
		if (request->operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return &request->operands[i];
	return NULL;
}

/* How many bits the instruction works on; 0: nothing tells. */
static unsigned int width_of(const ZydisEncoderRequest *request)
{
	const ZydisEncoderOperand *first = &request->operands[0];

	if (request->operand_count < 2)
		return 0;
	if (first->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return width_of_register(first->reg.value);
	return first->type == ZYDIS_OPERAND_TYPE_MEMORY ? first->mem.size * 8u : 0;
}

/* 0xff in 8 bits is -1, which is how the encoder wants it for most instructions; others have no sign. The shorter one. */
static bool encode_number(struct form *form)
{
	struct form best = { .length = 0 }, now;
	unsigned int bits = width_of(&form->request);
	ZydisEncoderOperand *number = number_of(&form->request);
	uint64_t value, candidates[2];

	if (!number || bits == 0 || bits >= 64)
		return encode(form);
	value = number->imm.u;
	candidates[0] = low_bits(value, bits);
	candidates[1] = (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
	/* It fits neither as a signed number nor as an unsigned one. */
	if (value != candidates[0] && value != candidates[1])
		return false;
	for (unsigned int i = 0; i < 2; i++) {
		now = *form;
		number_of(&now.request)->imm.u = candidates[i];
		if (encode(&now) && (!best.length || now.length < best.length))
			best = now;
	}
	if (best.length)
		*form = best;
	return best.length != 0;
}

/* ---- Sizes */

static bool is_shift_by_cl(const ZydisEncoderRequest *request)
{
	return request->operand_count == 2 && request->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       request->operands[1].reg.value == ZYDIS_REGISTER_CL && request->mnemonic != ZYDIS_MNEMONIC_MOV &&
	       request->mnemonic != ZYDIS_MNEMONIC_XCHG && request->mnemonic != ZYDIS_MNEMONIC_ADD;
}

/* The size that goes without saying: that of the register beside it, or of what lies on the stack. */
static unsigned int usual_size(const struct ph_asm_statement *statement, const ZydisEncoderRequest *request)
{
	for (unsigned int i = 0; i < request->operand_count && !is_shift_by_cl(request); i++)
		if (request->operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
			return width_of_register(request->operands[i].reg.value) / 8u;
	if (statement->is_branch || statement->mnemonic == ZYDIS_MNEMONIC_PUSH || statement->mnemonic == ZYDIS_MNEMONIC_POP)
		return 8;
	return 0;
}

static void set_size(ZydisEncoderRequest *request, unsigned int size)
{
	for (unsigned int i = 0; i < request->operand_count; i++)
		if (request->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			request->operands[i].mem.size = (ZyanU16)size;
}

/* 1 and the form; 0: no size will do; -1: more than one would, which words names. */
static int guess_size(const struct ph_asm_statement *statement, struct form *form, char *words, size_t room)
{
	unsigned int usual = usual_size(statement, &form->request);
	struct form found = { .length = 0 };
	size_t used = 0;
	int n = 0;

	set_size(&form->request, usual);
	if (usual && encode_number(form))
		return 1;
	*words = '\0';
	for (size_t i = 0; i < N_GUESSES; i++) {
		struct form now = *form;
		const char *name = ph_asm_size_name(guesses[i]);

		set_size(&now.request, guesses[i]);
		if (!encode_number(&now))
			continue;
		n++;
		found = now;
		if (name && used < room)
			used += (size_t)snprintf(words + used, room - used, "%s%s", used ? ", " : "", name);
	}
	if (n == 1)
		*form = found;
	return n == 0 ? 0 : n == 1 ? 1 : -1;
}

/* ---- Errors */

static int refuse(const struct ph_asm_statement *statement, const ZydisEncoderRequest *request, struct ph_err *err)
{
	const struct ph_asm_operand *a = &statement->operands[0], *b = &statement->operands[1];
	const char *mnemonic = ph_zydis()->ZydisMnemonicGetString(statement->mnemonic);
	unsigned int bits = width_of(request);

	if (statement->n_operands == 2 && a->type == ZYDIS_OPERAND_TYPE_REGISTER && b->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    width_of_register(a->reg) != width_of_register(b->reg))
		return ph_asm_fail(statement, err, "no form of %s takes these: %s has %u bits, %s has %u", mnemonic,
				   ph_zydis()->ZydisRegisterGetString(a->reg), (unsigned int)width_of_register(a->reg),
				   ph_zydis()->ZydisRegisterGetString(b->reg), (unsigned int)width_of_register(b->reg));
	if (statement->n_operands == 2 && b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && bits > 32)
		return ph_asm_fail(statement, err, "no form of %s takes these; a number for one of %u bits must fit in 32 with its "
				   "sign, or be moved to a register first", mnemonic, bits);
	if (statement->n_operands == 2 && b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && bits)
		return ph_asm_fail(statement, err, "no form of %s takes these; a number for %u bits must fit in them", mnemonic, bits);
	if (memory_of(statement) && is_memory(a) && statement->n_operands > 1 && is_memory(b))
		return ph_asm_fail(statement, err, "no instruction takes two operands in memory: load one of them first");
	if (statement->prefixes && !statement->has_segment)
		return ph_asm_fail(statement, err, "%s cannot have this prefix, or no form of it takes these operands", mnemonic);
	return ph_asm_fail(statement, err, "no form of %s takes %s", mnemonic,
			   statement->n_operands ? "these operands: look at their number, kinds and sizes" : "no operands");
}

/* ---- Statements */

static int keep(struct ph_asm_statement *statement, const struct form *form)
{
	memcpy(statement->bytes, form->bytes, form->length);
	statement->length = form->length;
	return 0;
}

/* The distance is from the end of the instruction, whose length does not depend on it. */
static bool encode_branch(struct form *form, ZydisBranchWidth width, ph_addr target, ph_addr at, bool *ret_exists)
{
	int64_t distance;

	form->request.branch_width = width;
	form->request.operands[0].imm.s = 0;
	*ret_exists = encode_plain(form);
	if (!*ret_exists)
		return false;
	distance = (int64_t)(target - (at + form->length));
	if (distance != (width == ZYDIS_BRANCH_WIDTH_8 ? (int8_t)distance : (int32_t)distance))
		return false;
	form->request.operands[0].imm.s = distance;
	return encode_plain(form);
}

static int branch(struct ph_asm_statement *statement, struct form *form, ph_addr at, struct ph_err *err)
{
	ph_addr target = form->request.operands[0].imm.u;
	bool has_short = false, has_near;

	if (!statement->near && encode_branch(form, ZYDIS_BRANCH_WIDTH_8, target, at, &has_short))
		return keep(statement, form);
	if (encode_branch(form, ZYDIS_BRANCH_WIDTH_32, target, at, &has_near)) {
		statement->near = true;
		return keep(statement, form);
	}
	/* There is no other form, however patient we were. */
	if (statement->near && encode_branch(form, ZYDIS_BRANCH_WIDTH_8, target, at, &has_short))
		return keep(statement, form);
	if (has_near)
		return ph_asm_fail(statement, err, "0x%llx is further than 2 GiB from 0x%llx: \"mov rax, 0x%llx; jmp rax\" reaches it",
				   (unsigned long long)target, (unsigned long long)at, (unsigned long long)target);
	if (has_short)
		return ph_asm_fail(statement, err, "0x%llx is further than 127 bytes from 0x%llx, and there is no longer form",
				   (unsigned long long)target, (unsigned long long)at);
	return refuse(statement, &form->request, err);
}

/*
 * A name, or an address alone, in memory: relative to rip where that reaches, since 32 bits hold few addresses. The
 * length of such an instruction does not depend on the distance.
 */
static bool is_relative(const struct ph_asm_statement *statement, const struct ph_asm_operand *memory)
{
	if (memory->index != ZYDIS_REGISTER_NONE || statement->has_segment)
		return false;
	return memory->base == ZYDIS_REGISTER_NONE || (memory->base == ZYDIS_REGISTER_RIP && memory->value.name);
}

static ZyanI64 *displacement_of(ZydisEncoderRequest *request)
{
	for (unsigned int i = 0; i < request->operand_count; i++)
		if (request->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &request->operands[i].mem.displacement;
	return NULL;
}

static int encode_sized(const struct ph_asm_statement *statement, struct form *form, struct ph_err *err)
{
	const struct ph_asm_operand *memory = memory_of(statement);
	char words[80];
	int n;

	if (!memory || memory->size)
		return encode_number(form);
	n = guess_size(statement, form, words, sizeof(words));
	if (n < 0)
		ph_asm_fail(statement, err, "how large is what lies in memory? Write %s before the '['", words);
	return n;
}

static int relative(struct ph_asm_statement *statement, struct form *form, ph_addr at, struct ph_err *err)
{
	const struct ph_asm_operand *memory = memory_of(statement);
	struct form absolute = *form;
	ph_addr target = (ph_addr)*displacement_of(&form->request);
	int64_t distance;
	int n;

	for (unsigned int i = 0; i < form->request.operand_count; i++)
		if (form->request.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			form->request.operands[i].mem.base = ZYDIS_REGISTER_RIP;
	*displacement_of(&form->request) = 0;
	n = encode_sized(statement, form, err);
	if (n < 0)
		return -EINVAL;
	distance = (int64_t)(target - (at + form->length));
	if (n > 0 && distance == (int32_t)distance) {
		*displacement_of(&form->request) = distance;
		if (encode_plain(form))
			return keep(statement, form);
	}
	if (memory->base == ZYDIS_REGISTER_NONE) {
		int m = encode_sized(statement, &absolute, err);

		if (m < 0)
			return -EINVAL;
		if (m > 0)
			return keep(statement, &absolute);
	}
	if (n > 0)
		return ph_asm_fail(statement, err, "0x%llx is further than 2 GiB from 0x%llx: move it to a register first",
				   (unsigned long long)target, (unsigned long long)at);
	return refuse(statement, &form->request, err);
}

int ph_asm_encode(const struct ph_asm_code *code, struct ph_asm_statement *statement, ph_addr start, ph_addr at,
		  struct ph_err *err)
{
	struct form form = { .request = request_for(code, statement, start) };
	const struct ph_asm_operand *memory = memory_of(statement);
	int n;

	if (statement->is_branch && statement->n_operands == 1 &&
	    statement->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return branch(statement, &form, at, err);
	if (memory && is_relative(statement, memory))
		return relative(statement, &form, at, err);
	n = encode_sized(statement, &form, err);
	if (n < 0)
		return -EINVAL;
	return n > 0 ? keep(statement, &form) : refuse(statement, &form.request, err);
}
