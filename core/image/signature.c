#include "image/signature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/dwarf.h"
#include "image/typedie.h"

#define PARAMETERS_MAX 256
#define XMM_FIRST      17	/* DWARF's number of xmm0 */

void ph_signature_fini(struct ph_signature *signature)
{
	for (size_t i = 0; i < signature->n; i++)
		free(signature->list[i].name);
	free(signature->list);
	free(signature->name);
	ph_types_fini(&signature->types);
	*signature = (struct ph_signature){ .n = 0 };
}

/* The innermost function that was not inlined, if it begins there. */
static bool find_function(struct ph_elf *elf, ph_addr vaddr, Dwarf_Die *ret)
{
	Dwarf_Die scopes[PH_DWARF_DEPTH_MAX];
	ph_addr entry;

	for (size_t i = ph_dwarf_scopes_at(elf, vaddr, scopes); i-- > 1;) {
		if (dwarf_tag(&scopes[i]) != DW_TAG_subprogram)
			continue;
		*ret = scopes[i];
		return ph_dwarf_entry(&scopes[i], &entry) && entry == vaddr;
	}
	return false;
}

/* Does debug information have it in another register, or nowhere, when the function is entered? */
static bool is_elsewhere(Dwarf_Die *die, ph_addr vaddr, const struct ph_home *place, bool is_external)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	Dwarf_Word at;
	size_t n;

	if (!dwarf_attr_integrate(die, DW_AT_location, &attr) || dwarf_getlocation_addr(&attr, vaddr, &ops, &n, 1) != 1 ||
	    n == 0)
		/* Others call an external function, by the convention; a static one may have lost what it does not need. */
		return !is_external;
	if (n != 1 || !((ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31) || ops[0].atom == DW_OP_regx))
		return false;
	at = ops[0].atom == DW_OP_regx ? ops[0].number : (Dwarf_Word)(ops[0].atom - DW_OP_reg0);
	return place->kind != PH_HOME_REGISTERS || at != place->parts[0].n + (place->parts[0].is_xmm ? XMM_FIRST : 0u);
}

static bool is_const_char_pointer(Dwarf_Die type)
{
	Dwarf_Word encoding, size;
	Dwarf_Attribute attr;
	Dwarf_Die to;

	if (!ph_typedie_strip(&type) || dwarf_tag(&type) != DW_TAG_pointer_type || !ph_dwarf_ref(&type, DW_AT_type, &to) ||
	    dwarf_tag(&to) != DW_TAG_const_type || !ph_typedie_strip(&to) || dwarf_tag(&to) != DW_TAG_base_type)
		return false;
	return dwarf_formudata(dwarf_attr(&to, DW_AT_encoding, &attr), &encoding) == 0 &&
	       (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char) &&
	       dwarf_formudata(dwarf_attr(&to, DW_AT_byte_size, &attr), &size) == 0 && size == 1;
}

struct reading {
	struct ph_dwarf *dwarf;
	struct ph_signature *into;
	struct ph_homes arguments;
	ph_addr vaddr;
	bool is_external;
};

static int add_parameter(struct reading *reading, Dwarf_Die *die)
{
	struct ph_signature *into = reading->into;
	const char *name = ph_dwarf_name(die);
	struct ph_parameter *list, parameter = { 0 };
	Dwarf_Die type;
	int r;

	if (into->n == PARAMETERS_MAX || !ph_dwarf_ref(die, DW_AT_type, &type))
		return -ENOENT;
	r = ph_typedie_add(reading->dwarf, &into->types, &type, &parameter.type);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	parameter.is_text = is_const_char_pointer(type);
	parameter.place = ph_homes_next(&reading->arguments, &into->types, parameter.type);
	if (parameter.place.kind == PH_HOME_UNKNOWN ||
	    is_elsewhere(die, reading->vaddr, &parameter.place, reading->is_external))
		return -ENOENT;
	list = reallocarray(into->list, into->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	into->list = list;
	parameter.name = strdup(name ? name : "");
	if (!parameter.name)
		return -ENOMEM;
	list[into->n++] = parameter;
	return 0;
}

static int add_parameters(struct reading *reading, Dwarf_Die *function)
{
	Dwarf_Die child;
	int r = 0;

	if (dwarf_child(function, &child) != 0)
		return 0;
	do {
		if (dwarf_tag(&child) == DW_TAG_formal_parameter)
			r = add_parameter(reading, &child);
		else if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
			reading->into->is_variadic = true;
	} while (r >= 0 && dwarf_siblingof(&child, &child) == 0);
	return r;
}

static int add_result(struct reading *reading, Dwarf_Die *function)
{
	struct ph_signature *into = reading->into;
	Dwarf_Die type;
	int r;

	/* Without a type, and of a type that is none (a qualified void), it is void. */
	if (!ph_dwarf_ref(function, DW_AT_type, &type))
		return 0;
	r = ph_typedie_add(reading->dwarf, &into->types, &type, &into->result.type);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	if (into->types.types[into->result.type].kind == PH_TYPE_VOID)
		return 0;
	into->has_result = true;
	into->result.is_text = is_const_char_pointer(type);
	into->result.place = ph_home_of_result(&into->types, into->result.type);
	return 0;
}

/*
 * Assemblers describe functions too, without what they take; and so does a C compiler one that was defined as `int f()`,
 * the old way.
 */
static bool says_parameters(Dwarf_Die *function, const struct ph_signature *signature)
{
	Dwarf_Die unit;
	int language = dwarf_diecu(function, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1;

	switch (language) {
	case -1:
	case DW_LANG_Mips_Assembler:
		return false;
	case DW_LANG_C89:
	case DW_LANG_C:
	case DW_LANG_C99:
	case DW_LANG_C11:
		return signature->n || ph_dwarf_flag(function, DW_AT_prototyped);
	default:
		return true;
	}
}

int ph_signature_read(struct ph_elf *elf, ph_addr vaddr, struct ph_signature *ret)
{
	struct ph_signature signature = { .n = 0 };
	struct reading reading = { .dwarf = ph_dwarf_get(elf), .into = &signature, .vaddr = vaddr };
	Dwarf_Die function;
	const char *name;
	int r;

	if (!reading.dwarf)
		return -ENOMEM;
	if (!find_function(elf, vaddr, &function))
		return -ENOENT;
	reading.is_external = ph_dwarf_flag(&function, DW_AT_external);
	name = ph_dwarf_name(&function);
	signature.name = name ? strdup(name) : NULL;
	r = add_result(&reading, &function);
	if (r >= 0) {
		ph_homes_begin(&reading.arguments,
				  signature.has_result && signature.result.place.kind == PH_HOME_STACK);
		r = add_parameters(&reading, &function);
	}
	if (r >= 0 && !says_parameters(&function, &signature))
		r = -ENOENT;
	if (r < 0) {
		ph_signature_fini(&signature);
		return r;
	}
	*ret = signature;
	return 0;
}
