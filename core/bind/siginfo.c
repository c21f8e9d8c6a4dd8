/*
 * What came with a signal, as a table: read before a hook runs, and what the hook changed of it taken back after.
 */
#include <stdio.h>
#include <string.h>

#include "bind/bind.h"

/* Which fields hold anything depends on who sent it (sigaction(2)). */
enum layout {
	BY_KILL = 1,
	BY_QUEUE = 2,
	BY_TIMER = 4,
	BY_CHILD = 8,
	BY_FAULT = 16,
	BY_POLL = 32,
	BY_FILTER = 64,		/* SIGSYS */
	BY_KERNEL = 128,
};

static enum layout layout_of(const siginfo_t *info)
{
	if (info->si_code == SI_TIMER)
		return BY_TIMER;
	if (info->si_code == SI_QUEUE || info->si_code == SI_MESGQ || info->si_code == SI_ASYNCIO)
		return BY_QUEUE;
	if (info->si_code <= 0)
		return BY_KILL;
	if (info->si_code == SI_KERNEL)
		return BY_KERNEL;
	switch (info->si_signo) {
	case SIGCHLD:
		return BY_CHILD;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
		return BY_FAULT;
	case SIGPOLL:
		return BY_POLL;
	case SIGSYS:
		return BY_FILTER;
	default:
		return BY_KERNEL;
	}
}

enum type { INT, LONG, ADDRESS };

static const struct {
	const char *name;
	unsigned int layouts;
	size_t offset;
	enum type type;
} fields[] = {
	{ "code", ~0u, offsetof(siginfo_t, si_code), INT },
	{ "pid", BY_KILL | BY_QUEUE | BY_CHILD, offsetof(siginfo_t, si_pid), INT },
	{ "uid", BY_KILL | BY_QUEUE | BY_CHILD, offsetof(siginfo_t, si_uid), INT },
	{ "value", BY_QUEUE | BY_TIMER, offsetof(siginfo_t, si_value), LONG },
	{ "timer", BY_TIMER, offsetof(siginfo_t, si_timerid), INT },
	{ "overrun", BY_TIMER, offsetof(siginfo_t, si_overrun), INT },
	{ "status", BY_CHILD, offsetof(siginfo_t, si_status), INT },
	{ "utime", BY_CHILD, offsetof(siginfo_t, si_utime), LONG },
	{ "stime", BY_CHILD, offsetof(siginfo_t, si_stime), LONG },
	{ "addr", BY_FAULT, offsetof(siginfo_t, si_addr), ADDRESS },
	{ "band", BY_POLL, offsetof(siginfo_t, si_band), LONG },
	{ "fd", BY_POLL, offsetof(siginfo_t, si_fd), INT },
	{ "call_addr", BY_FILTER, offsetof(siginfo_t, si_call_addr), ADDRESS },
	{ "syscall", BY_FILTER, offsetof(siginfo_t, si_syscall), INT },
	{ "arch", BY_FILTER, offsetof(siginfo_t, si_arch), INT },
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static uint64_t get(const siginfo_t *info, size_t i)
{
	int narrow;
	uint64_t wide;

	if (fields[i].type == INT) {
		memcpy(&narrow, (const char *)info + fields[i].offset, sizeof(narrow));
		return (uint64_t)narrow;
	}
	memcpy(&wide, (const char *)info + fields[i].offset, sizeof(wide));
	return wide;
}

void ph_bind_push_siginfo(lua_State *L, const siginfo_t *info)
{
	enum layout layout = layout_of(info);
	char name[32];

	lua_createtable(L, 0, 6);
	lua_pushinteger(L, info->si_signo);
	lua_setfield(L, -2, "number");
	lua_pushstring(L, ph_bind_signal_name(info->si_signo, name, sizeof(name)));
	lua_setfield(L, -2, "name");
	for (size_t i = 0; i < N_FIELDS; i++) {
		if (!(fields[i].layouts & layout))
			continue;
		if (fields[i].type == INT)
			lua_pushinteger(L, (lua_Integer)(int)get(info, i));
		else if (fields[i].type == LONG)
			ph_bind_push_i64(L, (int64_t)get(info, i));
		else
			ph_bind_push_u64(L, get(info, i));
		lua_setfield(L, -2, fields[i].name);
	}
}

void ph_bind_take_siginfo(lua_State *L, int index, struct ph_thread *thread, const siginfo_t *before)
{
	enum layout layout = layout_of(before);
	siginfo_t info = *before;
	struct ph_err err;
	char what[32];

	for (size_t i = 0; i < N_FIELDS; i++) {
		unsigned int bits = fields[i].type == INT ? 32 : 64;
		uint64_t value;

		if (!(fields[i].layouts & layout))
			continue;
		lua_getfield(L, index, fields[i].name);
		snprintf(what, sizeof(what), "sig.%s", fields[i].name);
		value = ph_bind_check_int(L, -1, bits, what);
		memcpy((char *)&info + fields[i].offset, &value, bits / 8);
		lua_pop(L, 1);
	}
	if (memcmp(&info, before, sizeof(info)) == 0)
		return;
	if (ph_thread_siginfo_set(thread, &info, &err) < 0)
		ph_bind_raise(L, &err);
}
