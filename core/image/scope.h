/*
 * scope - where a frame stands in the functions that debug information describes, and what expressions mean there; for
 * core/image alone.
 */
#ifndef PH_IMAGE_SCOPE_H
#define PH_IMAGE_SCOPE_H

#include "image/dwarf.h"
#include "image/expression.h"
#include "image/unwind.h"

struct ph_scope {
	struct ph_elf *elf;
	ph_addr bias, vaddr;	/* vaddr: the file's own address that the frame stands at */
	const struct ph_unwind_frame *frame;
	const struct ph_unwind_memory *memory;
	Dwarf_Die dies[PH_DWARF_DEPTH_MAX];	/* the outermost first */
	size_t n;
	size_t function;	/* the innermost function, inlined or not, among them */
	size_t whole;		/* the innermost that was not inlined */
	unsigned depth;		/* callers whose values are asked for, below this one */
	struct ph_unwind_step step;
	int step_result;	/* 0: step holds; 1: not tried yet; else -errno */
	struct ph_expression_world world;	/* for expressions of this scope; user is the scope itself */
};

/* -ENOENT: no function is known to be there. The scope must stay where it is. */
int ph_scope_init(struct ph_scope *scope, struct ph_elf *elf, ph_addr bias, const struct ph_unwind_frame *frame,
		  const struct ph_unwind_memory *memory);

/* Out of inlined functions, and blocks in them, whose first instruction is the one that the frame stands at. */
void ph_scope_leave_begun(struct ph_scope *scope);

/* Where what an attribute (DW_AT_location) describes is; as ph_expression_locate. -ENODATA: nowhere, here. */
int ph_scope_locate(struct ph_scope *scope, Dwarf_Attribute *attr, struct ph_location *ret);

#endif
