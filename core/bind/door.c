#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/function.h"
#include "engine/stream.h"
#include "engine/plan.h"

/* registry: functions made once, so that an event makes none. */
static int prepare_ref, answer_ref, new_thread_ref, trace_ref, guard_ref = LUA_NOREF;

/*
 * One call of a script's function. It runs in a coroutine of its own, so that it can wait; coroutines are used again
 * and again, which costs no more than a protected call.
 *
 *	free -> running -> free
 *		  |  ^
 *		  v  |		yields what it waits for (l_wait's token first)
 *		waiting
 */
struct ph_bind_call {
	lua_State *L;			/* the coroutine, kept by ref */
	int ref;
	struct ph_event event;		/* what it was called for; while it waits, the engine counts its objects */
	int fn_ref;			/* the function; its own reference once it has waited */
	bool is_bare;			/* it looks at no arguments */
	bool has_siginfo;		/* the table is below the function on the coroutine's stack */
	bool waited;
	struct ph_goal *goal;		/* … for a tube: what wakes it; on the coroutine's stack. Or NULL */
	bool moved;			/* … for something that made its thread run on */
	int end_ref;			/* registry: the error that tells it of an end; LUA_NOREF: none did */
	struct ph_bind_call *next;	/* free ones */
	struct ph_bind_call *outer;	/* running ones: whose run we are in */
};

static struct ph_bind_call *free_calls;

static char token;	/* its address begins what a hook that waits yields */

