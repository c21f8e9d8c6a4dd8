#include "engine/originals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/patch.h"
#include "engine/twin.h"
#include "os/vm.h"

#define BATCH	     256
/* Bytes of a mapping that are kept all the same: a fork has no copy of what madvise(2) says is not to be inherited. */
#define LITTLE	     (4ull << 20)
#define WARM_MOST    ((size_t)64 << 20)		/* bytes kept of what the twin has too */

static const char op[] = "snapshot";

/* ---- Which memory */

static int add(struct ph_originals *originals, struct ph_original original)
{
	if (original.start >= original.end)
		return 0;
	if (originals->n == originals->room) {
		size_t room = originals->room ? originals->room * 2 : 64;
		void *all = reallocarray(originals->all, room, sizeof(*originals->all));

		if (!all)
			return -ENOMEM;
		originals->all = all;
		originals->room = room;
	}
	if (original.kind == PH_ORIGINAL_KEPT) {
		original.offset = originals->size;
		originals->size += original.end - original.start;
	}
	originals->all[originals->n++] = original;
	return 0;
}

/* Pages of the process's own are kept, the others are what they were born as. */
static int add_by_owner(struct ph_originals *originals, struct ph_original original, enum ph_original_kind others)
{
	const struct ph_extents *owned = &originals->owned;
	ph_addr at = original.start, end = original.end;

	for (size_t i = ph_extents_from(owned, at); i < owned->n && owned->all[i].start < end; i++) {
		struct ph_original piece = original;
		int r;

		piece.start = at;
		piece.end = owned->all[i].start;
		piece.kind = others;
		r = add(originals, piece);
		piece.start = owned->all[i].start > at ? owned->all[i].start : at;
		piece.end = owned->all[i].end < end ? owned->all[i].end : end;
		piece.kind = PH_ORIGINAL_KEPT;
		if (r >= 0)
			r = add(originals, piece);
		if (r < 0)
			return r;
		at = piece.end;
	}
	original.start = at;
	original.kind = others;
	return add(originals, original);
}

static bool is_device(const struct ph_map_entry *entry)
{
	return strncmp(entry->path, "/dev/", 5) == 0 && strncmp(entry->path, "/dev/shm/", 9) != 0 &&
	       strncmp(entry->path, "/dev/zero", 9) != 0;
}

static bool is_ours(const struct ph_space *space, const struct ph_map_entry *entry)
{
	for (size_t i = 0; i < space->slots.n_chunks; i++)
		if (entry->start < space->slots.chunks[i].base + space->slots.chunks[i].size &&
		    entry->end > space->slots.chunks[i].base)
			return true;
	return false;
}

static uint64_t owned_of(const struct ph_originals *originals, const struct ph_map_entry *entry)
{
	const struct ph_extents *owned = &originals->owned;
	uint64_t total = 0;

	for (size_t i = ph_extents_from(owned, entry->start); i < owned->n && owned->all[i].start < entry->end; i++)
		total += owned->all[i].end - owned->all[i].start;
	return total;
}

static int add_mapping(struct ph_originals *originals, const struct ph_map_entry *entry, bool by_twin)
{
	struct ph_original original = { .start = entry->start, .end = entry->end, .writable = entry->perms[1] == 'w',
					.shared = !ph_layout_is_private(entry), .entry = entry };

	if (original.shared) {
		if (!original.writable || is_device(entry))
			return 0;
		original.kind = PH_ORIGINAL_KEPT;
		return add(originals, original) < 0 || ph_extents_add(&originals->shared, entry->start, entry->end) < 0 ?
			       -ENOMEM : 0;
	}
	if (original.writable && ph_extents_add(&originals->writable, entry->start, entry->end) < 0)
		return -ENOMEM;
	if (by_twin && owned_of(originals, entry) > LITTLE) {
		original.kind = PH_ORIGINAL_TWIN;
		return add(originals, original);
	}
	if (!entry->inode)
		return add_by_owner(originals, original, PH_ORIGINAL_ZERO);
	if (!original.writable)
		return add_by_owner(originals, original, PH_ORIGINAL_FILE);
	original.kind = PH_ORIGINAL_KEPT;
	return add(originals, original);
}

static int add_mappings(struct ph_originals *originals, const struct ph_tracking *tracking,
			const struct ph_layout *layout, bool by_twin)
{
	ph_addr before = 0;

	originals->n = originals->size = 0;
	ph_extents_clear(&originals->writable);
	ph_extents_clear(&originals->shared);
	for (size_t i = 0; i < layout->maps.count; i++) {
		const struct ph_map_entry *entry = &layout->maps.entries[i];
		int r = 0;

		if (ph_layout_is_special(entry) || is_ours(tracking->space, entry)) {
			before = entry->end;
			continue;
		}
		/* Where the stack may grow. */
		if (strcmp(entry->path, "[stack]") == 0) {
			r = add(originals, (struct ph_original){ .start = before, .end = entry->start, .kind = PH_ORIGINAL_ZERO,
								 .writable = true, .entry = entry });
			if (r >= 0)
				r = ph_extents_add(&originals->writable, before, entry->start);
		}
		if (r >= 0)
			r = add_mapping(originals, entry, by_twin);
		if (r < 0)
			return r;
		before = entry->end;
	}
	return 0;
}

