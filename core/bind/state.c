#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lualib.h>

#include "bind/bind.h"
#include "bind/embed.h"
#include "bind/prompt.h"
#include "engine/cpu.h"
#include "os/wait.h"

#define CORE "ptracehook.core"	/* in the registry */

struct ph_bind ph_bind = { .error_ref = LUA_NOREF };

/* $PTRACEHOOK_LUA/name.lua or its init.lua, for whoever works on our own Lua files; "" when there is no such file. */
static void push_override(lua_State *L, const char *name)
{
	const char *folder = getenv("PTRACEHOOK_LUA");

	if (!folder || !*folder) {
		lua_pushliteral(L, "");
		return;
	}
	luaL_gsub(L, name, ".", "/");
	lua_pushfstring(L, "%s/%s.lua", folder, lua_tostring(L, -1));
	if (access(lua_tostring(L, -1), R_OK) == 0)
		return;
	lua_pushfstring(L, "%s/%s/init.lua", folder, lua_tostring(L, -2));
	if (access(lua_tostring(L, -1), R_OK) != 0)
		lua_pushliteral(L, "");
}

static int l_searcher(lua_State *L)	/* package.loaders: name -> loader, or why not */
{
	const char *name = luaL_checkstring(L, 1), *path;

	push_override(L, name);
	path = lua_tostring(L, -1);
	if (*path) {
		if (luaL_loadfile(L, path) != 0)
			return lua_error(L);
		return 1;
	}
	for (const struct ph_embedded *at = ph_embedded; at->name; at++) {
		if (strcmp(at->name, name) != 0)
			continue;
		if (luaL_loadbuffer(L, (const char *)at->bytes, at->size, at->name) != 0)
			return lua_error(L);
		return 1;
	}
	lua_pushfstring(L, "\n\tno library '%s' in ptracehook", name);
	return 1;
}

/* core.load(name) -> the module ptracehook.name, whatever a script has done to require and package. */
static int l_load(lua_State *L)
{
	lua_pushliteral(L, "ptracehook.");
	lua_pushstring(L, luaL_checkstring(L, 1));
	lua_concat(L, 2);
	lua_replace(L, 1);
	lua_settop(L, 1);			/* name */
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	lua_pushvalue(L, 1);
	lua_rawget(L, 2);			/* name loaded module */
	if (!lua_isnil(L, 3))
		return 1;
	lua_pushcfunction(L, l_searcher);
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);			/* name loaded nil chunk */
	if (!lua_isfunction(L, 4))
		return luaL_error(L, "%s", lua_tostring(L, 4));
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);			/* name loaded nil module */
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 4);
	lua_rawset(L, 2);
	return 1;
}

void *ph_bind_load_math(void)
{
	static void *library;

	if (!library)
		library = dlopen("libm.so.6", RTLD_LAZY | RTLD_GLOBAL);
	return library;
}

/* Modules in C may expect libm in the program, as every other Lua has it there. */
static int l_with_math(lua_State *L)	/* upvalue: what is called */
{
	ph_bind_load_math();
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* Ours come first, behind package.preload: nothing in a script's folder stands in for them by accident. */
static void add_searcher(lua_State *L)
{
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "loadlib");
	lua_pushcclosure(L, l_with_math, 1);
	lua_setfield(L, -2, "loadlib");
	lua_getfield(L, -1, "loaders");		/* package loaders: preload, Lua, C, a part of one in C */
	for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
		lua_rawgeti(L, -1, i);
		if (i > 2)
			lua_pushcclosure(L, l_with_math, 1);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushcfunction(L, l_searcher);
	lua_rawseti(L, -2, 2);
	lua_pop(L, 2);
}

static int l_exit(lua_State *L)		/* core.exit(status) */
{
	ph_bind_exit((int)luaL_checkinteger(L, 1));
}

static int l_is_wide(lua_State *L)	/* core.is_wide(x): a uint64_t or int64_t */
{
	lua_pushboolean(L, ph_bind_is_integer_cdata(L, 1));
	return 1;
}

static int l_policy_errors(lua_State *L)	/* core.report_errors(yes) */
{
	ph_bind.report_errors = lua_toboolean(L, 1);
	return 0;
}

static int l_verbosity(lua_State *L)	/* core.verbosity() -> quiet, verbose */
{
	lua_pushboolean(L, ph_bind.quiet);
	lua_pushboolean(L, ph_bind.verbose);
	return 2;
}

static int l_thread(lua_State *L)	/* core.thread(): what the global thread means, or nil */
{
	ph_bind_push_thread(L, ph_bind.now_thread);
	return 1;
}

static int l_process(lua_State *L)
{
	struct ph_process *process = ph_bind.event_process;

	if (!process && ph_bind.now_thread)
		process = ph_thread_process(ph_bind.now_thread);
	ph_bind_push_process(L, process);
	return 1;
}

static int l_clock(lua_State *L)	/* core.clock() -> seconds that only grow */
{
	lua_pushnumber(L, (lua_Number)ph_os_now() / 1e9);
	return 1;
}

