#include "image/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OP	     "read program"
#define DYNAMIC_MAX  (1 << 20)	/* bytes */
#define NOTES_MAX    (1 << 16)	/* bytes */
#define NOTES_TRIED  16		/* segments of notes */

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

/* ---- The kind, by the first bytes */

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{ EM_X86_64, "x86_64" },   { EM_386, "i386" },	  { EM_AARCH64, "aarch64" },
	{ EM_ARM, "arm" },	   { EM_RISCV, "riscv" }, { EM_PPC64, "powerpc64" },
	{ EM_PPC, "powerpc" },	   { EM_S390, "s390" },	  { EM_MIPS, "mips" },
	{ EM_SPARCV9, "sparc64" }, { EM_SPARC, "sparc" }, { EM_LOONGARCH, "loongarch" },
	{ EM_IA_64, "ia64" },	   { EM_68K, "m68k" },	  { EM_ALPHA, "alpha" },
	{ EM_PARISC, "hppa" },	   { EM_SH, "sh" },
};

/* What the first bytes of an ELF file of either class and byte order have in common. */
struct ident {
	uint8_t class, data;
	uint16_t machine;
};

static bool read_ident(const void *head, size_t len, struct ident *ret)
{
	const uint8_t *bytes = head;
	size_t at = offsetof(Elf64_Ehdr, e_machine);

	if (len < at + 2 || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return false;
	*ret = (struct ident){ .class = bytes[EI_CLASS], .data = bytes[EI_DATA] };
	ret->machine = ret->data == ELFDATA2MSB ? (uint16_t)(bytes[at] << 8 | bytes[at + 1]) :
						  (uint16_t)(bytes[at + 1] << 8 | bytes[at]);
	return (ret->class == ELFCLASS32 || ret->class == ELFCLASS64) &&
	       (ret->data == ELFDATA2LSB || ret->data == ELFDATA2MSB);
}

enum ph_elf_kind ph_elf_kind(const void *head, size_t len)
{
	struct ident ident;

	if (len >= 2 && memcmp(head, "#!", 2) == 0)
		return PH_ELF_SCRIPT;
	if (!read_ident(head, len, &ident))
		return PH_ELF_NOT;
	if (ident.data != ELFDATA2LSB)
		return PH_ELF_FOREIGN;
	if (ident.machine == EM_X86_64)
		return ident.class == ELFCLASS64 ? PH_ELF_X86_64 : PH_ELF_I386;
	return ident.machine == EM_386 ? PH_ELF_I386 : PH_ELF_FOREIGN;
}

const char *ph_elf_machine_name(const void *head, size_t len)
{
	struct ident ident;

	if (!read_ident(head, len, &ident))
		return "no machine";
	if (ident.machine == EM_X86_64 && ident.class == ELFCLASS32)
		return "x32";
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == ident.machine)
			return machines[i].name;
	return "an unknown machine";
}

/* ---- The file */

