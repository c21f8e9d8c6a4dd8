#include "engine/putback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/patch.h"
#include "os/vm.h"

#define BATCH 256

static uint8_t zeros[64 << 10];

struct batch {
	struct ph_thread *thread;
	struct iovec ours[BATCH], theirs[BATCH];
	size_t n;
	struct ph_err *err;
};

static int flush(struct batch *batch)
{
	struct ph_thread *thread = batch->thread;
	size_t n = batch->n;
	ph_addr bad;
	int r;

	batch->n = 0;
	r = n ? ph_os_vm_write_many(thread->tid, thread->process->space->fd, batch->ours, batch->theirs, n, &bad) : 0;
	return r < 0 ? ph_err_set_at(batch->err, r, "restore memory", thread->tid, bad) : 0;
}

static int put(struct batch *batch, ph_addr start, const void *from, size_t len)
{
	batch->ours[batch->n] = (struct iovec){ (void *)(uintptr_t)from, len };
	batch->theirs[batch->n++] = (struct iovec){ (void *)(uintptr_t)start, len };
	return batch->n == BATCH ? flush(batch) : 0;
}

static bool has_ours(const struct ph_thread *thread, ph_addr start, ph_addr end)
{
	const struct ph_session *session = thread->process->session;
	const struct ph_space *space = thread->process->space;
	const struct ph_patch *patch;

	if (ph_space_has_sites(space, start, end))
		return true;
	ph_list_each(patch, &session->patches, struct ph_patch, in_session)
		if (patch->space == space && patch->addr < end && patch->addr + patch->len > start)
			return true;
	return false;
}

/* Code, and whatever else bytes of ours may stand in: those of now stay, page by page. */
static int put_beneath(struct ph_originals *originals, const struct ph_original *original, struct ph_thread *thread,
		       ph_addr start, ph_addr end, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	struct ph_space *space = thread->process->space;

	for (ph_addr at = start; at < end; at += PH_PAGE_SIZE) {
		uint8_t now[PH_PAGE_SIZE], before[PH_PAGE_SIZE];
		const struct ph_patch *patch;
		int r = ph_space_read(space, thread->tid, at, now, sizeof(now), err);

		if (r >= 0) {
			r = ph_original_read(originals, original, thread->tid, at, before, sizeof(before));
			if (r < 0)
				ph_err_set_at(err, r, "restore memory", thread->tid, at);
		}
		if (r < 0)
			return r;
		ph_list_each(patch, &session->patches, struct ph_patch, in_session)
			for (size_t i = 0; patch->space == space && i < patch->len; i++)
				if (patch->addr + i - at < sizeof(now))
					before[patch->addr + i - at] = now[patch->addr + i - at];
		if (memcmp(now, before, sizeof(now)) != 0 &&
		    (r = ph_space_write(space, thread->tid, at, before, sizeof(before), err)) < 0)
			return r;
	}
	return 0;
}

/* Bytes from the twin that are wanted once more: kept from here on, as long as there is room. NULL: there is none. */
static uint8_t *keep_warm(struct ph_originals *originals, const struct ph_original *original, ph_addr start, size_t len)
{
	struct ph_original kept = *original;
	uint8_t *bytes = originals->bytes + originals->size;
	size_t at = ph_extents_from(&originals->warm, start);

	if (len > originals->room_warm || at == originals->warm.n || originals->warm.all[at].start > start ||
	    originals->warm.all[at].end < start + len || ph_original_read(originals, original, originals->twin, start, bytes, len) < 0)
		return NULL;
	if (originals->n_kept == originals->room_kept) {
		size_t room = originals->room_kept ? originals->room_kept * 2 : 64;
		void *list = reallocarray(originals->kept, room, sizeof(*originals->kept));

		if (!list)
			return NULL;
		originals->kept = list;
		originals->room_kept = room;
	}
	kept.start = start;
	kept.end = start + len;
	kept.kind = PH_ORIGINAL_KEPT;
	kept.offset = originals->size;
	originals->kept[originals->n_kept++] = kept;
	originals->size += len;
	originals->room_warm -= len;
	return bytes;
}

