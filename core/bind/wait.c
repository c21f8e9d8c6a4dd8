#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bind/bind.h"

/* What lua/ptracehook/wait.lua is made of: how a verb waits, in a hook and outside of one. */

static struct ph_session *session_of(const struct ph_thread *thread)
{
	return ph_process_session(ph_thread_process(thread));
}

/* Session, Thread or nil at index 1: whose thread the verb is about; the hook's own, where that is meant. */
static struct ph_thread *check_thread(lua_State *L, const char *what)
{
	const struct ph_event *event = ph_bind_hook_event();
	struct ph_session *session;
	struct ph_thread *thread = ph_bind_test(L, 1, "Thread");

	if (thread)
		return thread;
	session = ph_bind_check_session(L, 1);
	if (event && event->session == session && session->in_run)
		thread = event->thread;
	else
		thread = ph_session_thread(session);
	if (!thread)
		ph_bind_argument_error(L, ph_session_has_ended(session) ?
				       "%s: the session has ended: its target is gone or was let go" :
				       "%s: no thread is left that could go on", what);
	return thread;
}

/*
 * core.waiter(target, verb, n) -> true: a hook on its own thread, which yields to wait; or false, Thread: drive it. n goes
 * into now.cell for both.
 */
static int l_waiter(lua_State *L)
{
	const char *what = luaL_checkstring(L, 2);
	const struct ph_event *event = ph_bind_hook_event();
	struct ph_thread *thread;

	ph_bind_raise_end(L);
	thread = check_thread(L, what);
	ph_bind.now.cell = ph_bind_check_int(L, 3, 64, what);
	if (!session_of(thread)->in_run) {
		lua_pushboolean(L, 0);
		ph_bind_push_thread(L, thread);
		return 2;
	}
	if (!event || event->thread != thread)
		ph_bind_argument_error(L, "%s: thread %d is not the one that this hook was called for: a hook can wait for its "
				       "own thread only", what, ph_thread_tid(thread));
	if (!lua_isyieldable(L))
		ph_bind_argument_error(L, "%s: a hook cannot wait inside a function that was called by a C function, such as "
				       "string.gsub, table.sort or require", what);
	lua_pushboolean(L, 1);
	return 1;
}

struct drive {
	bool told;
	enum ph_until_end end;
};

static struct ph_action on_end(const struct ph_event *event, enum ph_until_end end, void *user)
{
	struct drive *drive = user;

	(void)event;
	drive->told = true;
	drive->end = end;
	return (struct ph_action){ .kind = end == PH_UNTIL_DONE || end == PH_UNTIL_UNWOUND ? PH_STOP : PH_CONTINUE };
}

struct run {
	struct ph_session *session;
	int64_t timeout;
	struct ph_reason reason;
};

static int l_run(lua_State *L)		/* struct run */
{
	struct run *run = lua_touserdata(L, 1);

	ph_bind_run(L, run->session, run->timeout, &run->reason);
	return 0;
}

