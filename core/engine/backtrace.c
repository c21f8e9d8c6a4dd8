#include "engine/backtrace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/breakpoint.h"
#include "engine/modules.h"
#include "image/cxx.h"
#include "image/functions.h"
#include "image/place.h"
#include "image/symbols.h"
#include "image/tailcall.h"

#define OP	 "backtrace"
#define NAME_LEN 1024

/* ---- The thread as unwinding sees it */

static int read_memory(void *user, ph_addr addr, void *buf, size_t len)
{
	struct ph_thread *thread = user;

	return ph_space_read(thread->process->space, thread->tid, addr, buf, len, NULL);
}

struct ph_unwind_memory ph_backtrace_memory(struct ph_thread *thread)
{
	return (struct ph_unwind_memory){ thread, read_memory };
}

int ph_backtrace_begin(struct ph_thread *thread, struct ph_unwind_frame *ret, struct ph_err *err)
{
	const struct user_regs_struct *regs = &thread->view.regs;
	int r = ph_thread_regs_fetch(thread, err);

	if (r < 0)
		return r;
	*ret = (struct ph_unwind_frame){
		.regs = {
			[PH_UNWIND_RAX] = regs->rax, [PH_UNWIND_RDX] = regs->rdx, [PH_UNWIND_RCX] = regs->rcx,
			[PH_UNWIND_RBX] = regs->rbx, [PH_UNWIND_RSI] = regs->rsi, [PH_UNWIND_RDI] = regs->rdi,
			[PH_UNWIND_RBP] = regs->rbp, [PH_UNWIND_RSP] = regs->rsp, [PH_UNWIND_R8] = regs->r8,
			[PH_UNWIND_R9] = regs->r9,   [PH_UNWIND_R10] = regs->r10, [PH_UNWIND_R11] = regs->r11,
			[PH_UNWIND_R12] = regs->r12, [PH_UNWIND_R13] = regs->r13, [PH_UNWIND_R14] = regs->r14,
			[PH_UNWIND_R15] = regs->r15, [PH_UNWIND_RIP] = regs->rip,
		},
		.known = (1u << PH_UNWIND_REGS) - 1,
		.is_exact = true,
	};
	return 0;
}

/* ---- One frame's names */

/* What is known of the code that a frame stands in. */
struct code {
	struct ph_module *module;	/* borrowed; NULL: none */
	struct ph_elf *elf;		/* borrowed; NULL: none */
	ph_addr vaddr;			/* where it stands, the file's own */
	struct ph_symbol symbol;	/* name NULL: none */
	bool is_stub;			/* symbol is what a stub of the PLT calls */
};

static struct code code_at(struct ph_process *process, ph_addr place)
{
	struct code code = { .module = ph_modules_at(process, place) };

	if (!code.module)
		return code;
	code.elf = ph_modules_elf(process, code.module);
	code.vaddr = place - code.module->bias;
	code.is_stub = code.elf && ph_symbols_stub_at(code.elf, code.vaddr, &code.symbol) >= 0;
	if (code.elf && !code.is_stub && ph_symbols_at(code.elf, code.vaddr, &code.symbol) < 0)
		code.symbol.name = NULL;
	return code;
}

static struct ph_frame *add_frame(struct ph_backtrace *backtrace)
{
	if (backtrace->n == backtrace->room) {
		size_t room = backtrace->room ? backtrace->room * 2 : 32;
		void *frames = reallocarray(backtrace->frames, room, sizeof(*backtrace->frames));

		if (!frames)
			return NULL;
		backtrace->frames = frames;
		backtrace->room = room;
	}
	backtrace->frames[backtrace->n] = (struct ph_frame){ .address = 0 };
	return &backtrace->frames[backtrace->n++];
}

static int copy(const char *text, char **ret)
{
	*ret = text && *text ? strdup(text) : NULL;
	return text && *text && !*ret ? -ENOMEM : 0;
}

/* Debug information names functions as their source does. Assembly in one, and its outlined parts, have symbols. */
static int name_frame(struct ph_frame *frame, const struct code *code, const struct ph_function *function)
{
	const char *name = function ? function->name : NULL, *linkage = function ? function->linkage : NULL;
	char text[NAME_LEN];
	ph_addr start = function ? function->entry : 0;
	ph_addr vaddr = code->module ? frame->address - code->module->bias : frame->address;

	if (code->symbol.name && (!name || (!function->is_inlined && (code->symbol.vaddr > start || vaddr < start)))) {
		name = linkage = code->symbol.name;
		start = code->symbol.vaddr;
	}
	frame->offset = vaddr - (name ? start : 0);
	snprintf(text, sizeof(text), "%s", name ? name : "");
	if (linkage && !ph_cxx_demangle(linkage, true, text, sizeof(text)))
		snprintf(text, sizeof(text), "%s", linkage);
	if (code->is_stub && name == code->symbol.name)
		strncat(text, "@plt", sizeof(text) - strlen(text) - 1);
	return copy(text, &frame->symbol);
}

static int fill_frame(struct ph_frame *frame, const struct code *code, const struct ph_function *function)
{
	const struct ph_line *line = function && function->line.line ? &function->line : NULL;
	int r = name_frame(frame, code, function);

	if (r >= 0 && code->module) {
		frame->is_main = code->module->is_main;
		r = copy(code->module->name, &frame->module);
	}
	if (r >= 0 && line) {
		frame->line = line->line;
		r = copy(line->file, &frame->file);
	}
	return r;
}

/*
 * Before the first instruction of an inlined call the thread is still in the caller, as it would be before a call that is
 * one; unless a breakpoint on a line of what is called has brought it there. How many functions it has yet to enter.
 */