/* What was kept on the way is so in the list: the pieces around it stay the twin's. */
static int settle_kept(struct ph_originals *originals)
{
	struct ph_originals list = { .room = originals->n + 2 * originals->n_kept };
	size_t k = 0;

	if (!originals->n_kept)
		return 0;
	list.all = calloc(list.room, sizeof(*list.all));
	if (!list.all)
		return -ENOMEM;
	for (size_t i = 0; i < originals->n; i++) {
		struct ph_original rest = originals->all[i];

		for (; k < originals->n_kept && originals->kept[k].start < rest.end; k++) {
			struct ph_original before = rest;

			before.end = originals->kept[k].start;
			if (before.start < before.end)
				list.all[list.n++] = before;
			list.all[list.n++] = originals->kept[k];
			rest.start = originals->kept[k].end;
		}
		if (rest.start < rest.end)
			list.all[list.n++] = rest;
	}
	free(originals->all);
	originals->all = list.all;
	originals->n = list.n;
	originals->room = list.room;
	originals->n_kept = 0;
	return 0;
}

static int put_from_twin(struct ph_originals *originals, const struct ph_original *original, struct batch *batch,
			 ph_addr start, ph_addr end)
{
	for (ph_addr at = start; at < end; at += PH_ORIGINALS_PIECE) {
		size_t len = end - at < PH_ORIGINALS_PIECE ? end - at : PH_ORIGINALS_PIECE;
		const uint8_t *bytes = keep_warm(originals, original, at, len);
		int r;

		if (bytes) {
			r = put(batch, at, bytes, len);
		} else {
			r = ph_original_read(originals, original, originals->twin, at, originals->buffer, len);
			if (r < 0)
				return ph_err_set_at(batch->err, r, "read snapshot", originals->twin, at);
			r = put(batch, at, originals->buffer, len);
			/* The buffer is wanted again. */
			if (r >= 0)
				r = flush(batch);
			if (r >= 0 && ph_extents_add(&originals->warm, at, at + len) < 0)
				r = ph_err_set(batch->err, -ENOMEM, "restore memory");
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_piece(struct ph_originals *originals, const struct ph_original *original, struct batch *batch,
		     ph_addr start, ph_addr end)
{
	int r = 0;

	if (!original->writable || original->kind == PH_ORIGINAL_FILE || has_ours(batch->thread, start, end))
		return put_beneath(originals, original, batch->thread, start, end, batch->err);
	switch (original->kind) {
	case PH_ORIGINAL_KEPT:
		return put(batch, start, originals->bytes + original->offset + (start - original->start), end - start);
	case PH_ORIGINAL_ZERO:
		for (ph_addr at = start; at < end && r >= 0; at += sizeof(zeros))
			r = put(batch, at, zeros, end - at < sizeof(zeros) ? end - at : sizeof(zeros));
		return r;
	case PH_ORIGINAL_TWIN:
		return put_from_twin(originals, original, batch, start, end);
	case PH_ORIGINAL_FILE:
		break;
	}
	return r;
}

int ph_originals_put_back(struct ph_originals *originals, struct ph_thread *thread, const struct ph_extents *changed,
			  struct ph_err *err)
{
	struct batch batch = { .thread = thread, .err = err };
	const struct ph_original *original = changed->n ? ph_originals_find(originals, changed->all[0].start) : NULL;
	const struct ph_original *behind = originals->all + originals->n;
	int r;

	for (size_t i = 0; original && i < changed->n; i++) {
		ph_addr at = changed->all[i].start, end = changed->all[i].end;

		while (original < behind && original->end <= at)
			original++;
		for (const struct ph_original *next = original; next < behind && next->start < end; next++) {
			ph_addr from = next->start > at ? next->start : at, to = next->end < end ? next->end : end;

			r = put_piece(originals, next, &batch, from, to);
			if (r < 0)
				return r;
		}
	}
	r = flush(&batch);
	if (r >= 0 && settle_kept(originals) < 0)
		r = ph_err_set(err, -ENOMEM, "restore memory");
	return r;
}
