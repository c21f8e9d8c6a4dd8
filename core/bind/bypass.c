/* What the library bypass needs of the engine, and scripts do not. */
#include "bind/bind.h"
#include "engine/tsc.h"
#include "os/ptrace.h"

static int l_trap_tsc(lua_State *L)	/* core.trap_tsc(session, on) */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_tsc_trap(session, lua_toboolean(L, 2), &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_has_filter(lua_State *L)	/* core.has_filter(session): its threads have our seccomp filter */
{
	lua_pushboolean(L, ph_bind_check_session(L, 1)->calls.filtered);
	return 1;
}

/* core.free_time(session): nanoseconds that it ran with no thread in a hook, since this was first asked for. */
static int l_free_time(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);

	session->measures_free = true;
	/* Below 2^53 for a hundred days. */
	lua_pushnumber(L, (lua_Number)session->free_ns);
	return 1;
}

/*
 * core.interrupt(thread): a system call that it is blocked in begins anew, and hooks see that; most do so unseen by the
 * program (signal(7), "Interruption of system calls ... by stop signals").
 */
static int l_interrupt(lua_State *L)
{
	const struct ph_thread *thread = ph_bind_check_target(L, 1);

	if (thread->state == PH_THREAD_RUNNING)
		ph_os_interrupt(thread->tid);
	return 0;
}

static void add_range(lua_State *L, ph_addr start, size_t size)	/* list -> list */
{
	int n = (int)lua_objlen(L, -1);

	ph_bind_push_u64(L, start);
	lua_rawseti(L, -2, n + 1);
	ph_bind_push_u64(L, start + size);
	lua_rawseti(L, -2, n + 2);
}

/* core.scratch(target) -> {start, stop, start, stop, …}: memory of ours and of scripts' in it. */
static int l_scratch(lua_State *L)
{
	const struct ph_thread *thread = ph_bind_check_target(L, 1);
	const struct ph_space *space;

	lua_newtable(L);
	if (ph_bind_has_ended(thread))
		return 1;
	space = thread->process->space;
	for (size_t i = 0; i < space->slots.n_chunks; i++)
		add_range(L, space->slots.chunks[i].base, space->slots.chunks[i].size);
	for (size_t i = 0; i < space->n_allocations; i++)
		add_range(L, space->allocations[i].addr, space->allocations[i].size);
	return 1;
}

void ph_bind_open_bypass(lua_State *L)	/* core -> core */
{
	static const luaL_Reg functions[] = {
		{ "trap_tsc", l_trap_tsc }, { "has_filter", l_has_filter }, { "interrupt", l_interrupt },
		{ "free_time", l_free_time }, { "scratch", l_scratch }, { NULL, NULL },
	};

	luaL_register(L, NULL, functions);
}