static size_t count_not_entered(const struct ph_function *functions, size_t n)
{
	size_t i = 0;

	while (i + 1 < n && functions[i].is_inlined && functions[i].begins)
		i++;
	return i;
}

bool ph_backtrace_is_at_line(const struct ph_thread *thread, ph_addr address)
{
	const struct ph_site *site = ph_space_site_find(thread->process->space, address);
	struct ph_place place;

	for (size_t i = 0; site && i < site->n_owners; i++) {
		const struct ph_breakpoint *breakpoint = site->owners[i].breakpoint;

		if (breakpoint && breakpoint->where && ph_place_parse(breakpoint->where, &place, NULL) >= 0 &&
		    place.kind == PH_PLACE_LINE)
			return true;
	}
	return false;
}

/* The frame, behind those of what is inlined in it. */
static int add_frames(struct ph_backtrace *backtrace, const struct ph_thread *thread, const struct code *code,
		      ph_addr address, bool is_signal, bool is_tail)
{
	struct ph_function *functions = calloc(PH_FUNCTIONS_MAX, sizeof(*functions));
	size_t n, first = 0;
	int r = functions ? 0 : -ENOMEM;

	n = functions && code->elf ? ph_functions_at(code->elf, code->vaddr, functions) : 0;
	if (backtrace->n == 0 && !ph_backtrace_is_at_line(thread, address))
		first = count_not_entered(functions, n);
	for (size_t i = first; r >= 0 && (i < n || i == first); i++) {
		struct ph_frame *frame = add_frame(backtrace);

		if (!frame) {
			r = -ENOMEM;
			break;
		}
		frame->address = address;
		frame->is_inlined = i < n && functions[i].is_inlined;
		frame->is_signal = is_signal;
		frame->is_tail = is_tail;
		r = fill_frame(frame, code, i < n ? &functions[i] : NULL);
	}
	free(functions);
	return r;
}

/* Where the function that code is in is entered, the file's own address; 0: nobody knows. */
static ph_addr entry_of(const struct code *code)
{
	struct ph_function *functions = calloc(PH_FUNCTIONS_MAX, sizeof(*functions));
	size_t n = functions && code->elf ? ph_functions_at(code->elf, code->vaddr, functions) : 0;
	ph_addr entry = n ? functions[n - 1].entry : code->symbol.name && !code->is_stub ? code->symbol.vaddr : 0;

	free(functions);
	return entry;
}

/* Those that jumped, one into the other, until the function that code is in ran. */
static int add_jumped(struct ph_backtrace *backtrace, struct ph_thread *thread, const struct code *code,
		      const struct ph_unwind_frame *caller)
{
	struct code calling = code_at(thread->process, ph_unwind_place(caller));
	ph_addr entry, jumps[PH_TAILCALLS_MAX];
	size_t n = 0;
	int r = 0;

	if (!calling.elf || !code->elf || caller->is_exact)
		return 0;
	entry = entry_of(code);
	if (entry)
		n = ph_tailcalls_find(code->elf, entry, calling.elf,
				      caller->regs[PH_UNWIND_RIP] - calling.module->bias, jumps);
	for (size_t i = 0; i < n && r >= 0; i++) {
		ph_addr address = jumps[i] + code->module->bias;
		struct code jumped = code_at(thread->process, address - 1);

		r = add_frames(backtrace, thread, &jumped, address, false, true);
	}
	return r;
}

/* ---- The walk */

static int unwind(const struct code *code, const struct ph_unwind_frame *frame, const struct ph_unwind_memory *memory,
		  struct ph_unwind_step *ret)
{
	ph_addr function = code->symbol.name ? code->symbol.vaddr + code->module->bias : 0;
	int r = code->elf ? ph_unwind_by_cfi(code->elf, code->module->bias, frame, memory, ret) : -ENOENT;

	return r == -ENOENT ? ph_unwind_guess(function, frame, memory, ret) : r;
}

static bool leads_up(const struct ph_unwind_frame *frame, const struct ph_unwind_step *step)
{
	/* A handler may have a stack of its own. */
	return step->caller.regs[PH_UNWIND_RIP] != 0 &&
	       (step->is_signal || step->caller.regs[PH_UNWIND_RSP] > frame->regs[PH_UNWIND_RSP]);
}

int ph_backtrace_read(struct ph_thread *thread, size_t max, struct ph_backtrace *ret, struct ph_err *err)
{
	struct ph_unwind_memory memory = ph_backtrace_memory(thread);
	struct ph_backtrace backtrace = { .n = 0 };
	struct ph_unwind_frame frame;
	bool more = true;
	int r = ph_backtrace_begin(thread, &frame, err);

	if (r < 0)
		return r;
	while (more && r >= 0 && backtrace.n < max) {
		struct code code = code_at(thread->process, ph_unwind_place(&frame));
		struct ph_unwind_step step = { .is_signal = false };

		more = unwind(&code, &frame, &memory, &step) >= 0 && leads_up(&frame, &step);
		r = add_frames(&backtrace, thread, &code, frame.regs[PH_UNWIND_RIP], step.is_signal, false);
		if (more && r >= 0 && !step.is_signal)
			r = add_jumped(&backtrace, thread, &code, &step.caller);
		frame = step.caller;
	}
	if (r < 0) {
		ph_backtrace_fini(&backtrace);
		return ph_err_set_in(err, r, OP, thread->tid);
	}
	*ret = backtrace;
	return 0;
}

void ph_backtrace_fini(struct ph_backtrace *backtrace)
{
	for (size_t i = 0; i < backtrace->n; i++) {
		free(backtrace->frames[i].module);
		free(backtrace->frames[i].symbol);
		free(backtrace->frames[i].file);
	}
	free(backtrace->frames);
	*backtrace = (struct ph_backtrace){ .n = 0 };
}
