#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

#define SESSION "Session"
#define OPEN "ptracehook.open"	/* registry: sessions that have not ended, so that none ends by being forgotten */

static void *ref_session(void *session)
{
	return ph_session_ref(session);
}

void ph_bind_push_session(lua_State *L, struct ph_session *session)
{
	ph_bind_push(L, SESSION, session, ref_session);
}

void ph_bind_set_current(struct ph_session *session)
{
	struct ph_session *before = ph_bind.current;

	ph_bind.current = session ? ph_session_ref(session) : NULL;
	ph_session_unref(before);
}

struct ph_session *ph_bind_check_session(lua_State *L, int index)
{
	if (index && !lua_isnoneornil(L, index))
		return ph_bind_check(L, index, SESSION);
	if (!ph_bind.current)
		ph_bind_argument_error(L, "there is no target: name a program or -p PID on the command line, or call spawn "
				       "or attach first");
	return ph_bind.current;
}

void ph_bind_see_thread(struct ph_session *session)
{
	if (session == ph_bind.current)
		ph_bind_set_now(ph_session_thread(session));
}

/* Inside its own hook it ends later. */
static void see_end(struct ph_session *session)
{
	if (ph_session_has_ended(session))
		ph_bind_see_thread(session);
}

/* The newly opened session: kept open, current, pushed. */
static int push_opened(lua_State *L, struct ph_session *session)
{
	lua_getfield(L, LUA_REGISTRYINDEX, OPEN);	/* open */
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		struct ph_session *other = ph_bind_test(L, -2, SESSION);

		if (other && ph_session_has_ended(other)) {
			lua_pushvalue(L, -2);
			lua_pushnil(L);
			lua_rawset(L, -5);
		}
	}
	ph_bind_push_session(L, session);		/* open session */
	ph_session_unref(session);
	lua_pushvalue(L, -1);
	lua_pushboolean(L, 1);
	lua_rawset(L, -4);
	lua_remove(L, -2);
	ph_bind_set_current(session);
	ph_bind.event_process = NULL;
	ph_bind_see_thread(session);
	return 1;
}

void ph_bind_adopt(struct ph_session *session)
{
	push_opened(ph_bind.L, session);
	lua_pop(ph_bind.L, 1);
}

/* Finalisers run when every session is closed. */
static void check_tracer(lua_State *L, const char *what)
{
	if (!ph_bind.tracer)
		ph_bind_argument_error(L, "%s: ptracehook is ending", what);
}

