#include "engine/module.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/procfs.h"

#define HEAD_LEN    4096	/* bytes of memory in which a module's headers are sought */
#define NOTES_MAX   4096
#define CHUNK	    (1u << 20)
#define IMAGE_MAX   (1ull << 32)	/* bytes of a file that is put together from memory */
#define PHDRS_MAX   ((HEAD_LEN - sizeof(Elf64_Ehdr)) / sizeof(Elf64_Phdr))
#define PAGE	    4096ull

struct ph_module *ph_module_new(char *path)
{
	struct ph_module *module = calloc(1, sizeof(*module));
	const char *slash = strrchr(path, '/');

	if (!module)
		return NULL;
	module->refs = 1;
	module->path = path;
	module->name = slash ? slash + 1 : path;
	return module;
}

struct ph_module *ph_module_ref(struct ph_module *module)
{
	module->refs++;
	return module;
}

void ph_module_unref(struct ph_module *module)
{
	if (!module || --module->refs)
		return;
	ph_elf_free(module->elf);
	ph_map_fini(&module->chosen);
	free(module->path);
	free(module);
}

void ph_modules_free(struct ph_modules *modules)
{
	if (!modules)
		return;
	for (size_t i = 0; i < modules->n; i++)
		ph_module_unref(modules->list[i]);
	free(modules->list);
	free(modules);
}

void ph_module_take_link(struct ph_module *module, struct ph_module *from)
{
	char *path = module->path;
	const char *name = module->name;

	module->link_map = from->link_map;
	module->path = from->path;
	module->name = from->name;
	from->path = path;
	from->name = name;
}

struct ph_module_info ph_module_describe(const struct ph_module *module)
{
	return (struct ph_module_info){
		.name = module->name, .path = module->path, .base = module->low, .size = module->high - module->low,
		.build_id = module->build_id, .build_id_len = module->build_id_len,
	};
}

/* ---- What memory says */

struct head {
	uint8_t bytes[HEAD_LEN];
	size_t len;
};

static bool read_head(const struct ph_space *space, pid_t tid, ph_addr base, struct head *ret)
{
	struct ph_err err = { 0 };

	ret->len = sizeof(ret->bytes);
	if (ph_space_read(space, tid, base, ret->bytes, ret->len, &err) < 0)
		ret->len = err.done;
	return ret->len >= sizeof(Elf64_Ehdr) && ph_elf_kind(ret->bytes, ret->len) == PH_ELF_X86_64;
}

/* The program headers in it that are whole, into phdrs; their number. */
static size_t read_phdrs(const struct head *head, Elf64_Phdr phdrs[PHDRS_MAX])
{
	Elf64_Ehdr header;
	size_t n = 0;

	memcpy(&header, head->bytes, sizeof(header));
	if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > head->len)
		return 0;
	while (n < header.e_phnum && n < PHDRS_MAX && header.e_phoff + (n + 1) * sizeof(*phdrs) <= head->len)
		n++;
	memcpy(phdrs, head->bytes + header.e_phoff, n * sizeof(*phdrs));
	return n;
}

static void read_build_id(struct ph_module *module, const struct ph_space *space, pid_t tid, const Elf64_Phdr *phdr)
{
	size_t align = phdr->p_align == 8 ? 8 : 4, len = phdr->p_filesz < NOTES_MAX ? phdr->p_filesz : NOTES_MAX;
	uint8_t notes[NOTES_MAX];
	Elf64_Nhdr note;

	if (ph_space_read(space, tid, module->bias + phdr->p_vaddr, notes, len, NULL) < 0)
		return;
	for (size_t at = 0; at + sizeof(note) <= len;) {
		size_t name = at + sizeof(note), desc;

		memcpy(&note, notes + at, sizeof(note));
		desc = (name + note.n_namesz + align - 1) & ~(align - 1);
		if (note.n_namesz > len || note.n_descsz > len || desc + note.n_descsz > len)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz <= sizeof(module->build_id)) {
			memcpy(module->build_id, notes + desc, note.n_descsz);
			module->build_id_len = note.n_descsz;
			return;
		}
		at = (desc + note.n_descsz + align - 1) & ~(align - 1);
	}
}