/* core.drive(Thread, kind, place | nil, milliseconds | nil), now.cell -> true, "unwound" or nil; or nil, reason */
static int l_drive(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check(L, 1, "Thread");
	struct ph_until_options options = { .kind = (enum ph_until_kind)luaL_checkinteger(L, 2),
					    .n = ph_bind.now.cell, .address = ph_bind.now.cell,
					    .where = lua_tostring(L, 3) };
	struct run run = { .session = session_of(thread), .timeout = lua_isnumber(L, 4) ? (int64_t)lua_tonumber(L, 4) : -1 };
	struct ph_event event = { .kind = PH_EVENT_STEP, .session = run.session, .process = ph_thread_process(thread),
				  .thread = thread };
	struct drive drive = { 0 };
	struct ph_until *until;
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_thread_until(&event, &options, on_end, &drive, &until, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	lua_pushcfunction(L, l_run);
	lua_pushlightuserdata(L, &run);
	r = lua_pcall(L, 1, 0, 0);
	if (!drive.told)
		ph_until_cancel(until);
	if (r != 0)
		return lua_error(L);
	if (drive.told && (drive.end == PH_UNTIL_DONE || drive.end == PH_UNTIL_UNWOUND)) {
		lua_pushboolean(L, 1);
		if (drive.end == PH_UNTIL_UNWOUND)
			lua_pushliteral(L, "unwound");
		else
			lua_pushnil(L);
		return 2;
	}
	lua_pushnil(L);
	ph_bind_push_reason(L, &run.reason);
	return 2;
}

static int l_sleep(lua_State *L)	/* core.sleep(seconds): nothing of ours runs meanwhile */
{
	double seconds = luaL_checknumber(L, 1);
	struct timespec left = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		if (ph_bind.interrupted)
			return luaL_error(L, "interrupted");
	return 0;
}

static int l_in_run(lua_State *L)	/* core.in_run(): a hook, with a thread that may wait */
{
	const struct ph_event *event = ph_bind_hook_event();

	lua_pushboolean(L, event && event->thread);
	return 1;
}

static int l_tid(lua_State *L)		/* core.tid(): of the thread that the globals mean */
{
	lua_pushinteger(L, ph_bind.now_thread ? ph_thread_tid(ph_bind.now_thread) : 0);
	return 1;
}

static int l_yieldable(lua_State *L)
{
	lua_pushboolean(L, lua_isyieldable(L));
	return 1;
}

/* ---- Ends of calls, for hook() */

/*
 * Called through the FFI, so that a hook's way in stays compiled; shared with lua/ptracehook/hook.lua, which declares the
 * same and keeps a table by the numbers that await gives. A number is given again when nobody waits for that call any more.
 */
static struct {
	int (*await)(uint32_t id);	/* in a hook at a function's first instruction: its number, and caller; -1: await_failed */
	uint64_t caller;
} calls;

static struct {
	int *free;	/* owned; numbers to be given again */
	size_t n_free, room;
	int next;
} numbers;

static struct ph_err await_err;
static int on_call_end_ref = LUA_NOREF;

static int take_number(void)
{
	return numbers.n_free ? numbers.free[--numbers.n_free] : numbers.next++;
}

static void give_number_back(int number)
{
	if (numbers.n_free == numbers.room) {
		size_t room = numbers.room ? numbers.room * 2 : 64;
		int *wider = reallocarray(numbers.free, room, sizeof(*wider));

		/* It is one less to give, then. */
		if (!wider)
			return;
		numbers.free = wider;
		numbers.room = room;
	}
	numbers.free[numbers.n_free++] = number;
}

static int l_on_call_end(lua_State *L)	/* core.on_call_end(fn): fn(id, number, enum ph_until_end, tid) */
{
	lua_settop(L, 1);
	on_call_end_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static struct ph_action on_call_end(const struct ph_event *event, enum ph_until_end end, void *user)
{
	struct ph_action action = { .kind = PH_CONTINUE };
	int number = (int)((uintptr_t)user & UINT32_MAX), id = (int)((uintptr_t)user >> 32);

	if (end != PH_UNTIL_ENDED)
		action = ph_bind_call_with(event, on_call_end_ref, (const int[]){ id, number, (int)end });
	return action;
}

static void forget_call(void *user)
{
	give_number_back((int)((uintptr_t)user & UINT32_MAX));
}

static int await(uint32_t id)
{
	const struct ph_event *event = ph_bind_hook_event();
	struct ph_until_options options = { .kind = PH_UNTIL_CALL_RETURNED, .user_free = forget_call };
	int number, r;

	if (!event || !event->thread) {
		ph_err_say(&await_err, -ENOENT, "hook", "no call is being entered");
		return -1;
	}
	number = take_number();
	ph_bind_enter();
	r = ph_thread_regs_fetch(event->thread, &await_err);
	if (r >= 0)
		r = ph_space_read(event->process->space, event->thread->tid, event->thread->view.regs.rsp, &options.address,
				  sizeof(options.address), &await_err);
	if (r >= 0)
		r = ph_thread_until(event, &options, on_call_end, (void *)((uintptr_t)id << 32 | (uint32_t)number), NULL,
				    &await_err);
	ph_bind_leave();
	if (r < 0) {
		give_number_back(number);
		ph_err_wrap(&await_err, r, "hook");
		return -1;
	}
	calls.caller = options.address;
	return number;
}

static int l_await_failed(lua_State *L)	/* core.await_failed(): raises why */
{
	ph_bind_raise(L, &await_err);
}

void ph_bind_open_wait(lua_State *L)		/* core -> core */
{
	static const luaL_Reg functions[] = {
		{ "waiter", l_waiter }, { "drive", l_drive },	      { "sleep", l_sleep },
		{ "in_run", l_in_run }, { "yieldable", l_yieldable }, { "tid", l_tid },
		{ "await_failed", l_await_failed }, { "on_call_end", l_on_call_end }, { NULL, NULL },
	};

	luaL_register(L, NULL, functions);
	lua_pushlightuserdata(L, ph_bind_wait_token());
	lua_setfield(L, -2, "wait_token");
	calls.await = await;
	lua_pushlightuserdata(L, &calls);
	lua_setfield(L, -2, "calls");
}