static int l_new_thread(lua_State *L)	/* struct ph_bind_call */
{
	struct ph_bind_call *call = lua_touserdata(L, 1);

	call->L = lua_newthread(L);
	call->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static struct ph_bind_call *take_call(lua_State *L)
{
	struct ph_bind_call *call = free_calls;

	if (call) {
		free_calls = call->next;
		return call;
	}
	call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	lua_rawgeti(L, LUA_REGISTRYINDEX, new_thread_ref);
	lua_pushlightuserdata(L, call);
	if (ph_bind_call(L, 1, 0))
		return call;
	free(call);
	return NULL;
}

/* Its coroutine has run to its end, or died. */
static void give_back(struct ph_bind_call *call, bool dead)
{
	if (call->waited)
		luaL_unref(ph_bind.L, LUA_REGISTRYINDEX, call->fn_ref);
	luaL_unref(ph_bind.L, LUA_REGISTRYINDEX, call->end_ref);
	if (dead) {
		luaL_unref(ph_bind.L, LUA_REGISTRYINDEX, call->ref);
		free(call);
		return;
	}
	lua_settop(call->L, 0);
	call->next = free_calls;
	free_calls = call;
}

#define ANSWER_WORDS "a hook on %s returned %s; it may return nothing or an action such as CONTINUE, STOP, KILL"

/* Wherever it has come to, an instruction is pending. */
static enum ph_event_kind pending_kind(const struct ph_bind_call *call)
{
	return call->moved ? PH_EVENT_BREAKPOINT : call->event.kind;
}

/* What the function returned, at the top of the stack, as an action; raises when it is none. */
/* What it changed of a signal is taken before its answer. */
static int l_answer(lua_State *L)	/* struct ph_bind_call, struct ph_action, value, siginfo or nil */
{
	const struct ph_bind_call *call = lua_touserdata(L, 1);
	struct ph_action *ret = lua_touserdata(L, 2);
	const char *why;

	if (!lua_isnil(L, 4) && !call->waited)
		ph_bind_take_siginfo(L, 4, call->event.thread, call->event.siginfo);
	if (lua_isnil(L, 3) || ph_bind_to_action(L, 3, pending_kind(call), ret, &why))
		return 0;
	lua_settop(L, 3);
	ph_bind_push_origin(L, call->fn_ref);
	lua_pushfstring(L, ANSWER_WORDS, ph_bind_event_name(call->event.kind), why);
	lua_concat(L, 2);
	return lua_error(L);
}

static int l_check_answer(lua_State *L)	/* core.check_answer(value): what a script's function returned to one of ours */
{
	const struct ph_bind_call *call = ph_bind.call;
	struct ph_action action;
	const char *why;

	if (call && !ph_bind_to_action(L, 1, pending_kind(call), &action, &why))
		ph_bind_argument_error(L, ANSWER_WORDS, ph_bind_event_name(call->event.kind), why);
	return 0;
}

static bool take_answer(lua_State *L, struct ph_bind_call *call, struct ph_action *ret)
{
	lua_State *from = call->L;

	int below = call->has_siginfo;

	if (!below && (lua_gettop(from) == 0 || lua_isnil(from, 1)))
		return true;
	lua_settop(from, below + 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, answer_ref);
	lua_pushlightuserdata(L, call);
	lua_pushlightuserdata(L, ret);
	lua_xmove(from, L, 1);
	if (below)
		lua_xmove(from, L, 1);
	else
		lua_pushnil(L);
	return ph_bind_call(L, 4, 0);
}

static int l_trace(lua_State *L)	/* struct ph_bind_call, error */
{
	const struct ph_bind_call *call = lua_touserdata(L, 1);
	bool again;

	lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	again = ph_bind.error_trace && !lua_isnil(L, -1) && lua_rawequal(L, -1, 2);
	if (again)
		return 0;
	free(ph_bind.error_trace);
	luaL_traceback(L, call->L, NULL, 0);
	ph_bind.error_trace = strdup(lua_tostring(L, -1));
	return 0;
}

/* The error at the top of the dead coroutine is kept; false: it is only the end that the hook was told of. */
static bool keep_error(lua_State *L, struct ph_bind_call *call)
{
	bool expected = false;

	if (call->end_ref != LUA_NOREF) {
		lua_rawgeti(call->L, LUA_REGISTRYINDEX, call->end_ref);
		expected = lua_rawequal(call->L, -1, -2);
		lua_pop(call->L, 1);
	}
	if (expected)
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, trace_ref);
	lua_pushlightuserdata(L, call);
	lua_pushvalue(call->L, -1);
	lua_xmove(call->L, L, 1);
	if (lua_pcall(L, 2, 0, 0) != 0)
		lua_pop(L, 1);
	lua_xmove(call->L, L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
	ph_bind.error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return true;
}

/*
 * core.guard(fn): while a prompt is there, hooks are called through it, as fn(function, arguments …): what it sees of one
 * that fails is still there.
 */
static int l_guard(lua_State *L)
{
	lua_settop(L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, guard_ref);
	guard_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int l_keep_trace(lua_State *L)	/* core.keep_trace(error, traceback): of an error that is on its way out of a hook */
{
	const char *trace = luaL_checkstring(L, 2);

	lua_pushvalue(L, 1);
	ph_bind_keep_error(L);
	ph_bind.error_trace = strdup(trace);
	return 0;
}

void ph_bind_open_guard(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_guard);
	lua_setfield(L, -2, "guard");
	lua_pushcfunction(L, l_keep_trace);
	lua_setfield(L, -2, "keep_trace");
	lua_pushcfunction(L, l_check_answer);
	lua_setfield(L, -2, "check_answer");
}

static int l_push_error(lua_State *L)	/* struct ph_err -> error */
{
	ph_bind_push_error(L, lua_touserdata(L, 1));
	return 1;
}

/* false and the error, for the function that yielded; it is remembered as the one that ends the hook. */
static int push_failure(struct ph_bind_call *call, struct ph_err *err, bool is_end)
{
	lua_State *L = ph_bind.L;

	lua_settop(call->L, 0);
	lua_pushboolean(call->L, 0);
	lua_pushcfunction(L, l_push_error);
	lua_pushlightuserdata(L, err);
	lua_pcall(L, 1, 1, 0);
	if (is_end) {
		luaL_unref(L, LUA_REGISTRYINDEX, call->end_ref);
		lua_pushvalue(L, -1);
		call->end_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_xmove(L, call->L, 1);
	return 2;
}

static struct ph_action on_end(const struct ph_event *event, enum ph_until_end end, void *user);

/* What it yielded, begun; else its reason is on the coroutine's stack. */
static bool begin_wait(struct ph_bind_call *call)
{
	lua_State *L = call->L;
	struct ph_until_options options = { .n = ph_bind.now.cell, .address = ph_bind.now.cell };
	struct ph_goal *goal = ph_bind_test_goal(L, 3);
	struct ph_until *until;
	struct ph_err err = { 0 };
	int r;

	options.kind = (enum ph_until_kind)lua_tointeger(L, 2);
	/* Kept by the coroutine's stack until the engine has read it. */
	options.where = lua_tostring(L, 3);
	r = ph_thread_until(&call->event, &options, on_end, call, &until, &err);
	call->goal = r < 0 ? NULL : goal;
	if (call->goal)
		goal->wakes = until;
	if (r < 0) {
		push_failure(call, &err, false);
		return false;
	}
	if (!call->waited) {
		/* Its breakpoint may forget the function before it is done. */
		lua_rawgeti(L, LUA_REGISTRYINDEX, call->fn_ref);
		call->fn_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	call->waited = true;
	call->moved |= options.kind != PH_UNTIL_TIME;
	return true;
}

/* The coroutine runs, n values on its stack, until it ends or waits. False: it failed; the error is kept. */
static bool run_call(lua_State *L, struct ph_bind_call *call, int n, struct ph_action *ret)
{
	int busy, r;
	bool good;

	call->outer = ph_bind.call;
	do {
		ph_bind.call = call;
		busy = ph_bind.busy;
		ph_bind.busy = 0;
		r = lua_resume(call->L, n);
		ph_bind.busy = busy;
		ph_bind.call = call->outer;
		n = 2;
	} while (r == LUA_YIELD && lua_touserdata(call->L, 1) == &token && !begin_wait(call));
	if (r == LUA_YIELD && lua_touserdata(call->L, 1) != &token) {
		lua_pushliteral(call->L, "attempt to yield from outside a coroutine: a hook is called by nobody who could resume it");
		r = LUA_ERRRUN;
	}
	if (r == LUA_YIELD) {
		lua_settop(call->L, 0);
		ret->kind = PH_WAIT;
		return ph_bind_flush();
	}
	if (r != 0)
		ph_bind_relay_clear(L);
	good = r == 0 ? take_answer(L, call, ret) : !keep_error(L, call);
	give_back(call, r != 0);
	return good && ph_bind_flush();
}

/* What is current, while a hook runs. */
struct before {
	struct ph_thread *thread;
	struct ph_session *session;
	struct ph_process *process;
	bool is_same;	/* as the event's: the engine holds those while it calls us */
	bool is_inner;	/* another hook runs: what it keeps stands on the stack, from top + 1 */
	int top;
};

static void enter(struct before *before, const struct ph_event *event)
{
	before->thread = ph_bind.now_thread;
	before->session = ph_bind.current;
	before->process = ph_bind.event_process;
	before->top = lua_gettop(ph_bind.L);
	before->is_same = before->thread == event->thread && before->session == event->session;
	if (!before->is_same) {
		if (before->thread)
			ph_thread_ref(before->thread);
		if (before->session)
			ph_session_ref(before->session);
		ph_bind_set_current(event->session);
		ph_bind_set_now(event->thread);
	}
	ph_bind.event_process = event->process;
	before->is_inner = ph_bind.depth > 0 && ph_bind_relay_put_aside(ph_bind.L);
	ph_bind.depth++;
}

static void leave(const struct before *before)
{
	ph_bind.depth--;
	if (before->is_inner)
		ph_bind_relay_put_back(ph_bind.L, before->top + 1);
	lua_settop(ph_bind.L, before->top);
	if (ph_bind.current != before->session)
		ph_bind_set_current(before->session);
	if (ph_bind.now_thread != before->thread)
		ph_bind_set_now(before->thread);
	ph_bind.event_process = before->process;
	if (before->is_same)
		return;
	ph_session_unref(before->session);
	ph_thread_unref(before->thread);
}

/* An error of its own has left a hook. */
static struct ph_action fail(void)
{
	struct ph_action action = { .kind = PH_CONTINUE };

	if (ph_bind.report_errors && !ph_bind.interrupted)
		ph_bind_report("error in a hook: ");
	else
		action.kind = PH_FAIL;
	ph_bind.hook_failed |= action.kind == PH_FAIL;
	return action;
}

static const struct {
	int code;
	const char *words;
} endings[] = {
	[PH_UNTIL_GONE] = { -ESRCH, "has ended, or runs another program, while its hook was waiting" },
	[PH_UNTIL_ENDED] = { -ESRCH, "is no longer ours: the session has ended" },
};

static struct ph_action on_end(const struct ph_event *event, enum ph_until_end end, void *user)
{
	struct ph_bind_call *call = user;
	struct ph_action action = { .kind = PH_CONTINUE };
	struct ph_err err = { 0 };
	struct before before;
	int n = 1;

	enter(&before, event);
	if (call->goal)
		call->goal->wakes = NULL;
	call->goal = NULL;
	lua_settop(call->L, 0);
	if (end == PH_UNTIL_DONE || end == PH_UNTIL_UNWOUND) {
		lua_pushboolean(call->L, 1);
		if (end == PH_UNTIL_UNWOUND) {
			lua_pushliteral(call->L, "unwound");
			n = 2;
		}
	} else {
		ph_err_say(&err, endings[end].code, "wait", "thread %d %s", ph_thread_tid(event->thread), endings[end].words);
		err.tid = ph_thread_tid(event->thread);
		n = push_failure(call, &err, true);
	}
	if (!run_call(ph_bind.L, call, n, &action))
		action = fail();
	leave(&before);
	return action;
}

/* The function and its arguments; or, of an action in a function's place, the action is taken and nothing left. */
static int l_prepare(lua_State *L)	/* struct ph_bind_call, struct ph_action */
{
	const struct ph_bind_call *call = lua_touserdata(L, 1);
	const char *why;

	lua_rawgeti(L, LUA_REGISTRYINDEX, call->fn_ref);
	if (ph_bind_is_action(L, -1)) {
		/* It was checked when it was added. */
		ph_bind_to_action(L, -1, call->event.kind, lua_touserdata(L, 2), &why);
		return 0;
	}
	if (call->event.kind != PH_EVENT_SIGNAL)
		return 1 + ph_bind_push_arguments(L, &call->event);
	ph_bind_push_siginfo(L, call->event.siginfo);	/* fn siginfo */
	lua_pushvalue(L, -1);
	lua_insert(L, -3);				/* siginfo fn siginfo */
	ph_bind_push_thread(L, call->event.thread);
	lua_insert(L, -2);
	return 4;
}

/*
 * The usual hit: a function, and arguments that scripts have met: nothing here can raise. Else l_prepare has to do it.
 * The number of arguments; -1: an action was taken instead, or there is an error.
 */
static int prepare(lua_State *L, struct ph_bind_call *call, struct ph_action *ret, bool *ret_good)
{
	const struct ph_event *event = &call->event;
	lua_State *to = call->L;
	int top = lua_gettop(L), n;

	*ret_good = true;
	lua_rawgeti(to, LUA_REGISTRYINDEX, call->fn_ref);
	if (call->is_bare)
		return 0;
	if (lua_type(to, -1) == LUA_TFUNCTION && ph_bind_push_known_arguments(to, event))
		return lua_gettop(to) - 1;
	lua_settop(to, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, prepare_ref);
	lua_pushlightuserdata(L, call);
	lua_pushlightuserdata(L, ret);
	*ret_good = ph_bind_call(L, 2, LUA_MULTRET);
	n = lua_gettop(L) - top;
	if (!*ret_good || n == 0)
		return -1;
	lua_xmove(L, to, n);
	call->has_siginfo = event->kind == PH_EVENT_SIGNAL;
	return n - 1 - call->has_siginfo;
}

/* numbers: the first three arguments, before the thread's id; NULL: the event's own. */
static struct ph_action call_function(const struct ph_event *event, int fn_ref, const int numbers[3])
{
	lua_State *L = ph_bind.L;
	struct ph_action action = { .kind = PH_CONTINUE };
	struct ph_bind_call *call;
	struct before before;
	bool good = false;
	int n;

	enter(&before, event);
	call = take_call(L);
	if (call) {
		call->event = *event;
		call->fn_ref = fn_ref & ~PH_BIND_BARE;
		call->is_bare = fn_ref & PH_BIND_BARE;
		call->waited = call->moved = call->has_siginfo = false;
		call->end_ref = LUA_NOREF;
		if (!numbers) {
			n = prepare(L, call, &action, &good);
		} else {
			lua_rawgeti(call->L, LUA_REGISTRYINDEX, fn_ref);
			for (int i = 0; i < 3; i++)
				lua_pushinteger(call->L, numbers[i]);
			lua_pushinteger(call->L, ph_thread_tid(event->thread));
			n = 4;
		}
		if (n >= 0 && ph_bind.soft_interrupt && guard_ref != LUA_NOREF) {
			lua_rawgeti(call->L, LUA_REGISTRYINDEX, guard_ref);
			lua_insert(call->L, -2 - n);
			n++;
		}
		if (n >= 0)
			good = run_call(L, call, n, &action);
		else
			give_back(call, false);
	}
	if (!good)
		action = fail();
	leave(&before);
	return action;
}

struct ph_action ph_bind_call_hook(const struct ph_event *event, int fn_ref)
{
	return call_function(event, fn_ref, NULL);
}

struct ph_action ph_bind_call_with(const struct ph_event *event, int fn_ref, const int numbers[3])
{
	return call_function(event, fn_ref, numbers);
}

void ph_bind_push_hook_origin(lua_State *L)
{
	if (ph_bind.call)
		ph_bind_push_origin(L, ph_bind.call->fn_ref);
	else
		lua_pushliteral(L, "");
}

void ph_bind_raise_end(lua_State *L)
{
	if (!ph_bind.call || ph_bind.call->end_ref == LUA_NOREF)
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.call->end_ref);
	lua_error(L);
}

void *ph_bind_wait_token(void)
{
	return &token;
}

const struct ph_event *ph_bind_hook_event(void)
{
	return ph_bind.call ? &ph_bind.call->event : NULL;
}

/* Coroutines of hooks go with the state. */
void ph_bind_close_door(void)
{
	while (free_calls) {
		struct ph_bind_call *call = free_calls;

		free_calls = call->next;
		free(call);
	}
}

void ph_bind_open_door(lua_State *L)
{
	static const struct {
		lua_CFunction fn;
		int *ref;
	} functions[] = {
		{ l_prepare, &prepare_ref },	   { l_answer, &answer_ref },
		{ l_new_thread, &new_thread_ref }, { l_trace, &trace_ref },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		lua_pushcfunction(L, functions[i].fn);
		*functions[i].ref = luaL_ref(L, LUA_REGISTRYINDEX);
	}
}
