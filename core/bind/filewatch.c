#include "bind/filewatch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "bind/bind.h"

static struct {
	int fd;
	int fn_ref;			/* registry: fn(folder's number, file's name) */
	struct ph_watched *watched;	/* the tracer's */
} filewatch = { .fd = -1, .fn_ref = LUA_NOREF };

int ph_filewatch_fd(void)
{
	return filewatch.fd;
}

static void tell(const struct inotify_event *event)
{
	lua_State *L = ph_bind.L;

	if (event->len == 0)
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, filewatch.fn_ref);
	lua_pushinteger(L, event->wd);
	lua_pushstring(L, event->name);
	if (!ph_bind_call(L, 2, 0) && !ph_bind.interrupted)
		ph_bind_report("");
	ph_bind_flush();
}

void ph_filewatch_take(void)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(filewatch.fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buf + at);

		tell(event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

static void on_ready(struct ph_tracer *tracer, int fd, unsigned int events, void *user)
{
	(void)tracer;
	(void)fd;
	(void)events;
	(void)user;
	ph_filewatch_take();
}

/* core.watch_folder(folder, fn) -> number; fn(number, name) is called for each file that was written; one fn for all. */
static int l_watch_folder(lua_State *L)
{
	const char *folder = luaL_checkstring(L, 1);
	int wd, r;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	if (filewatch.fd < 0) {
		filewatch.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (filewatch.fd < 0)
			return luaL_error(L, "files cannot be watched: %s", strerror(errno));
		r = ph_watched_add(ph_bind.tracer, filewatch.fd, POLLIN, on_ready, NULL, &filewatch.watched);
		if (r < 0)
			return luaL_error(L, "files cannot be watched: %s", strerror(-r));
	}
	wd = inotify_add_watch(filewatch.fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO);
	if (wd < 0)
		return luaL_error(L, "%s cannot be watched: %s", folder, strerror(errno));
	lua_settop(L, 2);
	luaL_unref(L, LUA_REGISTRYINDEX, filewatch.fn_ref);
	filewatch.fn_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushinteger(L, wd);
	return 1;
}

void ph_bind_open_filewatch(lua_State *L)	/* core -> core */
{
	lua_pushcfunction(L, l_watch_folder);
	lua_setfield(L, -2, "watch_folder");
}
