#include "bind/function.h"

/*
 * The table of lua/ptracehook/relay.lua, once functions are hooked: what the globals `this` and `original` mean, and the
 * script's function that our own one calls.
 */
static int relay_ref = LUA_NOREF;

static const char *const names[] = { "this", "original", "fn" };

#define N_NAMES ((int)(sizeof(names) / sizeof(names[0])))

static int l_keep_relay(lua_State *L)	/* core.keep_relay(relay) */
{
	lua_settop(L, 1);
	relay_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

void ph_bind_relay_clear(lua_State *L)
{
	if (relay_ref == LUA_NOREF)
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, relay_ref);
	for (int i = 0; i < N_NAMES; i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, names[i]);
	}
	lua_pop(L, 1);
}

bool ph_bind_relay_put_aside(lua_State *L)
{
	if (relay_ref == LUA_NOREF || !lua_checkstack(L, N_NAMES + 2))
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, relay_ref);	/* relay */
	for (int i = 0; i < N_NAMES; i++)
		lua_getfield(L, -1 - i, names[i]);
	ph_bind_relay_clear(L);				/* relay this original fn */
	return true;
}

void ph_bind_relay_put_back(lua_State *L, int index)
{
	for (int i = 0; i < N_NAMES; i++) {
		lua_pushvalue(L, index + 1 + i);
		lua_setfield(L, index, names[i]);
	}
}

bool ph_bind_relay_push_function(lua_State *L)
{
	if (relay_ref == LUA_NOREF)
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, relay_ref);
	lua_getfield(L, -1, "fn");
	lua_remove(L, -2);
	return true;
}

void ph_bind_open_relay(lua_State *L)	/* core -> core */
{
	lua_pushcfunction(L, l_keep_relay);
	lua_setfield(L, -2, "keep_relay");
}