static int check_file(int fd, const char *name, struct ph_err *err)
{
	static const char *const refusals[] = {
		[PH_ELF_NOT] = "not an ELF file",
		[PH_ELF_I386] = "a 32-bit ELF file",
		[PH_ELF_SCRIPT] = "a script, not an ELF file",
	};
	char head[PH_ELF_HEAD_LEN] = "";
	enum ph_elf_kind kind;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return ph_err_say(err, -errno, OP, "%s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return ph_err_say(err, -ENOEXEC, OP, "%s: not a regular file", name);
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return ph_err_say(err, -errno, OP, "%s: %s", name, strerror(errno));
	kind = ph_elf_kind(head, (size_t)n);
	if (kind == PH_ELF_X86_64)
		return 0;
	if (kind == PH_ELF_FOREIGN)
		return ph_err_say(err, -ENOEXEC, OP, "%s: an ELF file for another machine (%s)", name,
				  ph_elf_machine_name(head, (size_t)n));
	return ph_err_say(err, -ENOEXEC, OP, "%s: %s", name, refusals[kind]);
}

/* Why the file does not hold together; NULL: it does. */
static const char *read_header(struct ph_elf *elf)
{
	const Elf64_Ehdr *header = elf64_getehdr(elf->file);

	if (!header)
		return elf_errmsg(-1);
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return header->e_type == ET_CORE ? "a core dump" : "neither a program nor a library";
	elf->is_pie = header->e_type == ET_DYN;
	elf->entry = header->e_entry;
	return NULL;
}

static int by_vaddr(const void *a, const void *b)
{
	const struct ph_elf_segment *one = a, *two = b;

	return one->vaddr < two->vaddr ? -1 : one->vaddr > two->vaddr;
}

static const char *add_segment(struct ph_elf *elf, const Elf64_Phdr *phdr)
{
	if (phdr->p_memsz == 0)
		return NULL;
	if (phdr->p_memsz > UINT64_MAX - phdr->p_vaddr)
		return "a segment wraps around the end of memory";
	if (elf->n_segments == 0 || phdr->p_vaddr < elf->low)
		elf->low = phdr->p_vaddr;
	if (phdr->p_vaddr + phdr->p_memsz > elf->high)
		elf->high = phdr->p_vaddr + phdr->p_memsz;
	elf->segments[elf->n_segments++] = (struct ph_elf_segment){
		.vaddr = phdr->p_vaddr,
		.memsz = phdr->p_memsz,
		.filesz = phdr->p_filesz,
		.offset = phdr->p_offset,
		.flags = phdr->p_flags,
	};
	return NULL;
}

static const char *read_segments(struct ph_elf *elf, const Elf64_Phdr *phdrs, size_t n)
{
	const char *why = NULL;

	elf->segments = calloc(n ? n : 1, sizeof(*elf->segments));
	if (!elf->segments)
		return strerror(ENOMEM);
	for (size_t i = 0; i < n && !why; i++) {
		elf->has_interp |= phdrs[i].p_type == PT_INTERP;
		if (phdrs[i].p_type == PT_DYNAMIC && !elf->is_dynamic) {
			elf->is_dynamic = true;
			elf->dynamic = phdrs[i].p_vaddr;
		}
		if (phdrs[i].p_type == PT_LOAD)
			why = add_segment(elf, &phdrs[i]);
	}
	if (!why && elf->n_segments == 0)
		why = "nothing in it is to be loaded";
	qsort(elf->segments, elf->n_segments, sizeof(*elf->segments), by_vaddr);
	return why;
}

/* Some bytes of the file; owned by elf->file. NULL when they are not all there. */
static Elf_Data *read_chunk(struct ph_elf *elf, uint64_t offset, uint64_t size, Elf_Type type)
{
	/* libelf checks them against the file's size, but takes the offset as signed. */
	if (offset > INT64_MAX || size > INT64_MAX || size == 0)
		return NULL;
	return elf_getdata_rawchunk(elf->file, (int64_t)offset, size, type);
}

/* The string at vaddr, where the linker put its names; at most limit bytes of it. */
static void read_string(struct ph_elf *elf, ph_addr vaddr, uint64_t limit, char *buf, size_t len)
{
	const struct ph_elf_segment *segment = ph_elf_segment_find(elf, vaddr);
	uint64_t skip, offset;
	Elf_Data *data;

	if (!segment || vaddr - segment->vaddr >= segment->filesz)
		return;
	skip = vaddr - segment->vaddr;
	if (limit > segment->filesz - skip)
		limit = segment->filesz - skip;
	if (limit > len)
		limit = len;
	if (__builtin_add_overflow(segment->offset, skip, &offset))
		return;
	data = read_chunk(elf, offset, limit, ELF_T_BYTE);
	if (data && memchr(data->d_buf, '\0', limit))
		strcpy(buf, data->d_buf);
}

static void read_soname(struct ph_elf *elf, const Elf64_Phdr *phdr)
{
	Elf_Data *data = phdr->p_filesz <= DYNAMIC_MAX ?
				 read_chunk(elf, phdr->p_offset, phdr->p_filesz, ELF_T_DYN) :
				 NULL;
	const Elf64_Dyn *dyn = data ? data->d_buf : NULL;
	uint64_t strings = 0, strings_len = 0, soname = 0;
	ph_addr at;

	for (size_t i = 0; dyn && i < data->d_size / sizeof(*dyn) && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag == DT_STRTAB)
			strings = dyn[i].d_un.d_ptr;
		else if (dyn[i].d_tag == DT_STRSZ)
			strings_len = dyn[i].d_un.d_val;
		else if (dyn[i].d_tag == DT_SONAME)
			soname = dyn[i].d_un.d_val;
	}
	if (soname > 0 && soname < strings_len && !__builtin_add_overflow(strings, soname, &at))
		read_string(elf, at, strings_len - soname, elf->soname, sizeof(elf->soname));
}