bool ph_module_read_header(struct ph_module *module, const struct ph_space *space, pid_t tid, ph_addr base)
{
	Elf64_Phdr phdrs[PHDRS_MAX];
	ph_addr low = PH_ADDR_NONE, high = 0;
	struct head head;
	size_t n;

	if (!read_head(space, tid, base, &head))
		return false;
	n = read_phdrs(&head, phdrs);
	for (size_t i = 0; i < n; i++) {
		if (phdrs[i].p_type != PT_LOAD || phdrs[i].p_memsz > UINT64_MAX - phdrs[i].p_vaddr)
			continue;
		low = phdrs[i].p_vaddr < low ? phdrs[i].p_vaddr : low;
		high = phdrs[i].p_vaddr + phdrs[i].p_memsz > high ? phdrs[i].p_vaddr + phdrs[i].p_memsz : high;
	}
	if (low >= high)
		return false;
	module->bias = base - (low & ~(PAGE - 1));
	module->low = base;
	module->high = module->bias + high;
	for (size_t i = 0; i < n; i++) {
		if (phdrs[i].p_type == PT_DYNAMIC)
			module->dynamic = module->bias + phdrs[i].p_vaddr;
		if (phdrs[i].p_type == PT_NOTE && !module->build_id_len)
			read_build_id(module, space, tid, &phdrs[i]);
	}
	return true;
}

/* ---- The file */

/* The file begins as the memory at base does: it is the one that is loaded there, unless its headers were changed. */
static bool is_loaded_from(int fd, const struct head *head)
{
	uint8_t bytes[HEAD_LEN];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

	return n >= (ssize_t)sizeof(Elf64_Ehdr) &&
	       memcmp(bytes, head->bytes, (size_t)n < head->len ? (size_t)n : head->len) == 0;
}

static bool has_inode(int fd, uint64_t inode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == inode;
}

