#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/bind.h"
#include "os/foreground.h"
#include "os/spawn.h"

struct away {
	struct ph_os_foreground program;
	bool is_filtered;	/* the target has our seccomp filter */
};

/* GDB does not ask for the stops of our filter, and without a tracer that does those calls fail (seccomp(2)). */
static void warn_of_filter(void)
{
	fprintf(stderr, "ptracehook: gdb: system calls that hooks are on fail with ENOSYS when GDB lets the target run; "
		"policy{seccomp = \"off\"} before the first run avoids that\n");
}

static int run_away(pid_t pid, void *user)
{
	const struct away *away = user;
	int status;

	(void)pid;
	if (away->is_filtered && !ph_bind.quiet)
		warn_of_filter();
	return ph_os_foreground_run(&away->program, &status);
}

/* The arguments, with the program's name in front; their memory is Lua's, left on the stack. */
static char **arguments(lua_State *L, int table)
{
	size_t n = lua_objlen(L, table);
	char **list = lua_newuserdata(L, (n + 2) * sizeof(*list));

	list[0] = (char *)(uintptr_t)"gdb";
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, table, (int)i + 1);
		/* The table keeps the string, so the pointer outlives the pop. */
		list[i + 1] = (char *)(uintptr_t)luaL_checkstring(L, -1);
		lua_pop(L, 1);
	}
	list[n + 1] = NULL;
	return list;
}

static void push_lending(lua_State *L, const struct ph_lending *lending)
{
	lua_createtable(L, 0, 5);
	lua_pushboolean(L, lending->moved);
	lua_setfield(L, -2, "moved");
	lua_pushboolean(L, lending->replaced);
	lua_setfield(L, -2, "replaced");
	lua_pushinteger(L, (lua_Integer)lending->born);
	lua_setfield(L, -2, "born");
	lua_pushinteger(L, (lua_Integer)lending->gone);
	lua_setfield(L, -2, "gone");
	if (lending->end.kind == PH_REASON_NONE)
		return;
	ph_bind_push_reason(L, &lending->end);
	lua_setfield(L, -2, "reason");
}

/* Hooks on the end may run in it, as in a run. */
static int lend(lua_State *L, struct ph_thread *thread, struct away *away, struct ph_lending *ret, struct ph_err *err)
{
	struct ph_session *session = thread->process->session;
	lua_State *before = ph_bind.L;
	bool in_hook = session->in_run;
	int r;

	if (!ph_bind_flush()) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		lua_error(L);
	}
	ph_bind.L = L;
	if (!in_hook)
		ph_bind.hook_failed = false;
	ph_bind_enter();
	r = ph_thread_lend(thread, "gdb", run_away, away, ret, err);
	ph_bind_leave();
	ph_bind.L = before;
	if (!in_hook && session == ph_bind.current)
		ph_bind_set_now(ph_session_thread(session));
	if (!in_hook && ph_bind.hook_failed) {
		/* Of on("exit"). The target is gone all the same. */
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		lua_error(L);
	}
	return r;
}

/* core.gdb(thread, {argument, …}) -> {moved, replaced, born, gone, reason} */
static int l_gdb(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	char **argv = arguments(L, 2);
	struct away away = {
		.program = { .argv = argv, .blocked = ph_bind.blocked, .interrupt = &ph_bind.interrupted },
		.is_filtered = thread->process->session->calls.filtered,
	};
	struct ph_lending lending;
	struct ph_err err;
	char *path;
	int r = ph_os_program_find("gdb", getenv("PATH"), &path);

	if (r < 0) {
		ph_err_say(&err, r, "gdb", "%s", r == -ENOENT ? "no GDB in $PATH: install it (the package gdb), or add its folder; "
			   "the target stands where it stood" : "the gdb in $PATH may not be executed (permission denied)");
		return ph_bind_raise(L, &err);
	}
	lua_pushstring(L, path);
	free(path);
	away.program.path = lua_tostring(L, -1);
	r = lend(L, thread, &away, &lending, &err);
	if (r < 0)
		return ph_bind_raise(L, &err);
	push_lending(L, &lending);
	return 1;
}

void ph_bind_open_gdb(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_gdb);
	lua_setfield(L, -2, "gdb");
}
