/*
 * place - what a "where" string says, before anyone knows what it means.
 *
 * Pure: text in, parts out. Knows no process, so it cannot tell a symbol from a module in "crackme+0x1139": that is
 * PH_PLACE_SYMBOL, and whoever resolves it tries the symbol first.
 *
 *	"0x401000" "4198400" "0x401000+0x10"		ADDRESS		address
 *	"main" "puts+0x10" "crackme+0x1139"		SYMBOL		name, offset
 *	"Foo::bar(int, char*)" "memcpy@GLIBC_2.2.5"	SYMBOL		name
 *	"libc!puts" "libc.so.6!puts-4"			MODULE_SYMBOL	module, name, offset
 *	"calc!+0x1139"					MODULE_OFFSET	module, offset: the file's own address
 *	"+0x1139"					MAIN_OFFSET	offset: the main program's own address
 *	"file.c:42" "dir/file.c:42" "libx!file.c:42"	LINE		name (the file), line, module or ""
 */
#ifndef PH_IMAGE_PLACE_H
#define PH_IMAGE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/types.h"

enum ph_place_kind {
	PH_PLACE_ADDRESS,
	PH_PLACE_SYMBOL,
	PH_PLACE_MODULE_SYMBOL,
	PH_PLACE_MODULE_OFFSET,
	PH_PLACE_MAIN_OFFSET,
	PH_PLACE_LINE,
};

struct ph_place {
	enum ph_place_kind kind;
	ph_addr address;
	char module[256];
	char name[512];
	int64_t offset;	/* not negative in MODULE_OFFSET and MAIN_OFFSET */
	unsigned line;	/* from 1 */
};

/* Blanks around the text, the ! and the offset's sign do not count. -EINVAL, -ERANGE, -ENAMETOOLONG; err names why. */
int ph_place_parse(const char *text, struct ph_place *ret, struct ph_err *err);

/*
 * Whether a module, by the file that it comes from and its soname (either may be NULL or ""), is the one that wanted
 * names: by file name, by soname, or by either up to a "." or "-" ("libc": libc.so.6, libc-2.36.so); with a "/" in it,
 * by the end of the path.
 */
bool ph_module_name_matches(const char *wanted, const char *path, const char *soname);

#endif
