#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/hold.h"
#include "engine/snapshot.h"
#include "engine/stream.h"

#define SNAPSHOT "Snapshot"

static void *ref_snapshot(void *snapshot)
{
	return ph_snapshot_ref(snapshot);
}

/* The session's tubes lead to the process. */
static bool is_targets(const struct ph_snapshot *snapshot)
{
	return snapshot->process == snapshot->process->session->target;
}

/* core.snapshot(target, compares) -> Snapshot */
static int l_snapshot(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	bool compares = lua_toboolean(L, 2);
	struct ph_snapshot *snapshot;
	struct ph_err err;
	int r;

	if (ph_bind_has_ended(thread))
		return ph_bind_argument_error(L, "snapshot: thread %d has ended", thread->tid);
	ph_bind_enter();
	r = ph_snapshot_take(thread, ph_bind_hook_event(), compares, &snapshot, &err);
	if (r >= 0 && is_targets(snapshot) && ph_streams_keep(snapshot->process->session, &snapshot->unsent) < 0) {
		ph_snapshot_unref(snapshot);
		r = ph_err_set(&err, -ENOMEM, "snapshot");
	}
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push(L, SNAPSHOT, snapshot, ref_snapshot);
	ph_snapshot_unref(snapshot);
	return 1;
}

static int l_restore(lua_State *L)	/* snapshot:restore() */
{
	struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_snapshot_restore(snapshot, &err);
	if (r >= 0 && is_targets(snapshot) && ph_streams_put_back(snapshot->process->session, &snapshot->unsent) < 0)
		r = ph_err_set(&err, -ENOMEM, "restore");
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_fork(lua_State *L)		/* snapshot:fork() -> Session */
{
	struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	struct ph_session *session;
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_snapshot_fork(snapshot, &session, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push_session(L, session);
	ph_session_unref(session);
	return 1;
}

static int l_read(lua_State *L)		/* snapshot:read(addr, n) -> string */
{
	struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	ph_addr addr = ph_bind_check_addr(L, 2, "read: address");
	size_t len = ph_bind_check_len(L, 3, "read: length");
	struct ph_err err;
	uint8_t byte;
	void *buf;

	/* A wild size fails before there is room for it. */
	if (len > PH_PAGE && ph_snapshot_read(snapshot, addr + len - 1, &byte, 1, &err) < 0)
		ph_bind_raise(L, &err);
	buf = lua_newuserdata(L, len ? len : 1);
	if (ph_snapshot_read(snapshot, addr, buf, len, &err) < 0)
		ph_bind_raise(L, &err);
	lua_pushlstring(L, buf, len);
	return 1;
}

/* What the engine tells is collected first: pushing it may raise. */
struct list {
	struct piece {
		ph_addr start, end;
		bool is_zero;
	} *all;
	size_t n, room;
};

static int add_piece(ph_addr start, ph_addr end, bool is_zero, void *user)
{
	struct list *list = user;

	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		void *all = realloc(list->all, room * sizeof(*list->all));

		if (!all)
			return -ENOMEM;
		list->all = all;
		list->room = room;
	}
	list->all[list->n++] = (struct piece){ start, end, is_zero };
	return 0;
}

static int add_changed(ph_addr start, ph_addr end, void *user)
{
	return add_piece(start, end, false, user);
}

static int push_list(lua_State *L)	/* struct list -> {{start, stop, zero}, …} */
{
	const struct list *list = lua_touserdata(L, 1);

	lua_createtable(L, (int)list->n, 0);
	for (size_t i = 0; i < list->n; i++) {
		lua_createtable(L, 0, 3);
		ph_bind_push_u64(L, list->all[i].start);
		lua_setfield(L, -2, "start");
		ph_bind_push_u64(L, list->all[i].end);
		lua_setfield(L, -2, "stop");
		lua_pushboolean(L, list->all[i].is_zero);
		lua_setfield(L, -2, "zero");
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static int finish_list(lua_State *L, struct list *list, int r, const struct ph_err *err)
{
	lua_pushcfunction(L, push_list);
	lua_pushlightuserdata(L, list);
	if (r >= 0)
		r = lua_pcall(L, 1, 1, 0) == 0 ? 0 : 1;
	free(list->all);
	if (r == 1)
		return lua_error(L);
	return r < 0 ? ph_bind_raise(L, err) : 1;
}

static int l_ranges(lua_State *L)	/* snapshot:ranges() */
{
	struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	struct list list = { 0 };
	struct ph_err err;
	int r = ph_snapshot_each_range(snapshot, add_piece, &list);

	ph_err_set(&err, r < 0 ? r : -EINVAL, "ranges");
	return finish_list(L, &list, r, &err);
}

static int l_changed(lua_State *L)	/* snapshot:changed() */
{
	struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	struct list list = { 0 };
	struct ph_err err = { 0 };
	int r;

	ph_bind_enter();
	r = ph_snapshot_each_changed(snapshot, add_changed, &list, &err);
	ph_bind_leave();
	return finish_list(L, &list, r, &err);
}

struct texts {
	char *all[1024];
	size_t n;
};

static int add_text(const char *text, void *user)
{
	struct texts *texts = user;

	if (texts->n == sizeof(texts->all) / sizeof(texts->all[0]))
		return 1;
	texts->all[texts->n] = strdup(text);
	return texts->all[texts->n] ? texts->n++, 0 : -ENOMEM;
}

static int push_texts(lua_State *L)	/* struct texts -> {text, …} */
{
	const struct texts *texts = lua_touserdata(L, 1);

	lua_createtable(L, (int)texts->n, 0);
	for (size_t i = 0; i < texts->n; i++) {
		lua_pushstring(L, texts->all[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

static int l_limits(lua_State *L)	/* snapshot:limits() -> {text, …} */
{
	struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	struct texts texts = { .n = 0 };
	int r;

	ph_snapshot_each_limit(snapshot, add_text, &texts);
	lua_pushcfunction(L, push_texts);
	lua_pushlightuserdata(L, &texts);
	r = lua_pcall(L, 1, 1, 0);
	for (size_t i = 0; i < texts.n; i++)
		free(texts.all[i]);
	return r ? lua_error(L) : 1;
}

static int l_regs(lua_State *L)		/* core.snapshot_regs(Snapshot) -> struct user_regs_struct, as bytes */
{
	struct user_regs_struct regs = ph_snapshot_regs(ph_bind_check(L, 1, SNAPSHOT));

	lua_pushlstring(L, (const char *)&regs, sizeof(regs));
	return 1;
}

static int l_maps(lua_State *L)		/* core.snapshot_maps(Snapshot) -> "start-end perms offset path", a line each */
{
	const struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);
	const struct ph_maps *maps = &snapshot->layout.maps;
	luaL_Buffer buffer;

	luaL_buffinit(L, &buffer);
	for (size_t i = 0; i < maps->count; i++) {
		char line[4352];

		luaL_addlstring(&buffer, line, (size_t)snprintf(line, sizeof(line), "%llx-%llx %s %llx %.4096s\n",
								(unsigned long long)maps->entries[i].start,
								(unsigned long long)maps->entries[i].end, maps->entries[i].perms,
								(unsigned long long)maps->entries[i].offset,
								maps->entries[i].path));
	}
	luaL_pushresult(&buffer);
	return 1;
}

static int l_kernel(lua_State *L)	/* core.snapshot_kernel(Snapshot) -> {{start, stop}, …}: what the kernel writes to unasked */
{
	const struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);

	lua_newtable(L);
	for (size_t i = 0, n = 0; i < snapshot->rewind.n; i++) {
		const struct ph_os_rseq *rseq = &snapshot->rewind.all[i].rseq;

		if (!rseq->at)
			continue;
		lua_createtable(L, 0, 2);
		ph_bind_push_u64(L, rseq->at);
		lua_setfield(L, -2, "start");
		ph_bind_push_u64(L, rseq->at + rseq->size);
		lua_setfield(L, -2, "stop");
		lua_rawseti(L, -2, (int)++n);
	}
	return 1;
}

static int l_pid(lua_State *L)
{
	const struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);

	lua_pushinteger(L, ph_process_pid(snapshot->process));
	return 1;
}

static int l_session(lua_State *L)
{
	const struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);

	ph_bind_push_session(L, ph_process_session(snapshot->process));
	return 1;
}

static int l_gc(lua_State *L)
{
	ph_snapshot_unref(*(struct ph_snapshot **)lua_touserdata(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	const struct ph_snapshot *snapshot = ph_bind_check(L, 1, SNAPSHOT);

	lua_pushfstring(L, "Snapshot of process %d at %p%s", (int)ph_process_pid(snapshot->process),
			(void *)(uintptr_t)snapshot->regs.rip, snapshot->over ? ", over" : "");
	return 1;
}

static int l_hold(lua_State *L)		/* core.hold(session): every thread, until the hook is done */
{
	struct ph_session *session = ph_bind_check_session(L, 1);

	if (!ph_session_has_ended(session)) {
		ph_bind_enter();
		ph_hold_for_hook(session);
		ph_bind_leave();
	}
	return 0;
}

void ph_bind_open_snapshot(lua_State *L)	/* core -> core */
{
	static const luaL_Reg methods[] = {
		{ "restore", l_restore }, { "fork", l_fork },	  { "read", l_read },		{ "ranges", l_ranges },
		{ "changed", l_changed }, { "limits", l_limits }, { NULL, NULL },
	};
	static const luaL_Reg getters[] = { { "session", l_session }, { "pid", l_pid }, { NULL, NULL } };
	static const luaL_Reg functions[] = {
		{ "snapshot", l_snapshot }, { "snapshot_regs", l_regs }, { "snapshot_maps", l_maps },
		{ "snapshot_kernel", l_kernel }, { "hold", l_hold },
		{ NULL, NULL },
	};

	ph_bind_class_open(L, &(struct ph_bind_class){ SNAPSHOT, methods, getters, l_gc, l_tostring });
	luaL_register(L, NULL, functions);
}
