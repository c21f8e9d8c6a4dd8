#include "bind/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/bind.h"

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && access(path, R_OK) == 0;
}

static char *readable(const char *folder, const char *name)
{
	static const char *const endings[] = { "", ".lua" };
	char *path;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (asprintf(&path, "%s%s%s%s", folder, *folder ? "/" : "", name, endings[i]) < 0)
			return NULL;
		if (*name && is_file(path))
			return path;
		free(path);
	}
	return NULL;
}

/* share/ptracehook beside the binary's bin folder, wherever that was put. */
static const char *data_folder(void)
{
	static char folder[4200];
	char *slash;
	ssize_t n;

	if (*folder)
		return folder;
	n = readlink("/proc/self/exe", folder, 4096);
	folder[n > 0 ? n : 0] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(folder, '/');
		if (slash)
			*slash = '\0';
	}
	strcat(folder, "/share/ptracehook");
	if (access(folder, R_OK) != 0)
		snprintf(folder, sizeof(folder), "%s", PH_DATADIR);
	return folder;
}

/* $XDG_DATA_HOME/ptracehook/what, or the place that stands for it. Owned by the caller; NULL: out of memory. */
static char *user_folder(const char *what)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	bool has_data = data && *data;
	const char *base = has_data ? data : home ? home : "", *below = has_data ? "/ptracehook/" : "/.local/share/ptracehook/";
	char *folder = malloc(strlen(base) + strlen(below) + strlen(what) + 1);

	/* No printf: every start comes here, and none other of it needs that. */
	if (folder)
		stpcpy(stpcpy(stpcpy(folder, base), below), what);
	return folder;
}

char *ph_script_find(const char *name)
{
	char *path, *folder;

	if (strchr(name, '/'))
		return access(name, F_OK) == 0 ? strdup(name) : NULL;
	path = readable("", name);
	if (path)
		return path;
	folder = user_folder("scripts");
	path = folder ? readable(folder, name) : NULL;
	free(folder);
	if (path || asprintf(&folder, "%s/scripts", data_folder()) < 0)
		return path;
	path = readable(folder, name);
	free(folder);
	return path;
}

/* package[field] = before .. package[field] .. behind; takes both from the stack. */
static void surround(lua_State *L, const char *field)	/* before behind -> */
{
	lua_getglobal(L, "package");
	lua_insert(L, -3);			/* package before behind */
	lua_getfield(L, -3, field);
	lua_insert(L, -2);
	lua_concat(L, 3);
	lua_setfield(L, -2, field);
	lua_pop(L, 1);
}

void ph_script_set_paths(const char *script)
{
	lua_State *L = ph_bind.L;
	const char *slash = script ? strrchr(script, '/') : NULL, *home = getenv("HOME"), *own;
	char *folder = user_folder("lua");

	home = home ? home : "";
	lua_pushlstring(L, slash ? script : ".", slash > script ? (size_t)(slash - script) : 1);
	own = lua_tostring(L, -1);
	lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;./lua/?.lua;./lua/?/init.lua;%s/?.lua;%s/?/init.lua;", own, own,
			folder ? folder : "", folder ? folder : "");
	/* LuaRocks' trees of Lua 5.1, behind what LUA_PATH says. */
	lua_pushfstring(L, ";%s/.luarocks/share/lua/5.1/?.lua;%s/.luarocks/share/lua/5.1/?/init.lua;"
			   "/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua;"
			   "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua", home, home);
	surround(L, "path");
	lua_pushfstring(L, "%s/?.so;./lua/?.so;%s/?.so;", own, folder ? folder : "");
	lua_pushfstring(L, ";%s/.luarocks/lib/lua/5.1/?.so;/usr/local/lib/lua/5.1/?.so;/usr/lib/x86_64-linux-gnu/lua/5.1/?.so",
			home);
	surround(L, "cpath");
	lua_pop(L, 1);
	free(folder);
}

void ph_script_set_arguments(char **argv, int script, int n_arguments)
{
	lua_State *L = ph_bind.L;

	lua_createtable(L, n_arguments, script + 1);
	for (int i = 0; i <= script + n_arguments; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i - script);
	}
	lua_setglobal(L, "arg");
}

/* An error of loading: kept as if it had been raised, without a traceback, since nothing ran. */
static bool keep_load_error(lua_State *L)
{
	ph_bind_keep_error(L);
	return false;
}

