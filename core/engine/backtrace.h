/*
 * backtrace - who called whom, of a stopped thread.
 *
 * From the thread's registers up its stack, by what each module's file says of its code (image/unwind.h), with the
 * names that debug information or the symbol tables have. As in GDB, a function that was inlined into another is a frame
 * of its own, which has its caller's address, and so is one that ended in a jump into another. The walk ends where a function has no caller, where nobody knows it, and
 * where the stack goes backwards, which only a smashed one does.
 */
#ifndef PH_ENGINE_BACKTRACE_H
#define PH_ENGINE_BACKTRACE_H

#include "engine/module.h"
#include "engine/thread.h"
#include "image/unwind.h"

#define PH_BACKTRACE_MAX 65536	/* frames */

struct ph_frame {
	ph_addr address;	/* the next instruction, in the target */
	char *module;		/* owned; the file's name; NULL: in none */
	char *symbol;		/* owned; the function; NULL: nobody knows */
	uint64_t offset;	/* of address in symbol, or in the module's file when there is none */
	char *file;		/* owned; NULL: no debug information */
	unsigned line;
	bool is_main;		/* in the program itself */
	bool is_inlined;	/* into the next frame */
	bool is_signal;		/* a signal interrupted the next frame */
	bool is_tail;		/* left by a jump into the frame before it: nothing of it is on the stack */
};

struct ph_backtrace {
	struct ph_frame *frames;	/* owned */
	size_t n, room;
};

/* -EBUSY: it runs; -ESRCH: it is gone; -ENOMEM. */
int ph_backtrace_read(struct ph_thread *thread, size_t max, struct ph_backtrace *ret, struct ph_err *err);
void ph_backtrace_fini(struct ph_backtrace *backtrace);

/* A breakpoint on a line has stopped the thread at address: if an inlined function begins there, it has been entered. */
bool ph_backtrace_is_at_line(const struct ph_thread *thread, ph_addr address);

/* The first frame of a stopped thread, as unwinding wants it, and memory as the program has it. */
int ph_backtrace_begin(struct ph_thread *thread, struct ph_unwind_frame *ret, struct ph_err *err);
struct ph_unwind_memory ph_backtrace_memory(struct ph_thread *thread);

#endif
