#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

#define ERROR_CLASS "ptracehook.Error"

/* Embedded, or from the folder that stands in for that (state.c). */
bool ph_bind_is_ours(const char *source)
{
	const char *folder = getenv("PTRACEHOOK_LUA");

	if (strncmp(source, "=ptracehook", strlen("=ptracehook")) == 0)
		return true;
	return folder && *folder && source[0] == '@' && strncmp(source + 1, folder, strlen(folder)) == 0;
}

/*
 * "script.lua:12: ", of the innermost function that is not ours; where none is left, since it ended by a tail call, that
 * of the hook; or "".
 */
static void push_position(lua_State *L)
{
	lua_Debug ar;

	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && !ph_bind_is_ours(ar.source)) {
			lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
			return;
		}
	}
	ph_bind_push_hook_origin(L);
}

void ph_bind_push_error(lua_State *L, const struct ph_err *err)
{
	char message[PH_ERR_MESSAGE_MAX];

	lua_createtable(L, 0, 8);
	lua_pushstring(L, err->op);
	lua_setfield(L, -2, "op");
	lua_pushinteger(L, -err->code);
	lua_setfield(L, -2, "errno");
	lua_pushstring(L, ph_errno_name(err->code));
	lua_setfield(L, -2, "name");
	if (err->tid) {
		lua_pushinteger(L, err->tid);
		lua_setfield(L, -2, "tid");
	}
	if (err->has_addr) {
		ph_bind_push_u64(L, err->addr);
		lua_setfield(L, -2, "addr");
		/* Of memory that was really there: far below 2^53. */
		lua_pushnumber(L, (lua_Number)err->done);
		lua_setfield(L, -2, "done");
	}
	lua_pushstring(L, ph_err_message(err, message, sizeof(message)));
	lua_setfield(L, -2, "message");
	push_position(L);
	lua_setfield(L, -2, "position");
	luaL_getmetatable(L, ERROR_CLASS);
	lua_setmetatable(L, -2);
}

int ph_bind_raise(lua_State *L, const struct ph_err *err)
{
	ph_bind_push_error(L, err);
	lua_error(L);
	__builtin_unreachable();
}

int ph_bind_argument_error(lua_State *L, const char *fmt, ...)
{
	char message[PH_ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	push_position(L);
	lua_pushstring(L, message);
	lua_concat(L, 2);
	lua_error(L);
	__builtin_unreachable();
}

static int l_tostring(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "position");
	lua_getfield(L, 1, "message");
	if (!lua_isstring(L, -1) || !lua_isstring(L, -2)) {
		lua_pushliteral(L, "error without a message");
		return 1;
	}
	lua_concat(L, 2);
	return 1;
}

static int l_concat(lua_State *L)	/* "words: " .. err */
{
	for (int i = 1; i <= 2; i++) {
		if (lua_isstring(L, i))
			lua_pushvalue(L, i);
		else if (!luaL_callmeta(L, i, "__tostring"))
			ph_bind_argument_error(L, "attempt to concatenate a %s value", luaL_typename(L, i));
	}
	lua_concat(L, 2);
	return 1;
}

static int l_is_ours(lua_State *L)	/* core.is_ours(source), as debug.getinfo gives it */
{
	lua_pushboolean(L, ph_bind_is_ours(luaL_checkstring(L, 1)));
	return 1;
}

void ph_bind_open_errors(lua_State *L)
{
	lua_pushcfunction(L, l_is_ours);
	lua_setfield(L, -2, "is_ours");
	luaL_newmetatable(L, ERROR_CLASS);
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushcfunction(L, l_concat);
	lua_setfield(L, -2, "__concat");
	lua_pushliteral(L, ERROR_CLASS);
	lua_setfield(L, -2, "__name");
	lua_pop(L, 1);
}
