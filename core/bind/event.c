#include <ctype.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "bind/bind.h"

#define HANDLE "Handle"

static const char *const names[PH_EVENT_COUNT] = {
	[PH_EVENT_BREAKPOINT] = "breakpoint", [PH_EVENT_STEP] = "step",	    [PH_EVENT_SIGNAL] = "signal",
	[PH_EVENT_EXEC] = "exec",	      [PH_EVENT_FORK] = "fork",	    [PH_EVENT_THREAD] = "thread",
	[PH_EVENT_THREAD_EXIT] = "thread_exit", [PH_EVENT_EXIT] = "exit",
};

const char *ph_bind_event_name(enum ph_event_kind kind)
{
	return names[kind];
}

const char *ph_bind_signal_name(int sig, char *buf, size_t len)
{
	const char *name = sigabbrev_np(sig);

	if (name)
		snprintf(buf, len, "SIG%s", name);
	else if (sig >= SIGRTMIN && sig <= SIGRTMAX)
		snprintf(buf, len, "SIGRTMIN+%d", sig - SIGRTMIN);
	else
		snprintf(buf, len, "SIG%d", sig);
	return buf;
}

static int signal_by_name(const char *name)
{
	char upper[32];
	int n;

	snprintf(upper, sizeof(upper), "%s", name);
	for (char *at = upper; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	name = strncmp(upper, "SIG", 3) == 0 ? upper + 3 : upper;
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigabbrev_np(sig) && strcmp(sigabbrev_np(sig), name) == 0)
			return sig;
	if (strcmp(name, "RTMAX") == 0)
		return SIGRTMAX;
	if (strcmp(name, "RTMIN") == 0)
		return SIGRTMIN;
	if (sscanf(name, "RTMIN+%d", &n) == 1 && n >= 0 && SIGRTMIN + n <= SIGRTMAX)
		return SIGRTMIN + n;
	return -1;
}

int ph_bind_check_signal(lua_State *L, int index)
{
	int sig = -1;

	if (lua_type(L, index) == LUA_TSTRING)
		sig = signal_by_name(lua_tostring(L, index));
	else
		sig = (int)ph_bind_check_int(L, index, 31, "signal");
	if (sig < 1 || sig > SIGRTMAX)
		ph_bind_argument_error(L, "%s is no signal: a name such as \"SIGUSR1\" or a number from 1 to %d",
				       lua_isstring(L, index) ? lua_tostring(L, index) : "that", SIGRTMAX);
	return sig;
}

struct handle {
	struct ph_handler *handler;
	int ref;
};

static struct ph_action on_event(const struct ph_event *event, void *user)
{
	return ph_bind_call_hook(event, (int)(intptr_t)user);
}

static void forget(void *user)
{
	luaL_unref(ph_bind.L, LUA_REGISTRYINDEX, (int)(intptr_t)user);
}

static enum ph_event_kind check_event(lua_State *L, int index)
{
	const char *name = luaL_checkstring(L, index);

	for (int kind = PH_EVENT_BREAKPOINT + 1; kind < PH_EVENT_COUNT; kind++)
		if (strcmp(names[kind], name) == 0)
			return (enum ph_event_kind)kind;
	ph_bind_argument_error(L, "on: there is no event '%s'; the events are signal, exec, fork, thread, thread_exit, "
			       "exit and step", name);
}

static int l_on(lua_State *L)		/* core.on(session | nil, event, list of signals | nil, fn) -> Handle */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	enum ph_event_kind kind = check_event(L, 2);
	struct handle *handle;
	const char *why;
	struct ph_action action;
	uint64_t signals = 0;
	int ref;

	if (lua_istable(L, 3))
		for (int i = 1, n = (int)lua_objlen(L, 3); i <= n; i++) {
			lua_rawgeti(L, 3, i);
			signals |= 1ull << (ph_bind_check_signal(L, -1) - 1);
			lua_pop(L, 1);
		}
	if (ph_bind_is_action(L, 4) && !ph_bind_to_action(L, 4, kind, &action, &why))
		ph_bind_argument_error(L, "on: %s cannot answer %s", why, names[kind]);
	if (ph_session_has_ended(session))
		ph_bind_argument_error(L, "on: the session has ended: its target is gone or was let go");
	lua_pushvalue(L, 4);
	ref = luaL_ref(L, LUA_REGISTRYINDEX);
	handle = lua_newuserdata(L, sizeof(*handle));
	handle->handler = NULL;
	luaL_getmetatable(L, HANDLE);
	lua_setmetatable(L, -2);
	if (ph_handler_add(session, kind, signals, on_event, (void *)(intptr_t)ref, forget, &handle->handler) < 0) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		ph_bind_argument_error(L, "on: out of memory");
	}
	return 1;
}

static struct ph_handler *check_handle(lua_State *L)
{
	return ph_bind_check(L, 1, HANDLE);
}

static int removed(lua_State *L, int r)
{
	if (r < 0)
		ph_bind_argument_error(L, "the handle was removed already");
	return 0;
}

static int l_remove(lua_State *L)
{
	return removed(L, ph_handler_remove(check_handle(L)));
}

static int l_enable(lua_State *L)
{
	return removed(L, ph_handler_enable(check_handle(L), true));
}

static int l_disable(lua_State *L)
{
	return removed(L, ph_handler_enable(check_handle(L), false));
}

static int l_gc(lua_State *L)
{
	ph_handler_unref(*(struct ph_handler **)lua_touserdata(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	lua_pushliteral(L, "Handle");
	return 1;
}

static int l_signals(lua_State *L)	/* core.signals() -> {SIGHUP = 1, [1] = "SIGHUP", …} */
{
	char name[32];

	lua_newtable(L);
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		if (!sigabbrev_np(sig))
			continue;
		ph_bind_signal_name(sig, name, sizeof(name));
		lua_pushinteger(L, sig);
		lua_setfield(L, -2, name);
		lua_pushstring(L, name);
		lua_rawseti(L, -2, sig);
	}
	return 1;
}

static int l_errnos(lua_State *L)	/* core.errnos() -> {ENOENT = 2, [2] = "ENOENT", …} */
{
	lua_newtable(L);
	for (int code = 1; code < 134; code++) {
		const char *name = strerrorname_np(code);

		if (!name)
			continue;
		lua_pushinteger(L, code);
		lua_setfield(L, -2, name);
		lua_pushstring(L, name);
		lua_rawseti(L, -2, code);
	}
	return 1;
}

static int l_check_signal(lua_State *L)	/* core.signal(name | number) -> number */
{
	lua_pushinteger(L, ph_bind_check_signal(L, 1));
	return 1;
}

void ph_bind_open_event(lua_State *L)		/* core -> core */
{
	static const luaL_Reg methods[] = {
		{ "remove", l_remove }, { "enable", l_enable }, { "disable", l_disable }, { NULL, NULL },
	};
	static const luaL_Reg getters[] = { { NULL, NULL } };

	ph_bind_class_open(L, &(struct ph_bind_class){ HANDLE, methods, getters, l_gc, l_tostring });
	lua_pushcfunction(L, l_on);
	lua_setfield(L, -2, "on");
	lua_pushcfunction(L, l_signals);
	lua_setfield(L, -2, "signals");
	lua_pushcfunction(L, l_errnos);
	lua_setfield(L, -2, "errnos");
	lua_pushcfunction(L, l_check_signal);
	lua_setfield(L, -2, "signal");
}
