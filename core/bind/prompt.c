#include "bind/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/filewatch.h"
#include "bind/readline.h"
#include "bind/terminal.h"

#define CHUNK 4096
#define MUCH 512
#define QUIET_NS 15000000	/* of silence: the prompt is drawn again */

enum came {
	CAME_NOTHING,
	CAME_LINE,
	CAME_END,
};

static struct {
	bool is_open;
	bool is_terminal;	/* lines are edited */
	bool at_end;		/* of the input */
	bool mid_line;		/* what was written last did not end its line */
	unsigned char typed[CHUNK];	/* read, and not taken yet: [at, len) */
	size_t at, len;
	enum came came;
	char *line;		/* owned: the one that came, or what there is of it yet */
	size_t line_len, line_room;
	int complete_ref;	/* registry: the function that completes */
	volatile sig_atomic_t was_resized;
	int quiet;		/* a timer's descriptor: when to draw again; -1: none */
} prompt = { .complete_ref = LUA_NOREF, .quiet = -1 };

bool ph_prompt_is_open(void)
{
	return prompt.is_open;
}

/* ---- What others print */

static void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd out = { .fd = fd, .events = POLLOUT };

			poll(&out, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
}

static ssize_t write_around(void *cookie, const char *buf, size_t len)
{
	if (!len)
		return 0;
	/* Readline's own bell comes this way too, and takes no room. */
	if (len == 1 && *buf == '\a') {
		write_all((int)(intptr_t)cookie, buf, len);
		return 1;
	}
	if (ph_readline_is_shown()) {
		ph_readline_hide();
		timerfd_settime(prompt.quiet, 0, &(struct itimerspec){ .it_value = { 0, QUIET_NS } }, NULL);
	}
	write_all((int)(intptr_t)cookie, buf, len);
	prompt.mid_line = buf[len - 1] != '\n';
	return (ssize_t)len;
}

static FILE *wrapped(int fd, int buffering)
{
	FILE *file = fopencookie((void *)(intptr_t)fd, "w", (cookie_io_functions_t){ .write = write_around });

	if (file)
		setvbuf(file, NULL, buffering, BUFSIZ);
	return file;
}

void ph_prompt_wrap_output(void)
{
	FILE *file;

	if (isatty(STDOUT_FILENO) && !ph_bind.own_stdout && (file = wrapped(STDOUT_FILENO, _IOLBF)))
		stdout = file;
	if (isatty(STDERR_FILENO) && (file = wrapped(STDERR_FILENO, _IOLBF)))
		stderr = file;
}

static void redraw(void)
{
	if (prompt.mid_line && ph_readline_is_shown()) {
		write_all(STDOUT_FILENO, "\n", 1);
		prompt.mid_line = false;
	}
	ph_readline_redraw();
}

/* ---- What is typed */

static bool read_more(void)
{
	/* What is typed behind a line may be for the target that the line lets run. */
	ssize_t n = read(STDIN_FILENO, prompt.typed, prompt.is_terminal ? 1 : sizeof(prompt.typed));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	prompt.at = 0;
	prompt.len = n > 0 ? (size_t)n : 0;
	/* A terminal's end of file, pressed while a line was at work, is one that others may follow. */
	prompt.at_end = n < 0 || (n == 0 && !prompt.is_terminal);
	return n > 0;
}

static int next(void)
{
	while (prompt.at == prompt.len)
		if (prompt.at_end || (ph_bind.interrupted && ph_bind.interrupted != SIGINT) || !read_more())
			return EOF;
	return prompt.typed[prompt.at++];
}

static bool has_next(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return prompt.at < prompt.len || (poll(&in, 1, 0) == 1 && (in.revents & POLLIN));
}

static bool has_much(void)
{
	int n;

	return ioctl(STDIN_FILENO, FIONREAD, &n) == 0 && n > MUCH;
}

static void entered(char *line)
{
	prompt.came = line ? CAME_LINE : CAME_END;
	free(prompt.line);
	prompt.line = line;
	prompt.line_len = line ? strlen(line) : 0;
	prompt.line_room = 0;
	prompt.mid_line = false;
}

