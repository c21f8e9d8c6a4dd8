#include <errno.h>

#include "bind/bind.h"
#include "bind/terminal.h"

/* {kind = …} as run() gives it and on("exit") gets it. */
void ph_bind_push_reason(lua_State *L, const struct ph_reason *reason)
{
	static const char *const kinds[] = {
		[PH_REASON_NONE] = "none", [PH_REASON_EXIT] = "exit",	  [PH_REASON_SIGNAL] = "signal",
		[PH_REASON_STOP] = "stop", [PH_REASON_DETACH] = "detach", [PH_REASON_TIMEOUT] = "timeout",
	};
	char name[32];

	lua_createtable(L, 0, 4);
	lua_pushstring(L, kinds[reason->kind]);
	lua_setfield(L, -2, "kind");
	if (reason->kind == PH_REASON_EXIT) {
		lua_pushinteger(L, reason->code);
		lua_setfield(L, -2, "code");
	} else if (reason->kind == PH_REASON_SIGNAL) {
		lua_pushstring(L, ph_bind_signal_name(reason->code, name, sizeof(name)));
		lua_setfield(L, -2, "signal");
		if (reason->core) {
			lua_pushboolean(L, true);
			lua_setfield(L, -2, "core");
		}
	} else if (reason->kind == PH_REASON_STOP) {
		ph_bind_push_thread(L, reason->thread);
		lua_setfield(L, -2, "thread");
		if (reason->event < PH_EVENT_COUNT) {
			lua_pushstring(L, ph_bind_event_name(reason->event));
			lua_setfield(L, -2, "event");
		}
		ph_bind_push_watch(L, reason->watch);
		lua_setfield(L, -2, "watch");
		ph_bind_push_breakpoint(L, reason->breakpoint);
		lua_setfield(L, -2, "breakpoint");
		if (reason->event == PH_EVENT_SYSCALL && reason->thread) {
			ph_bind_push_syscall(L, reason->thread);
			lua_setfield(L, -2, "sc");
		}
	}
}

/* A failed run's session is closed: an error in a hook ends it for good, unless somebody can look at it. */
static void see_run(struct ph_session *session, int code)
{
	if (code == -ECANCELED && session->failure.code == code && !ph_bind.soft_interrupt)
		ph_session_close(session);
	ph_bind_see_thread(session);
	if (ph_session_has_ended(session))
		ph_bind_tell_pending(session);
}

static int try_several(lua_State *L, struct ph_session **sessions, size_t n, int64_t timeout, struct ph_reason *ret,
		       struct ph_err *err)
{
	lua_State *before = ph_bind.L;
	int r;

	ph_bind.L = L;
	ph_bind_enter();
	r = ph_sessions_run(sessions, n, timeout, ret, err);
	ph_bind_leave();
	for (size_t i = 0; i < n; i++)
		see_run(sessions[i], r);
	ph_bind.L = before;
	return r;
}

int ph_bind_try_run(lua_State *L, struct ph_session *session, int64_t timeout, struct ph_reason *ret,
		    struct ph_err *err)
{
	return try_several(L, &session, 1, timeout, ret, err);
}

/* Our terminal goes to the first of them that we spawned. */
static int run_in_foreground(lua_State *L, struct ph_session **sessions, size_t n, int64_t timeout,
			     struct ph_reason *ret, struct ph_err *err)
{
	size_t first = 0;
	bool is_given;
	int r;

	while (first < n && (!sessions[first]->spawned || ph_session_has_ended(sessions[first])))
		first++;
	is_given = ph_bind.depth == 0 && first < n;
	ph_bind.driven = true;
	if (is_given)
		ph_terminal_give(ph_session_pid(sessions[first]));
	r = try_several(L, sessions, n, timeout, ret, err);
	if (is_given)
		ph_terminal_take();
	return r;
}

int ph_bind_run_in_foreground(lua_State *L, struct ph_session *session, int64_t timeout, struct ph_reason *ret,
			      struct ph_err *err)
{
	return run_in_foreground(L, &session, 1, timeout, ret, err);
}

static void run_several(lua_State *L, struct ph_session **sessions, size_t n, int64_t timeout, struct ph_reason *ret)
{
	struct ph_err err;
	int r;

	if (!ph_bind_flush()) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		lua_error(L);
	}
	r = run_in_foreground(L, sessions, n, timeout, ret, &err);
	if (r == -ECANCELED) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		lua_error(L);
	}
	if (r == -EINTR)
		luaL_error(L, "interrupted");
	if (r < 0)
		ph_bind_raise(L, &err);
}

void ph_bind_run(lua_State *L, struct ph_session *session, int64_t timeout, struct ph_reason *ret)
{
	run_several(L, &session, 1, timeout, ret);
}

int ph_bind_run_ms(lua_State *L)	/* session:run_ms([milliseconds]) -> reason */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	int64_t timeout = lua_isnoneornil(L, 2) ? -1 : (int64_t)luaL_checknumber(L, 2);
	struct ph_reason reason;

	ph_bind_run(L, session, timeout, &reason);
	ph_bind_push_reason(L, &reason);
	return 1;
}

static int l_run_several(lua_State *L)	/* core.run_several({session, …}, milliseconds | nil) -> {reason, …} */
{
	size_t n = lua_objlen(L, 1);
	struct ph_session **sessions = lua_newuserdata(L, (n + 1) * sizeof(struct ph_session *));
	struct ph_reason *reasons = lua_newuserdata(L, (n + 1) * sizeof(*reasons));

	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		sessions[i] = ph_bind_check(L, -1, "Session");
		lua_pop(L, 1);
	}
	run_several(L, sessions, n, lua_isnumber(L, 2) ? (int64_t)lua_tonumber(L, 2) : -1, reasons);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		ph_bind_push_reason(L, &reasons[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

void ph_bind_open_run(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_run_several);
	lua_setfield(L, -2, "run_several");
}