static int l_leave_cpu(lua_State *L)	/* core.leave_cpu(): before a child of ours is made */
{
	(void)L;
	if (ph_bind.tracer)
		ph_cpu_leave(ph_bind.tracer);
	return 0;
}

static int l_debug_root(lua_State *L)	/* core.debug_root(folder) */
{
	if (ph_tracer_set_debug_root(ph_bind.tracer, luaL_checkstring(L, 1)) < 0)
		ph_bind_argument_error(L, "policy: debug_root: out of memory");
	return 0;
}

static int l_raise(lua_State *L)	/* core.raise(message): at the innermost line that is not ours */
{
	ph_bind_argument_error(L, "%s", luaL_checkstring(L, 1));
}

static void open_rest(lua_State *L)	/* core -> core */
{
	lua_pushnil(L);
	lua_setmetatable(L, -2);
	ph_bind_open_thread(L);
	ph_bind_open_breakpoint(L);
	ph_bind_open_watch(L);
	ph_bind_open_event(L);
	ph_bind_open_regs(L);
	ph_bind_open_mem(L);
	ph_bind_open_patch(L);
	ph_bind_open_snapshot(L);
	ph_bind_open_gdb(L);
	ph_bind_open_invoke(L);
	ph_bind_open_bypass(L);
	ph_bind_open_peek(L);
	ph_bind_open_syscall(L);
	ph_bind_open_disasm(L);
	ph_bind_open_stream(L);
	ph_bind_open_module(L);
	ph_bind_open_backtrace(L);
	ph_bind_open_types(L);
	ph_bind_open_prompt(L);
	ph_bind_open_filewatch(L);
	ph_bind_open_guard(L);
	ph_bind_open_relay(L);
}

void ph_bind_open_rest(lua_State *L)
{
	luaL_checkstack(L, LUA_MINSTACK, "too many values");
	lua_getfield(L, LUA_REGISTRYINDEX, CORE);
	if (lua_getmetatable(L, -1)) {
		lua_pop(L, 1);
		open_rest(L);
	}
	lua_pop(L, 1);
}

/* Most functions and classes are not there before one of them is asked for: making them takes as long as all else. */
static int l_rest(lua_State *L)		/* core or its classes, name -> what it is there */
{
	ph_bind_open_rest(L);
	lua_pushvalue(L, 2);
	lua_rawget(L, 1);
	return 1;
}

static int l_core(lua_State *L)		/* the module "ptracehook.core" */
{
	static const luaL_Reg functions[] = {
		{ "exit", l_exit },	      { "is_wide", l_is_wide }, { "report_errors", l_policy_errors },
		{ "verbosity", l_verbosity }, { "raise", l_raise },
		{ "leave_cpu", l_leave_cpu },
		{ "debug_root", l_debug_root },
		{ "thread", l_thread },	      { "process", l_process }, { "clock", l_clock },
		{ "load", l_load },
		{ NULL, NULL },
	};

	lua_newtable(L);			/* core */
	luaL_register(L, NULL, functions);
	lua_newtable(L);			/* core meta */
	lua_pushcfunction(L, l_rest);
	lua_setfield(L, -2, "__index");
	lua_pushvalue(L, -1);
	lua_setmetatable(L, -3);
	lua_newtable(L);			/* core meta classes */
	lua_insert(L, -2);
	lua_setmetatable(L, -2);		/* core classes */
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, "ptracehook.classes");
	lua_setfield(L, -2, "classes");
	ph_bind_open_last_words(L);
	ph_bind_open_classes(L);
	ph_bind_open_errors(L);
	ph_bind_open_numbers(L);
	ph_bind_open_action(L);
	ph_bind_open_session(L);
	ph_bind_open_run(L);
	ph_bind_open_wait(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, CORE);
	return 1;
}

/* What luaL_openlibs opens, without the compiler. */
static void open_libraries(lua_State *L)
{
	static const luaL_Reg libraries[] = {
		{ "", luaopen_base },		     { LUA_LOADLIBNAME, luaopen_package }, { LUA_TABLIBNAME, luaopen_table },
		{ LUA_IOLIBNAME, luaopen_io },	     { LUA_OSLIBNAME, luaopen_os },	   { LUA_STRLIBNAME, luaopen_string },
		{ LUA_MATHLIBNAME, luaopen_math },   { LUA_DBLIBNAME, luaopen_debug },	   { LUA_BITLIBNAME, luaopen_bit },
		{ NULL, NULL },
	};

	for (const luaL_Reg *library = libraries; library->func; library++) {
		lua_pushcfunction(L, library->func);
		lua_pushstring(L, library->name);
		lua_call(L, 1, 0);
	}
	lua_getglobal(L, LUA_LOADLIBNAME);
	lua_getfield(L, -1, "preload");
	lua_pushcfunction(L, luaopen_ffi);
	lua_setfield(L, -2, LUA_FFILIBNAME);
	lua_pop(L, 2);
}