static void read_build_id(struct ph_elf *elf, const Elf64_Phdr *phdr)
{
	Elf_Data *data = NULL;
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	if (elf->build_id_len == 0 && phdr->p_filesz <= NOTES_MAX)
		data = read_chunk(elf, phdr->p_offset, phdr->p_filesz, phdr->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
		    memcmp(bytes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0 || note.n_descsz == 0 ||
		    note.n_descsz > sizeof(elf->build_id))
			continue;
		memcpy(elf->build_id, bytes + desc, note.n_descsz);
		elf->build_id_len = note.n_descsz;
		return;
	}
}

static const char *read_facts(struct ph_elf *elf)
{
	const char *why = read_header(elf);
	size_t n, dynamics = 0, notes = 0;
	const Elf64_Phdr *phdrs;

	if (why)
		return why;
	if (elf_getphdrnum(elf->file, &n) < 0)
		return elf_errmsg(-1);
	phdrs = n ? elf64_getphdr(elf->file) : NULL;
	if (!phdrs)
		return n ? elf_errmsg(-1) : "it has no segments";
	why = read_segments(elf, phdrs, n);
	for (size_t i = 0; i < n && !why; i++) {
		if (phdrs[i].p_type == PT_DYNAMIC && dynamics++ == 0)
			read_soname(elf, &phdrs[i]);
		else if (phdrs[i].p_type == PT_NOTE && notes++ < NOTES_TRIED)
			read_build_id(elf, &phdrs[i]);
	}
	/* The dynamic linker, run as a program, names no other; among programs it alone has a soname. */
	elf->can_load = elf->has_interp || (elf->is_dynamic && elf->soname[0]);
	return why;
}

int ph_elf_open_fd(int fd, const char *name, struct ph_elf **ret, struct ph_err *err)
{
	int r = check_file(fd, name, err);
	struct ph_elf *elf;
	const char *why;

	if (r < 0)
		return r;
	elf = calloc(1, sizeof(*elf));
	if (!elf)
		return ph_err_set(err, -ENOMEM, OP);
	elf->fd = -1;
	elf->path = strdup(name);
	if (!elf->path) {
		free(elf);
		return ph_err_set(err, -ENOMEM, OP);
	}
	elf_version(EV_CURRENT);
	elf->file = elf_begin(fd, ELF_C_READ, NULL);
	why = elf->file ? read_facts(elf) : elf_errmsg(-1);
	if (why) {
		ph_err_say(err, -ENOEXEC, OP, "%s: not loadable: %s", name, why);
		ph_elf_free(elf);
		return -ENOEXEC;
	}
	elf->fd = fd;
	*ret = elf;
	return 0;
}

int ph_elf_open(const char *path, struct ph_elf **ret, struct ph_err *err)
{
	/* Not to wait for the writer of a FIFO. */
	int r, fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return ph_err_say(err, -errno, OP, "%s: %s", path, strerror(errno));
	r = ph_elf_open_fd(fd, path, ret, err);
	if (r < 0)
		close(fd);
	return r;
}

void ph_elf_free(struct ph_elf *elf)
{
	if (!elf)
		return;
	/* It reads elf->file and the debug file's. */
	if (elf->dwarf)
		elf->dwarf_free(elf->dwarf);
	ph_elf_free(elf->debug);
	ph_elf_free(elf->mini);
	free(elf->plt);
	free(elf->spans);
	free(elf->names);
	free(elf->symbols);
	elf_end(elf->file);
	if (elf->fd >= 0)
		close(elf->fd);
	free(elf->segments);
	free(elf->path);
	free(elf);
}

void ph_elf_warn(struct ph_elf *elf, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (elf->has_warned)
		return;
	elf->has_warned = true;
	if (!elf->settings || !elf->settings->warn)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	elf->settings->warn(text, elf->settings->user);
}

const struct ph_elf_segment *ph_elf_segment_find(const struct ph_elf *elf, ph_addr vaddr)
{
	size_t low = 0, high = elf->n_segments;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (elf->segments[middle].vaddr <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || vaddr - elf->segments[low - 1].vaddr >= elf->segments[low - 1].memsz)
		return NULL;
	return &elf->segments[low - 1];
}
