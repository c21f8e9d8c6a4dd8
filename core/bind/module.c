#include "bind/bind.h"

#include <stdio.h>
#include <string.h>

#include "engine/complete.h"

#define WHERE_MAX 2048

/* The process that a session's looking functions mean: of the event being handled, else the target. */
struct ph_process *ph_bind_check_process(lua_State *L, const char *what)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_thread *thread = ph_session_thread(session);
	struct ph_process *process = thread ? ph_thread_process(thread) : ph_session_process(session);

	if (ph_session_has_ended(session) || !ph_process_is_alive(process))
		ph_bind_argument_error(L, "%s: the session has ended: its target is gone or was let go", what);
	return process;
}

void ph_bind_push_module(lua_State *L, const struct ph_module_info *module)
{
	char hex[129] = "";

	lua_createtable(L, 0, 5);
	lua_pushstring(L, module->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, module->path);
	lua_setfield(L, -2, "path");
	ph_bind_push_u64(L, module->base);
	lua_setfield(L, -2, "base");
	/* An address space has 47 bits. */
	lua_pushnumber(L, (lua_Number)module->size);
	lua_setfield(L, -2, "size");
	if (!module->build_id_len)
		return;
	for (size_t i = 0; i < module->build_id_len && i < 64; i++)
		snprintf(hex + 2 * i, 3, "%02x", module->build_id[i]);
	lua_pushstring(L, hex);
	lua_setfield(L, -2, "build_id");
}

static int add_module(const struct ph_module_info *module, void *user)
{
	lua_State *L = user;

	ph_bind_push_module(L, module);
	lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
	return 0;
}

static int l_modules(lua_State *L)	/* core.modules(session) -> list */
{
	struct ph_process *process = ph_bind_check_process(L, "modules");
	struct ph_err err;

	lua_newtable(L);
	if (ph_process_each_module(process, add_module, L, &err) < 0)
		ph_bind_raise(L, &err);
	return 1;
}

static int l_where(lua_State *L)	/* core.where(session, address) -> string */
{
	struct ph_process *process = ph_bind_check_process(L, "where");
	ph_addr addr = ph_bind_check_addr(L, 2, "where: address");
	char text[WHERE_MAX];

	ph_bind_enter();
	ph_process_where(process, addr, text, sizeof(text));
	ph_bind_leave();
	lua_pushstring(L, text);
	return 1;
}

static int add_symbol(const struct ph_symbol_info *symbol, void *user)
{
	lua_State *L = user;

	lua_createtable(L, 0, 5);
	lua_pushstring(L, symbol->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, symbol->kind);
	lua_setfield(L, -2, "kind");
	ph_bind_push_u64(L, symbol->address);
	lua_setfield(L, -2, "address");
	lua_pushnumber(L, (lua_Number)symbol->size);
	lua_setfield(L, -2, "size");
	lua_pushstring(L, symbol->module);
	lua_setfield(L, -2, "module");
	lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
	return 0;
}

static int l_find_syms(lua_State *L)	/* core.find_syms(session, glob) -> list */
{
	struct ph_process *process = ph_bind_check_process(L, "find_syms");
	const char *glob = luaL_checkstring(L, 2);
	struct ph_err err;

	lua_newtable(L);
	if (ph_process_each_symbol(process, glob, add_symbol, L, &err) < 0)
		ph_bind_raise(L, &err);
	return 1;
}

struct completions {
	lua_State *L;
	int n, max;
};

static int add_completion(const char *name, void *user)
{
	struct completions *completions = user;

	lua_pushstring(completions->L, name);
	lua_rawseti(completions->L, -2, ++completions->n);
	return completions->n == completions->max;
}

static int l_complete_place(lua_State *L)	/* core.complete_place(session, prefix, max) -> list */
{
	struct ph_process *process = ph_bind_check_process(L, "complete");
	const char *prefix = luaL_checkstring(L, 2);
	struct completions completions = { L, 0, luaL_checkint(L, 3) };
	struct ph_err err;

	lua_newtable(L);
	if (ph_complete_place(process, prefix, add_completion, &completions, &err) < 0)
		ph_bind_raise(L, &err);
	return 1;
}

void ph_bind_open_module(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_modules);
	lua_setfield(L, -2, "modules");
	lua_pushcfunction(L, l_where);
	lua_setfield(L, -2, "where");
	lua_pushcfunction(L, l_complete_place);
	lua_setfield(L, -2, "complete_place");
	lua_pushcfunction(L, l_find_syms);
	lua_setfield(L, -2, "find_syms");
}
