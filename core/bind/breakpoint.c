#include <stdio.h>
#include <stdlib.h>

#include "bind/bind.h"
#include "engine/placing.h"

#define BREAKPOINT "Breakpoint"

static void *ref_breakpoint(void *breakpoint)
{
	return ph_breakpoint_ref(breakpoint);
}

void ph_bind_push_breakpoint(lua_State *L, struct ph_breakpoint *breakpoint)
{
	ph_bind_push(L, BREAKPOINT, breakpoint, ref_breakpoint);
}

/* What the engine keeps for us: the function, by its place in the registry. */
static struct ph_action on_hit(const struct ph_event *event, void *user)
{
	return ph_bind_call_hook(event, (int)(intptr_t)user);
}

static void forget(void *user)
{
	ph_bind_drop_function((int)(intptr_t)user);
}

/*
 * core.bp(session | nil, where, fn, name, skip, once, disabled, pending, tid, when, hardware, begins):
 * ptracehook/breakpoint.lua checks.
 */
static int l_bp(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_breakpoint_options options = {
		.name = lua_tostring(L, 4), .mode = lua_toboolean(L, 5) ? PH_MODE_SKIP : PH_MODE_EXECUTE,
		.once = lua_toboolean(L, 6), .disabled = lua_toboolean(L, 7), .pending = lua_toboolean(L, 8),
		.thread = (pid_t)lua_tointeger(L, 9), .when = lua_tostring(L, 10), .hardware = lua_toboolean(L, 11),
		.software = lua_isboolean(L, 11) && !lua_toboolean(L, 11), .begins = lua_toboolean(L, 12),
		.fn = on_hit, .user_free = forget,
	};
	struct ph_breakpoint *breakpoint;
	struct ph_action action;
	struct ph_err err;
	const char *why;
	int r, ref;

	if (ph_bind_is_action(L, 3) && !ph_bind_to_action(L, 3, PH_EVENT_BREAKPOINT, &action, &why))
		ph_bind_argument_error(L, "bp: %s cannot answer a breakpoint", why);
	if (lua_type(L, 2) == LUA_TSTRING)
		options.where = lua_tostring(L, 2);
	else
		options.address = ph_bind_check_addr(L, 2, "bp: where");
	ref = ph_bind_keep_function(L, 3);
	options.user = (void *)(intptr_t)ref;
	ph_bind_enter();
	r = ph_breakpoint_add(session, &options, &breakpoint, &err);
	ph_bind_leave();
	if (r < 0) {
		ph_bind_drop_function(ref);
		ph_err_wrap(&err, r, "bp");
		ph_bind_raise(L, &err);
	}
	ph_bind_push_breakpoint(L, breakpoint);
	ph_breakpoint_unref(breakpoint);
	return 1;
}

static int tell_pending(struct ph_breakpoint *breakpoint, void *user)
{
	char address[32];

	(void)user;
	if (breakpoint->was_placed || breakpoint->removed || breakpoint->told)
		return 0;
	breakpoint->told = true;
	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)breakpoint->address);
	fflush(stdout);
	fprintf(stderr, "ptracehook: breakpoint %u: '%s' never appeared in the target%s%s%s\n", breakpoint->id,
		breakpoint->where ? breakpoint->where : address, *breakpoint->nearest ? "; did you mean '" : "", breakpoint->nearest,
		*breakpoint->nearest ? "'?" : "");
	return 0;
}

void ph_bind_tell_pending(struct ph_session *session)
{
	if (ph_bind.quiet)
		return;
	if (!ph_session_has_ended(session))
		ph_placing_guess(session);
	ph_session_each_breakpoint(session, tell_pending, NULL);
}

static int add_breakpoint(struct ph_breakpoint *breakpoint, void *user)
{
	lua_State *L = user;

	ph_bind_push_breakpoint(L, breakpoint);
	lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
	return 0;
}

static int l_bps(lua_State *L)		/* core.bps(session | nil) -> list */
{
	struct ph_session *session = ph_bind_check_session(L, 1);

	lua_newtable(L);
	ph_session_each_breakpoint(session, add_breakpoint, L);
	return 1;
}

