/*
 * err - one failure as a value: what was tried, on what, why, who asked.
 *
 * Functions return 0 or more, or -errno, and fill a struct ph_err that the caller owns (NULL: not interested). It is
 * filled where the failure happens, wrapped at most once per layer, copied by value, and never allocates. Nothing
 * here prints.
 *
 *	insert breakpoint: write memory at 0x401000 in thread 42: Input/output error
 *	`-- trail ------'  `-- op ----'    `- addr -'        `tid'  `- detail, or strerror(code)
 */
#ifndef PH_BASE_ERR_H
#define PH_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/types.h"

/* What a failure means for whoever asked for a session; the command line's exit status follows it. */
enum ph_err_cause {
	PH_CAUSE_OTHER,
	PH_CAUSE_EXEC,	/* the program cannot be executed, or is not there */
	PH_CAUSE_TRACE,	/* the target cannot be traced */
};

struct ph_err {
	int code;	/* -errno; 0 when nothing failed */
	enum ph_err_cause cause;
	int tid;	/* thread or process that it was tried on; 0: none */
	bool has_addr;
	ph_addr addr;	/* first bad address */
	size_t done;	/* bytes that were good before it */
	char op[48];
	char trail[96];
	char detail[384];
};

#define PH_ERR_MESSAGE_MAX 640

/* All of these return code, so that `return ph_err_set(…)` reads in one line. err may be NULL. */
int ph_err_set(struct ph_err *err, int code, const char *op);
int ph_err_set_in(struct ph_err *err, int code, const char *op, int tid);
int ph_err_set_at(struct ph_err *err, int code, const char *op, int tid, ph_addr addr);

/* The same, with words of its own in place of strerror: what is wrong, and what to do. */
int ph_err_say(struct ph_err *err, int code, const char *op, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Says which address is bad, where the words have it. */
int ph_err_at(struct ph_err *err, int code, ph_addr addr);

/* Says what the failure means. */
int ph_err_because(struct ph_err *err, int code, enum ph_err_cause cause);

/* Puts "what: " before the message: the trail of callers. Keeps the rest. */
int ph_err_wrap(struct ph_err *err, int code, const char *what);

/* The whole sentence into buf, cut to fit, always terminated; returns buf. */
PH_API const char *ph_err_message(const struct ph_err *err, char *buf, size_t len);

/* "EIO" for EIO or -EIO; "E123" for a number without a name. */
PH_API const char *ph_errno_name(int code);

#endif
