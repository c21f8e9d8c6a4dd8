#include <string.h>
#include <sys/stat.h>

#include "bind/bind.h"
#include "engine/backtrace.h"
#include "engine/source.h"

#define BACKTRACE "ptracehook.backtrace"

static int l_gc(lua_State *L)
{
	ph_backtrace_fini(lua_touserdata(L, 1));
	return 0;
}

/* Memory that Lua frees: making 64-bit numbers runs Lua code, which may be interrupted. */
static struct ph_backtrace *push_room(lua_State *L)
{
	struct ph_backtrace *backtrace = lua_newuserdata(L, sizeof(*backtrace));

	memset(backtrace, 0, sizeof(*backtrace));
	if (luaL_newmetatable(L, BACKTRACE)) {
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return backtrace;
}

static void set_string(lua_State *L, const char *name, const char *value)
{
	if (!value)
		return;
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
	if (!value)
		return;
	lua_pushboolean(L, true);
	lua_setfield(L, -2, name);
}

static void push_frame(lua_State *L, const struct ph_frame *frame)
{
	lua_createtable(L, 0, 8);
	ph_bind_push_u64(L, frame->address);
	lua_setfield(L, -2, "address");
	set_string(L, "module", frame->module);
	set_string(L, "symbol", frame->symbol);
	set_string(L, "file", frame->file);
	lua_pushnumber(L, (lua_Number)frame->offset);
	lua_setfield(L, -2, "offset");
	if (frame->line) {
		lua_pushnumber(L, frame->line);
		lua_setfield(L, -2, "line");
	}
	set_flag(L, "main", frame->is_main);
	set_flag(L, "inlined", frame->is_inlined);
	set_flag(L, "signal", frame->is_signal);
	set_flag(L, "jumped", frame->is_tail);
}

/* core.backtrace(target, thread | nil) -> list */
static int l_backtrace(lua_State *L)
{
	struct ph_thread *thread = lua_isnoneornil(L, 2) ? ph_bind_check_target(L, 1) : ph_bind_test(L, 2, "Thread");
	struct ph_backtrace *backtrace;
	struct ph_err err;
	int r;

	if (!thread)
		ph_bind_argument_error(L, "backtrace: thread: a Thread expected, got %s", ph_bind_push_shown(L, 2));
	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "backtrace: thread %d has ended", ph_thread_tid(thread));
	backtrace = push_room(L);		/* backtrace */
	ph_bind_enter();
	r = ph_backtrace_read(thread, PH_BACKTRACE_MAX, backtrace, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	lua_createtable(L, (int)backtrace->n, 0);	/* backtrace list */
	for (size_t i = 0; i < backtrace->n; i++) {
		push_frame(L, &backtrace->frames[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	ph_backtrace_fini(backtrace);
	return 1;
}

static int l_line(lua_State *L)		/* core.line(target, addr) -> file, line; nothing when nobody knows */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	ph_addr addr = ph_bind_check_addr(L, 2, "line: address");
	struct ph_line line;
	int r;

	ph_bind_enter();
	r = ph_source_at(ph_thread_process(thread), addr, &line);
	ph_bind_leave();
	if (r < 0)
		return 0;
	lua_pushstring(L, line.file);
	lua_pushnumber(L, line.line);
	return 2;
}

/* What debug information names may be anything: a terminal, a pipe that nobody writes to. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* core.source_path(target, addr) -> the file of line's that can be read: where it was compiled, or here; or nothing */
static int l_source_path(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	ph_addr addr = ph_bind_check_addr(L, 2, "line: address");
	struct ph_line line = { .line = 0 };
	char path[4096] = "";

	ph_bind_enter();
	ph_source_path_at(ph_thread_process(thread), addr, path, sizeof(path));
	ph_source_at(ph_thread_process(thread), addr, &line);
	ph_bind_leave();
	if (!is_file(path) && !is_file(line.file))
		return 0;
	lua_pushstring(L, is_file(path) ? path : line.file);
	return 1;
}

void ph_bind_open_backtrace(lua_State *L)	/* core -> core */
{
	lua_pushcfunction(L, l_backtrace);
	lua_setfield(L, -2, "backtrace");
	lua_pushcfunction(L, l_line);
	lua_setfield(L, -2, "line");
	lua_pushcfunction(L, l_source_path);
	lua_setfield(L, -2, "source_path");
}
