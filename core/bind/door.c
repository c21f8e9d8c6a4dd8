#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/plan.h"

/*
 * Keeps the traceback while the stack still stands; the error itself stays what it is, so that pcall sees that. One
 * that left a hook comes by again when run() raises it: where it was first raised is what counts.
 */
static int message_handler(lua_State *L)	/* error -> error */
{
	bool again;

	lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	again = ph_bind.error_trace && !lua_isnil(L, -1) && lua_rawequal(L, -1, -2);
	lua_pop(L, 1);
	if (again)
		return 1;
	free(ph_bind.error_trace);
	luaL_traceback(L, L, NULL, 1);
	ph_bind.error_trace = strdup(lua_tostring(L, -1));
	lua_pop(L, 1);
	return 1;
}

/* registry: functions made once, so that an event makes none. */
static int message_handler_ref, hook_ref, answer_ref;

bool ph_bind_call(lua_State *L, int n_args, int n_results)
{
	int base = lua_gettop(L) - n_args, busy = ph_bind.busy, r;

	lua_rawgeti(L, LUA_REGISTRYINDEX, message_handler_ref);
	lua_insert(L, base);
	ph_bind.busy = 0;
	r = lua_pcall(L, n_args, n_results, base);
	ph_bind.busy = busy;
	lua_remove(L, base);
	if (r == 0)
		return true;
	luaL_unref(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	ph_bind.error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return false;
}

/* The error at the top of the stack, as text; a value of any kind may have been raised. */
static const char *push_message(lua_State *L)
{
	if (luaL_callmeta(L, -1, "__tostring") && lua_isstring(L, -1))
		return lua_tostring(L, -1);
	if (lua_isstring(L, -1))
		return lua_tostring(L, -1);
	return lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
}

static int l_message(lua_State *L)
{
	push_message(L);
	return 1;
}

void ph_bind_report(const char *prefix)
{
	lua_State *L = ph_bind.L;
	const char *message = "(no message)";
	int top = lua_gettop(L);

	/* What ended the script is not to end the telling of it. */
	if (ph_bind.interrupted)
		lua_sethook(L, NULL, 0, 0);
	fflush(stdout);
	lua_pushcfunction(L, l_message);
	lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	/* __tostring is script code too. */
	if (lua_pcall(L, 1, 1, 0) == 0 && lua_isstring(L, -1))
		message = lua_tostring(L, -1);
	fprintf(stderr, "ptracehook: %s%s\n%s%s", prefix, message, ph_bind.error_trace ? ph_bind.error_trace : "",
		ph_bind.error_trace ? "\n" : "");
	lua_settop(L, top);
}

void ph_bind_keep_error(lua_State *L)
{
	luaL_unref(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	ph_bind.error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	free(ph_bind.error_trace);
	ph_bind.error_trace = NULL;
}

bool ph_bind_flush(void)
{
	lua_State *L = ph_bind.L;
	bool good;

	if (ph_bind.own_stdout || __fpending(stdout) == 0)
		return true;
	ph_bind.flushing = 1;
	good = fflush(stdout) == 0;
	ph_bind.flushing = 0;
	if (good)
		return true;
	/* What nobody takes stays in the buffer and would fail again for ever. */
	lua_pushfstring(L, "cannot write standard output: %s", strerror(errno));
	__fpurge(stdout);
	clearerr(stdout);
	ph_bind_keep_error(L);
	return false;
}

static int push_arguments(lua_State *L, const struct ph_event *event)
{
	switch (event->kind) {
	case PH_EVENT_BREAKPOINT:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_breakpoint(L, event->breakpoint);
		return 2;
	case PH_EVENT_SYSCALL:
		ph_bind_push_syscall(L, event->thread);
		return 1;
	case PH_EVENT_WATCH:
	case PH_EVENT_WATCH_EXECUTE:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_watch(L, event->watch);
		return 2;
	case PH_EVENT_EXEC:
		ph_bind_push_thread(L, event->thread);
		lua_pushstring(L, event->path);
		return 2;
	case PH_EVENT_FORK:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_process(L, event->child);
		return 2;
	case PH_EVENT_EXIT:
		ph_bind_push_process(L, event->process);
		ph_bind_push_reason(L, &event->reason);
		return 2;
	case PH_EVENT_LOAD:
	case PH_EVENT_UNLOAD:
		ph_bind_push_module(L, event->module);
		ph_bind_push_thread(L, event->thread);
		return 2;
	case PH_EVENT_THREAD_EXIT:
		ph_bind_push_thread(L, event->thread);
		ph_bind_push_reason(L, &event->reason);
		return 2;
	case PH_EVENT_SIGNAL:
	case PH_EVENT_INSTRUCTION:
	case PH_EVENT_STEP:
	case PH_EVENT_THREAD:
	case PH_EVENT_COUNT:
		break;
	}
	ph_bind_push_thread(L, event->thread);
	return 1;
}

/* Where the function was written, for what it did to be blamed on; "" for one that is not Lua's. */
static void push_origin(lua_State *L, int fn_ref)
{
	lua_Debug ar;

	lua_rawgeti(L, LUA_REGISTRYINDEX, fn_ref);
	if (!lua_isfunction(L, -1)) {
		lua_pop(L, 1);
		lua_pushliteral(L, "");
		return;
	}
	lua_getinfo(L, ">S", &ar);
	if (ar.linedefined > 0)
		lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.linedefined);
	else
		lua_pushliteral(L, "");
}

struct hook {
	const struct ph_event *event;
	int fn_ref;
	struct ph_action *ret;
};

/* What the function returned, at the top of the stack, as an action; raises when it is none. */
static int take_answer(lua_State *L, const struct hook *hook)
{
	const char *why;

	if (lua_isnil(L, -1) || ph_bind_to_action(L, -1, hook->event->kind, hook->ret, &why))
		return 0;
	push_origin(L, hook->fn_ref);
	lua_pushfstring(L, "a hook on %s returned %s; it may return nothing or an action such as CONTINUE, STOP, KILL",
			ph_bind_event_name(hook->event->kind), why);
	lua_concat(L, 2);
	return lua_error(L);
}

static int l_answer(lua_State *L)	/* struct hook, value */
{
	return take_answer(L, lua_touserdata(L, 1));
}

/* With the function at the top: what it changes of the siginfo is taken before its answer. */
static int call_for_signal(lua_State *L, const struct hook *hook)
{
	int siginfo;

	ph_bind_push_siginfo(L, hook->event->siginfo);	/* fn siginfo */
	siginfo = lua_gettop(L);
	lua_pushvalue(L, -2);
	ph_bind_push_thread(L, hook->event->thread);
	lua_pushvalue(L, siginfo);
	lua_call(L, 2, 1);
	ph_bind_take_siginfo(L, siginfo, hook->event->thread, hook->event->siginfo);
	return take_answer(L, hook);
}

/* One call of a script's function. All of it may raise, so all of it is protected: the engine is below us. */
static int l_hook(lua_State *L)		/* struct hook */
{
	const struct hook *hook = lua_touserdata(L, 1);
	const char *why;

	lua_rawgeti(L, LUA_REGISTRYINDEX, hook->fn_ref);
	if (ph_bind_is_action(L, -1)) {
		/* The action stands in the hook's place: bp("fail", STOP). It was checked when it was added. */
		ph_bind_to_action(L, -1, hook->event->kind, hook->ret, &why);
		return 0;
	}
	if (hook->event->kind == PH_EVENT_SIGNAL)
		return call_for_signal(L, hook);
	lua_call(L, push_arguments(L, hook->event), 1);
	return take_answer(L, hook);
}

/* False: some of them would have to be made. */
static bool push_known_arguments(lua_State *L, const struct ph_event *event)
{
	if (event->kind == PH_EVENT_SYSCALL)
		return ph_bind_push_known_syscall(L, event->thread);
	if (event->kind == PH_EVENT_WATCH || event->kind == PH_EVENT_WATCH_EXECUTE)
		return ph_bind_push_known(L, event->thread) && ph_bind_push_known(L, event->watch);
	return event->kind == PH_EVENT_BREAKPOINT && ph_bind_push_known(L, event->thread) &&
	       ph_bind_push_known(L, event->breakpoint);
}

/*
 * The usual hit: a function, and arguments that scripts have met. Nothing here can raise but the function, so it is
 * called straight, for half the cost of l_hook; -1: that has to do it.
 */
static int call_straight(lua_State *L, const struct hook *hook)
{
	const struct ph_event *event = hook->event;
	int top = lua_gettop(L);

	lua_rawgeti(L, LUA_REGISTRYINDEX, hook->fn_ref);
	if (lua_type(L, -1) != LUA_TFUNCTION || !push_known_arguments(L, event)) {
		lua_settop(L, top);
		return -1;
	}
	if (!ph_bind_call(L, lua_gettop(L) - top - 1, 1))
		return false;
	if (lua_isnil(L, -1))
		return true;
	lua_rawgeti(L, LUA_REGISTRYINDEX, answer_ref);	/* value l_answer */
	lua_insert(L, -2);
	lua_pushlightuserdata(L, (void *)(uintptr_t)hook);
	lua_insert(L, -2);
	return ph_bind_call(L, 2, 0);
}

static bool call_hook(lua_State *L, const struct hook *hook)
{
	int r = call_straight(L, hook);

	if (r < 0) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, hook_ref);
		lua_pushlightuserdata(L, (void *)(uintptr_t)hook);
		r = ph_bind_call(L, 1, 0);
	}
	return r && ph_bind_flush();
}

