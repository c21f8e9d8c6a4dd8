/*
 * signature - what a function takes and gives, and where, when it is entered and when it returns.
 *
 * Types by debug information, places by the calling convention (convention.h). Code that was optimised may take its
 * parameters elsewhere; where debug information says so, there is no signature.
 */
#ifndef PH_IMAGE_SIGNATURE_H
#define PH_IMAGE_SIGNATURE_H

#include "image/convention.h"
#include "image/elf.h"

struct ph_parameter {
	char *name;			/* owned; "": none */
	size_t type;			/* index in the list of types */
	bool is_text;			/* const char *, which the type does not tell from char * */
	struct ph_home place;		/* when the function is entered */
};

struct ph_signature {
	char *name;			/* owned; the function's, or NULL */
	struct ph_parameter *list;	/* owned; in the source's order */
	size_t n;
	bool is_variadic;		/* more may come behind them */
	bool has_result;		/* else it is void */
	struct ph_parameter result;	/* without a name; place: when it has returned; PH_HOME_STACK: in memory, at rax */
	struct ph_types types;
};

/* Of the function whose first instruction is at vaddr. -ENOENT: no debug information describes it, or not surely; -ENOMEM. */
int ph_signature_read(struct ph_elf *elf, ph_addr vaddr, struct ph_signature *ret);
void ph_signature_fini(struct ph_signature *signature);

#endif
