#include "engine/patch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "x86/insn.h"

struct ph_patch *ph_patch_ref(struct ph_patch *patch)
{
	patch->refs++;
	return patch;
}

void ph_patch_unref(struct ph_patch *patch)
{
	if (!patch || --patch->refs)
		return;
	ph_space_unref(patch->space);
	ph_session_drop(patch->session);
	free(patch->under);
	free(patch);
}

static bool covers(const struct ph_patch *patch, const struct ph_space *space, ph_addr addr)
{
	return patch->space == space && addr - patch->addr < patch->len;
}

/* The next one above patch that covers addr, or NULL; patch NULL: the lowest of all. */
static struct ph_patch *above(struct ph_session *session, const struct ph_patch *patch, const struct ph_space *space,
			      ph_addr addr)
{
	struct ph_patch *other;
	bool seen = !patch;

	ph_list_each(other, &session->patches, struct ph_patch, in_session) {
		if (seen && covers(other, space, addr))
			return other;
		seen |= other == patch;
	}
	return NULL;
}

struct ph_patch *ph_patches_at(const struct ph_session *session, const struct ph_space *space, ph_addr addr)
{
	struct ph_patch *patch, *found = NULL;

	ph_list_each(patch, &session->patches, struct ph_patch, in_session)
		if (covers(patch, space, addr))
			found = patch;
	return found;
}

int ph_patches_read_under(struct ph_session *session, const struct ph_space *space, pid_t tid, ph_addr addr, void *buf,
			  size_t len, struct ph_err *err)
{
	struct ph_patch *patch;
	int r = ph_space_read(space, tid, addr, buf, len, err);

	if (r < 0)
		return r;
	/* From the top down, so that the lowest has the last word. */
	for (struct ph_list *node = session->patches.prev; node != &session->patches; node = node->prev) {
		ph_addr from, to;

		patch = PH_LIST_OF(node, struct ph_patch, in_session);
		from = patch->addr > addr ? patch->addr : addr;
		to = patch->addr + patch->len < addr + len ? patch->addr + patch->len : addr + len;
		if (patch->space == space && from < to)
			memcpy((uint8_t *)buf + (from - addr), patch->under + (from - patch->addr), to - from);
	}
	return 0;
}

bool ph_patch_is_boundary(const uint8_t *code, size_t len, size_t offset)
{
	struct ph_insn insn;
	size_t at = 0;

	while (at < offset && ph_insn_decode(code + at, len - at, &insn) >= 0)
		at += insn.length;
	return at == offset;
}

/* ---- Sites under and upon patches */

static bool is_in_the_way(const struct ph_patch *patch, pid_t tid, const struct ph_site *site)
{
	size_t offset = site->addr - patch->addr;
	bool is_boundary;
	uint8_t *code;

	if (!offset)
		return false;
	code = malloc(patch->len);
	if (!code)
		return false;
	/* What is on top of it now and then may be another one, of which this is what is left. */
	is_boundary = ph_space_read(patch->space, tid, patch->addr, code, patch->len, NULL) < 0 ||
		      ph_patch_is_boundary(code, patch->len, offset);
	free(code);
	return !is_boundary;
}

static void show(struct ph_space *space, pid_t tid, struct ph_site *site)
{
	uint8_t now;

	if (ph_space_read_raw(space, tid, site->addr, &now, 1, NULL) < 0)
		return;
	site->original = now;
	ph_space_site_lower(space, tid, site, NULL);
}

void ph_patches_settle(struct ph_session *session, struct ph_space *space, pid_t tid, ph_addr addr, size_t len)
{
	for (size_t i = 0; i < space->n_sorted; i++) {
		struct ph_site *site = space->sorted[i];
		struct ph_patch *patch;
		bool hidden;

		if (site->addr - addr >= len)
			continue;
		patch = ph_patches_at(session, space, site->addr);
		hidden = patch && is_in_the_way(patch, tid, site);
		if (hidden && site->armed)
			ph_space_site_lift(space, tid, site, NULL);
		else if (!hidden && !site->armed)
			show(space, tid, site);
	}
}

/* ---- In and out */

static struct ph_patch *new_patch(struct ph_session *session, struct ph_space *space, ph_addr addr, size_t len)
{
	struct ph_patch *patch = calloc(1, sizeof(*patch));

	if (!patch)
		return NULL;
	patch->refs = 1;
	patch->session = session;
	ph_session_hold(session);
	patch->space = ph_space_ref(space);
	patch->addr = addr;
	patch->len = len;
	patch->under = malloc(len);
	ph_list_init(&patch->in_session);
	return patch;
}

int ph_patch_put(struct ph_session *session, struct ph_space *space, pid_t tid, ph_addr addr, const uint8_t *bytes,
		 size_t len, bool keep, struct ph_patch **ret, struct ph_err *err)
{
	struct ph_patch *patch = new_patch(session, space, addr, len);
	int r;

	if (!patch || !patch->under) {
		ph_patch_unref(patch);
		return ph_err_set(err, -ENOMEM, "patch");
	}
	patch->keep = keep;
	r = ph_space_read(space, tid, addr, patch->under, len, err);
	if (r >= 0) {
		r = ph_space_write(space, tid, addr, bytes, len, err);
		if (r < 0 && err && err->done)
			ph_space_write(space, tid, addr, patch->under, err->done, NULL);
	}
	if (r < 0) {
		ph_patch_unref(patch);
		return r;
	}
	ph_list_add_tail(&session->patches, &patch->in_session);
	ph_patches_settle(session, space, tid, addr, len);
	*ret = ph_patch_ref(patch);
	return 0;
}

int ph_patch_beneath(const struct ph_patch *patch, pid_t tid, uint8_t *buf, struct ph_err *err)
{
	int r = ph_space_read(patch->space, tid, patch->addr, buf, patch->len, err);

	for (size_t i = 0; i < patch->len && r >= 0; i++)
		if (!above(patch->session, patch, patch->space, patch->addr + i))
			buf[i] = patch->under[i];
	return r;
}

static void leave(struct ph_patch *patch, enum ph_patch_state state)
{
	struct ph_space *space = patch->space;

	patch->state = state;
	patch->space = NULL;
	ph_list_remove(&patch->in_session);
	ph_space_unref(space);
	ph_patch_unref(patch);
}

void ph_patch_take(struct ph_patch *patch, pid_t tid)
{
	struct ph_session *session = patch->session;
	struct ph_space *space = ph_space_ref(patch->space);
	ph_addr addr = patch->addr;
	size_t len = patch->len;

	for (size_t i = 0, run; i < len; i += run) {
		struct ph_patch *next = above(session, patch, space, addr + i);

		run = 1;
		if (next) {
			next->under[addr + i - next->addr] = patch->under[i];
			continue;
		}
		while (i + run < len && !above(session, patch, space, addr + i + run))
			run++;
		ph_space_write(space, tid, addr + i, patch->under + i, run, NULL);
	}
	leave(patch, PH_PATCH_RESTORED);
	ph_patches_settle(session, space, tid, addr, len);
	ph_space_unref(space);
}

void ph_patches_leave(struct ph_session *session, const struct ph_space *space)
{
	struct ph_patch *patch;

	ph_list_each(patch, &session->patches, struct ph_patch, in_session)
		if (patch->space == space)
			leave(patch, PH_PATCH_GONE);
}

void ph_patches_drop(struct ph_session *session)
{
	struct ph_patch *patch;

	ph_list_each(patch, &session->patches, struct ph_patch, in_session)
		leave(patch, PH_PATCH_GONE);
}
