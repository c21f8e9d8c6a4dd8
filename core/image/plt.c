#include "image/plt.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "image/section.h"

#define ENTRY_MIN 8
#define ENTRY_MAX 64
#define STUBS_MAX (1u << 20)

struct slot {
	ph_addr at;
	const char *name;
	ph_addr resolver;
};

struct slots {
	struct slot *list;
	size_t n, room;
};

static bool add_slot(struct slots *slots, struct slot slot)
{
	if (slots->n == slots->room) {
		size_t room = slots->room ? slots->room * 2 : 64;
		struct slot *list = reallocarray(slots->list, room, sizeof(*list));

		if (!list)
			return false;
		slots->list = list;
		slots->room = room;
	}
	slots->list[slots->n++] = slot;
	return true;
}

static int by_slot(const void *a, const void *b)
{
	const struct slot *one = a, *two = b;

	return one->at < two->at ? -1 : one->at > two->at;
}

/* The name of a symbol of the table in section link; NULL: it has none. */
static const char *symbol_name(Elf *file, size_t link, size_t index)
{
	Elf_Scn *section = elf_getscn(file, link);
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;
	const Elf64_Sym *syms;
	size_t len;

	if (!header || (header->sh_type != SHT_DYNSYM && header->sh_type != SHT_SYMTAB))
		return NULL;
	syms = ph_section_read(section, &len);
	if (!syms || index >= len / sizeof(*syms))
		return NULL;
	return elf_strptr(file, header->sh_link, syms[index].st_name);
}

static bool read_relocations(Elf *file, Elf_Scn *section, struct slots *slots)
{
	const Elf64_Shdr *header = elf64_getshdr(section);
	const Elf64_Rela *relas;
	size_t len;

	if (!header || header->sh_type != SHT_RELA || header->sh_entsize != sizeof(*relas) ||
	    !(header->sh_flags & SHF_ALLOC))
		return true;
	relas = ph_section_read(section, &len);
	for (size_t i = 0; relas && i < len / sizeof(*relas); i++) {
		struct slot slot = { .at = relas[i].r_offset };

		switch (ELF64_R_TYPE(relas[i].r_info)) {
		case R_X86_64_JUMP_SLOT:
		case R_X86_64_GLOB_DAT:
			slot.name = symbol_name(file, header->sh_link, ELF64_R_SYM(relas[i].r_info));
			break;
		case R_X86_64_IRELATIVE:
			slot.resolver = (ph_addr)relas[i].r_addend;
			break;
		default:
			continue;
		}
		if (((slot.name && *slot.name) || slot.resolver) && !add_slot(slots, slot))
			return false;
	}
	return true;
}

static bool is_jump(const uint8_t *bytes)
{
	return bytes[0] == 0xff && bytes[1] == 0x25;
}

/* The slot that a stub jumps through: jmp *disp(%rip), after endbr64 and with a bnd prefix or not. 0: none. */
static ph_addr jump_slot(const uint8_t *bytes, size_t len, ph_addr vaddr)
{
	int32_t disp;

	for (size_t i = 0; i + 6 <= len; i++) {
		if (!is_jump(bytes + i))
			continue;
		memcpy(&disp, bytes + i + 2, sizeof(disp));
		return vaddr + i + 6 + (ph_addr)(int64_t)disp;
	}
	return 0;
}

static struct ph_plt *grow(struct ph_plt *plt, size_t *room)
{
	size_t wider = *room ? *room * 2 : 64;
	struct ph_plt *grown = realloc(plt, sizeof(*plt) + wider * sizeof(plt->entries[0]));

	if (!grown)
		return NULL;
	if (!plt)
		grown->n = 0;
	*room = wider;
	return grown;
}

static bool read_stubs(Elf *file, const char *name, const struct slots *slots, struct ph_plt **plt, size_t *room)
{
	Elf_Scn *section = ph_section_find(file, name);
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;
	size_t len, entry = header ? header->sh_entsize : 0;
	const uint8_t *bytes = ph_section_read(section, &len);

	/* Not every linker says how long they are: stubs of eight bytes are nothing but their jumps. */
	if (entry < ENTRY_MIN || entry > ENTRY_MAX || entry % ENTRY_MIN)
		entry = bytes && len >= 2 * ENTRY_MIN && is_jump(bytes) && is_jump(bytes + ENTRY_MIN) ? ENTRY_MIN : 16;
	for (size_t at = 0; bytes && at + ENTRY_MIN <= len && (*plt)->n < STUBS_MAX; at += entry) {
		ph_addr vaddr = header->sh_addr + at;
		struct slot wanted = { .at = jump_slot(bytes + at, len - at < entry ? len - at : entry, vaddr) };
		const struct slot *slot = wanted.at ? bsearch(&wanted, slots->list, slots->n, sizeof(wanted), by_slot) : NULL;

		if (!slot)
			continue;
		if ((*plt)->n == *room) {
			struct ph_plt *grown = grow(*plt, room);

			if (!grown)
				return false;
			*plt = grown;
		}
		(*plt)->entries[(*plt)->n++] = (struct ph_plt_entry){ vaddr, entry, slot->name, slot->resolver };
	}
	return true;
}

static int by_vaddr(const void *a, const void *b)
{
	const struct ph_plt_entry *one = a, *two = b;

	return one->vaddr < two->vaddr ? -1 : one->vaddr > two->vaddr;
}

const struct ph_plt *ph_plt_read(struct ph_elf *elf)
{
	static const char *const names[] = { ".plt", ".plt.sec", ".plt.got", ".iplt" };
	struct slots slots = { 0 };
	Elf_Scn *section = NULL;
	struct ph_plt *plt;
	size_t room = 0;
	bool good = true;

	if (elf->plt)
		return elf->plt;
	plt = grow(NULL, &room);
	if (!plt)
		return NULL;
	while (good && (section = elf_nextscn(elf->file, section)))
		good = read_relocations(elf->file, section, &slots);
	if (slots.n)
		qsort(slots.list, slots.n, sizeof(*slots.list), by_slot);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && good && slots.n; i++)
		good = read_stubs(elf->file, names[i], &slots, &plt, &room);
	free(slots.list);
	if (!good) {
		free(plt);
		return NULL;
	}
	qsort(plt->entries, plt->n, sizeof(plt->entries[0]), by_vaddr);
	elf->plt = plt;
	return plt;
}

const struct ph_plt_entry *ph_plt_at(struct ph_elf *elf, ph_addr vaddr)
{
	const struct ph_plt *plt = ph_plt_read(elf);
	size_t low = 0, high = plt ? plt->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (plt->entries[middle].vaddr <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && vaddr - plt->entries[low - 1].vaddr < plt->entries[low - 1].size ? &plt->entries[low - 1] : NULL;
}
