#include <errno.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/stream.h"
#include "os/terminal.h"
#include "os/wait.h"

/*
 * What lua/ptracehook/tube.lua is made of: core.streams(), a table of functions. Streams are named by their session and a mask: bit 0 is the target's standard
 * input, 1 its output, 2 its error; one pty may stand for all.
 */

#define GOAL "ptracehook.goal"
#define NS_PER_MS 1000000

/* ---- Which */

static unsigned int check_mask(lua_State *L, int index)
{
	return (unsigned int)luaL_checkinteger(L, index) & 7;
}

/* Those that are read, each once: their number. */
static size_t sources(struct ph_session *session, unsigned int mask, struct ph_stream *ret[PH_GOAL_STREAMS])
{
	size_t n = 0;

	for (unsigned int i = 0; i < 3; i++) {
		struct ph_stream *stream = mask & 1u << i ? session->stdio[i] : NULL;
		bool known = !stream || !stream->is_source;

		for (size_t k = 0; k < n; k++)
			known |= ret[k] == stream;
		if (!known)
			ret[n++] = stream;
	}
	return n;
}

/* The one that is written, or NULL. */
static struct ph_stream *sink(struct ph_session *session, unsigned int mask)
{
	for (unsigned int i = 0; i < 3; i++)
		if (mask & 1u << i && session->stdio[i] && session->stdio[i]->is_sink)
			return session->stdio[i];
	return NULL;
}

struct view {
	struct ph_session *session;
	struct ph_stream *streams[PH_GOAL_STREAMS];
	size_t n;
};

static struct view check_view(lua_State *L)
{
	struct view view = { .session = ph_bind_check(L, 1, "Session") };

	view.n = sources(view.session, check_mask(L, 2), view.streams);
	return view;
}

/* ---- Opening */

static int push_failure(lua_State *L, int code)
{
	lua_pushnil(L);
	lua_pushstring(L, strerror(-code));
	return 2;
}

static int l_pty(lua_State *L)		/* streams.pty(rows, columns, raw, no_echo) -> ours, theirs; or nil, message */
{
	struct ph_os_pty pty = { .rows = (unsigned short)luaL_checkinteger(L, 1),
				 .columns = (unsigned short)luaL_checkinteger(L, 2),
				 .raw = lua_toboolean(L, 3), .no_echo = lua_toboolean(L, 4) };
	int ours, theirs, r = ph_os_pty_open(&pty, &ours, &theirs);

	if (r < 0)
		return push_failure(L, r);
	lua_pushinteger(L, ours);
	lua_pushinteger(L, theirs);
	return 2;
}

/* streams.open(session, mask, fd, reads, writes) -> true; or nil, message: fd is still the caller's */
static int l_open(lua_State *L)
{
	struct ph_session *session = ph_bind_check(L, 1, "Session");
	int r = ph_stream_open(session, (int)luaL_checkinteger(L, 3), lua_toboolean(L, 4), lua_toboolean(L, 5),
			       check_mask(L, 2));

	if (r < 0)
		return push_failure(L, r);
	lua_pushboolean(L, 1);
	return 1;
}

/* streams.has(session, mask) -> can be read, can be written, one is read, and that is a pty */
static int l_has(lua_State *L)
{
	struct view view = check_view(L);

	lua_pushboolean(L, view.n > 0);
	lua_pushboolean(L, sink(view.session, check_mask(L, 2)) != NULL);
	lua_pushboolean(L, view.n == 1);
	lua_pushboolean(L, view.n == 1 && view.streams[0]->is_sink);
	return 4;
}

/* ---- What came */

static int l_size(lua_State *L)		/* streams.size(session, mask) -> bytes that came, more may come */
{
	struct view view = check_view(L);

	for (size_t i = 0; i < view.n; i++)
		ph_stream_pump(view.streams[i]);
	lua_pushnumber(L, (lua_Number)ph_streams_len(view.streams, view.n));
	lua_pushboolean(L, ph_streams_read(view.streams, view.n));
	return 2;
}

static size_t check_size(lua_State *L, int index, const struct view *view)
{
	size_t len = ph_streams_len(view->streams, view->n);
	lua_Number wanted = luaL_optnumber(L, index, (lua_Number)len);

	return wanted < (lua_Number)len ? (size_t)wanted : len;
}

static int l_peek(lua_State *L)		/* streams.peek(session, mask [, n]) -> the first n bytes, which stay */
{
	struct view view = check_view(L);
	size_t len = check_size(L, 3, &view);

	if (view.n == 1) {
		lua_pushlstring(L, len ? ph_fifo_bytes(&view.streams[0]->in) : "", len);
	} else {
		char *copy = lua_newuserdata(L, len + 1);

		ph_streams_copy(view.streams, view.n, len, copy);
		lua_pushlstring(L, copy, len);
	}
	return 1;
}

static int l_drop(lua_State *L)		/* streams.drop(session, mask, n) */
{
	struct view view = check_view(L);

	ph_streams_drop(view.streams, view.n, check_size(L, 3, &view));
	return 0;
}