static bool add_to_line(const unsigned char *bytes, size_t n)
{
	if (prompt.line_len + n + 1 > prompt.line_room) {
		size_t room = (prompt.line_len + n + 1) * 2;
		char *line = realloc(prompt.line, room);

		if (!line)
			return false;
		prompt.line = line;
		prompt.line_room = room;
	}
	memcpy(prompt.line + prompt.line_len, bytes, n);
	prompt.line_len += n;
	prompt.line[prompt.line_len] = '\0';
	return true;
}

/* Of a pipe or file: up to the line's end. */
static void take_plain(void)
{
	const unsigned char *from = prompt.typed + prompt.at, *end = memchr(from, '\n', prompt.len - prompt.at);
	size_t n = end ? (size_t)(end - from) : prompt.len - prompt.at;

	if (!add_to_line(from, n))
		prompt.line_len = 0;
	prompt.at += n + (end != NULL);
	if (end)
		prompt.came = CAME_LINE;
}

/* Whatever is there to be read, or the input's end, makes lines until one is whole. */
static void take_input(void)
{
	if (prompt.at == prompt.len && !prompt.at_end && !read_more() && prompt.is_terminal)
		prompt.came = CAME_END;
	while (prompt.came == CAME_NOTHING && prompt.at < prompt.len) {
		if (prompt.is_terminal)
			ph_readline_feed();
		else
			take_plain();
	}
	if (prompt.came == CAME_NOTHING && prompt.at_end)
		prompt.came = prompt.line_len && !prompt.is_terminal ? CAME_LINE : CAME_END;
}

/* ---- Completion */

/* Inside a string a word is all of it so far. */
static const char *breaks(const char *line, int point)
{
	char quote = '\0';

	for (int i = 0; i < point && line[i]; i++) {
		if (quote && line[i] == '\\')
			i++;
		else if (quote ? line[i] == quote : line[i] == '"' || line[i] == '\'')
			quote = quote ? '\0' : line[i];
	}
	return quote == '"' ? "\"" : quote ? "'" : " \t\n\"'()[]{}=+-*/%<>~,;#&|^";
}

struct completion {
	const char *line;
	int start, end;
	char **list;
};

static int l_complete(lua_State *L)	/* struct completion */
{
	struct completion *completion = lua_touserdata(L, 1);
	size_t n;

	lua_rawgeti(L, LUA_REGISTRYINDEX, prompt.complete_ref);
	lua_pushlstring(L, completion->line, (size_t)completion->end);
	lua_pushinteger(L, completion->start);
	lua_call(L, 2, 1);			/* completion list: what they have in common, and each */
	if (!lua_istable(L, -1))
		return 0;
	n = lua_objlen(L, -1);
	completion->list = n ? calloc(n + 1, sizeof(char *)) : NULL;
	for (size_t i = 0; completion->list && i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		completion->list[i] = strdup(lua_isstring(L, -1) ? lua_tostring(L, -1) : "");
		lua_pop(L, 1);
	}
	return 0;
}

static char **complete(const char *line, int start, int end)
{
	struct completion completion = { .line = line, .start = start, .end = end };
	int busy = ph_bind.busy, top;

	if (prompt.complete_ref == LUA_NOREF)
		return NULL;
	top = lua_gettop(ph_bind.L);
	lua_pushcfunction(ph_bind.L, l_complete);
	lua_pushlightuserdata(ph_bind.L, &completion);
	/* No error of a completion is worth more than an unanswered Tab. */
	ph_bind.busy = 0;
	lua_pcall(ph_bind.L, 1, 0, 0);
	ph_bind.busy = busy;
	lua_settop(ph_bind.L, top);
	return completion.list;
}

/* ---- Signals */

static void on_suspend(int sig)
{
	/* A run is left first: its target is to stand still with us. */
	if (ph_readline_is_shown() || ph_terminal_is_given())
		ph_bind_interrupt_wait(sig);
	else
		kill(getpid(), SIGSTOP);
}