static int open_path(const char *prefix, const char *path)
{
	char whole[4096 + 64];

	snprintf(whole, sizeof(whole), "%s%s", prefix, path);
	return open(whole, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* As mapped: the entry of the memory map at the module's beginning. */
static int open_mapped(const struct ph_module *module, pid_t tid)
{
	const struct ph_map_entry *entry;
	struct ph_maps maps;
	int fd = -1;

	if (ph_os_maps_read(tid, &maps) < 0)
		return -1;
	entry = ph_os_maps_find(&maps, module->low);
	if (entry && entry->inode)
		fd = ph_os_map_file_open(tid, entry);
	ph_os_maps_fini(&maps);
	return fd;
}

/* -1: the file has changed, or is nowhere. */
static int open_file(const struct ph_module *module, const struct ph_space *space, pid_t tid)
{
	struct head head;
	bool has_head = read_head(space, tid, module->low, &head);
	char root[64];

	snprintf(root, sizeof(root), "/proc/%d/root", tid);
	for (int i = 0; i < 3; i++) {
		int fd = i == 2 ? open_mapped(module, tid) : open_path(i ? root : "", module->path);

		if (fd >= 0 && (has_head ? is_loaded_from(fd, &head) : has_inode(fd, module->inode)))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

/* ---- A file put together from memory */

static bool copy_out(const struct ph_space *space, pid_t tid, ph_addr from, uint64_t len, int fd, uint64_t offset)
{
	uint8_t *chunk = malloc(CHUNK);
	bool good = chunk != NULL;

	while (good && len) {
		size_t n = len < CHUNK ? len : CHUNK;
		struct ph_err err = { 0 };

		/* What cannot be read stays a hole. */
		if (ph_space_read(space, tid, from, chunk, n, &err) < 0) {
			good = err.done == 0 || pwrite(fd, chunk, err.done, (off_t)offset) == (ssize_t)err.done;
			break;
		}
		good = pwrite(fd, chunk, n, (off_t)offset) == (ssize_t)n;
		from += n;
		offset += n;
		len -= n;
	}
	free(chunk);
	return good;
}

/* glibc adds the bias to what a dynamic section in memory points at; a file says its own addresses. */
static void unbias(const struct ph_module *module, int fd, const Elf64_Phdr *phdr)
{
	Elf64_Dyn dyn;

	for (uint64_t at = 0; module->bias && at + sizeof(dyn) <= phdr->p_filesz; at += sizeof(dyn)) {
		if (pread(fd, &dyn, sizeof(dyn), (off_t)(phdr->p_offset + at)) != sizeof(dyn) || dyn.d_tag == DT_NULL)
			break;
		if (dyn.d_un.d_ptr < module->low || dyn.d_un.d_ptr >= module->high)
			continue;
		dyn.d_un.d_ptr -= module->bias;
		if (pwrite(fd, &dyn, sizeof(dyn), (off_t)(phdr->p_offset + at)) != sizeof(dyn))
			break;
	}
}

/* Only what is loaded is in memory; the vDSO alone has its section headers there. */
static void drop_sections(const struct ph_module *module, const struct head *head, int fd)
{
	Elf64_Ehdr header;

	memcpy(&header, head->bytes, sizeof(header));
	if (module->is_vdso)
		return;
	header.e_shoff = 0;
	header.e_shnum = header.e_shstrndx = 0;
	if (pwrite(fd, &header, sizeof(header), 0) < 0)
		return;
}

static int build_file(const struct ph_module *module, const struct ph_space *space, pid_t tid)
{
	Elf64_Phdr phdrs[PHDRS_MAX];
	struct head head;
	size_t n;
	int fd;

	if (!read_head(space, tid, module->low, &head))
		return -1;
	fd = memfd_create("module", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read_phdrs(&head, phdrs);
	if (module->is_vdso)
		copy_out(space, tid, module->low, module->high - module->low, fd, 0);
	for (size_t i = 0; i < n && !module->is_vdso; i++) {
		uint64_t end;

		if (phdrs[i].p_type == PT_LOAD && !__builtin_add_overflow(phdrs[i].p_offset, phdrs[i].p_filesz, &end) &&
		    end <= IMAGE_MAX)
			copy_out(space, tid, module->bias + phdrs[i].p_vaddr, phdrs[i].p_filesz, fd, phdrs[i].p_offset);
	}
	for (size_t i = 0; i < n; i++)
		if (phdrs[i].p_type == PT_DYNAMIC && phdrs[i].p_offset < IMAGE_MAX)
			unbias(module, fd, &phdrs[i]);
	drop_sections(module, &head, fd);
	return fd;
}

static void warn(const struct ph_module *module, const struct ph_elf_settings *settings, const char *what)
{
	char text[512];

	if (!settings || !settings->warn)
		return;
	snprintf(text, sizeof(text), "%s: %s", module->path, what);
	settings->warn(text, settings->user);
}

struct ph_elf *ph_module_elf(struct ph_module *module, const struct ph_space *space, pid_t tid,
			     const struct ph_elf_settings *settings)
{
	struct ph_err err;
	int fd;

	if (module->elf_sought)
		return module->elf;
	module->elf_sought = true;
	fd = module->is_vdso ? -1 : open_file(module, space, tid);
	if (fd < 0) {
		fd = build_file(module, space, tid);
		if (fd >= 0 && !module->is_vdso)
			warn(module, settings, "the file has changed or vanished since it was loaded; only what is in the "
			     "target's memory is known of it");
	}
	if (fd >= 0 && ph_elf_open_fd(fd, module->path, &module->elf, &err) < 0) {
		close(fd);
		module->elf = NULL;
	}
	if (module->elf)
		module->elf->settings = settings;
	else
		warn(module, settings, "neither the file nor what is in the target's memory can be read; nothing in it has a "
		     "name");
	return module->elf;
}