/* streams.find(session, mask, text, from) -> where its first byte is, from 0; or nil, where to look on */
static int l_find(lua_State *L)
{
	struct view view = check_view(L);
	size_t len, total = ph_streams_len(view.streams, view.n), from = (size_t)luaL_optnumber(L, 4, 0);
	const char *text = luaL_checklstring(L, 3, &len), *found = NULL, *bytes = NULL;

	if (view.n == 1) {
		bytes = ph_fifo_bytes(&view.streams[0]->in);
	} else if (total) {
		char *copy = lua_newuserdata(L, total);

		ph_streams_copy(view.streams, view.n, total, copy);
		bytes = copy;
	}
	if (total >= from + len)
		found = total ? memmem(bytes + from, total - from, text, len) : NULL;
	if (found) {
		lua_pushnumber(L, (lua_Number)(found - bytes));
		return 1;
	}
	lua_pushnil(L);
	lua_pushnumber(L, (lua_Number)(total >= len && total - len + 1 > from ? total - len + 1 : from));
	return 2;
}

/* ---- What goes */

struct ph_stream *ph_bind_check_sink(lua_State *L)
{
	struct ph_stream *stream = sink(ph_bind_check(L, 1, "Session"), check_mask(L, 2));

	if (!stream)
		ph_bind_argument_error(L, "send: the target's standard input is neither a pipe nor a pty");
	return stream;
}

static int l_send(lua_State *L)		/* streams.send(session, mask, bytes) -> true; or nil, "eof" */
{
	struct ph_stream *stream = ph_bind_check_sink(L);
	struct ph_err err;
	size_t len;
	const char *bytes = luaL_checklstring(L, 3, &len);
	int r = ph_stream_send(stream, bytes, len);

	if (r == -ENOMEM) {
		ph_err_set(&err, r, "send");
		ph_bind_raise(L, &err);
	}
	if (r < 0) {
		lua_pushnil(L);
		lua_pushliteral(L, "eof");
		return 2;
	}
	lua_pushboolean(L, 1);
	return 1;
}

static int l_unsent(lua_State *L)	/* streams.unsent(session, mask) -> bytes that wait, can be written */
{
	struct ph_stream *stream = ph_bind_check_sink(L);

	ph_stream_pump(stream);
	lua_pushnumber(L, (lua_Number)stream->out.len);
	lua_pushboolean(L, ph_stream_writes(stream));
	return 2;
}

static int l_finish(lua_State *L)	/* streams.finish(session, mask) */
{
	struct ph_session *session = ph_bind_check(L, 1, "Session");
	struct ph_stream *stream = sink(session, check_mask(L, 2));

	if (stream && ph_stream_finish(stream) == -ENOTTY)
		ph_bind_argument_error(L, "close: a raw pty has no byte that means the end of file: close s.io, which hangs up");
	return 0;
}

static int l_close(lua_State *L)	/* streams.close(session, mask): both directions */
{
	struct ph_session *session = ph_bind_check(L, 1, "Session");
	unsigned int mask = check_mask(L, 2);

	for (int i = 0; i < 3; i++)
		if (mask & 1u << i && session->stdio[i])
			ph_stream_close(session->stdio[i]);
	return 0;
}

/* streams.forward(session, mask, fd | nil): what comes goes there, what came first */
static int l_forward(lua_State *L)
{
	struct view view = check_view(L);
	int fd = lua_isnumber(L, 3) ? (int)lua_tointeger(L, 3) : PH_STREAM_NOWHERE;

	for (size_t i = 0; i < view.n; i++)
		ph_stream_forward(view.streams[i], fd);
	return 0;
}

/* ---- Waiting */

static int l_goal_gc(lua_State *L)
{
	ph_goal_remove(lua_touserdata(L, 1));
	return 0;
}

/*
 * streams.goal(session, mask, kind, bytes | text) -> goal: PH_GOAL_…; reached already, or to be waited for. The
 * session and the text stay alive through its environment.
 */