static void on_resize(int sig)
{
	(void)sig;
	prompt.was_resized = 1;
}

static void install(int sig, void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler };

	sigfillset(&act.sa_mask);
	sigaction(sig, &act, NULL);
}

/* ---- Waiting */

static void open_prompt(void)
{
	static const struct ph_readline_host host = {
		.next = next, .has_next = has_next, .has_much = has_much, .entered = entered, .complete = complete, .breaks = breaks,
	};
	struct ph_readline_host mine = host;

	if (prompt.is_open)
		return;
	prompt.is_open = true;
	if (!ph_terminal_open())
		return;
	/* What the prompt draws must not come by the wrapped stream, which hides it. */
	mine.out = fdopen(dup(isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO), "w");
	if (!mine.out || ph_readline_open(&mine) < 0) {
		fprintf(stderr, "ptracehook: no line editing: GNU Readline (libreadline8) cannot be loaded\n");
		return;
	}
	prompt.is_terminal = true;
	prompt.quiet = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	install(SIGTSTP, on_suspend);
	install(SIGWINCH, on_resize);
}

void ph_prompt_close(void)
{
	if (!prompt.is_open)
		return;
	ph_readline_end("");
	ph_terminal_restore();
}

static int push_line(lua_State *L)
{
	enum came came = prompt.came;

	prompt.came = CAME_NOTHING;
	if (came == CAME_END) {
		lua_pushliteral(L, "end");
		return 1;
	}
	lua_pushliteral(L, "line");
	lua_pushlstring(L, prompt.line ? prompt.line : "", prompt.line_len);
	prompt.line_len = 0;
	return 2;
}

/* The signal that came, if one did, is taken as an answer; those that end us are raised. */
static int push_signal(lua_State *L)
{
	int sig = ph_bind.interrupted;

	if (sig != SIGINT && sig != SIGTSTP)
		return luaL_error(L, "interrupted");
	ph_bind_interrupt_clear();
	ph_readline_end(sig == SIGINT ? "^C" : "^Z");
	lua_pushstring(L, sig == SIGINT ? "interrupt" : "suspend");
	return 1;
}

/* What a run gave, as the answer of a wait: three values; 0: it was only left for a while. */
static int push_outcome(lua_State *L, int r, const struct ph_reason *reason, const struct ph_err *err)
{
	if (r == -EINTR || (r == 0 && reason->kind == PH_REASON_STOP && reason->event == PH_EVENT_COUNT))
		return 0;
	if (r == -ECANCELED) {
		lua_pushliteral(L, "failed");
		lua_rawgeti(L, LUA_REGISTRYINDEX, ph_bind.error_ref);
		lua_pushstring(L, ph_bind.error_trace ? ph_bind.error_trace : "");
		return 3;
	}
	if (r < 0)
		ph_bind_raise(L, err);
	lua_pushliteral(L, "reason");
	ph_bind_push_reason(L, reason);
	lua_pushnil(L);
	return 3;
}

static void on_input(struct ph_tracer *tracer, int fd, unsigned int events, void *user)
{
	(void)tracer;
	(void)fd;
	(void)events;
	take_input();
	if (prompt.came != CAME_NOTHING)
		ph_session_stop(user);
}

static void on_quiet(struct ph_tracer *tracer, int fd, unsigned int events, void *user)
{
	uint64_t times;

	(void)tracer;
	(void)events;
	(void)user;
	if (read(fd, &times, sizeof(times)) == sizeof(times))
		redraw();
}

