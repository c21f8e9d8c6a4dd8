/*
 * patch - bytes of a script's in a target's memory, with what stood beneath.
 *
 * Patches of one address space lie upon each other in the order in which they came, and may be taken out in any: what
 * stood beneath one that goes passes to the one above it. Sites lie on top of all: their bytes are not seen here
 * (space.h), and one that a patch leaves in the middle of an instruction is without its byte meanwhile.
 *
 * The noun and its bytes: patching.h sees to it that no thread stands in between. Counted: by the session while it is
 * in the target, and by scripts.
 */
#ifndef PH_ENGINE_PATCH_H
#define PH_ENGINE_PATCH_H

#include "engine/thread.h"

enum ph_patch_state {
	PH_PATCH_IN,		/* in the target, and in its session's list, oldest first */
	PH_PATCH_RESTORED,
	PH_PATCH_GONE,		/* the memory, or the session, has ended */
};

struct ph_patch {
	unsigned int refs;
	struct ph_session *session;	/* keeps its memory */
	struct ph_list in_session;
	struct ph_space *space;		/* counted; NULL unless it is in */
	enum ph_patch_state state;
	bool keep;			/* stays when the target is let go */
	ph_addr addr;
	size_t len;
	uint8_t *under;			/* owned: len bytes, what stood there */
};

/* Puts the bytes in. Nothing is changed on failure. The session's reference is its own; *ret is one more. */
int ph_patch_put(struct ph_session *session, struct ph_space *space, pid_t tid, ph_addr addr, const uint8_t *bytes,
		 size_t len, bool keep, struct ph_patch **ret, struct ph_err *err);

/* Takes them out; also where the memory is unmapped by now. */
void ph_patch_take(struct ph_patch *patch, pid_t tid);

/* What its bytes become when it is taken out, into buf of its len. -errno: it cannot be read. */
int ph_patch_beneath(const struct ph_patch *patch, pid_t tid, uint8_t *buf, struct ph_err *err);

/* Memory without any patch and any site. */
int ph_patches_read_under(struct ph_session *session, const struct ph_space *space, pid_t tid, ph_addr addr, void *buf,
			  size_t len, struct ph_err *err);

/* The topmost one over addr, or NULL. */
struct ph_patch *ph_patches_at(const struct ph_session *session, const struct ph_space *space, ph_addr addr);

/* True when an instruction begins at offset of the code, as far as it can be read from its begin. */
bool ph_patch_is_boundary(const uint8_t *code, size_t len, size_t offset);

/* Sites in the range get their bytes, or lose them where those would change what an instruction is. */
void ph_patches_settle(struct ph_session *session, struct ph_space *space, pid_t tid, ph_addr addr, size_t len);

/* The space is about to go: its patches are gone with it. */
void ph_patches_leave(struct ph_session *session, const struct ph_space *space);

/* The session is over: every one that is left is gone. */
void ph_patches_drop(struct ph_session *session);

#endif