/* A list of strings from the table at the top of the stack, NULL-terminated; its memory is Lua's, left on the stack. */
static char **string_list(lua_State *L, int table)
{
	int n = (int)lua_objlen(L, table);
	char **list = lua_newuserdata(L, ((size_t)n + 1) * sizeof(*list));

	for (int i = 0; i < n; i++) {
		lua_rawgeti(L, table, i + 1);
		/* The table keeps the string, so the pointer outlives the pop. */
		list[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
		lua_pop(L, 1);
	}
	list[n] = NULL;
	return list;
}

static const char *optional_string(lua_State *L, int table, const char *name)
{
	const char *text;

	lua_getfield(L, table, name);
	text = lua_isnil(L, -1) ? NULL : lua_tostring(L, -1);
	lua_pop(L, 1);
	return text;
}

static bool flag(lua_State *L, int table, const char *name)
{
	bool set;

	lua_getfield(L, table, name);
	set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return set;
}

/*
 * core.spawn{argv = {…}, env = {"NAME=value", …} or nil: ours, path, cwd, no_aslr, follow, new_session,
 * stdio = {[0] = fd, …}, limits = {{resource, value}, …}}: checked and completed by ptracehook/spawn.lua.
 */
static int l_spawn(lua_State *L)
{
	struct ph_spawn_options options = PH_SPAWN_OPTIONS_INIT;
	struct ph_limit limits[16];
	struct ph_session *session;
	struct ph_err err;
	int r;

	check_tracer(L, "spawn");
	options.path = optional_string(L, 1, "path");
	options.cwd = optional_string(L, 1, "cwd");
	options.no_aslr = flag(L, 1, "no_aslr");
	options.own_group = ph_bind.own_groups;
	options.follow = flag(L, 1, "follow");
	options.new_session = flag(L, 1, "new_session");
	options.ignored = &ph_bind.ignored;
	options.keeps_realtime = true;
	options.blocked = &ph_bind.blocked;
	lua_getfield(L, 1, "argv");
	options.argv = string_list(L, lua_gettop(L));
	lua_getfield(L, 1, "env");
	options.env = lua_isnil(L, -1) ? NULL : string_list(L, lua_gettop(L));
	lua_getfield(L, 1, "stdio");
	for (int i = 0; i < 3; i++) {
		lua_rawgeti(L, -1, i);
		if (lua_isnumber(L, -1))
			options.stdio[i] = (int)lua_tointeger(L, -1);
		lua_pop(L, 1);
	}
	lua_getfield(L, 1, "limits");
	options.limits = limits;
	for (size_t n = lua_objlen(L, -1); options.n_limits < n && options.n_limits < 16; options.n_limits++) {
		lua_rawgeti(L, -1, (int)options.n_limits + 1);
		lua_rawgeti(L, -1, 1);
		lua_rawgeti(L, -2, 2);
		limits[options.n_limits] = (struct ph_limit){ (int)lua_tointeger(L, -2), (uint64_t)lua_tonumber(L, -1) };
		lua_pop(L, 3);
	}
	ph_bind_flush();
	ph_bind_enter();
	r = ph_session_spawn(ph_bind.tracer, &options, &session, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return push_opened(L, session);
}

static pid_t check_pid(lua_State *L, int index)
{
	uint64_t pid = 0;

	if (ph_bind_is_whole(L, index))
		pid = ph_bind_check_int(L, index, 64, "attach");
	if (pid < 1 || pid > INT_MAX)
		ph_bind_argument_error(L, "attach: a process id expected, got %s", ph_bind_push_shown(L, index));
	return (pid_t)pid;
}

static int l_attach(lua_State *L)	/* core.attach(pid, follow) -> Session */
{
	pid_t pid = check_pid(L, 1);
	bool follow = lua_toboolean(L, 2);
	struct ph_session *session;
	struct ph_err err;
	int r;

	check_tracer(L, "attach");
	ph_bind_enter();
	r = ph_session_attach(ph_bind.tracer, pid, follow, &session, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return push_opened(L, session);
}

static int l_detach(lua_State *L)	/* session:detach(stopped) */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	bool stopped = lua_toboolean(L, 2);
	lua_State *before = ph_bind.L;
	struct ph_err err;
	int r;

	if (!ph_bind_flush()) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		return lua_error(L);
	}
	/* Hooks that wait are told here. */
	ph_bind.L = L;
	ph_bind_enter();
	r = ph_session_detach(session, stopped, &err);
	ph_bind_leave();
	ph_bind.L = before;
	see_end(session);
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_kill(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	lua_State *before = ph_bind.L;
	struct ph_err err;
	int r;

	ph_bind.L = L;
	ph_bind.hook_failed = false;
	ph_bind_enter();
	r = ph_session_kill(session, &err);
	ph_bind_leave();
	see_end(session);
	ph_bind.L = before;
	if (r < 0)
		ph_bind_raise(L, &err);
	if (ph_bind.hook_failed) {
		/* Of on("exit"). The target is gone all the same. */
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		return lua_error(L);
	}
	return 0;
}

static int l_close(lua_State *L)
{
	struct ph_session *session = ph_bind_check(L, 1, SESSION);
	lua_State *before = ph_bind.L;

	ph_bind_tell_pending(session);
	ph_bind.L = L;
	ph_bind_enter();
	ph_session_close(session);
	ph_bind_leave();
	ph_bind.L = before;
	see_end(session);
	return 0;
}

static int add_process(struct ph_process *process, void *user)
{
	lua_State *L = user;

	ph_bind_push_process(L, process);
	lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
	return 0;
}

static int l_processes(lua_State *L)
{
	struct ph_session *session = ph_bind_check(L, 1, SESSION);

	lua_newtable(L);
	ph_session_each_process(session, add_process, L);
	return 1;
}

/* The boolean in the field, or what it was. */
static bool flag_or(lua_State *L, int table, const char *name, bool otherwise)
{
	lua_getfield(L, table, name);
	if (!lua_isnil(L, -1))
		otherwise = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return otherwise;
}

/* session:set_policy{exitkill, follow, no_seccomp, strip_untraced, hardware, syscall_info = 0 to 3, cpu = PH_CPU_…} */
static int l_policy(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_policy policy = ph_session_policy(session);
	struct ph_err err;
	int r;

	policy.exitkill = flag_or(L, 2, "exitkill", policy.exitkill);
	policy.follow = flag_or(L, 2, "follow", policy.follow);
	policy.no_seccomp = flag_or(L, 2, "no_seccomp", policy.no_seccomp);
	policy.strip_untraced = flag_or(L, 2, "strip_untraced", policy.strip_untraced);
	policy.hardware = flag_or(L, 2, "hardware", policy.hardware);
	lua_getfield(L, 2, "syscall_info");
	if (!lua_isnil(L, -1))
		policy.syscall_info = (enum ph_syscall_info)lua_tointeger(L, -1);
	lua_getfield(L, 2, "cpu");
	if (!lua_isnil(L, -1))
		policy.cpu = (int)lua_tointeger(L, -1);
	r = ph_session_set_policy(session, &policy, &err);
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_stats(lua_State *L)	/* session:stats() -> {stops = …, hits = …, …} */
{
	struct ph_stats stats = ph_session_stats(ph_bind_check_session(L, 1));
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "stops", stats.stops },	  { "hits", stats.hits },
		{ "copies", stats.copies },	  { "emulated", stats.emulated },
		{ "single_steps", stats.single_steps }, { "signals", stats.signals },
		{ "syscalls", stats.syscalls },
	};

	lua_createtable(L, 0, sizeof(rows) / sizeof(rows[0]));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* Counts stay far below 2^53. */
		lua_pushnumber(L, (lua_Number)rows[i].value);
		lua_setfield(L, -2, rows[i].name);
	}
	return 1;
}

