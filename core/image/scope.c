#include "image/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/callsite.h"

#define DEPTH_MAX 4	/* of callers asked in turn */

static int read_memory(void *user, ph_addr addr, void *buf, size_t len)
{
	const struct ph_scope *scope = user;

	return scope->memory->read(scope->memory->user, addr, buf, len);
}

static int read_reg(void *user, unsigned n, uint64_t *ret)
{
	const struct ph_scope *scope = user;

	if (n >= PH_UNWIND_REGS || !(scope->frame->known & 1u << n))
		return -ENODATA;
	*ret = scope->frame->regs[n];
	return 0;
}

static int find_caller(struct ph_scope *scope)
{
	if (scope->step_result == 1)
		scope->step_result = ph_unwind_by_cfi(scope->elf, scope->bias, scope->frame, scope->memory,
						      &scope->step);
	return scope->step_result;
}

static int read_cfa(void *user, ph_addr *ret)
{
	struct ph_scope *scope = user;
	int r = find_caller(scope);

	if (r >= 0)
		*ret = scope->step.cfa;
	return r;
}

static int read_frame_base(void *user, ph_addr *ret)
{
	struct ph_scope *scope = user;
	struct ph_expression_world world = scope->world;
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr_integrate(&scope->dies[scope->whole], DW_AT_frame_base, &attr) ||
	    dwarf_getlocation_addr(&attr, scope->vaddr, &ops, &n, 1) != 1)
		return -ENODATA;
	/* A frame's base is not described by itself. */
	world.frame_base = NULL;
	return ph_expression_compute(&world, &attr, ops, n, ret);
}

/* ---- What a register had when the function was entered: the caller says what it put there */

/* Does the site call this scope's function? One that ends in a jump to it looks like its caller, and is not. */
static bool calls(Dwarf_Die *site, Dwarf_Die *function)
{
	Dwarf_Die origin;
	const char *called, *name = ph_dwarf_name(function);

	if (!ph_callsite_origin(site, &origin))
		return false;
	called = ph_dwarf_name(&origin);
	return called && name && strcmp(called, name) == 0;
}

/* The value that the caller computed for a register. */
static int find_parameter(struct ph_scope *caller, Dwarf_Die *site, const Dwarf_Op *wanted, uint64_t *ret)
{
	Dwarf_Die child;

	if (dwarf_child(site, &child) != 0)
		return -ENODATA;
	do {
		Dwarf_Attribute where, value;
		Dwarf_Op *ops;
		size_t n;

		if (!dwarf_attr(&child, DW_AT_location, &where) || dwarf_getlocation(&where, &ops, &n) != 0 || n != 1 ||
		    ops[0].atom != wanted->atom || ops[0].number != wanted->number)
			continue;
		if ((!dwarf_attr(&child, DW_AT_call_value, &value) &&
		     !dwarf_attr(&child, DW_AT_GNU_call_site_value, &value)) ||
		    dwarf_getlocation(&value, &ops, &n) != 0)
			return -ENODATA;
		return ph_expression_compute(&caller->world, &value, ops, n, ret);
	} while (dwarf_siblingof(&child, &child) == 0);
	return -ENODATA;
}

static int read_entry_value(void *user, const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
	struct ph_scope *scope = user, *caller;
	Dwarf_Die site;
	int r;

	if (n != 1 || scope->depth == DEPTH_MAX || find_caller(scope) < 0 || scope->step.is_signal)
		return -ENODATA;
	caller = calloc(1, sizeof(*caller));
	if (!caller)
		return -ENOMEM;
	r = ph_scope_init(caller, scope->elf, scope->bias, &scope->step.caller, scope->memory);
	caller->depth = scope->depth + 1;
	if (r >= 0 &&
	    ph_callsite_find(caller->dies, caller->n, scope->step.caller.regs[PH_UNWIND_RIP] - scope->bias, &site) &&
	    calls(&site, &scope->dies[scope->whole]))
		r = find_parameter(caller, &site, ops, ret);
	else
		r = -ENODATA;
	free(caller);
	return r;
}

/* ---- */

int ph_scope_init(struct ph_scope *scope, struct ph_elf *elf, ph_addr bias, const struct ph_unwind_frame *frame,
		  const struct ph_unwind_memory *memory)
{
	*scope = (struct ph_scope){
		.elf = elf, .bias = bias, .frame = frame, .memory = memory, .step_result = 1,
		.vaddr = ph_unwind_place(frame) - bias,
		.world = {
			.user = scope, .bias = bias, .memory = read_memory, .reg = read_reg, .cfa = read_cfa,
			.frame_base = read_frame_base, .entry_value = read_entry_value,
		},
	};
	scope->n = ph_dwarf_scopes_at(elf, scope->vaddr, scope->dies);
	for (size_t i = 1; i < scope->n; i++) {
		int tag = dwarf_tag(&scope->dies[i]);

		if (tag == DW_TAG_subprogram)
			scope->whole = scope->function = i;
		else if (tag == DW_TAG_inlined_subroutine)
			scope->function = i;
	}
	return scope->whole ? 0 : -ENOENT;
}

void ph_scope_leave_begun(struct ph_scope *scope)
{
	while (scope->function != scope->whole && dwarf_haspc(&scope->dies[scope->function], scope->vaddr - 1) == 0) {
		scope->n = scope->function;
		do
			scope->function--;
		while (dwarf_tag(&scope->dies[scope->function]) != DW_TAG_subprogram &&
		       dwarf_tag(&scope->dies[scope->function]) != DW_TAG_inlined_subroutine);
	}
}

int ph_scope_locate(struct ph_scope *scope, Dwarf_Attribute *attr, struct ph_location *ret)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_getlocation_addr(attr, scope->vaddr, &ops, &n, 1) != 1 || n == 0)
		return -ENODATA;
	return ph_expression_locate(&scope->world, attr, ops, n, ret);
}
