/*
 * elf - one ELF file, and what it says of itself.
 *
 * A file, not a module: it knows no process and no load address, so every address here is the file's own. Read, not
 * mapped, since a file that shrinks under a mapping kills its reader; only what is asked for. Files are hostile: what
 * does not hold together is an error or absent, never followed.
 *
 * The facts in struct ph_elf are for reading by anyone; symbols.h has the names, debugfile.h the files beside it.
 */
#ifndef PH_IMAGE_ELF_H
#define PH_IMAGE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/types.h"

enum ph_elf_kind {
	PH_ELF_NOT,	/* neither ELF nor a script */
	PH_ELF_X86_64,
	PH_ELF_I386,	/* 32-bit x86: i386 and x32 */
	PH_ELF_FOREIGN,	/* another machine, or the other byte order */
	PH_ELF_SCRIPT,	/* begins with #! */
};

#define PH_ELF_HEAD_LEN 64	/* bytes from the start of a file that tell its kind; fewer may do */

/* Pure, over the first len bytes of a file: what exec would make of it. */
enum ph_elf_kind ph_elf_kind(const void *head, size_t len);
const char *ph_elf_machine_name(const void *head, size_t len);	/* "aarch64"; never NULL */

struct ph_elf_segment {
	ph_addr vaddr;
	uint64_t memsz;		/* not 0; vaddr + memsz does not wrap */
	uint64_t filesz, offset;
	uint32_t flags;		/* PF_R | PF_W | PF_X */
};

/* What holds for every file of a tracer; borrowed by each, so it outlives them. */
struct ph_elf_settings {
	char *debug_root;	/* owned by whoever owns this; NULL: PH_DEBUG_ROOT */
	void (*warn)(const char *text, void *user);	/* NULL: nobody wants to know */
	void *user;
};

#define PH_DEBUG_ROOT "/usr/lib/debug"

struct ph_elf {
	char *path;		/* owned; as it was opened: where files beside it are looked for, and for messages */
	const struct ph_elf_settings *settings;	/* borrowed; NULL: the usual ones, and no warnings */
	bool is_pie;		/* loads anywhere: a position-independent program, or a library */
	bool has_interp;	/* names a dynamic linker */
	bool is_dynamic;	/* has a dynamic section: also static-pie, and the dynamic linker itself */
	bool can_load;		/* run as a program, it may load libraries */
	ph_addr entry;
	ph_addr dynamic;	/* where its dynamic section is loaded, if is_dynamic */
	ph_addr low, high;	/* the segments lie in [low, high); low is a segment's own vaddr, not a page's */
	struct ph_elf_segment *segments;	/* PT_LOAD, one at least, ascending; owned */
	size_t n_segments;
	uint8_t build_id[64];
	size_t build_id_len;	/* 0: none */
	char soname[256];	/* "": none */

	/* The rest is core/image's own. */
	int fd;
	struct Elf *file;
	bool has_warned;
	struct ph_elf *debug, *mini;	/* these and the next: debugfile.c's, NULL until needed */
	bool debug_sought, mini_sought;
	struct ph_symbol_tables *symbols;	/* this and the rest: one block each, NULL until needed */
	struct ph_symbol_names *names;
	struct ph_symbol_spans *spans;
	struct ph_plt *plt;
	struct ph_dwarf *dwarf;			/* dwarf.c's, NULL until needed */
	void (*dwarf_free)(struct ph_dwarf *dwarf);
};

/* Fails with -ENOEXEC on a file that no x86_64 process could have loaded. */
int ph_elf_open(const char *path, struct ph_elf **ret, struct ph_err *err);

/* The same. fd passes to the elf on success; name is for messages. */
int ph_elf_open_fd(int fd, const char *name, struct ph_elf **ret, struct ph_err *err);
void ph_elf_free(struct ph_elf *elf);

/* Tells the user, once a file, that something of it cannot be used. */
void ph_elf_warn(struct ph_elf *elf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The loaded segment that vaddr lies in, or NULL. */
const struct ph_elf_segment *ph_elf_segment_find(const struct ph_elf *elf, ph_addr vaddr);

#endif
