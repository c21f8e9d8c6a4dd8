#include "engine/image.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spell.h"
#include "image/elf.h"
#include "image/place.h"
#include "image/symbols.h"
#include "os/procfs.h"

struct ph_image {
	struct ph_elf *elf;	/* owned */
	ph_addr bias;		/* added to the file's addresses */
	char path[4096];
};

int ph_image_open(pid_t tid, struct ph_image **ret, struct ph_err *err)
{
	struct ph_image *image = calloc(1, sizeof(*image));
	uint64_t entry = 0;
	int fd, r;

	if (!image)
		return ph_err_set(err, -ENOMEM, "read program");
	if (ph_os_exe_read(tid, image->path, sizeof(image->path)) < 0)
		snprintf(image->path, sizeof(image->path), "process %d", tid);
	fd = ph_os_exe_open(tid);
	if (fd < 0) {
		free(image);
		return ph_err_set_in(err, fd, "open program", tid);
	}
	r = ph_elf_open_fd(fd, image->path, &image->elf, err);
	if (r < 0) {
		close(fd);
		free(image);
		return r;
	}
	/* The kernel says where the program's entry came to lie; the file says where it would have it. */
	if (ph_os_auxv_read(tid, AT_ENTRY, &entry) >= 0 && image->elf->is_pie)
		image->bias = entry - image->elf->entry;
	*ret = image;
	return 0;
}

void ph_image_free(struct ph_image *image)
{
	if (!image)
		return;
	ph_elf_free(image->elf);
	free(image);
}

bool ph_image_can_load(const struct ph_image *image)
{
	return image->elf->can_load;
}

static const char *base_name(const struct ph_image *image)
{
	const char *slash = strrchr(image->path, '/');

	return slash ? slash + 1 : image->path;
}

static bool is_module(const struct ph_image *image, const char *name)
{
	return ph_module_name_matches(name, image->path, image->elf->soname);
}

bool ph_image_nearest(struct ph_image *image, const char *text, char *buf, size_t len)
{
	struct ph_place place;
	struct ph_spell spell;
	const char *best;

	if (ph_place_parse(text, &place, NULL) < 0 || !*place.name)
		return false;
	ph_spell_init(&spell, place.name);
	ph_symbols_nearest(image->elf, &spell);
	best = ph_spell_result(&spell);
	if (best)
		snprintf(buf, len, "%s", best);
	return best != NULL;
}

static int no_symbol(struct ph_image *image, const char *text, const char *name, struct ph_err *err)
{
	char nearest[128];
	bool near = ph_image_nearest(image, text, nearest, sizeof(nearest));

	return ph_err_say(err, -ENOENT, "find symbol", "%s has no symbol '%s'%s%s%s", base_name(image), name,
			  near ? "; did you mean '" : "", near ? nearest : "", near ? "'?" : "");
}

static int no_module(struct ph_image *image, const char *module, struct ph_err *err)
{
	return ph_err_say(err, -ENOENT, "find module", "no module '%s' is known; the main program is '%s'", module,
			  base_name(image));
}

static int find(struct ph_image *image, const char *name, ph_addr *ret)
{
	struct ph_symbol symbol;
	int r = ph_symbols_find(image->elf, name, &symbol);

	if (r >= 0)
		*ret = image->bias + symbol.vaddr;
	return r;
}

int ph_image_resolve(struct ph_image *image, const char *text, ph_addr *ret, bool *ret_final, struct ph_err *err)
{
	struct ph_place place;
	int r = ph_place_parse(text, &place, err);

	*ret_final = true;
	if (r < 0)
		return r;
	switch (place.kind) {
	case PH_PLACE_ADDRESS:
		*ret = place.address;
		return 0;
	case PH_PLACE_MAIN_OFFSET:
		*ret = image->bias + (uint64_t)place.offset;
		return 0;
	case PH_PLACE_MODULE_OFFSET:
	case PH_PLACE_MODULE_SYMBOL:
		if (!is_module(image, place.module)) {
			*ret_final = !image->elf->can_load;
			return no_module(image, place.module, err);
		}
		if (place.kind == PH_PLACE_MODULE_OFFSET) {
			*ret = image->bias + (uint64_t)place.offset;
			return 0;
		}
		break;
	case PH_PLACE_SYMBOL:
		*ret_final = !image->elf->can_load;
		break;
	case PH_PLACE_LINE:
		return ph_err_say(err, -EINVAL, "find line", "'%s': lines of source are not in this version; a symbol, an "
				  "address or \"+0x1139\" is", text);
	}
	r = find(image, place.name, ret);
	/* A symbol wins over a module of the same name; "crackme+0x1139" is the module's own address. */
	if (r == -ENOENT && place.kind == PH_PLACE_SYMBOL && place.offset >= 0 && strpbrk(text, "+") &&
	    is_module(image, place.name)) {
		*ret = image->bias + (uint64_t)place.offset;
		return 0;
	}
	if (r == -ENOENT)
		return no_symbol(image, text, place.name, err);
	if (r < 0)
		return ph_err_set(err, r, "find symbol");
	*ret += (uint64_t)place.offset;
	return 0;
}

void ph_image_where(struct ph_image *image, ph_addr addr, char *buf, size_t len)
{
	ph_addr vaddr = addr - image->bias;
	struct ph_symbol symbol;

	if (ph_elf_segment_find(image->elf, vaddr) && ph_symbols_at(image->elf, vaddr, &symbol) >= 0) {
		if (vaddr == symbol.vaddr)
			snprintf(buf, len, "%s", symbol.name);
		else
			snprintf(buf, len, "%s+0x%llx", symbol.name, (unsigned long long)(vaddr - symbol.vaddr));
	} else if (ph_elf_segment_find(image->elf, vaddr)) {
		snprintf(buf, len, "%s+0x%llx", base_name(image), (unsigned long long)vaddr);
	} else {
		snprintf(buf, len, "0x%llx", (unsigned long long)addr);
	}
}
