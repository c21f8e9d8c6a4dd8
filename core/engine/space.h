/*
 * space - one address space of a target: threads share it, and so do vfork and CLONE_VM children with their parent.
 *
 * Owns the descriptor of its memory and its sites; counted by the processes that live in it. Every call names a
 * living thread of the space, through which the kernel reaches the memory; that thread need not be stopped.
 */
#ifndef PH_ENGINE_SPACE_H
#define PH_ENGINE_SPACE_H

#include "base/map.h"
#include "engine/site.h"
#include "engine/slot.h"

struct ph_redirection;

struct ph_space {
	unsigned int refs;
	int fd;				/* /proc/PID/mem */
	struct ph_map sites;		/* address: struct ph_site, owned */
	struct ph_site **sorted;	/* owned; the same sites by address */
	size_t n_sorted, room_sorted;
	uint64_t n_armed;		/* how often one was */

	/*
	 * Originals of sites that were taken out, byte + 1 as a pointer. A fork copies memory at a moment that we
	 * learn of later; a byte of ours removed in between is still in the copy. Bounded by the number of distinct
	 * addresses ever used.
	 */
	struct ph_map retired;

	/* Mappings of programs and libraries, whose code nobody rewrites: as last looked (copy.h). */
	struct ph_range {
		ph_addr start, end;
	} *text;			/* owned */
	size_t n_text;

	/* Memory that scripts mapped (alloc.h). */
	struct ph_allocation {
		ph_addr addr;
		size_t size;
		bool keep;
	} *allocations;			/* owned */
	size_t n_allocations;
	struct ph_redirection *redirections;	/* owned, a chain (redirect.h) */

	struct ph_slots slots;		/* copies of instructions, in memory that we mapped */
	bool errno_asked;
	int64_t errno_offset;		/* of a thread's errno, from its fs_base; 0: not known */
	ph_addr syscall_insn;		/* some syscall instruction; 0: not looked for yet */
};

int ph_space_new(pid_t tid, struct ph_space **ret, struct ph_err *err);

/* One whose memory may not be opened: of a program that only executes for whoever traces it. NULL: no memory of ours. */
struct ph_space *ph_space_new_blind(void);
struct ph_space *ph_space_ref(struct ph_space *space);
void ph_space_unref(struct ph_space *space);

/* Memory as the program means it: sites do not show; a write under one changes what it saved. */
int ph_space_read(const struct ph_space *space, pid_t tid, ph_addr addr, void *buf, size_t len, struct ph_err *err);
int ph_space_write(struct ph_space *space, pid_t tid, ph_addr addr, const void *buf, size_t len, struct ph_err *err);

/* Memory as the CPU sees it. */
int ph_space_read_raw(const struct ph_space *space, pid_t tid, ph_addr addr, void *buf, size_t len,
		      struct ph_err *err);
int ph_space_write_raw(const struct ph_space *space, pid_t tid, ph_addr addr, const void *buf, size_t len,
		       struct ph_err *err);

/* Copies of instructions that the bytes in [addr, addr + len) belong to are of yesterday: new ones when next needed. */
void ph_space_forget_copies(struct ph_space *space, ph_addr addr, size_t len);

/*
 * A site was at addr once, or is there without its byte, and no int3 is there any more: a thread that trapped there
 * meanwhile ran ours.
 */
bool ph_space_was_trap(const struct ph_space *space, pid_t tid, ph_addr addr);

/* Whether any lies in [start, end), armed or not. */
bool ph_space_has_sites(const struct ph_space *space, ph_addr start, ph_addr end);

static inline struct ph_site *ph_space_site_find(const struct ph_space *space, ph_addr addr)
{
	return ph_map_find(&space->sites, addr);
}

/* The site at addr, armed: the one that is there, or a new one without owners. */
int ph_space_site_arm(struct ph_space *space, pid_t tid, ph_addr addr, struct ph_site **ret, struct ph_err *err);

/* The original byte back, the site gone. Also when the memory is unmapped by now. */
void ph_space_site_remove(struct ph_space *space, pid_t tid, struct ph_site *site);

/* The original byte back for a moment, and the trap again; threads that might pass must be held. */
int ph_space_site_lift(struct ph_space *space, pid_t tid, struct ph_site *site, struct ph_err *err);
int ph_space_site_lower(struct ph_space *space, pid_t tid, struct ph_site *site, struct ph_err *err);

/* Every byte of ours out of a copy of from's memory that a fork made; child_tid is stopped and has not run. */
void ph_space_clean_copy(const struct ph_space *from, pid_t from_tid, const struct ph_space *copy, pid_t child_tid);

#endif