/*
 * Opening the compiler's library executes cpuid, which virtual machines trap: before there is something to compile.
 * Without side traces: those of 2.1.0-beta3 leave a wrong stack behind now and then (HACKING.md).
 */
static int l_open_compiler(lua_State *L)
{
	lua_pushcfunction(L, luaopen_jit);
	lua_pushliteral(L, LUA_JITLIBNAME);
	lua_call(L, 1, 0);
	lua_getglobal(L, "require");
	lua_pushliteral(L, "jit.opt");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "start");
	lua_pushliteral(L, "maxside=0");
	lua_call(L, 1, 0);
	return 0;
}

bool ph_bind_open_compiler(struct ph_bind *bind)
{
	if (bind->has_compiler)
		return true;
	bind->has_compiler = true;
	lua_pushcfunction(bind->L, l_open_compiler);
	return ph_bind_call(bind->L, 0, 0);
}

static int l_ffi(lua_State *L)		/* upvalue: the library */
{
	ph_bind_load_math();
	lua_pushvalue(L, lua_upvalueindex(1));
	return 1;
}

/* We have the library ffi already; whoever asks for it from now on may want functions of libm. */
static void hand_out_ffi(lua_State *L)
{
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	lua_getfield(L, -2, "loaded");		/* package preload loaded */
	lua_getfield(L, -1, LUA_FFILIBNAME);
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, PH_BIND_FFI);
	lua_pushcclosure(L, l_ffi, 1);
	lua_setfield(L, -3, LUA_FFILIBNAME);
	lua_pushnil(L);
	lua_setfield(L, -2, LUA_FFILIBNAME);
	lua_pop(L, 3);
}

/* Nothing is collected meanwhile: that would cost more than all of it. */
static int l_open(lua_State *L)
{
	lua_gc(L, LUA_GCSTOP, 0);
	open_libraries(L);
	ph_bind_open_functions(L);
	add_searcher(L);
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	lua_pushcfunction(L, l_core);
	lua_setfield(L, -2, CORE);
	lua_pop(L, 2);
	lua_getglobal(L, "require");
	lua_pushliteral(L, "ptracehook");
	lua_call(L, 1, 0);
	hand_out_ffi(L);
	lua_gc(L, LUA_GCRESTART, -1);
	return 0;
}

/* What the engine has to say on its own account, such as that a debug file does not match. */
static void warn(const char *text, void *user)
{
	(void)user;
	if (ph_bind.quiet)
		return;
	fflush(stdout);
	fprintf(stderr, "ptracehook: %s\n", text);
}

/*
 * Closing a state runs finalisers, newest first, and then frees each object by itself, which costs as much as a third of
 * the start and serves nobody when the process ends anyway. So the oldest object of all has a finaliser that leaves.
 */
static jmp_buf finalised;
static bool closing;

static int l_leave(lua_State *L)
{
	(void)L;
	if (closing)
		longjmp(finalised, 1);
	return 0;
}

static void add_oldest(lua_State *L)
{
	lua_newuserdata(L, 1);
	lua_newtable(L);
	lua_pushcfunction(L, l_leave);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	luaL_ref(L, LUA_REGISTRYINDEX);
}

static void finalise(lua_State *L)
{
	closing = true;
	if (!setjmp(finalised))
		lua_close(L);
}

/*
 * What the start fills with objects in any case, at once instead of by a page fault each. (Linux 5.14; refused before
 * that, which is no harm.)
 */
static void fill_memory(const lua_State *L)
{
	uintptr_t next_page = ((uintptr_t)L | (PH_PAGE - 1)) + 1;

	madvise((void *)next_page, 31 * PH_PAGE, MADV_POPULATE_WRITE);
}

int ph_bind_open(struct ph_bind *bind)
{
	int r = ph_tracer_new(&bind->tracer);

	if (r < 0)
		return r;
	ph_tracer_set_interrupt(bind->tracer, &bind->interrupted);
	ph_tracer_set_warn(bind->tracer, warn, NULL);
	bind->L = luaL_newstate();
	if (!bind->L)
		return -ENOMEM;
	fill_memory(bind->L);
	add_oldest(bind->L);
	ph_bind_open_protect(bind->L);
	ph_bind_open_door(bind->L);
	lua_pushcfunction(bind->L, l_open);
	return ph_bind_call(bind->L, 0, 0) ? 0 : -ECANCELED;
}

void ph_bind_close(struct ph_bind *bind)
{
	lua_State *L = bind->L;

	bind->busy++;
	ph_prompt_close();
	ph_bind_set_now(NULL);
	ph_tracer_free(bind->tracer);
	bind->tracer = NULL;
	ph_bind_set_current(NULL);
	/* Finalisers may wait, for a command that a pipe leads to: not for whoever was told to end. */
	if (bind->interrupted) {
		ph_bind_last_words();
		fflush(NULL);
		_exit(ph_bind_interrupt_status());
	}
	if (L)
		finalise(L);
	bind->L = NULL;
	ph_bind_close_door();
	free(bind->error_trace);
	bind->error_trace = NULL;
	fflush(stdout);
	ph_bind_interrupt_uninstall();
}
