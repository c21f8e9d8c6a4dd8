#include "image/section.h"

#include <string.h>

Elf_Scn *ph_section_find(Elf *file, const char *name)
{
	Elf_Scn *section = NULL;
	size_t strings;

	if (elf_getshdrstrndx(file, &strings) < 0)
		return NULL;
	while ((section = elf_nextscn(file, section))) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		const char *own = header ? elf_strptr(file, strings, header->sh_name) : NULL;

		if (own && strcmp(own, name) == 0)
			break;
	}
	return section;
}

const void *ph_section_read(Elf_Scn *section, size_t *ret_len)
{
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;
	Elf_Data *data;

	if (!header || (header->sh_flags & SHF_COMPRESSED) || header->sh_type == SHT_NOBITS)
		return NULL;
	data = elf_getdata(section, NULL);
	if (!data || !data->d_buf)
		return NULL;
	*ret_len = data->d_size;
	return data->d_buf;
}
