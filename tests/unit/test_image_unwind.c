/* unwind: stacks in an array, code that is compiled on the spot or written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "image/symbols.h"
#include "image/unwind.h"
#include "test_image_build.h"

#define STACK 0x7ffc00000000ull
#define CODE  0x401000ull

/* A stack of 64 words, and a page of code. */
struct world {
	uint64_t stack[64];
	uint8_t code[64];
};

static int read_memory(void *user, ph_addr addr, void *buf, size_t len)
{
	const struct world *world = user;

	if (addr >= STACK && addr + len <= STACK + sizeof(world->stack))
		memcpy(buf, (const char *)world->stack + (addr - STACK), len);
	else if (addr >= CODE && addr + len <= CODE + sizeof(world->code))
		memcpy(buf, world->code + (addr - CODE), len);
	else
		return -EIO;
	return 0;
}

static struct ph_unwind_frame frame_at(ph_addr rip, ph_addr rsp, ph_addr rbp)
{
	struct ph_unwind_frame frame = { .known = (1u << PH_UNWIND_REGS) - 1, .is_exact = true };

	frame.regs[PH_UNWIND_RIP] = rip;
	frame.regs[PH_UNWIND_RSP] = rsp;
	frame.regs[PH_UNWIND_RBP] = rbp;
	frame.regs[PH_UNWIND_RBX] = 0xbbbb;
	return frame;
}

/* ---- Guesses: 5 words from the bottom lies what is asked for */

struct row {
	const char *name;
	uint8_t code[16];
	ph_addr function, rip;	/* offsets in the code; function 0xff: not known */
	unsigned rsp, rbp;	/* words */
	bool in_caller;		/* not the first frame */
	int r;
	unsigned from;		/* the word that the return address is in */
};

static const struct row rows[] = {
	{ "at the first instruction", { 0x55, 0x48, 0x89, 0xe5 }, 0, 0, 2, 40, false, 0, 2 },
	{ "behind push rbp", { 0x55, 0x48, 0x89, 0xe5 }, 0, 1, 2, 40, false, 0, 3 },
	{ "behind mov rbp, rsp", { 0x55, 0x48, 0x89, 0xe5, 0x90 }, 0, 4, 2, 6, false, 0, 7 },
	{ "the same behind endbr64", { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5 }, 0, 5, 2, 40, false, 0, 3 },
	{ "in endbr64", { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5 }, 0, 4, 2, 40, false, 0, 2 },
	{ "behind sub rsp, 24", { 0x48, 0x83, 0xec, 0x18, 0x90 }, 0, 4, 2, 40, false, 0, 5 },
	{ "at a ret", { 0x90, 0xc3 }, 0xff, 1, 2, 40, false, 0, 2 },
	{ "in a caller with a frame pointer", { 0x55, 0x48, 0x89, 0xe5, 0x90 }, 0, 4, 2, 6, true, 0, 7 },
	{ "in a caller that nobody knows, by rbp", { 0x90, 0x90, 0x90 }, 0xff, 2, 2, 6, true, 0, 7 },
	{ "where rbp leads down the stack", { 0x90, 0x90, 0x90 }, 0xff, 2, 6, 2, true, -ENODATA, 0 },
	{ "where rbp is 0", { 0x90, 0x90, 0x90 }, 0xff, 2, 6, 1000, true, -ENODATA, 0 },
	{ "behind a call through a bad pointer", { 0 }, 0xff, 0x500, 2, 40, false, 0, 2 },
	{ "in a caller that is no code", { 0 }, 0xff, 0x500, 2, 6, true, -ENODATA, 0 },
};

