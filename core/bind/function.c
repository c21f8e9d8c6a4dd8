#include "bind/function.h"

/* registry: debug.getinfo, before a script can put another there */
static int getinfo_ref;

static bool is_bare(lua_State *L, int index)
{
	bool bare = false;

	if (!lua_isfunction(L, index) || lua_iscfunction(L, index))
		return false;
	lua_pushvalue(L, index);
	lua_rawgeti(L, LUA_REGISTRYINDEX, getinfo_ref);
	lua_insert(L, -2);
	lua_pushliteral(L, "u");
	if (lua_pcall(L, 2, 1, 0) == 0 && lua_istable(L, -1)) {
		lua_getfield(L, -1, "nparams");
		lua_getfield(L, -2, "isvararg");
		bare = lua_tointeger(L, -2) == 0 && !lua_toboolean(L, -1);
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	return bare;
}

int ph_bind_keep_function(lua_State *L, int index)
{
	bool bare = is_bare(L, index);

	lua_pushvalue(L, index);
	return luaL_ref(L, LUA_REGISTRYINDEX) | (bare ? PH_BIND_BARE : 0);
}

void ph_bind_open_functions(lua_State *L)
{
	lua_getglobal(L, "debug");
	lua_getfield(L, -1, "getinfo");
	getinfo_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pop(L, 1);
}

void ph_bind_drop_function(int fn_ref)
{
	luaL_unref(ph_bind.L, LUA_REGISTRYINDEX, fn_ref < 0 ? fn_ref : fn_ref & ~PH_BIND_BARE);
}

/* fn -> its place, or nothing and false. */
static bool push_place(lua_State *L)
{
	lua_Debug ar;

	if (!lua_isfunction(L, -1) && luaL_getmetafield(L, -1, "__call"))
		lua_remove(L, -2);
	if (!lua_isfunction(L, -1)) {
		lua_pop(L, 1);
		return false;
	}
	lua_getinfo(L, ">S", &ar);
	if (ar.linedefined <= 0 || ph_bind_is_ours(ar.source))
		return false;
	lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.linedefined);
	return true;
}

void ph_bind_push_origin(lua_State *L, int fn_ref)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, fn_ref);
	if (!push_place(L) && !(ph_bind_relay_push_function(L) && push_place(L)))
		lua_pushliteral(L, "");
}

/* ---- Arguments */

int ph_bind_push_arguments(lua_State *L, const struct ph_event *event)
{
	switch (event->kind) {
	case PH_EVENT_BREAKPOINT:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_breakpoint(L, event->breakpoint);
		return 2;
	case PH_EVENT_SYSCALL:
		ph_bind_push_syscall(L, event->thread);
		return 1;
	case PH_EVENT_WATCH:
	case PH_EVENT_WATCH_EXECUTE:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_watch(L, event->watch);
		return 2;
	case PH_EVENT_EXEC:
		ph_bind_push_thread(L, event->thread);
		lua_pushstring(L, event->path);
		return 2;
	case PH_EVENT_FORK:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_process(L, event->child);
		return 2;
	case PH_EVENT_EXIT:
		ph_bind_push_process(L, event->process);
		ph_bind_push_reason(L, &event->reason);
		return 2;
	case PH_EVENT_LOAD:
	case PH_EVENT_UNLOAD:
		ph_bind_push_module(L, event->module);
		ph_bind_push_thread(L, event->thread);
		return 2;
	case PH_EVENT_THREAD_EXIT:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_reason(L, &event->reason);
		return 2;
	case PH_EVENT_SIGNAL:
	case PH_EVENT_INSTRUCTION:
	case PH_EVENT_STEP:
	case PH_EVENT_THREAD:
	case PH_EVENT_COUNT:
		break;
	}
	ph_bind_push_thread(L, event->thread);
	return 1;
}

bool ph_bind_push_known_arguments(lua_State *L, const struct ph_event *event)
{
	if (event->kind == PH_EVENT_SYSCALL)
		return ph_bind_push_known_syscall(L, event->thread);
	if (event->kind == PH_EVENT_WATCH || event->kind == PH_EVENT_WATCH_EXECUTE)
		return ph_bind_push_known(L, event->thread) && ph_bind_push_known(L, event->watch);
	return event->kind == PH_EVENT_BREAKPOINT && ph_bind_push_known(L, event->thread) &&
	       ph_bind_push_known(L, event->breakpoint);
}
