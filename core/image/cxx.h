/*
 * cxx - names of C++ (and Rust) as people write them: demangled, with or without their parameter lists.
 *
 * Pure, over text. Mangled names come from hostile files: what does not end, or becomes too long, is left as it is.
 */
#ifndef PH_IMAGE_CXX_H
#define PH_IMAGE_CXX_H

#include <stdbool.h>
#include <stddef.h>

/* The name for people, into buf, terminated; false when it is not mangled, or would not fit. */
bool ph_cxx_demangle(const char *mangled, bool with_parameters, char *buf, size_t len);

/* A name that is sought; made once for many symbols. */
struct ph_cxx_wanted {
	char text[512];		/* without superfluous blanks */
	char marker[136];	/* what every mangled name for it contains, "3bar"; "": nothing is known */
	bool has_parameters, has_template;
};

/* False when no mangled name can mean it: it is too long. */
bool ph_cxx_want(const char *name, struct ph_cxx_wanted *ret);

/*
 * Whether a symbol's name means what is wanted: "Foo::bar" every overload, "Foo::bar(int)" one of them, const or not;
 * "Vec::push" also Vec<int>::push.
 */
bool ph_cxx_matches(const struct ph_cxx_wanted *wanted, const char *mangled);

#endif