static void guesses_by_what_compilers_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct world world = { .stack = { 0 } };
		const struct ph_unwind_memory memory = { &world, read_memory };
		struct ph_unwind_frame frame = frame_at(CODE + row->rip, STACK + 8 * row->rsp,
							row->rbp < 1000 ? STACK + 8 * row->rbp : 0);
		struct ph_unwind_step step;
		int r;

		for (size_t word = 0; word < 64; word++)
			world.stack[word] = 0x500000 + word;
		memcpy(world.code, row->code, sizeof(row->code));
		frame.is_exact = !row->in_caller;
		r = ph_unwind_guess(row->function == 0xff ? 0 : CODE + row->function, &frame, &memory, &step);
		if (r != row->r)
			fail_msg("%s: %d", row->name, r);
		if (r == 0 && (step.caller.regs[PH_UNWIND_RIP] != 0x500000 + row->from ||
			       step.caller.regs[PH_UNWIND_RSP] != STACK + 8 * (row->from + 1) || step.caller.is_exact))
			fail_msg("%s: 0x%llx", row->name, (unsigned long long)step.caller.regs[PH_UNWIND_RIP]);
	}
}

static void a_signals_frame_gives_back_every_register(void **state)
{
	static const uint8_t restorer[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 };
	struct world world = { .stack = { 0 } };
	const struct ph_unwind_memory memory = { &world, read_memory };
	struct ph_unwind_frame frame = frame_at(CODE, STACK, 0);
	struct ph_unwind_step step;

	(void)state;
	memcpy(world.code, restorer, sizeof(restorer));
	for (size_t word = 0; word < 64; word++)
		world.stack[word] = 1000 + word;
	frame.is_exact = false;
	assert_int_equal(ph_unwind_guess(0, &frame, &memory, &step), 0);
	assert_true(step.is_signal && step.caller.is_exact);
	/* ucontext: flags, link, stack (3 words), then r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip. */
	assert_int_equal(step.caller.regs[PH_UNWIND_R8], 1005);
	assert_int_equal(step.caller.regs[PH_UNWIND_RDI], 1013);
	assert_int_equal(step.caller.regs[PH_UNWIND_RSP], 1020);
	assert_int_equal(step.caller.regs[PH_UNWIND_RIP], 1021);
}

/* ---- Call frame information */

static const char source[] =
	".globl f\n.type f, @function\n"
	"f: .cfi_startproc\n"
	"	push %rbx\n	.cfi_def_cfa_offset 16\n	.cfi_offset rbx, -16\n"
	"	sub $32, %rsp\n	.cfi_def_cfa_offset 48\n"
	"	nop\n"
	"	add $32, %rsp\n	.cfi_def_cfa_offset 16\n"
	"	pop %rbx\n	.cfi_def_cfa_offset 8\n	.cfi_restore rbx\n"
	"	ret\n	.cfi_endproc\n.size f, . - f\n"
	".globl last\n.type last, @function\n"
	"last: .cfi_startproc\n	.cfi_undefined rip\n	nop\n	nop\n	.cfi_endproc\n.size last, . - last\n"
	".globl signal\n.type signal, @function\n"
	"signal: .cfi_startproc\n	.cfi_signal_frame\n	.cfi_def_cfa rsp, 8\n	nop\n	.cfi_endproc\n.size signal, . - signal\n"
	".globl odd\n.type odd, @function\n"
	"odd: .cfi_startproc\n	.cfi_escape 0x0f, 3, 0x77, 24, 0x06\n	nop\n	.cfi_endproc\n.size odd, . - odd\n"
	".globl none\n.type none, @function\n"
	"none: nop\n	ret\n.size none, . - none\n"
	".section .note.GNU-stack,\"\",@progbits\n";

struct built {
	struct ph_elf *elf;
	struct world world;
	struct ph_unwind_memory memory;
	struct ph_symbol symbol;
};

static void open_built(struct built *built, const char *name, const char *sections)
{
	char text[sizeof(source) + 64];
	int len = snprintf(text, sizeof(text), ".cfi_sections %s\n%s", sections, source);

	assert_int_equal(build_write("f.S", text, (size_t)len), 0);
	assert_int_equal(build_run("gcc -nostdlib -shared -o f.so f.S"), 0);
	assert_int_equal(ph_elf_open(build_path("f.so"), &built->elf, NULL), 0);
	assert_int_equal(ph_symbols_find(built->elf, name, &built->symbol), 0);
	for (size_t word = 0; word < 64; word++)
		built->world.stack[word] = 0x500000 + word;
	built->memory = (struct ph_unwind_memory){ &built->world, read_memory };
}

