/* Script code called so that its errors stay inside, and are told whole: ph_bind_call, ph_bind_report, ph_bind_flush. */
#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

/*
 * Keeps the traceback while the stack still stands; the error itself stays what it is, so that pcall sees that. One
 * that left a hook comes by again when run() raises it: where it was first raised is what counts.
 */
static int message_handler(lua_State *L)	/* error -> error */
{
	bool again;

	lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	again = ph_bind.error_trace && !lua_isnil(L, -1) && lua_rawequal(L, -1, -2);
	lua_pop(L, 1);
	if (again)
		return 1;
	free(ph_bind.error_trace);
	luaL_traceback(L, L, NULL, 1);
	ph_bind.error_trace = strdup(lua_tostring(L, -1));
	lua_pop(L, 1);
	return 1;
}

static int message_handler_ref;	/* registry: made once, so that an event makes none */

bool ph_bind_call(lua_State *L, int n_args, int n_results)
{
	int base = lua_gettop(L) - n_args, busy = ph_bind.busy, r;

	lua_rawgeti(L, LUA_REGISTRYINDEX, message_handler_ref);
	lua_insert(L, base);
	ph_bind.busy = 0;
	r = lua_pcall(L, n_args, n_results, base);
	ph_bind.busy = busy;
	lua_remove(L, base);
	if (r == 0)
		return true;
	luaL_unref(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	ph_bind.error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return false;
}

/* The error at the top of the stack, as text; a value of any kind may have been raised. */
static const char *push_message(lua_State *L)
{
	if (luaL_callmeta(L, -1, "__tostring") && lua_isstring(L, -1))
		return lua_tostring(L, -1);
	if (lua_isstring(L, -1))
		return lua_tostring(L, -1);
	return lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
}

static int l_message(lua_State *L)
{
	push_message(L);
	return 1;
}

void ph_bind_report(const char *prefix)
{
	lua_State *L = ph_bind.L;
	const char *message = "(no message)";
	int top = lua_gettop(L);

	/* What ended the script is not to end the telling of it. */
	if (ph_bind.interrupted)
		lua_sethook(L, NULL, 0, 0);
	fflush(stdout);
	lua_pushcfunction(L, l_message);
	lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	/* __tostring is script code too. */
	if (lua_pcall(L, 1, 1, 0) == 0 && lua_isstring(L, -1))
		message = lua_tostring(L, -1);
	fprintf(stderr, "ptracehook: %s%s\n%s%s", prefix, message, ph_bind.error_trace ? ph_bind.error_trace : "",
		ph_bind.error_trace ? "\n" : "");
	lua_settop(L, top);
}

void ph_bind_keep_error(lua_State *L)
{
	luaL_unref(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	ph_bind.error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	free(ph_bind.error_trace);
	ph_bind.error_trace = NULL;
}

bool ph_bind_flush(void)
{
	lua_State *L = ph_bind.L;
	bool good;

	if (ph_bind.own_stdout || __fpending(stdout) == 0)
		return true;
	ph_bind.flushing = 1;
	good = fflush(stdout) == 0;
	ph_bind.flushing = 0;
	if (good)
		return true;
	/* What nobody takes stays in the buffer and would fail again for ever. */
	lua_pushfstring(L, "cannot write standard output: %s", strerror(errno));
	__fpurge(stdout);
	clearerr(stdout);
	ph_bind_keep_error(L);
	return false;
}

void ph_bind_open_protect(lua_State *L)
{
	lua_pushcfunction(L, message_handler);
	message_handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
