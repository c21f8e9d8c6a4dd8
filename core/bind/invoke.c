#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "bind/bind.h"
#include "engine/alloc.h"
#include "engine/invoke.h"

#define ARGUMENTS_MAX 12
#define SYSCALL_ARGUMENTS_MAX 6

static struct ph_thread *check_thread(lua_State *L, const char *what)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);

	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "%s: thread %d has ended", what, thread->tid);
	return thread;
}

/*
 * One value as lua/ptracehook/call.lua passes it: an integer of any kind; a number; a string; {number}: a double;
 * {string, true}: a buffer, whose bytes come back.
 */
static void check_argument(lua_State *L, int index, struct ph_argument *ret)
{
	*ret = (struct ph_argument){ .kind = PH_ARGUMENT_INTEGER };
	if (lua_type(L, index) == LUA_TTABLE) {
		lua_rawgeti(L, index, 1);
		if (lua_type(L, -1) == LUA_TNUMBER) {
			ret->kind = PH_ARGUMENT_DOUBLE;
			ret->number = lua_tonumber(L, -1);
		} else {
			ret->kind = PH_ARGUMENT_BYTES;
			/* The table keeps the string. */
			ret->bytes = lua_tolstring(L, -1, &ret->len);
			ret->back = lua_newuserdata(L, ret->len ? ret->len : 1);
			lua_rawseti(L, index, 3);
		}
		lua_pop(L, 1);
	} else if (lua_type(L, index) == LUA_TSTRING) {
		ret->kind = PH_ARGUMENT_BYTES;
		ret->bytes = lua_tolstring(L, index, &ret->len);
		ret->len++;
	} else if (lua_type(L, index) == LUA_TNUMBER && floor(lua_tonumber(L, index)) != lua_tonumber(L, index)) {
		ret->kind = PH_ARGUMENT_DOUBLE;
		ret->number = lua_tonumber(L, index);
	} else {
		ret->value = ph_bind_check_int(L, index, 64, "call: argument");
	}
}

static size_t check_arguments(lua_State *L, int first, size_t most, const char *what, struct ph_argument *ret)
{
	size_t n = (size_t)(lua_gettop(L) - first + 1);

	if (n > most)
		ph_bind_argument_error(L, "%s: at most %d arguments can be passed, got %d", what, (int)most, (int)n);
	luaL_checkstack(L, 8, what);
	for (size_t i = 0; i < n; i++)
		check_argument(L, first + (int)i, &ret[i]);
	return n;
}

static int push_buffers(lua_State *L, const struct ph_argument *args, size_t n)
{
	int pushed = 0;

	for (size_t i = 0; i < n; i++)
		if (args[i].back) {
			lua_pushlstring(L, args[i].back, args[i].len);
			pushed++;
		}
	return pushed;
}

/* An error in a hook ends the run for good; within one it ends the hook that called, too. */
static int raise_failed(lua_State *L, struct ph_session *session, int r, const struct ph_err *err)
{
	if (r == -ECANCELED) {
		if (!session->in_run) {
			ph_bind_enter();
			ph_session_close(session);
			ph_bind_leave();
		}
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		return lua_error(L);
	}
	if (r == -EINTR && ph_bind.interrupted)
		return luaL_error(L, "interrupted");
	ph_bind_raise(L, err);
}

/* core.call(target, addr, timeout in ms or nil, no_hooks, wants_number, …) -> rax or xmm0, the buffers */
static int l_call(lua_State *L)
{
	struct ph_thread *thread = check_thread(L, "call");
	struct ph_session *session = thread->process->session;
	ph_addr function = ph_bind_check_addr(L, 2, "call: where");
	struct ph_call_options options = {
		.timeout_ms = lua_isnil(L, 3) ? -1 : (int64_t)luaL_checknumber(L, 3),
		.no_hooks = lua_toboolean(L, 4), .wants_number = lua_toboolean(L, 5),
	};
	struct ph_argument args[ARGUMENTS_MAX];
	size_t n = check_arguments(L, 6, ARGUMENTS_MAX, "call", args);
	lua_State *before = ph_bind.L;
	struct ph_call_result result;
	struct ph_err err;
	int r;

	if (!ph_bind_flush()) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		return lua_error(L);
	}
	ph_bind.L = L;
	ph_bind_enter();
	r = ph_thread_call(thread, function, args, n, &options, &result, &err);
	ph_bind_leave();
	ph_bind.L = before;
	if (r < 0)
		return raise_failed(L, session, r, &err);
	if (options.wants_number)
		lua_pushnumber(L, result.xmm0);
	else
		ph_bind_push_u64(L, result.rax);
	return 1 + push_buffers(L, args, n);
}

static int l_syscall(lua_State *L)	/* core.syscall(target, number, …) -> int64_t, the buffers */
{
	struct ph_thread *thread = check_thread(L, "syscall");
	long number = (long)luaL_checknumber(L, 2);
	struct ph_argument args[SYSCALL_ARGUMENTS_MAX];
	size_t n = check_arguments(L, 3, SYSCALL_ARGUMENTS_MAX, "syscall", args);
	struct ph_err err;
	int64_t answer;
	int r;

	ph_bind_enter();
	r = ph_invoke_syscall(thread, number, args, n, &answer, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push_i64(L, answer);
	return 1 + push_buffers(L, args, n);
}

static int check_prot(lua_State *L, int index)
{
	const char *text = luaL_checkstring(L, index);

	return (strchr(text, 'r') ? PROT_READ : 0) | (strchr(text, 'w') ? PROT_WRITE : 0) |
	       (strchr(text, 'x') ? PROT_EXEC : 0);
}

static int l_alloc(lua_State *L)	/* core.alloc(target, n, prot, keep, near | nil) -> address */
{
	struct ph_thread *thread = check_thread(L, "mem.alloc");
	size_t size = ph_bind_check_len(L, 2, "mem.alloc: n");
	int prot = check_prot(L, 3);
	bool keep = lua_toboolean(L, 4);
	ph_addr near = lua_isnoneornil(L, 5) ? 0 : ph_bind_check_addr(L, 5, "mem.alloc: near"), at;
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_alloc_map(thread, size, prot, near, keep, &at, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push_u64(L, at);
	return 1;
}

static int l_free(lua_State *L)		/* core.free(target, address) */
{
	struct ph_thread *thread = check_thread(L, "mem.free");
	ph_addr at = ph_bind_check_addr(L, 2, "mem.free: address");
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_alloc_unmap(thread, at, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_protect(lua_State *L)	/* core.protect(target, address, n, prot) */
{
	struct ph_thread *thread = check_thread(L, "mem.protect");
	ph_addr at = ph_bind_check_addr(L, 2, "mem.protect: address");
	size_t size = ph_bind_check_len(L, 3, "mem.protect: n");
	int prot = check_prot(L, 4);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_alloc_protect(thread, at, size, prot, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

void ph_bind_open_invoke(lua_State *L)	/* core -> core */
{
	static const luaL_Reg functions[] = {
		{ "call", l_call },   { "syscall", l_syscall }, { "alloc", l_alloc },
		{ "free", l_free },   { "protect", l_protect }, { NULL, NULL },
	};

	luaL_register(L, NULL, functions);
}