static int l_goal(lua_State *L)
{
	struct view view = check_view(L);
	struct ph_goal *goal;

	lua_settop(L, 4);
	goal = lua_newuserdata(L, sizeof(*goal));	/* session mask kind what goal */
	*goal = (struct ph_goal){ .n = view.n, .kind = (enum ph_goal_kind)luaL_checkinteger(L, 3) };
	memcpy(goal->streams, view.streams, sizeof(view.streams));
	if (goal->kind == PH_GOAL_SENT) {
		goal->streams[0] = ph_bind_check_sink(L);
		goal->n = 1;
	} else if (goal->kind == PH_GOAL_TEXT) {
		goal->text = luaL_checklstring(L, 4, &goal->len);
	} else if (goal->kind == PH_GOAL_BYTES) {
		goal->bytes = (size_t)luaL_checknumber(L, 4);
	}
	if (luaL_newmetatable(L, GOAL)) {
		lua_pushcfunction(L, l_goal_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	lua_createtable(L, 2, 0);			/* … goal kept */
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, 1);
	lua_pushvalue(L, 4);
	lua_rawseti(L, -2, 2);
	lua_setfenv(L, -2);
	for (size_t i = 0; i < goal->n; i++)
		ph_stream_pump(goal->streams[i]);
	return 1;
}

static struct ph_goal *check_goal(lua_State *L, int index)
{
	return luaL_checkudata(L, index, GOAL);
}

static int l_reached(lua_State *L)	/* streams.reached(goal) */
{
	lua_pushboolean(L, ph_goal_is_reached(check_goal(L, 1)));
	return 1;
}

/* streams.begin(goal), before a hook waits for it, and streams.end(goal) */
static int l_begin(lua_State *L)
{
	ph_goal_add(check_goal(L, 1));
	return 0;
}

static int l_end(lua_State *L)
{
	ph_goal_remove(check_goal(L, 1));
	return 0;
}

/*
 * streams.hooked(session) -> Thread, others: a hook that may wait on its own thread calls, in a run of this session; others:
 * threads of the session run, or will go on by themselves. Or nil, others, busy: it runs, but who calls cannot wait so.
 */
static int l_hooked(lua_State *L)
{
	struct ph_session *session = ph_bind_check(L, 1, "Session");
	const struct ph_event *event = ph_bind_hook_event();
	bool others = !ph_list_is_empty(&session->sleepers);
	struct ph_process *process;
	struct ph_thread *thread;

	ph_list_each(process, &session->processes, struct ph_process, in_session)
		ph_list_each(thread, &process->threads, struct ph_thread, in_process)
			others |= thread->state == PH_THREAD_RUNNING;
	ph_bind_push_thread(L, session->in_run && event && event->session->in_run ? event->thread : NULL);
	lua_pushboolean(L, others);
	lua_pushboolean(L, session->in_run);
	return 3;
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

/* Runs the session for the goal: false, and the error on the stack, when that failed. */
static bool run_for(lua_State *L, struct ph_goal *goal, struct run *run)
{
	int r;

	goal->stops = run->session;
	ph_goal_add(goal);
	lua_pushcfunction(L, l_run);
	lua_pushlightuserdata(L, run);
	r = lua_pcall(L, 1, 0, 0);
	ph_goal_remove(goal);
	goal->stops = NULL;
	return r == 0;
}

/*
 * streams.wait(session, goal, milliseconds | nil, only_run) -> true; or nil and "timeout", "stop", or, with only_run, "end"
 * of the session: else what others still send is waited for then.
 */
static int l_wait(lua_State *L)
{
	struct run run = { .session = ph_bind_check(L, 1, "Session"), .timeout = lua_isnumber(L, 3) ? (int64_t)lua_tonumber(L, 3) : -1 };
	struct ph_goal *goal = check_goal(L, 2);
	int64_t deadline = run.timeout < 0 ? PH_WAIT_FOREVER : ph_os_now() + run.timeout * NS_PER_MS;
	int r;

	if (!run.session->ended && !run.session->in_run && !ph_goal_is_reached(goal)) {
		if (!run_for(L, goal, &run))
			return lua_error(L);
		if (!ph_goal_is_reached(goal) &&
		    (run.reason.kind == PH_REASON_STOP || run.reason.kind == PH_REASON_TIMEOUT)) {
			lua_pushnil(L);
			lua_pushstring(L, run.reason.kind == PH_REASON_STOP ? "stop" : "timeout");
			return 2;
		}
	}
	if (lua_toboolean(L, 4) && !ph_goal_is_reached(goal)) {
		lua_pushnil(L);
		lua_pushliteral(L, "end");
		return 2;
	}
	/* Nobody is left who could be run: others may hold the other end. */
	r = ph_goal_await(goal, ph_bind.tracer, deadline);
	if (r == -EINTR)
		return luaL_error(L, "interrupted");
	if (r < 0) {
		lua_pushnil(L);
		lua_pushliteral(L, "timeout");
		return 2;
	}
	lua_pushboolean(L, 1);
	return 1;
}

struct ph_goal *ph_bind_test_goal(lua_State *L, int index)
{
	struct ph_goal *goal = lua_touserdata(L, index);
	bool same;

	if (!goal || !lua_getmetatable(L, index))
		return NULL;
	luaL_getmetatable(L, GOAL);
	same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same ? goal : NULL;
}

static int l_streams(lua_State *L)	/* core.streams() -> {name = function} */
{
	static const luaL_Reg functions[] = {
		{ "pty", l_pty },
		{ "open", l_open },
		{ "has", l_has },
		{ "size", l_size },
		{ "peek", l_peek },
		{ "drop", l_drop },
		{ "find", l_find },
		{ "send", l_send },
		{ "unsent", l_unsent },
		{ "finish", l_finish },
		{ "close", l_close },
		{ "forward", l_forward },
		{ "goal", l_goal },
		{ "reached", l_reached },
		{ "begin", l_begin },
		{ "end", l_end },
		{ "hooked", l_hooked },
		{ "wait", l_wait },
		{ NULL, NULL },
	};

	lua_createtable(L, 0, sizeof(functions) / sizeof(functions[0]));
	luaL_register(L, NULL, functions);
	ph_bind_open_interactive(L);
	return 1;
}

void ph_bind_open_stream(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_streams);
	lua_setfield(L, -2, "streams");
}