static int change(lua_State *L, int (*how)(struct ph_breakpoint *, struct ph_err *))
{
	struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = how(breakpoint, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int enable(struct ph_breakpoint *breakpoint, struct ph_err *err)
{
	return ph_breakpoint_enable(breakpoint, true, err);
}

static int disable(struct ph_breakpoint *breakpoint, struct ph_err *err)
{
	return ph_breakpoint_enable(breakpoint, false, err);
}

static int l_remove(lua_State *L)
{
	return change(L, ph_breakpoint_remove);
}

static int l_enable(lua_State *L)
{
	return change(L, enable);
}

static int l_disable(lua_State *L)
{
	return change(L, disable);
}

static int l_id(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	lua_pushinteger(L, breakpoint->id);
	return 1;
}

static int l_hits(lua_State *L)
{
	/* Counts stay far below 2^53. */
	lua_pushnumber(L, (lua_Number)ph_breakpoint_hits(ph_bind_check(L, 1, BREAKPOINT)));
	return 1;
}

/* Inside its hook the one hit; else the first. nil while pending. */
static int l_address(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);
	ph_addr address = breakpoint->at != PH_ADDR_NONE ? breakpoint->at : breakpoint->address;

	if (address == PH_ADDR_NONE)
		return 0;
	ph_bind_push_u64(L, address);
	return 1;
}

static int l_addresses(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	lua_newtable(L);
	for (size_t i = 0; i < breakpoint->n_addresses; i++) {
		ph_bind_push_u64(L, breakpoint->addresses[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static int l_where(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);
	char address[32];

	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)breakpoint->address);
	if (breakpoint->where)
		lua_pushstring(L, breakpoint->where);
	else
		lua_pushstring(L, address);
	return 1;
}

static int l_name(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	if (!breakpoint->name)
		return l_where(L);
	lua_pushstring(L, breakpoint->name);
	return 1;
}

static int l_mode(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	lua_pushstring(L, breakpoint->mode == PH_MODE_SKIP ? "skip" : "execute");
	return 1;
}

static int l_enabled(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	lua_pushboolean(L, breakpoint->enabled && !breakpoint->removed);
	return 1;
}

static int l_pending(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	lua_pushboolean(L, !breakpoint->removed && breakpoint->n_addresses == 0);
	return 1;
}

static int l_original(lua_State *L)
{
	struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	ph_breakpoint_look(breakpoint);
	lua_pushlstring(L, (const char *)breakpoint->original, breakpoint->n_original);
	return 1;
}

static int l_thread(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	if (!breakpoint->thread)
		return 0;
	lua_pushinteger(L, breakpoint->thread);
	return 1;
}

static int l_session(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);

	ph_bind_push_session(L, breakpoint->session);
	return 1;
}

static int l_gc(lua_State *L)
{
	ph_breakpoint_unref(*(struct ph_breakpoint **)lua_touserdata(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	const struct ph_breakpoint *breakpoint = ph_bind_check(L, 1, BREAKPOINT);
	const char *state = breakpoint->removed ? ", removed" : !breakpoint->enabled ? ", disabled" :
			    breakpoint->n_addresses == 0 ? ", pending" : "";

	lua_pushfstring(L, "Breakpoint %d at ", (int)breakpoint->id);
	l_name(L);
	lua_pushfstring(L, " (%d hits%s)", (int)breakpoint->hits, state);
	lua_concat(L, 3);
	return 1;
}

void ph_bind_open_breakpoint(lua_State *L)	/* core -> core */
{
	static const luaL_Reg methods[] = {
		{ "remove", l_remove }, { "enable", l_enable }, { "disable", l_disable }, { NULL, NULL },
	};
	static const luaL_Reg getters[] = {
		{ "id", l_id },		    { "hits", l_hits },	      { "address", l_address },
		{ "addresses", l_addresses }, { "where", l_where },	{ "name", l_name },
		{ "mode", l_mode },	    { "enabled", l_enabled }, { "pending", l_pending },
		{ "original", l_original }, { "thread", l_thread },   { "session", l_session },
		{ NULL, NULL },
	};

	ph_bind_class_open(L, &(struct ph_bind_class){ BREAKPOINT, methods, getters, l_gc, l_tostring });
	lua_pushcfunction(L, l_bp);
	lua_setfield(L, -2, "bp");
	lua_pushcfunction(L, l_bps);
	lua_setfield(L, -2, "bps");
}
