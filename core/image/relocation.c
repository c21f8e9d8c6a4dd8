#include "image/relocation.h"

#include <gelf.h>
#include <stddef.h>

#include "image/section.h"

struct table {
	const Elf64_Rela *relas;
	size_t n;
};

/* The next section of relocations for loading. */
static bool next_table(struct ph_elf *elf, Elf_Scn **section, struct table *ret)
{
	while ((*section = elf_nextscn(elf->file, *section))) {
		const Elf64_Shdr *header = elf64_getshdr(*section);
		size_t len;

		if (!header || header->sh_type != SHT_RELA || header->sh_entsize != sizeof(Elf64_Rela) ||
		    !(header->sh_flags & SHF_ALLOC))
			continue;
		ret->relas = ph_section_read(*section, &len);
		ret->n = len / sizeof(Elf64_Rela);
		if (ret->relas)
			return true;
	}
	return false;
}

static const Elf64_Rela *find(struct ph_elf *elf, unsigned type, const ph_addr *addend)
{
	Elf_Scn *section = NULL;
	struct table table;

	while (next_table(elf, &section, &table))
		for (size_t i = 0; i < table.n; i++)
			if (ELF64_R_TYPE(table.relas[i].r_info) == type &&
			    (!addend || (ph_addr)table.relas[i].r_addend == *addend))
				return &table.relas[i];
	return NULL;
}

bool ph_relocation_resolved_slot(struct ph_elf *elf, ph_addr resolver, ph_addr *ret)
{
	const Elf64_Rela *rela = find(elf, R_X86_64_IRELATIVE, &resolver);

	if (rela)
		*ret = rela->r_offset;
	return rela != NULL;
}

bool ph_relocation_own_word(struct ph_elf *elf, ph_addr *ret_at, ph_addr *ret_value)
{
	const Elf64_Rela *rela = find(elf, R_X86_64_RELATIVE, NULL);

	if (rela) {
		*ret_at = rela->r_offset;
		*ret_value = (ph_addr)rela->r_addend;
	}
	return rela != NULL;
}
