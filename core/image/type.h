/*
 * type - a type of C or C++ that debug information describes, as a plain value.
 *
 * A list holds a type and all that it is made of, up to pointers: what they lead to is a reference, read when somebody
 * follows it, so that one structure does not bring a program's all. Names of typedefs and qualifiers are left out, but
 * for what has no other name. types.h finds them.
 */
#ifndef PH_IMAGE_TYPE_H
#define PH_IMAGE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ph_type_kind {
	PH_TYPE_VOID,
	PH_TYPE_INTEGER,	/* also characters */
	PH_TYPE_BOOLEAN,
	PH_TYPE_FLOAT,
	PH_TYPE_ENUM,
	PH_TYPE_POINTER,	/* also references of C++ */
	PH_TYPE_STRUCT,		/* also classes */
	PH_TYPE_UNION,
	PH_TYPE_ARRAY,
	PH_TYPE_FUNCTION,
	PH_TYPE_OTHER,		/* nothing that we know: bytes */
};

/* A type in a file, for a later question; 0: none. */
typedef uint64_t ph_type_ref;

struct ph_type {
	enum ph_type_kind kind;
	char *name;		/* owned; "struct task", "unsigned int", "char *" */
	uint64_t size;		/* bytes; 0: not known */
	bool is_signed;
	bool is_char;		/* plain char: an array of it is text */
	bool is_incomplete;	/* a structure that is only declared here */
	ph_type_ref self;	/* of the type itself; 0: it is made up */
	size_t element;		/* index in the list: of an array, and of a pointer that has no ref */
	ph_type_ref ref;	/* of a pointer: what it leads to; 0: see element */
	uint64_t count;		/* of an array */
	size_t first, n;	/* of members, or of enumerators */
};

struct ph_member {
	char *name;		/* owned; "": none, and what is in it belongs to what it is in */
	size_t type;
	uint64_t offset;	/* bytes */
	unsigned bit, bits;	/* of a bit-field: the lowest bit from offset on, and how many; bits 0: it is none */
	bool is_base;		/* a class that this one is derived from; name is the class's */
};

struct ph_enumerator {
	char *name;		/* owned */
	int64_t value;
};

struct ph_types {
	struct ph_type *types;	/* the first is what was asked for; owned, as the others */
	size_t n;
	struct ph_member *members;
	size_t n_members;
	struct ph_enumerator *enumerators;
	size_t n_enumerators;
};

void ph_types_fini(struct ph_types *types);

#endif
