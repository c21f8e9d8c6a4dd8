#include <stdio.h>
#include <string.h>

#include "bind/bind.h"
#include "os/procfs.h"

#define THREAD "Thread"
#define PROCESS "Process"

static void *ref_thread(void *thread)
{
	return ph_thread_ref(thread);
}

static void *ref_process(void *process)
{
	return ph_process_ref(process);
}

void ph_bind_push_thread(lua_State *L, struct ph_thread *thread)
{
	ph_bind_push(L, THREAD, thread, ref_thread);
}

void ph_bind_push_process(lua_State *L, struct ph_process *process)
{
	ph_bind_push(L, PROCESS, process, ref_process);
}

static int l_thread_gc(lua_State *L)
{
	ph_thread_unref(*(struct ph_thread **)lua_touserdata(L, 1));
	return 0;
}

static int l_thread_tostring(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check(L, 1, THREAD);

	lua_pushfstring(L, "Thread %d (%s)", ph_thread_tid(thread), ph_thread_state(thread));
	return 1;
}

static int l_thread_tid(lua_State *L)
{
	lua_pushinteger(L, ph_thread_tid(ph_bind_check(L, 1, THREAD)));
	return 1;
}

static int l_thread_state(lua_State *L)
{
	lua_pushstring(L, ph_thread_state(ph_bind_check(L, 1, THREAD)));
	return 1;
}

/* prctl(PR_SET_NAME)'s, as long as the thread lives. */
static int l_thread_name(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check(L, 1, THREAD);
	char path[64], name[32];
	FILE *file;
	bool read;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", ph_process_pid(ph_thread_process(thread)),
		 ph_thread_tid(thread));
	file = thread->state == PH_THREAD_ENDED ? NULL : fopen(path, "re");
	if (!file)
		return 0;
	read = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	if (!read)
		return 0;
	name[strcspn(name, "\n")] = '\0';
	lua_pushstring(L, name);
	return 1;
}

static int l_thread_process(lua_State *L)
{
	ph_bind_push_process(L, ph_thread_process(ph_bind_check(L, 1, THREAD)));
	return 1;
}

static int l_thread_session(lua_State *L)
{
	ph_bind_push_session(L, ph_process_session(ph_thread_process(ph_bind_check(L, 1, THREAD))));
	return 1;
}

static int l_thread_select(lua_State *L)	/* thread:select() */
{
	struct ph_thread *thread = ph_bind_check(L, 1, THREAD);
	struct ph_session *session = ph_process_session(ph_thread_process(thread));

	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "select: thread %d has ended", ph_thread_tid(thread));
	ph_session_select(session, thread);
	ph_bind.event_process = NULL;
	ph_bind_set_current(session);
	ph_bind_set_now(thread);
	return 0;
}

static int l_process_gc(lua_State *L)
{
	ph_process_unref(*(struct ph_process **)lua_touserdata(L, 1));
	return 0;
}

static int l_process_tostring(lua_State *L)
{
	struct ph_process *process = ph_bind_check(L, 1, PROCESS);

	lua_pushfstring(L, "Process %d%s", ph_process_pid(process), ph_process_is_alive(process) ? "" : " (ended)");
	return 1;
}

static int l_process_pid(lua_State *L)
{
	lua_pushinteger(L, ph_process_pid(ph_bind_check(L, 1, PROCESS)));
	return 1;
}

static int l_process_path(lua_State *L)
{
	struct ph_process *process = ph_bind_check(L, 1, PROCESS);
	char path[4096];

	if (!ph_process_is_alive(process) || ph_os_exe_read(ph_process_pid(process), path, sizeof(path)) < 0)
		return 0;
	lua_pushstring(L, path);
	return 1;
}

static int l_process_alive(lua_State *L)
{
	lua_pushboolean(L, ph_process_is_alive(ph_bind_check(L, 1, PROCESS)));
	return 1;
}

static int l_process_session(lua_State *L)
{
	ph_bind_push_session(L, ph_process_session(ph_bind_check(L, 1, PROCESS)));
	return 1;
}

static int add_thread(struct ph_thread *thread, void *user)
{
	lua_State *L = user;

	ph_bind_push_thread(L, thread);
	lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
	return 0;
}

static int l_process_threads(lua_State *L)	/* process:threads() -> list */
{
	struct ph_process *process = ph_bind_check(L, 1, PROCESS);

	lua_newtable(L);
	ph_process_each_thread(process, add_thread, L);
	return 1;
}

void ph_bind_open_thread(lua_State *L)
{
	static const luaL_Reg thread_methods[] = { { "select", l_thread_select }, { NULL, NULL } };
	static const luaL_Reg thread_getters[] = {
		{ "tid", l_thread_tid },	 { "state", l_thread_state },	  { "name", l_thread_name },
		{ "process", l_thread_process }, { "session", l_thread_session }, { NULL, NULL },
	};
	static const luaL_Reg process_methods[] = { { "threads", l_process_threads }, { NULL, NULL } };
	static const luaL_Reg process_getters[] = {
		{ "pid", l_process_pid },	  { "path", l_process_path }, { "alive", l_process_alive },
		{ "session", l_process_session }, { NULL, NULL },
	};

	ph_bind_class_open(L, &(struct ph_bind_class){ THREAD, thread_methods, thread_getters, l_thread_gc,
						       l_thread_tostring });
	ph_bind_class_open(L, &(struct ph_bind_class){ PROCESS, process_methods, process_getters, l_process_gc,
						       l_process_tostring });
}
