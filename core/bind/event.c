#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bind/bind.h"

#define HANDLE "Handle"

static const char *const names[PH_EVENT_COUNT] = {
	[PH_EVENT_BREAKPOINT] = "breakpoint", [PH_EVENT_WATCH] = "watch", [PH_EVENT_WATCH_EXECUTE] = "watch",
	[PH_EVENT_INSTRUCTION] = "steps",
	[PH_EVENT_STEP] = "step",	    [PH_EVENT_SIGNAL] = "signal",
	[PH_EVENT_SYSCALL] = "syscall",	      [PH_EVENT_EXEC] = "exec",	      [PH_EVENT_FORK] = "fork",	    [PH_EVENT_THREAD] = "thread",
	[PH_EVENT_THREAD_EXIT] = "thread_exit", [PH_EVENT_EXIT] = "exit",
	[PH_EVENT_LOAD] = "load",	      [PH_EVENT_UNLOAD] = "unload",
};

const char *ph_bind_event_name(enum ph_event_kind kind)
{
	return names[kind];
}

const char *ph_bind_signal_name(int sig, char *buf, size_t len)
{
	const char *name = sigabbrev_np(sig);

	if (name)
		snprintf(buf, len, "SIG%s", name);
	else if (sig >= SIGRTMIN && sig <= SIGRTMAX)
		snprintf(buf, len, "SIGRTMIN+%d", sig - SIGRTMIN);
	else
		snprintf(buf, len, "SIG%d", sig);
	return buf;
}

/* Second names of signals and errors, which sigabbrev_np and strerrorname_np do not give. */
static const struct alias {
	const char *name;
	int number;
} signal_aliases[] = { { "SIGIO", SIGIO }, { "SIGPOLL", SIGPOLL }, { "SIGIOT", SIGIOT }, { "SIGCLD", SIGCLD } },
  /* include/linux/errno.h: what an interrupted call returns to a tracer, and never to the program. */
  kernel_errnos[] = { { "ERESTARTSYS", 512 }, { "ERESTARTNOINTR", 513 }, { "ERESTARTNOHAND", 514 },
		      { "ERESTART_RESTARTBLOCK", 516 } },
  errno_aliases[] = { { "EWOULDBLOCK", EWOULDBLOCK }, { "EDEADLOCK", EDEADLOCK }, { "ENOTSUP", ENOTSUP } };

#define N_ALIASES(table) (sizeof(table) / sizeof((table)[0]))

static int signal_by_name(const char *name)
{
	char upper[32];
	int n, end = 0;

	snprintf(upper, sizeof(upper), "%s%.20s", strncasecmp(name, "SIG", 3) == 0 ? "" : "SIG", name);
	for (char *at = upper; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigabbrev_np(sig) && strcmp(sigabbrev_np(sig), upper + 3) == 0)
			return sig;
	for (size_t i = 0; i < N_ALIASES(signal_aliases); i++)
		if (strcmp(signal_aliases[i].name, upper) == 0)
			return signal_aliases[i].number;
	if (strcmp(upper, "SIGRTMAX") == 0)
		return SIGRTMAX;
	if (strcmp(upper, "SIGRTMIN") == 0)
		return SIGRTMIN;
	if (sscanf(upper, "SIGRTMIN+%2d%n", &n, &end) == 1 && !upper[end] && n >= 0 && n <= SIGRTMAX - SIGRTMIN)
		return SIGRTMIN + n;
	return -1;
}

int ph_bind_check_signal(lua_State *L, int index, const char *what)
{
	const char *shown;
	uint64_t sig = 0;

	if (lua_type(L, index) == LUA_TSTRING)
		sig = (uint64_t)signal_by_name(lua_tostring(L, index));
	else if (ph_bind_is_whole(L, index))
		sig = ph_bind_check_int(L, index, 64, what);
	if (sig >= 1 && sig <= (uint64_t)SIGRTMAX)
		return (int)sig;
	shown = ph_bind_push_shown(L, index);
	ph_bind_argument_error(L, "%s: a signal's name such as \"SIGUSR1\" or a number from 1 to %d expected, got %s", what,
			       SIGRTMAX, shown);
}

