/*
 * The call that a thread stands in, for hooks. Lua reads and writes the engine's own view through the FFI, as it does
 * registers; what it may write is decided in lua/ptracehook/syscall.lua. One object a thread, made at its first call
 * and emptied at the thread's end, so that a stale one raises and never dangles.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/thread.h"

#define THREAD "Thread"

/* The FFI's ptracehook_call. */
_Static_assert(offsetof(struct ph_call_view, ret) == 56 && offsetof(struct ph_call_view, phase) == 64 &&
		       offsetof(struct ph_call_view, skipped) == 76,
	       "the FFI declaration has this layout");

/* Payloads of the two cdata that Lua made for the thread. */
struct sc {
	struct ph_call_view *call;
	uint32_t slot;
};

struct sc_args {
	struct ph_call_view *call;
};

struct seen {
	int ref;		/* registry, and the slot in the two tables: the sc */
	struct sc *sc;		/* borrowed while ref holds it */
	struct sc_args *args;	/* borrowed from the table of arguments */
};

/* registry: of lua/ptracehook/syscall.lua */
static int make_ref = LUA_NOREF, arguments_ref = LUA_NOREF, threads_ref = LUA_NOREF;

static void forget(void *user)
{
	struct seen *seen = user;
	lua_State *L = ph_bind.L;
	const int tables[] = { arguments_ref, threads_ref };

	seen->sc->call = NULL;
	seen->args->call = NULL;
	for (size_t i = 0; i < 2; i++) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, tables[i]);
		lua_pushboolean(L, false);
		lua_rawseti(L, -2, seen->ref);
		lua_pop(L, 1);
	}
	luaL_unref(L, LUA_REGISTRYINDEX, seen->ref);
	free(seen);
}

static void make(lua_State *L, struct ph_thread *thread)
{
	struct sc_args *args;
	struct seen *seen;
	struct sc *sc;
	int ref;

	luaL_checkstack(L, 8, NULL);
	lua_rawgeti(L, LUA_REGISTRYINDEX, make_ref);
	lua_pushlightuserdata(L, &thread->call.view);
	lua_call(L, 1, 2);			/* sc args */
	/* LuaJIT gives the payload of a cdata as its pointer; it stays where it is. */
	sc = (struct sc *)(uintptr_t)lua_topointer(L, -2);
	args = (struct sc_args *)(uintptr_t)lua_topointer(L, -1);
	lua_pushvalue(L, -2);
	ref = luaL_ref(L, LUA_REGISTRYINDEX);
	sc->slot = (uint32_t)ref;
	lua_rawgeti(L, LUA_REGISTRYINDEX, arguments_ref);
	lua_insert(L, -2);
	lua_rawseti(L, -2, ref);		/* sc arguments */
	lua_rawgeti(L, LUA_REGISTRYINDEX, threads_ref);
	ph_bind_push_thread(L, thread);
	lua_rawseti(L, -2, ref);
	lua_pop(L, 2);				/* sc */
	seen = malloc(sizeof(*seen));
	if (!seen) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		luaL_error(L, "out of memory");
	}
	*seen = (struct seen){ ref, sc, args };
	thread->user = seen;
	thread->user_free = forget;
}

bool ph_bind_push_known_syscall(lua_State *L, struct ph_thread *thread)
{
	if (!thread->user)
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, ((struct seen *)thread->user)->ref);
	return true;
}

void ph_bind_push_syscall(lua_State *L, struct ph_thread *thread)
{
	if (!ph_bind_push_known_syscall(L, thread))
		make(L, thread);
}

static int l_helpers(lua_State *L)	/* core.syscall_helpers(make, arguments, threads) */
{
	lua_settop(L, 3);
	threads_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	arguments_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	make_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int l_set_bytes(lua_State *L)	/* core.call_set_bytes(Thread, argument from 0, bytes) */
{
	struct ph_thread *thread = ph_bind_check(L, 1, THREAD);
	unsigned int index = (unsigned int)luaL_checkinteger(L, 2);
	struct ph_err err;
	const char *bytes;
	size_t length;
	int r;

	bytes = luaL_checklstring(L, 3, &length);
	ph_bind_enter();
	r = ph_thread_syscall_set_bytes(thread, index, bytes, length, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

/* core.call_names() -> {[0] = {[number] = name, …, name = number}, [1] = …, [2] = …}, by enum ph_abi */
static int l_names(lua_State *L)
{
	lua_newtable(L);
	for (int abi = 0; abi < PH_ABI_COUNT; abi++) {
		uint32_t bit = abi == PH_ABI_X32 ? PH_X32_BIT : 0;

		lua_newtable(L);
		for (uint32_t number = 0; number < PH_CALLS_MAX; number++) {
			const char *name = ph_syscall_name((enum ph_abi)abi, number | bit);

			if (!name)
				continue;
			lua_pushnumber(L, number | bit);
			lua_pushstring(L, name);
			lua_pushvalue(L, -1);		/* … number name name */
			lua_insert(L, -3);
			lua_pushvalue(L, -2);		/* … name number name number */
			lua_insert(L, -2);		/* … name number number name */
			lua_rawset(L, -5);		/* … name number */
			lua_rawset(L, -3);
		}
		lua_rawseti(L, -2, abi);
	}
	return 1;
}

void ph_bind_open_syscall(lua_State *L)		/* core -> core */
{
	static const luaL_Reg functions[] = {
		{ "syscall_helpers", l_helpers }, { "call_set_bytes", l_set_bytes }, { "call_names", l_names },
		{ NULL, NULL },
	};

	luaL_register(L, NULL, functions);
}