struct ph_action ph_bind_call_hook(const struct ph_event *event, int fn_ref)
{
	lua_State *L = ph_bind.L;
	struct ph_thread *thread_before = ph_bind.now_thread ? ph_thread_ref(ph_bind.now_thread) : NULL;
	struct ph_session *before = ph_bind.current ? ph_session_ref(ph_bind.current) : NULL;
	struct ph_process *process_before = ph_bind.event_process;
	struct ph_action action = { .kind = PH_CONTINUE };
	struct hook hook = { event, fn_ref, &action };
	int top = lua_gettop(L);

	ph_bind_set_current(event->session);
	ph_bind_set_now(event->thread);
	ph_bind.event_process = event->process;
	ph_bind.depth++;
	if (!call_hook(L, &hook)) {
		action = (struct ph_action){ .kind = PH_CONTINUE };
		if (ph_bind.report_errors && !ph_bind.interrupted)
			ph_bind_report("error in a hook: ");
		else
			action.kind = PH_FAIL;
		ph_bind.hook_failed |= action.kind == PH_FAIL;
	}
	ph_bind.depth--;
	lua_settop(L, top);
	ph_bind_set_current(before);
	ph_bind_set_now(thread_before);
	ph_bind.event_process = process_before;
	ph_session_unref(before);
	ph_thread_unref(thread_before);
	return action;
}

void ph_bind_open_door(lua_State *L)
{
	lua_pushcfunction(L, message_handler);
	message_handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushcfunction(L, l_hook);
	hook_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushcfunction(L, l_answer);
	answer_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