/*
 * A function that waits for an event. The engine counts whom it may still call; the script's handle only points here,
 * so that a function that mentions its own handle keeps neither alive once it is removed.
 */
struct hook {
	struct ph_handler *handler;	/* borrowed from the session until forget */
	int ref;			/* registry: the function */
	int leave_ref;			/* of a system call's return; LUA_NOREF: none */
	struct hook **handle;		/* the script's userdata; NULL: collected */
	enum ph_event_kind kind;
};

static struct ph_action on_event(const struct ph_event *event, void *user)
{
	const struct hook *hook = user;

	return ph_bind_call_hook(event, event->leave ? hook->leave_ref : hook->ref);
}

static void forget(void *user)
{
	struct hook *hook = user;

	if (hook->handle)
		*hook->handle = NULL;
	ph_bind_drop_function(hook->ref);
	ph_bind_drop_function(hook->leave_ref);
	free(hook);
}

static enum ph_event_kind check_event(lua_State *L, int index)
{
	const char *name = luaL_checkstring(L, index);

	for (int kind = PH_EVENT_STEP; kind < PH_EVENT_COUNT; kind++)
		if (strcmp(names[kind], name) == 0)
			return (enum ph_event_kind)kind;
	ph_bind_argument_error(L, "on: there is no event '%s'; the events are syscall, signal, exec, fork, thread, "
			       "thread_exit, exit, load, unload and step", name);
}

/* The signals of the list at index as a set, bit n - 1 for signal n; 0 when there is none. */
static uint64_t check_signals(lua_State *L, int index)
{
	uint64_t signals = 0;

	if (!lua_istable(L, index))
		return 0;
	for (int i = 1, n = (int)lua_objlen(L, index); i <= n; i++) {
		int sig;

		lua_rawgeti(L, index, i);
		sig = ph_bind_check_signal(L, -1, "on: filter");
		if (sig == SIGKILL)
			ph_bind_argument_error(L, "on: filter: SIGKILL ends a thread at once: no hook can see it");
		signals |= 1ull << (sig - 1);
		lua_pop(L, 1);
	}
	if (!signals)
		ph_bind_argument_error(L, "on: filter: an empty list of signals");
	return signals;
}

static struct hook *new_hook(lua_State *L, int index, enum ph_event_kind kind, struct hook **handle)
{
	struct hook *hook;
	int ref;

	ref = ph_bind_keep_function(L, index);
	hook = calloc(1, sizeof(*hook));
	if (!hook) {
		ph_bind_drop_function(ref);
		ph_bind_argument_error(L, "on: out of memory");
	}
	*hook = (struct hook){ .ref = ref, .leave_ref = LUA_NOREF, .handle = handle, .kind = kind };
	*handle = hook;
	return hook;
}

/* An action in place of a function must be one that can answer the event. */
static void check_hook(lua_State *L, int index, enum ph_event_kind kind)
{
	struct ph_action action;
	const char *why;

	if (ph_bind_is_action(L, index) && !ph_bind_to_action(L, index, kind, &action, &why))
		ph_bind_argument_error(L, "on: %s cannot answer %s", why, names[kind]);
}

static int l_on(lua_State *L)		/* core.on(session | nil, event, list of signals | nil, fn) -> Handle */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	enum ph_event_kind kind = check_event(L, 2);
	uint64_t signals = check_signals(L, 3);
	struct hook **handle, *hook;

	check_hook(L, 4, kind);
	if (ph_session_has_ended(session))
		ph_bind_argument_error(L, "on: the session has ended: its target is gone or was let go");
	handle = lua_newuserdata(L, sizeof(*handle));
	*handle = NULL;
	luaL_getmetatable(L, HANDLE);
	lua_setmetatable(L, -2);
	hook = new_hook(L, 4, kind, handle);
	if (ph_handler_add(session, kind, signals, on_event, hook, forget, &hook->handler) < 0) {
		forget(hook);
		ph_bind_argument_error(L, "on: out of memory");
	}
	/* The session's own reference is the one that counts; forget says when that is gone. */
	ph_handler_unref(hook->handler);
	return 1;
}