/* ---- Taking */

/* A mapping may reach beyond its file's end: those pages are not there, for the program neither. */
static void read_singly(struct ph_originals *originals, struct ph_thread *thread, struct ph_original *original)
{
	for (ph_addr at = original->start; at < original->end; at += PH_PAGE_SIZE)
		if (ph_space_read_raw(thread->process->space, thread->tid, at,
				      originals->bytes + original->offset + (at - original->start), PH_PAGE_SIZE, NULL) < 0) {
			original->end = at;
			break;
		}
}

static void read_kept(struct ph_originals *originals, struct ph_thread *thread)
{
	struct iovec ours[BATCH], theirs[BATCH];
	const struct ph_original *which[BATCH];
	size_t n = 0;

	for (size_t i = 0; i <= originals->n; i++) {
		struct ph_original *original = &originals->all[i];
		ph_addr bad;

		if (n == BATCH || (n && i == originals->n)) {
			if (ph_os_vm_read_many(thread->tid, thread->process->space->fd, ours, theirs, n, &bad) < 0)
				for (size_t j = 0; j < n; j++)
					read_singly(originals, thread, &originals->all[which[j] - originals->all]);
			n = 0;
		}
		if (i == originals->n || original->kind != PH_ORIGINAL_KEPT)
			continue;
		ours[n] = (struct iovec){ originals->bytes + original->offset, original->end - original->start };
		theirs[n] = (struct iovec){ (void *)(uintptr_t)original->start, original->end - original->start };
		which[n++] = original;
	}
}