static void every_instruction_of_a_function_leads_to_its_caller(void **state)
{
	static const char *const sections[] = { ".eh_frame", ".debug_frame" };
	static const struct {
		unsigned offset, words;	/* the return address is so many words above rsp */
		bool saves;		/* rbx is on the stack */
	} stops[] = { { 0, 0, false }, { 1, 1, true }, { 5, 5, true }, { 6, 5, true }, { 10, 1, true }, { 11, 0, false } };

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct built built = { .elf = NULL };

		open_built(&built, "f", sections[s]);
		for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
			ph_addr at = built.symbol.vaddr + 0x10000000 + stops[i].offset;
			struct ph_unwind_frame frame = frame_at(at, STACK + 16, 0x1234);
			struct ph_unwind_step step;

			assert_int_equal(ph_unwind_by_cfi(built.elf, 0x10000000, &frame, &built.memory, &step), 0);
			assert_int_equal(step.caller.regs[PH_UNWIND_RIP], 0x500002 + stops[i].words);
			assert_int_equal(step.cfa, STACK + 16 + 8 * (stops[i].words + 1));
			assert_int_equal(step.caller.regs[PH_UNWIND_RSP], step.cfa);
			assert_int_equal(step.caller.regs[PH_UNWIND_RBP], 0x1234);
			assert_int_equal(step.caller.regs[PH_UNWIND_RBX],
					 stops[i].saves ? 0x500001 + stops[i].words : 0xbbbb);
			assert_false(step.caller.is_exact);
		}
		ph_elf_free(built.elf);
	}
}

static int unwind_in(const char *name, struct ph_unwind_step *ret)
{
	struct built built = { .elf = NULL };
	struct ph_unwind_frame frame;
	int r;

	open_built(&built, name, ".eh_frame");
	frame = frame_at(built.symbol.vaddr, STACK + 16, 0);
	r = ph_unwind_by_cfi(built.elf, 0, &frame, &built.memory, ret);
	ph_elf_free(built.elf);
	return r;
}

static void an_undefined_return_address_ends_the_walk(void **state)
{
	struct ph_unwind_step step;

	(void)state;
	assert_int_equal(unwind_in("last", &step), -ENODATA);
}

static void code_without_information_is_said_to_have_none(void **state)
{
	struct ph_unwind_step step;

	(void)state;
	assert_int_equal(unwind_in("none", &step), -ENOENT);
}

static void a_signal_frame_makes_its_caller_exact(void **state)
{
	struct ph_unwind_step step;

	(void)state;
	assert_int_equal(unwind_in("signal", &step), 0);
	assert_true(step.is_signal && step.caller.is_exact);
}

static void an_expression_may_say_where_the_frame_is(void **state)
{
	struct ph_unwind_step step;

	(void)state;
	/* What stands 24 above rsp, word 5, is the frame's address: it is no place of ours, so its return address is not read. */
	assert_int_equal(unwind_in("odd", &step), -EIO);
}

static void a_call_at_the_end_of_a_function_is_looked_up_in_it(void **state)
{
	struct ph_unwind_frame frame = frame_at(CODE, STACK, 0);

	(void)state;
	assert_int_equal(ph_unwind_place(&frame), CODE);
	frame.is_exact = false;
	assert_int_equal(ph_unwind_place(&frame), CODE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guesses_by_what_compilers_do),
		cmocka_unit_test(a_signals_frame_gives_back_every_register),
		cmocka_unit_test(every_instruction_of_a_function_leads_to_its_caller),
		cmocka_unit_test(an_undefined_return_address_ends_the_walk),
		cmocka_unit_test(code_without_information_is_said_to_have_none),
		cmocka_unit_test(a_signal_frame_makes_its_caller_exact),
		cmocka_unit_test(an_expression_may_say_where_the_frame_is),
		cmocka_unit_test(a_call_at_the_end_of_a_function_is_looked_up_in_it),
	};

	return cmocka_run_group_tests_name("image/unwind", tests, build_begin, build_end);
}