/* The strings of the list at index; their memory is Lua's, left on the stack. */
static const char **check_names(lua_State *L, int index, size_t *ret_count)
{
	size_t n = lua_istable(L, index) ? lua_objlen(L, index) : 0;
	const char **list = lua_newuserdata(L, (n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, index, (int)i + 1);
		list[i] = luaL_checkstring(L, -1);
		lua_pop(L, 1);
	}
	*ret_count = n;
	return list;
}

static uint64_t *check_numbers(lua_State *L, int index, size_t *ret_count)
{
	size_t n = lua_istable(L, index) ? lua_objlen(L, index) : 0;
	uint64_t *list = lua_newuserdata(L, (n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, index, (int)i + 1);
		list[i] = ph_bind_check_int(L, -1, 64, "on: filter");
		lua_pop(L, 1);
	}
	*ret_count = n;
	return list;
}

/* core.on_syscall(session | nil, names | nil, numbers | nil, every, enter | nil, leave | nil) -> Handle */
static int l_on_syscall(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_syscall_options options = {
		.every = lua_toboolean(L, 4), .enter = !lua_isnil(L, 5), .leave = !lua_isnil(L, 6), .fn = on_event,
		.user_free = forget,
	};
	struct hook **handle, *hook;
	struct ph_err err;
	int r;

	lua_settop(L, 6);
	check_hook(L, 5, PH_EVENT_SYSCALL);
	check_hook(L, 6, PH_EVENT_SYSCALL);
	options.names = check_names(L, 2, &options.n_names);
	options.numbers = check_numbers(L, 3, &options.n_numbers);
	handle = lua_newuserdata(L, sizeof(*handle));
	*handle = NULL;
	luaL_getmetatable(L, HANDLE);
	lua_setmetatable(L, -2);
	hook = new_hook(L, 5, PH_EVENT_SYSCALL, handle);
	options.user = hook;
	if (options.leave)
		hook->leave_ref = ph_bind_keep_function(L, 6);
	ph_bind_enter();
	r = ph_syscall_hook_add(session, &options, &hook->handler, &err);
	ph_bind_leave();
	if (r < 0) {
		forget(hook);
		ph_bind_argument_error(L, "on: %s", err.detail[0] ? err.detail : strerror(-r));
	}
	ph_handler_unref(hook->handler);
	return 1;
}

static int l_steps(lua_State *L)	/* core.steps(session | nil, fn, from, to, tid, branches) -> Handle */
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_steps_options options = {
		.from = ph_bind_check_addr(L, 3, "steps: from"), .to = ph_bind_check_addr(L, 4, "steps: to"),
		.thread = (pid_t)lua_tointeger(L, 5), .branches = lua_toboolean(L, 6),
		.fn = on_event, .user_free = forget,
	};
	struct hook **handle, *hook;
	struct ph_action action;
	struct ph_err err;
	const char *why;
	int r;

	if (ph_bind_is_action(L, 2) && !ph_bind_to_action(L, 2, PH_EVENT_INSTRUCTION, &action, &why))
		ph_bind_argument_error(L, "steps: %s cannot answer an instruction", why);
	handle = lua_newuserdata(L, sizeof(*handle));
	*handle = NULL;
	luaL_getmetatable(L, HANDLE);
	lua_setmetatable(L, -2);
	options.user = hook = new_hook(L, 2, PH_EVENT_INSTRUCTION, handle);
	ph_bind_enter();
	r = ph_steps_add(session, &options, &hook->handler, &err);
	ph_bind_leave();
	if (r < 0) {
		forget(hook);
		ph_err_wrap(&err, r, "steps");
		ph_bind_raise(L, &err);
	}
	/* The session's own reference is the one that counts, as with on(). */
	ph_handler_unref(hook->handler);
	return 1;
}

static struct hook *check_handle(lua_State *L, const char *what)
{
	struct hook *hook;

	if (ph_bind_is(L, 1, HANDLE)) {
		hook = *(struct hook **)lua_touserdata(L, 1);
		if (hook)
			return hook;
		ph_bind_argument_error(L, "%s: the handle was removed already, or its session has ended", what);
	}
	ph_bind_check(L, 1, HANDLE);
	return NULL;
}

