#include "image/dynamic.h"

#define DYNAMIC_MAX 65536	/* bytes */

static Elf_Data *read_chunk(struct ph_elf *elf, uint64_t offset, uint64_t len, Elf_Type type)
{
	/* libelf checks them against the file's size, but takes the offset as signed. */
	if (offset > INT64_MAX || len > INT64_MAX || len == 0)
		return NULL;
	return elf_getdata_rawchunk(elf->file, (int64_t)offset, len, type);
}

uint64_t ph_dynamic_room(const struct ph_elf *elf, ph_addr vaddr)
{
	const struct ph_elf_segment *segment = ph_elf_segment_find(elf, vaddr);
	uint64_t skip = segment ? vaddr - segment->vaddr : 0;

	return segment && skip < segment->filesz ? segment->filesz - skip : 0;
}

const void *ph_dynamic_bytes(struct ph_elf *elf, ph_addr vaddr, uint64_t len)
{
	const struct ph_elf_segment *segment = ph_elf_segment_find(elf, vaddr);
	uint64_t offset;
	Elf_Data *data;

	if (len > ph_dynamic_room(elf, vaddr) ||
	    __builtin_add_overflow(segment ? segment->offset : 0, segment ? vaddr - segment->vaddr : 0, &offset))
		return NULL;
	data = read_chunk(elf, offset, len, ELF_T_BYTE);
	return data ? data->d_buf : NULL;
}

bool ph_dynamic_get(struct ph_elf *elf, int64_t tag, uint64_t *ret)
{
	uint64_t len = elf->is_dynamic ? ph_dynamic_room(elf, elf->dynamic) : 0;
	const Elf64_Dyn *dyn;

	len = (len > DYNAMIC_MAX ? DYNAMIC_MAX : len) / sizeof(*dyn) * sizeof(*dyn);
	dyn = len ? ph_dynamic_bytes(elf, elf->dynamic, len) : NULL;
	for (size_t i = 0; dyn && i < len / sizeof(*dyn) && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag != tag)
			continue;
		*ret = dyn[i].d_un.d_val;
		return true;
	}
	return false;
}
