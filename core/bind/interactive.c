#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "bind/bind.h"
#include "engine/stream.h"
#include "os/terminal.h"

/* Our terminal, handed to a target: what is typed goes to its stream, as it is typed when both are terminals. */

static struct {
	struct ph_watched *watched;
	struct ph_session *session;	/* counted */
	struct ph_stream *stream;
	struct termios before;
	bool raw;
	volatile sig_atomic_t pty;	/* raw: the target's, which follows the size of ours */
	struct sigaction on_resize;	/* raw: what was done about that before */
} ours;

static void on_resize(int sig)
{
	(void)sig;
	ph_os_terminal_copy_size(STDIN_FILENO, ours.pty);
}

static void follow_size(int pty)
{
	const struct sigaction resize = { .sa_handler = on_resize, .sa_flags = SA_RESTART };

	ours.pty = pty;
	sigaction(SIGWINCH, &resize, &ours.on_resize);
	ph_os_terminal_copy_size(STDIN_FILENO, pty);
}

/* What is typed. Its end is the target's too. */
static void on_typed(struct ph_tracer *tracer, int fd, unsigned int events, void *user)
{
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)tracer;
	(void)events;
	(void)user;
	if (n > 0 && ph_stream_send(ours.stream, bytes, (size_t)n) == 0)
		return;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ours.stream->feeder = NULL;
	if (n <= 0)
		ph_stream_finish(ours.stream);
	ph_watched_set_events(ours.watched, 0);
}

static void leave_terminal(void)
{
	if (ours.raw) {
		sigaction(SIGWINCH, &ours.on_resize, NULL);
		ph_os_terminal_restore(STDIN_FILENO, &ours.before);
	}
	ours.raw = false;
	ph_watched_remove(ours.watched);
	ours.watched = NULL;
	if (ours.session) {
		ours.stream->feeder = NULL;
		ph_session_unref(ours.session);
	}
	ours.session = NULL;
}

/* streams.interactive_begin(session, mask): from here on what is typed goes to the target; raw when that is a terminal */
static int l_interactive_begin(lua_State *L)
{
	struct ph_session *session = ph_bind_check(L, 1, "Session");
	struct ph_stream *stream = ph_bind_check_sink(L);
	struct ph_err err;
	int r;

	if (ours.watched)
		ph_bind_argument_error(L, "interactive: another one has the terminal");
	r = ph_watched_add(ph_bind.tracer, STDIN_FILENO, POLLIN, on_typed, NULL, &ours.watched);
	if (r < 0) {
		ph_err_set(&err, r, "interactive");
		ph_bind_raise(L, &err);
	}
	ours.session = ph_session_ref(session);
	ours.stream = stream;
	stream->feeder = ours.watched;
	ours.raw = stream->is_source && ph_os_terminal_make_raw(STDIN_FILENO, &ours.before) == 0;
	if (ours.raw)
		follow_size(stream->fd);
	return 0;
}

static int l_interactive_end(lua_State *L)
{
	(void)L;
	leave_terminal();
	return 0;
}

void ph_bind_open_interactive(lua_State *L)	/* streams -> streams */
{
	lua_pushcfunction(L, l_interactive_begin);
	lua_setfield(L, -2, "interactive_begin");
	lua_pushcfunction(L, l_interactive_end);
	lua_setfield(L, -2, "interactive_end");
}