static int removed(lua_State *L, const char *what, int r)
{
	if (r < 0)
		ph_bind_argument_error(L, "%s: the handle was removed already", what);
	return 0;
}

static int l_remove(lua_State *L)
{
	struct hook *hook = check_handle(L, "remove");

	return removed(L, "remove", ph_handler_remove(hook->handler));
}

static int l_enable(lua_State *L)
{
	struct hook *hook = check_handle(L, "enable");

	return removed(L, "enable", ph_handler_enable(hook->handler, true));
}

static int l_disable(lua_State *L)
{
	struct hook *hook = check_handle(L, "disable");

	return removed(L, "disable", ph_handler_enable(hook->handler, false));
}

static int l_gc(lua_State *L)
{
	struct hook *hook = *(struct hook **)lua_touserdata(L, 1);

	if (hook)
		hook->handle = NULL;
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct hook *hook = ph_bind_is(L, 1, HANDLE) ? *(struct hook **)lua_touserdata(L, 1) : NULL;

	if (hook)
		lua_pushfstring(L, "Handle on %s", names[hook->kind]);
	else
		lua_pushliteral(L, "Handle (removed)");
	return 1;
}

static void add_aliases(lua_State *L, const struct alias *aliases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		lua_pushinteger(L, aliases[i].number);
		lua_setfield(L, -2, aliases[i].name);
	}
}

static int l_signals(lua_State *L)	/* core.signals() -> {SIGHUP = 1, [1] = "SIGHUP", …} */
{
	char name[32];

	lua_newtable(L);
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		if (!sigabbrev_np(sig))
			continue;
		ph_bind_signal_name(sig, name, sizeof(name));
		lua_pushinteger(L, sig);
		lua_setfield(L, -2, name);
		lua_pushstring(L, name);
		lua_rawseti(L, -2, sig);
	}
	add_aliases(L, signal_aliases, N_ALIASES(signal_aliases));
	lua_pushinteger(L, SIGRTMIN);
	lua_setfield(L, -2, "SIGRTMIN");
	lua_pushinteger(L, SIGRTMAX);
	lua_setfield(L, -2, "SIGRTMAX");
	return 1;
}

static int l_errnos(lua_State *L)	/* core.errnos() -> {ENOENT = 2, [2] = "ENOENT", …} */
{
	lua_newtable(L);
	for (int code = 1; code < 134; code++) {
		const char *name = strerrorname_np(code);

		if (!name)
			continue;
		lua_pushinteger(L, code);
		lua_setfield(L, -2, name);
		lua_pushstring(L, name);
		lua_rawseti(L, -2, code);
	}
	add_aliases(L, errno_aliases, N_ALIASES(errno_aliases));
	add_aliases(L, kernel_errnos, N_ALIASES(kernel_errnos));
	for (size_t i = 0; i < N_ALIASES(kernel_errnos); i++) {
		lua_pushstring(L, kernel_errnos[i].name);
		lua_rawseti(L, -2, kernel_errnos[i].number);
	}
	return 1;
}

void ph_bind_open_event(lua_State *L)		/* core -> core */
{
	static const luaL_Reg methods[] = {
		{ "remove", l_remove }, { "enable", l_enable }, { "disable", l_disable }, { NULL, NULL },
	};
	static const luaL_Reg getters[] = { { NULL, NULL } };

	ph_bind_class_open(L, &(struct ph_bind_class){ HANDLE, methods, getters, l_gc, l_tostring });
	lua_pushcfunction(L, l_on);
	lua_setfield(L, -2, "on");
	lua_pushcfunction(L, l_on_syscall);
	lua_setfield(L, -2, "on_syscall");
	lua_pushcfunction(L, l_steps);
	lua_setfield(L, -2, "steps");
	lua_pushcfunction(L, l_signals);
	lua_setfield(L, -2, "signals");
	lua_pushcfunction(L, l_errnos);
	lua_setfield(L, -2, "errnos");
}