const struct ph_original *ph_originals_find(const struct ph_originals *originals, ph_addr addr)
{
	size_t low = 0, high = originals->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (originals->all[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < originals->n ? &originals->all[low] : NULL;
}

static uint8_t *kept_at(const struct ph_originals *originals, ph_addr addr)
{
	const struct ph_original *original = ph_originals_find(originals, addr);

	if (!original || original->start > addr || original->kind != PH_ORIGINAL_KEPT)
		return NULL;
	return originals->bytes + original->offset + (addr - original->start);
}

/* The twin has them in its memory, since it is a copy. */
static int note_trap(struct ph_originals *originals, ph_addr addr, uint8_t byte)
{
	struct ph_original_trap *traps = reallocarray(originals->traps, originals->n_traps + 1, sizeof(*traps));

	if (!traps)
		return -ENOMEM;
	originals->traps = traps;
	traps[originals->n_traps++] = (struct ph_original_trap){ addr, byte };
	return 0;
}

/* What is ours comes out, from the top down: sites, and the patches beneath. */
static int take_ours_out(struct ph_originals *originals, struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	const struct ph_space *space = thread->process->space;
	const struct ph_patch *patch;

	for (size_t i = 0; i < space->n_sorted; i++) {
		const struct ph_site *site = space->sorted[i];
		uint8_t *at = kept_at(originals, site->addr);

		if (!site->armed)
			continue;
		if (at)
			*at = site->original;
		else if (originals->twin && note_trap(originals, site->addr, site->original) < 0)
			return -ENOMEM;
	}
	ph_list_each(patch, &session->patches, struct ph_patch, in_session) {
		for (size_t i = 0; patch->space == space && i < patch->len; i++) {
			uint8_t byte, *at = kept_at(originals, patch->addr + i);

			if (ph_patches_read_under(session, space, thread->tid, patch->addr + i, &byte, 1, NULL) < 0)
				continue;
			if (at)
				*at = byte;
			else if (originals->twin && note_trap(originals, patch->addr + i, byte) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int find_owned(struct ph_originals *originals, struct ph_tracking *tracking, const struct ph_layout *layout)
{
	ph_extents_clear(&originals->owned);
	if (tracking->uffd >= 0)
		return ph_tracking_add_owned(tracking, 0, PH_SPACE_END, &originals->owned);
	for (size_t i = 0; i < layout->maps.count; i++) {
		const struct ph_map_entry *entry = &layout->maps.entries[i];
		int r = ph_layout_is_special(entry) || !ph_layout_is_private(entry) ? 0 :
			ph_tracking_add_owned(tracking, entry->start, entry->end, &originals->owned);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_twin(struct ph_originals *originals, struct ph_thread *thread)
{
	int r = ph_twin_make(thread, &originals->twin, NULL);

	if (r < 0)
		return r;
	originals->twin_memory = ph_os_vm_open(originals->twin);
	originals->buffer = malloc(PH_ORIGINALS_PIECE);
	if (originals->twin_memory >= 0 && originals->buffer)
		return 0;
	ph_twin_end(thread, originals->twin);
	originals->twin = 0;
	return -ENOMEM;
}

int ph_originals_take(struct ph_originals *originals, struct ph_tracking *tracking, const struct ph_layout *layout,
		      struct ph_thread *thread, size_t limit, struct ph_err *err)
{
	int r;

	*originals = (struct ph_originals){ .twin_memory = -1 };
	r = find_owned(originals, tracking, layout);
	if (r >= 0)
		r = add_mappings(originals, tracking, layout, false);
	if (r >= 0 && originals->size > limit && make_twin(originals, thread) >= 0)
		r = add_mappings(originals, tracking, layout, true);
	if (r < 0)
		return ph_err_set_in(err, r, op, thread->tid);
	originals->room_warm = originals->twin ? WARM_MOST : 0;
	if (originals->size + originals->room_warm) {
		originals->bytes = mmap(NULL, originals->size + originals->room_warm, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (originals->bytes == MAP_FAILED) {
			originals->bytes = NULL;
			return ph_err_say(err, -ENOMEM, op, "no room for %zu bytes of the target's memory", originals->size);
		}
	}
	read_kept(originals, thread);
	r = take_ours_out(originals, thread);
	return r < 0 ? ph_err_set(err, r, op) : 0;
}

void ph_originals_fini(struct ph_originals *originals, struct ph_thread *thread)
{
	if (originals->twin)
		ph_twin_end(thread, originals->twin);
	if (originals->twin_memory >= 0)
		close(originals->twin_memory);
	if (originals->bytes)
		munmap(originals->bytes, originals->size + originals->room_warm);
	free(originals->all);
	free(originals->traps);
	free(originals->buffer);
	free(originals->kept);
	ph_extents_fini(&originals->warm);
	ph_extents_fini(&originals->owned);
	ph_extents_fini(&originals->writable);
	ph_extents_fini(&originals->shared);
	*originals = (struct ph_originals){ .twin_memory = -1 };
}

/* ---- What they were */

static int read_file(const struct ph_original *original, pid_t tid, ph_addr addr, void *buf, size_t len)
{
	const struct ph_map_entry *entry = original->entry;
	int fd = ph_os_map_file_open(tid, entry);
	ssize_t n;

	if (fd < 0)
		fd = open(entry->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, buf, len, (off_t)(entry->offset + (addr - entry->start)));
	close(fd);
	if (n < 0)
		return -EIO;
	memset((uint8_t *)buf + n, 0, len - (size_t)n);
	return 0;
}

static int read_twin(const struct ph_originals *originals, ph_addr addr, void *buf, size_t len)
{
	size_t done;
	int r = ph_os_vm_read(originals->twin, originals->twin_memory, addr, buf, len, &done);

	for (size_t i = 0; i < originals->n_traps; i++)
		if (originals->traps[i].addr - addr < len)
			((uint8_t *)buf)[originals->traps[i].addr - addr] = originals->traps[i].byte;
	return r;
}

int ph_original_read(const struct ph_originals *originals, const struct ph_original *original, pid_t tid, ph_addr addr,
		     void *buf, size_t len)
{
	switch (original->kind) {
	case PH_ORIGINAL_KEPT:
		memcpy(buf, originals->bytes + original->offset + (addr - original->start), len);
		return 0;
	case PH_ORIGINAL_TWIN:
		return read_twin(originals, addr, buf, len);
	case PH_ORIGINAL_ZERO:
		memset(buf, 0, len);
		return 0;
	case PH_ORIGINAL_FILE:
		return read_file(original, tid, addr, buf, len);
	}
	return -EIO;
}

int ph_originals_read(struct ph_originals *originals, pid_t tid, ph_addr addr, void *buf, size_t len, struct ph_err *err)
{
	for (size_t at = 0; at < len;) {
		const struct ph_original *original = ph_originals_find(originals, addr + at);
		size_t run;

		if (!original || original->start > addr + at || ph_original_is_below_stack(original)) {
			ph_err_set_at(err, -EIO, "read snapshot", 0, addr + at);
			if (err)
				err->done = at;
			return -EIO;
		}
		run = original->end - (addr + at) < len - at ? original->end - (addr + at) : len - at;
		if (ph_original_read(originals, original, tid, addr + at, (uint8_t *)buf + at, run) < 0) {
			ph_err_set_at(err, -EIO, "read snapshot", 0, addr + at);
			if (err)
				err->done = at;
			return -EIO;
		}
		at += run;
	}
	return 0;
}
