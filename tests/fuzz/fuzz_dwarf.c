/*
 * Any bytes with debug information and call frame information: every question ends, and what is answered holds together.
 *
 * Seeds (corpus/dwarf): small libraries by gcc and clang, DWARF 4 and 5, compressed, with units of types, with
 * .debug_frame alone, and of C++. They are mutated as they are, so most that libdw reads is reached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/functions.h"
#include "image/lines.h"
#include "image/signature.h"
#include "image/symbols.h"
#include "image/tailcall.h"
#include "image/types.h"
#include "image/unwind.h"
#include "image/variables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* elfutils 0.188 forgets some memory of files that it gives up on. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libelf.so\nleak:libdw.so\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

#define PLACES 5	/* addresses asked about */
#define BIAS   0x7f0000000000ull

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A stack and everything else: what is read depends on the address alone; a part of memory is not there. */
static int read_memory(void *user, ph_addr addr, void *buf, size_t len)
{
	uint8_t *bytes = buf;

	(void)user;
	if (addr % 4096 > 4000)
		return -EIO;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((addr + i) * 31 >> 3);
	return 0;
}

static int read_xmm(void *user, unsigned n, uint8_t buf[16])
{
	(void)user;
	memset(buf, (int)n, 16);
	return 0;
}

static const struct ph_unwind_memory memory = { NULL, read_memory };

static void check_unwind(struct ph_elf *elf, ph_addr vaddr)
{
	struct ph_unwind_frame frame = { .known = (1u << PH_UNWIND_REGS) - 1, .is_exact = true };
	struct ph_unwind_step step;

	for (unsigned n = 0; n < PH_UNWIND_REGS; n++)
		frame.regs[n] = 0x7ffc00001000 + 64 * n;
	frame.regs[PH_UNWIND_RIP] = vaddr + BIAS;
	for (unsigned depth = 0; depth < 8; depth++) {
		if (ph_unwind_by_cfi(elf, BIAS, &frame, &memory, &step) < 0 &&
		    ph_unwind_guess(vaddr + BIAS, &frame, &memory, &step) < 0)
			return;
		require(step.caller.known & 1u << PH_UNWIND_RIP && step.caller.known & 1u << PH_UNWIND_RSP);
		frame = step.caller;
	}
}

static void check_types(const struct ph_types *types)
{
	for (size_t i = 0; i < types->n; i++) {
		const struct ph_type *type = &types->types[i];

		require(type->name && type->element < types->n);
		if (type->kind == PH_TYPE_STRUCT || type->kind == PH_TYPE_UNION)
			require(type->first + type->n <= types->n_members);
		if (type->kind == PH_TYPE_ENUM)
			require(type->first + type->n <= types->n_enumerators);
	}
	for (size_t i = 0; i < types->n_members; i++)
		require(types->members[i].name && types->members[i].type < types->n && types->members[i].bits <= 64);
}

static void check_home(const struct ph_home *home)
{
	require(home->n_parts <= 2);
	for (size_t i = 0; i < home->n_parts; i++)
		require(home->parts[i].n < 16);
}

static void check_signature(struct ph_elf *elf, ph_addr vaddr)
{
	struct ph_signature signature;

	if (ph_signature_read(elf, vaddr, &signature) < 0)
		return;
	check_types(&signature.types);
	for (size_t i = 0; i < signature.n; i++) {
		require(signature.list[i].name && signature.list[i].type < signature.types.n);
		check_home(&signature.list[i].place);
	}
	if (signature.has_result) {
		require(signature.result.type < signature.types.n);
		check_home(&signature.result.place);
	}
	ph_signature_fini(&signature);
}

static void check_variables(struct ph_elf *elf, ph_addr vaddr, enum ph_variables_which which)
{
	struct ph_unwind_frame frame = { .known = (1u << PH_UNWIND_REGS) - 1, .is_exact = true };
	struct ph_variables_frame at = { .frame = &frame, .memory = &memory, .xmm = read_xmm };
	struct ph_variables variables;

	for (unsigned n = 0; n < PH_UNWIND_REGS; n++)
		frame.regs[n] = 0x7ffc00002000 + 64 * n;
	frame.regs[PH_UNWIND_RIP] = vaddr + BIAS;
	if (ph_variables_read(elf, BIAS, &at, which, &variables) < 0)
		return;
	check_types(&variables.types);
	for (size_t i = 0; i < variables.n; i++) {
		const struct ph_variable *variable = &variables.list[i];

		require(variable->name && variable->type < variables.types.n);
		require(!variable->bytes || variable->n_bytes == variables.types.types[variable->type].size);
	}
	ph_variables_fini(&variables);
}

static void check_place(struct ph_elf *elf, ph_addr vaddr)
{
	static struct ph_function functions[PH_FUNCTIONS_MAX];
	ph_addr jumps[PH_TAILCALLS_MAX], next;
	struct ph_line line;
	size_t n;

	if (ph_lines_at(elf, vaddr, &line) == 0) {
		ph_addr *found;

		require(line.line > 0 && line.file[0] && memchr(line.file, '\0', sizeof(line.file)));
		if (ph_lines_find(elf, line.file, line.line, &found, &n) == 0) {
			require(n > 0);
			for (size_t i = 1; i < n; i++)
				require(found[i - 1] < found[i]);
			free(found);
		}
	}
	n = ph_functions_at(elf, vaddr, functions);
	for (size_t i = 0; i < n; i++)
		require((!functions[i].name || strlen(functions[i].name) < SIZE_MAX) &&
			(!functions[i].linkage || strlen(functions[i].linkage) < SIZE_MAX));
	ph_lines_next(elf, vaddr, &next);
	ph_tailcalls_find(elf, vaddr, elf, vaddr + 5, jumps);
	check_unwind(elf, vaddr);
	check_variables(elf, vaddr, PH_VARIABLES_PARAMETERS);
	check_variables(elf, vaddr, PH_VARIABLES_LOCALS);
	check_signature(elf, vaddr);
}

static void check_names(struct ph_elf *elf)
{
	static const char *const names[] = {
		"struct node", "node_t *", "enum colour", "int[3]", "unsigned long", "ns::Box<int>", "struct inner[2][2]",
	};
	struct ph_types types, more;
	struct ph_spell spell;
	char text[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (ph_types_find(elf, names[i], elf->low + 0x1000, &types) < 0)
			continue;
		check_types(&types);
		for (size_t t = 0; t < types.n && t < 4; t++) {
			if (!types.types[t].ref || ph_types_follow(elf, types.types[t].ref, &more) < 0)
				continue;
			check_types(&more);
			ph_types_fini(&more);
		}
		ph_types_fini(&types);
	}
	ph_types_nearest(elf, "struct nod", text, sizeof(text));
	ph_spell_init(&spell, "a.cc");
	ph_lines_nearest(elf, &spell);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct ph_symbol symbol;
	struct ph_elf *elf;
	size_t cursor = 0;

	require(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	if (ph_elf_open_fd(fd, "fuzz", &elf, NULL) < 0) {
		close(fd);
		return 0;
	}
	elf->debug_sought = true;
	for (unsigned i = 0; i < PLACES && ph_symbols_next(elf, &cursor, &symbol); i++) {
		check_place(elf, symbol.vaddr);
		check_place(elf, symbol.vaddr + symbol.size / 2);
	}
	check_place(elf, elf->low + 0x1010);
	check_names(elf);
	ph_elf_free(elf);
	return 0;
}
