#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/readline.h"
#include "bind/terminal.h"

/* What lua/ptracehook/repl asks of us beside lines (prompt.c). */

static int l_is_spawned(lua_State *L)	/* prompt.is_spawned(Session) */
{
	lua_pushboolean(L, ph_bind_check_session(L, 1)->spawned);
	return 1;
}

static int l_shares_group(lua_State *L)	/* prompt.shares_group(pid): what the terminal sends to it comes to us too */
{
	lua_pushboolean(L, getpgid((pid_t)luaL_checkinteger(L, 1)) == getpgrp());
	return 1;
}

static int l_retarget(lua_State *L)	/* prompt.retarget(old, new): the command line's target is another now, if it was that */
{
	struct ph_session *old = ph_bind_check_session(L, 1), *new = ph_bind_check_session(L, 2);

	if (ph_bind.target == old) {
		ph_bind.target = ph_session_ref(new);
		ph_session_unref(old);
	}
	return 0;
}

/* prompt.return_to_target(): the command line's target, where it has one, is the current session again. */
static int l_return_to_target(lua_State *L)
{
	(void)L;
	if (ph_bind.target && ph_bind.target != ph_bind.current) {
		ph_bind_set_current(ph_bind.target);
		ph_bind_see_thread(ph_bind.target);
	}
	return 0;
}

static int l_continue(lua_State *L)	/* prompt.continue(pid): its group, when it has one of its own, as a shell's fg does */
{
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);

	if (getpgid(pid) == pid)
		kill(-pid, SIGCONT);
	return 0;
}

static int l_forget(lua_State *L)	/* prompt.forget(): the terminal goes to a new target next */
{
	(void)L;
	ph_terminal_forget();
	return 0;
}

static int l_lead(lua_State *L)		/* prompt.lead(yes): Ctrl-C and errors of hooks lead to the prompt */
{
	ph_bind.soft_interrupt = lua_toboolean(L, 1);
	return 0;
}

static int l_driven(lua_State *L)	/* prompt.driven() -> a session was run, by whatever verb, since this was asked last */
{
	lua_pushboolean(L, ph_bind.driven);
	ph_bind.driven = false;
	return 1;
}

/* ---- Files that are run without being asked for */

static const char *fault_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	if (st.st_uid != getuid() && st.st_uid != 0)
		return "belongs to another user";
	return st.st_mode & (S_IWGRP | S_IWOTH) ? "may be written to by others" : NULL;
}

static int l_unsafe(lua_State *L)	/* prompt.unsafe(path) -> why others could have put something there, or nil */
{
	const char *path = luaL_checkstring(L, 1), *slash = strrchr(path, '/'), *fault = fault_of(path);

	if (fault) {
		lua_pushfstring(L, "it %s", fault);
		return 1;
	}
	lua_pushlstring(L, path, slash ? (size_t)(slash - path) : 0);
	fault = fault_of(slash == path ? "/" : slash ? lua_tostring(L, -1) : ".");
	if (!fault)
		return 0;
	lua_pushfstring(L, "its folder %s", fault);
	return 1;
}

/* prompt.interrupted() -> somebody pressed Ctrl-C, and it is over with that; we are to end */
static int l_interrupted(lua_State *L)
{
	lua_pushboolean(L, ph_bind.interrupted == SIGINT);
	lua_pushboolean(L, ph_bind.interrupted && ph_bind.interrupted != SIGINT && ph_bind.interrupted != SIGTSTP);
	if (ph_bind.interrupted == SIGINT)
		ph_bind_interrupt_clear();
	return 2;
}

static int l_is_terminal(lua_State *L)	/* prompt.is_terminal(fd) */
{
	lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
	return 1;
}

static int l_files(lua_State *L)	/* prompt.files(folder) -> {name = is a folder}; nil: it cannot be read */
{
	DIR *dir = opendir(luaL_checkstring(L, 1));
	struct dirent *entry;

	if (!dir)
		return 0;
	lua_newtable(L);
	while ((entry = readdir(dir))) {
		struct stat st;
		bool is_folder = entry->d_type == DT_DIR;

		if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN)
			is_folder = fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
		lua_pushboolean(L, is_folder);
		lua_setfield(L, -2, entry->d_name);
	}
	closedir(dir);
	return 1;
}

/* ---- History */

static int push_result(lua_State *L, int r)
{
	if (r >= 0) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, strerror(-r));
	return 2;
}

static int l_remember(lua_State *L)	/* prompt.remember(entry, path | nil) -> true, or nil, why */
{
	ph_readline_remember(luaL_checkstring(L, 1));
	return push_result(L, lua_isstring(L, 2) ? ph_readline_history_append(lua_tostring(L, 2), 1) : 0);
}

static int l_history(lua_State *L)	/* prompt.history(path, max) -> true, or nil, why */
{
	return push_result(L, ph_readline_history_read(luaL_checkstring(L, 1), luaL_checkint(L, 2)));
}

void ph_bind_open_repl(lua_State *L)		/* prompt -> prompt */
{
	static const luaL_Reg functions[] = {
		{ "is_spawned", l_is_spawned },	  { "shares_group", l_shares_group }, { "retarget", l_retarget },
		{ "return_to_target", l_return_to_target },
		{ "continue", l_continue },	  { "forget", l_forget },	      { "lead", l_lead },
		{ "driven", l_driven },		  { "unsafe", l_unsafe },	      { "interrupted", l_interrupted },
		{ "is_terminal", l_is_terminal }, { "files", l_files },		      { "remember", l_remember },
		{ "history", l_history },	  { NULL, NULL },
	};

	luaL_register(L, NULL, functions);
}