/* The session runs until it is over, or something was typed. */
static int run_watching(lua_State *L, struct ph_session *session)
{
	struct ph_watched *input, *quiet = NULL;
	struct ph_reason reason;
	struct ph_err err = { 0 };
	int r = ph_watched_add(ph_bind.tracer, STDIN_FILENO, POLLIN, on_input, session, &input);

	if (r < 0)
		return luaL_error(L, "cannot watch standard input: %s", strerror(-r));
	if (prompt.quiet >= 0)
		ph_watched_add(ph_bind.tracer, prompt.quiet, POLLIN, on_quiet, NULL, &quiet);
	r = ph_bind_try_run(L, session, -1, &reason, &err);
	ph_watched_remove(input);
	ph_watched_remove(quiet);
	return push_outcome(L, r, &reason, &err);
}

/*
 * prompt.wait(text, Session | nil) -> "line", text; "end"; "interrupt"; "suspend"; or, of the session, which runs meanwhile,
 * "reason", reason; "failed", error, traceback. What is being typed then stays.
 */
static int l_wait(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1);
	struct ph_session *session = lua_isnoneornil(L, 2) ? NULL : ph_bind_check_session(L, 2);

	open_prompt();
	fflush(stdout);
	if (prompt.is_terminal) {
		redraw();
		ph_readline_show(text);
	}
	for (;;) {
		struct pollfd in[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				       { .fd = ph_filewatch_fd(), .events = POLLIN } };

		if (prompt.at < prompt.len || prompt.at_end)
			take_input();
		if (prompt.came != CAME_NOTHING)
			return push_line(L);
		if (ph_bind.interrupted)
			return push_signal(L);
		if (prompt.was_resized) {
			prompt.was_resized = 0;
			ph_readline_resize();
		}
		redraw();
		if (session) {
			int n = run_watching(L, session);

			if (n > 0)
				return n;
		} else if (poll(in, 2, -1) > 0) {
			if (in[1].revents)
				ph_filewatch_take();
			if (in[0].revents)
				take_input();
		}
	}
}

static int l_show(lua_State *L)		/* prompt.show(text): what is no script's, and not for -o's FILE */
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);

	if (ph_bind.own_stdout)
		write_around((void *)(intptr_t)STDOUT_FILENO, text, len);
	else
		fwrite(text, 1, len, stdout);
	return 0;
}

static int l_suspend(lua_State *L)	/* prompt.suspend(): stopped until somebody says fg */
{
	(void)L;
	ph_readline_end("");
	ph_terminal_restore();
	kill(getpid(), SIGSTOP);
	return 0;
}

static int l_open(lua_State *L)		/* prompt.open(name | nil) -> is a terminal; name: what $TERM is to be taken for */
{
	static char name[64];

	open_prompt();
	snprintf(name, sizeof(name), "%s", luaL_optstring(L, 1, ""));
	if (prompt.is_terminal && *name)
		ph_readline_set_terminal(name);
	lua_pushboolean(L, prompt.is_terminal);
	return 1;
}

/* prompt.run(Session, milliseconds | nil): in the foreground, as wait gives it; "interrupt", "suspend": by whoever typed it */
static int l_run(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	int64_t timeout = lua_isnumber(L, 2) ? (int64_t)lua_tonumber(L, 2) : -1;
	struct ph_reason reason;
	struct ph_err err = { 0 };
	int r, n;

	fflush(stdout);
	r = ph_bind_run_in_foreground(L, session, timeout, &reason, &err);
	n = push_outcome(L, r, &reason, &err);
	return n ? n : push_signal(L);
}

static int l_on_complete(lua_State *L)	/* prompt.on_complete(fn): fn(line up to the cursor, where the word begins) -> list */
{
	lua_settop(L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, prompt.complete_ref);
	prompt.complete_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int l_prompt(lua_State *L)	/* core.prompt() -> its functions, and repl.c's */
{
	static const luaL_Reg functions[] = {
		{ "wait", l_wait }, { "suspend", l_suspend }, { "open", l_open },		{ "run", l_run },
		{ "show", l_show }, { "on_complete", l_on_complete }, { NULL, NULL },
	};

	lua_newtable(L);
	luaL_register(L, NULL, functions);
	ph_bind_open_repl(L);
	return 1;
}

void ph_bind_open_prompt(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_prompt);
	lua_setfield(L, -2, "prompt");
}