bool ph_script_require(const char *name)
{
	lua_State *L = ph_bind.L;
	const char *dot = strrchr(name, '.');

	if (!ph_bind_open_compiler(&ph_bind))
		return false;
	lua_getglobal(L, "require");
	lua_pushstring(L, name);
	if (!ph_bind_call(L, 1, 1))
		return false;
	lua_setglobal(L, dot ? dot + 1 : name);
	return ph_bind_flush();
}

bool ph_script_run_chunk(const char *text, const char *name)
{
	lua_State *L = ph_bind.L;

	if (*text && !ph_bind_open_compiler(&ph_bind))
		return false;
	if (luaL_loadbuffer(L, text, strlen(text), name) != 0)
		return keep_load_error(L);
	return ph_bind_call(L, 0, 0) && ph_bind_flush();
}

/* The whole file, owned by the caller; NULL: errno says why. */
static char *read_file(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	size_t len = 0, room = 0;
	char *text = NULL;
	ssize_t n = -1;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		room = (size_t)st.st_size + 1;
	while (fd >= 0 && room) {
		char *more = realloc(text, room);

		if (!more)
			break;
		text = more;
		n = read(fd, text + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		room = len == room ? room * 2 : room;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		errno = error;
		return NULL;
	}
	*ret_len = len;
	return text;
}

/* As luaL_loadfile does it, which goes through stdio: half of what a short script costs at its start. */
static int load_file(lua_State *L, const char *path)
{
	size_t len;
	char *text = read_file(path, &len);
	int r;

	if (!text) {
		lua_pushfstring(L, "cannot open %s: %s", path, strerror(errno));
		return LUA_ERRFILE;
	}
	if (len && !ph_bind_open_compiler(&ph_bind)) {
		free(text);
		return LUA_ERRERR;
	}
	lua_pushfstring(L, "@%s", path);
	r = luaL_loadbuffer(L, text, len, lua_tostring(L, -1));
	lua_remove(L, -2);
	free(text);
	return r;
}

bool ph_script_run_file(const char *path, int n_arguments, char **arguments)
{
	lua_State *L = ph_bind.L;
	int r = load_file(L, path);

	if (r == LUA_ERRERR)
		return false;
	if (r != 0)
		return keep_load_error(L);
	luaL_checkstack(L, n_arguments, "too many arguments");
	for (int i = 0; i < n_arguments; i++)
		lua_pushstring(L, arguments[i]);
	return ph_bind_call(L, n_arguments, 0) && ph_bind_flush();
}

void ph_script_set_options(bool interactive, bool watch, const char *path, char **program)
{
	lua_State *L = ph_bind.L;

	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	lua_getfield(L, -1, "ptracehook.core");
	lua_newtable(L);			/* loaded core options */
	lua_pushboolean(L, interactive);
	lua_setfield(L, -2, "interactive");
	lua_pushboolean(L, watch);
	lua_setfield(L, -2, "watch");
	lua_pushstring(L, path);
	lua_setfield(L, -2, "path");
	if (program) {
		lua_newtable(L);
		for (int i = 0; program[i]; i++) {
			lua_pushstring(L, program[i]);
			lua_rawseti(L, -2, i + 1);
		}
		lua_setfield(L, -2, "program");
	}
	lua_setfield(L, -2, "command_line");
	lua_pop(L, 2);
}

/* session.lua's run where somebody asked for that, and else the method below it. */
bool ph_script_drive(void)
{
	lua_State *L = ph_bind.L;

	lua_getfield(L, LUA_REGISTRYINDEX, "ptracehook.classes");
	lua_getfield(L, -1, "Session");
	lua_getfield(L, -1, "methods");		/* classes Session methods */
	lua_getfield(L, -1, "run");
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_getfield(L, -1, "run_ms");
	}
	lua_replace(L, -4);
	lua_pop(L, 2);				/* run */
	ph_bind_push_session(L, ph_bind.current);
	return ph_bind_call(L, 1, 0);
}

bool ph_script_call(const char *function)
{
	lua_State *L = ph_bind.L;

	lua_getglobal(L, "require");
	lua_pushliteral(L, "ptracehook.main");
	if (!ph_bind_call(L, 1, 1))
		return false;
	lua_getfield(L, -1, function);
	lua_remove(L, -2);
	return ph_bind_call(L, 0, 0);
}
