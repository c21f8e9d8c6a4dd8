#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ph_err_set(struct ph_err *err, int code, const char *op)
{
	if (err) {
		*err = (struct ph_err){ .code = code };
		snprintf(err->op, sizeof(err->op), "%s", op);
	}
	return code;
}

int ph_err_set_in(struct ph_err *err, int code, const char *op, int tid)
{
	ph_err_set(err, code, op);
	if (err)
		err->tid = tid;
	return code;
}

int ph_err_set_at(struct ph_err *err, int code, const char *op, int tid, ph_addr addr)
{
	ph_err_set_in(err, code, op, tid);
	return ph_err_at(err, code, addr);
}

int ph_err_say(struct ph_err *err, int code, const char *op, const char *fmt, ...)
{
	va_list args;

	ph_err_set(err, code, op);
	if (err) {
		va_start(args, fmt);
		vsnprintf(err->detail, sizeof(err->detail), fmt, args);
		va_end(args);
	}
	return code;
}

int ph_err_at(struct ph_err *err, int code, ph_addr addr)
{
	if (err) {
		err->has_addr = true;
		err->addr = addr;
	}
	return code;
}

int ph_err_because(struct ph_err *err, int code, enum ph_err_cause cause)
{
	if (err)
		err->cause = cause;
	return code;
}

int ph_err_wrap(struct ph_err *err, int code, const char *what)
{
	char trail[sizeof(err->trail) * 2];

	if (err) {
		/* The outermost caller stands first; what no longer fits is the innermost part. */
		snprintf(trail, sizeof(trail), "%.64s: %s", what, err->trail);
		trail[sizeof(err->trail) - 1] = '\0';
		memcpy(err->trail, trail, sizeof(err->trail));
		err->code = code;
	}
	return code;
}

const char *ph_err_message(const struct ph_err *err, char *buf, size_t len)
{
	char place[64] = "", thread[32] = "";

	if (err->has_addr && !err->detail[0])
		snprintf(place, sizeof(place), " at 0x%llx", (unsigned long long)err->addr);
	if (err->tid)
		snprintf(thread, sizeof(thread), " in thread %d", err->tid);
	snprintf(buf, len, "%s%s%s%s: %s", err->trail, err->op, place, thread,
		 err->detail[0] ? err->detail : strerror(abs(err->code)));
	return buf;
}

const char *ph_errno_name(int code)
{
	static _Thread_local char unknown[16];
	const char *name = strerrorname_np(abs(code));

	if (name)
		return name;
	snprintf(unknown, sizeof(unknown), "E%d", abs(code));
	return unknown;
}