static int l_resolve(lua_State *L)	/* session:resolve(where, asker) -> address, or nil, message */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	const char *where = luaL_checkstring(L, 2);
	char message[PH_ERR_MESSAGE_MAX];
	struct ph_err err;
	ph_addr addr;
	int r;

	ph_bind_enter();
	r = ph_session_resolve(session, where, &addr, &err);
	ph_bind_leave();
	if (r == -ENOENT) {
		lua_pushnil(L);
		lua_pushstring(L, ph_err_message(&err, message, sizeof(message)));
		return 2;
	}
	if (r < 0) {
		ph_err_wrap(&err, r, luaL_checkstring(L, 3));
		ph_bind_raise(L, &err);
	}
	ph_bind_push_u64(L, addr);
	return 1;
}

static int l_pid(lua_State *L)
{
	lua_pushinteger(L, ph_session_pid(ph_bind_check(L, 1, SESSION)));
	return 1;
}

static int l_process(lua_State *L)
{
	ph_bind_push_process(L, ph_session_process(ph_bind_check(L, 1, SESSION)));
	return 1;
}

static int l_thread(lua_State *L)
{
	ph_bind_push_thread(L, ph_session_thread(ph_bind_check(L, 1, SESSION)));
	return 1;
}

static int l_ended(lua_State *L)
{
	lua_pushboolean(L, ph_session_has_ended(ph_bind_check(L, 1, SESSION)));
	return 1;
}

static int l_gc(lua_State *L)
{
	ph_session_unref(*(struct ph_session **)lua_touserdata(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct ph_session *session = ph_bind_check(L, 1, SESSION);

	lua_pushfstring(L, "Session %d%s", ph_session_pid(session), ph_session_has_ended(session) ? " (ended)" : "");
	return 1;
}

/* core.self(value, function's name) -> value, which is a Session, or an error. */
static int l_self(lua_State *L)
{
	if (!ph_bind_is(L, 1, SESSION))
		ph_bind_argument_error(L, "%s: Session expected, got %s; call methods with a colon", lua_tostring(L, 2),
				       luaL_typename(L, 1));
	lua_settop(L, 1);
	return 1;
}

static int l_current(lua_State *L)	/* core.current() -> Session or nil */
{
	ph_bind_push_session(L, ph_bind.current);
	return 1;
}

void ph_bind_open_session(lua_State *L)		/* core -> core */
{
	static const luaL_Reg methods[] = {
		{ "run_ms", ph_bind_run_ms },	     { "let_go", l_detach },	 { "kill", l_kill },
		{ "close", l_close },	     { "processes", l_processes }, { "set_policy", l_policy },
		{ "resolve", l_resolve },    { "stats", l_stats },    { NULL, NULL },
	};
	static const luaL_Reg getters[] = {
		{ "pid", l_pid },   { "process", l_process }, { "thread", l_thread },
		{ "ended", l_ended }, { NULL, NULL },
	};

	lua_newtable(L);
	lua_setfield(L, LUA_REGISTRYINDEX, OPEN);
	ph_bind_class_open(L, &(struct ph_bind_class){ SESSION, methods, getters, l_gc, l_tostring });
	lua_pushcfunction(L, l_spawn);
	lua_setfield(L, -2, "spawn");
	lua_pushcfunction(L, l_attach);
	lua_setfield(L, -2, "attach");
	lua_pushcfunction(L, l_self);
	lua_setfield(L, -2, "self");
	lua_pushcfunction(L, l_current);
	lua_setfield(L, -2, "current");
}
