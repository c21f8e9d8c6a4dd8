/*
 * embed - our Lua files inside the binary, as bytecode with line numbers.
 *
 * embed.lua writes the table at build time from the files that lua/meson.build lists. Chunks are named
 * "=ptracehook/number.lua", so that is how tracebacks show them.
 */
#ifndef PH_BIND_EMBED_H
#define PH_BIND_EMBED_H

#include <stddef.h>

struct ph_embedded {
	const char *name;	/* as require takes it: "ptracehook" for ptracehook/init.lua, "ptracehook.number" */
	const unsigned char *bytes;
	size_t size;
};

extern const struct ph_embedded ph_embedded[];	/* ends with a NULL name */

#endif
