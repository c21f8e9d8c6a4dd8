#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/pattern.h"
#include "bind/bind.h"
#include "engine/memory.h"
#include "os/procfs.h"

#define FIND_CHUNK (1 << 20)
#define READ_CHUNK (1 << 20)

/*
 * A mem table is bound to a target: the Session, Thread or Process it came from, or nil for what the globals mean.
 * That is upvalue 1 of every function here.
 */
#define TARGET lua_upvalueindex(1)

static struct ph_thread *check_alive(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check_target(L, TARGET);

	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "mem: thread %d has ended", thread->tid);
	return thread;
}

static void read_exactly(lua_State *L, ph_addr addr, void *buf, size_t len)
{
	struct ph_thread *thread = check_alive(L);
	struct ph_err err;

	if (ph_space_read(thread->process->space, thread->tid, addr, buf, len, &err) < 0)
		ph_bind_raise(L, &err);
}

static void write_exactly(lua_State *L, ph_addr addr, const void *buf, size_t len)
{
	struct ph_thread *thread = check_alive(L);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_memory_write(thread, addr, buf, len, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
}

/* ---- mem.u8[addr] and its like */

enum form { UNSIGNED, SIGNED, FLOATING };

static const struct width {
	const char *name;
	uint8_t size;
	uint8_t form;
} widths[] = {
	{ "u8", 1, UNSIGNED }, { "u16", 2, UNSIGNED }, { "u32", 4, UNSIGNED }, { "u64", 8, UNSIGNED },
	{ "i8", 1, SIGNED },   { "i16", 2, SIGNED },   { "i32", 4, SIGNED },   { "i64", 8, SIGNED },
	{ "f32", 4, FLOATING }, { "f64", 8, FLOATING }, { "ptr", 8, UNSIGNED },
};

/* "mem.u32: address", for errors; good until the next. */
static const char *part(const struct width *width, const char *what)
{
	static char text[32];

	snprintf(text, sizeof(text), "mem.%s: %s", width->name, what);
	return text;
}

static const struct width *check_width(lua_State *L)
{
	return &widths[lua_tointeger(L, lua_upvalueindex(2))];
}

static int l_get(lua_State *L)		/* mem.u32[addr] -> value */
{
	const struct width *width = check_width(L);
	ph_addr addr = ph_bind_check_addr(L, 2, part(width, "address"));
	union {
		uint64_t whole;
		float f32;
		double f64;
	} value = { 0 };
	unsigned int unused = 64 - width->size * 8u;

	read_exactly(L, addr, &value, width->size);
	if (width->form == FLOATING)
		lua_pushnumber(L, width->size == 4 ? (lua_Number)value.f32 : value.f64);
	else if (width->size == 8 && width->form == SIGNED)
		ph_bind_push_i64(L, (int64_t)value.whole);
	else if (width->size == 8)
		ph_bind_push_u64(L, value.whole);
	else if (width->form == SIGNED)
		lua_pushnumber(L, (lua_Number)((int64_t)(value.whole << unused) >> unused));
	else
		lua_pushnumber(L, (lua_Number)value.whole);
	return 1;
}

static int l_set(lua_State *L)		/* mem.u32[addr] = value */
{
	const struct width *width = check_width(L);
	ph_addr addr = ph_bind_check_addr(L, 2, part(width, "address"));
	union {
		uint64_t whole;
		float f32;
		double f64;
	} value = { 0 };

	if (width->form != FLOATING)
		value.whole = ph_bind_check_int(L, 3, width->size * 8u, part(width, "value"));
	else if (width->size == 4)
		value.f32 = (float)ph_bind_check_float(L, 3, part(width, "value"));
	else
		value.f64 = ph_bind_check_float(L, 3, part(width, "value"));
	write_exactly(L, addr, &value, width->size);
	return 0;
}

/* ---- Pieces */

/* What a read that failed gives: mem.try_… nil and the error, the others raise it. TRY says which. */
#define TRY lua_upvalueindex(2)

/* "mem.try_read: address", for errors; good until the next. */
static const char *named(lua_State *L, const char *what)
{
	static char text[32];

	snprintf(text, sizeof(text), "mem.%s%s", lua_toboolean(L, TRY) ? "try_" : "", what);
	return text;
}

static int failed(lua_State *L, const struct ph_err *err)
{
	if (!lua_toboolean(L, TRY))
		ph_bind_raise(L, err);
	lua_pushnil(L);
	ph_bind_push_error(L, err);
	return 2;
}

/*
 * Room grows with what turned out to be readable, so a wild size costs no gigabytes. The room is Lua's, which may
 * raise at any time.
 */
static int l_read(lua_State *L)		/* mem.read(addr, n) -> string */
{
	ph_addr addr = ph_bind_check_addr(L, 1, named(L, "read: address"));
	size_t len = ph_bind_check_len(L, 2, named(L, "read: n")), room, done = 0;
	struct ph_thread *thread = check_alive(L);
	struct ph_err err;
	char small[256], *buf = small;

	lua_settop(L, 3);			/* addr n room */
	for (room = len <= sizeof(small) ? len : 0; done < len; done = room) {
		if (done == room) {
			char *bigger;

			room = room ? room * 2 : READ_CHUNK;
			room = room < len ? room : len;
			bigger = lua_newuserdata(L, room);
			memcpy(bigger, buf, done);
			buf = bigger;
			lua_replace(L, 3);
		}
		if (ph_space_read(thread->process->space, thread->tid, addr + done, buf + done, room - done, &err) < 0) {
			err.done += done;
			return failed(L, &err);
		}
	}
	lua_pushlstring(L, buf, len);
	return 1;
}

static int l_write(lua_State *L)	/* mem.write(addr, bytes) */
{
	ph_addr addr = ph_bind_check_addr(L, 1, "mem.write: address");
	size_t len;
	const char *bytes;

	if (lua_type(L, 2) != LUA_TSTRING)
		ph_bind_argument_error(L, "mem.write: bytes: string expected, got %s", ph_bind_push_shown(L, 2));
	bytes = lua_tolstring(L, 2, &len);
	write_exactly(L, addr, bytes, len);
	return 0;
}

/* To the end of the page, so that no read goes further than the string may. */
static int l_cstr(lua_State *L)		/* mem.cstr(addr [, max]) -> string */
{
	ph_addr addr = ph_bind_check_addr(L, 1, named(L, "cstr: address"));
	size_t max = SIZE_MAX, done = 0;
	struct ph_thread *thread;
	struct ph_err err;
	luaL_Buffer text;
	char piece[PH_PAGE];

	if (!lua_isnoneornil(L, 2))
		max = ph_bind_check_len(L, 2, named(L, "cstr: max"));
	thread = check_alive(L);
	luaL_buffinit(L, &text);
	while (done < max) {
		size_t n = PH_PAGE - (addr + done) % PH_PAGE;
		const char *end;

		if (n > 256 && done == 0)
			n = 256;
		if (n > max - done)
			n = max - done;
		if (ph_space_read(thread->process->space, thread->tid, addr + done, piece, n, &err) < 0) {
			err.done += done;
			return failed(L, &err);
		}
		end = memchr(piece, '\0', n);
		luaL_addlstring(&text, piece, end ? (size_t)(end - piece) : n);
		if (end)
			break;
		done += n;
	}
	luaL_pushresult(&text);
	return 1;
}

/* ---- Search */

/* mem.search(bytes, mask, start, stop, all): the first address or nil; or a list. Unreadable memory ends the range. */
static int l_search(lua_State *L)
{
	struct ph_thread *thread = check_alive(L);
	struct ph_pattern pattern;
	ph_addr start = ph_bind_check_addr(L, 3, "mem.find: start"), stop = ph_bind_check_addr(L, 4, "mem.find: stop");
	bool all = lua_toboolean(L, 5);
	char *buf;
	int found = 0;

	pattern.bytes = (const uint8_t *)luaL_checklstring(L, 1, &pattern.len);
	pattern.mask = (const uint8_t *)lua_tostring(L, 2);
	if (all)
		lua_newtable(L);
	buf = lua_newuserdata(L, FIND_CHUNK + pattern.len);
	lua_insert(L, -1 - all);		/* buf [list] */
	while (start < stop && stop - start >= pattern.len) {
		size_t n = stop - start < FIND_CHUNK + pattern.len ? stop - start : FIND_CHUNK + pattern.len, at = 0;
		struct ph_err err = { 0 };

		if (ph_bind.interrupted)
			return luaL_error(L, "interrupted");
		if (ph_space_read(thread->process->space, thread->tid, start, buf, n, &err) < 0)
			n = err.done;
		while (ph_pattern_find(&pattern, (const uint8_t *)buf, n, &at)) {
			ph_bind_push_u64(L, start + at);
			if (!all)
				return 1;
			lua_rawseti(L, -2, ++found);
			at++;
		}
		if (err.code) {
			/* A hole: on behind its page. */
			start = (start + n + PH_PAGE) & ~(ph_addr)(PH_PAGE - 1);
			continue;
		}
		start += n >= pattern.len ? n - pattern.len + 1 : n;
	}
	if (!all)
		lua_pushnil(L);
	return 1;
}

#define MAPS "ptracehook.maps"

static int l_maps_gc(lua_State *L)
{
	ph_os_maps_fini(lua_touserdata(L, 1));
	return 0;
}

/* Memory that Lua frees: making 64-bit numbers runs Lua code, which may be interrupted. */
static struct ph_maps *push_maps(lua_State *L)
{
	struct ph_maps *maps = lua_newuserdata(L, sizeof(*maps));

	memset(maps, 0, sizeof(*maps));
	if (luaL_newmetatable(L, MAPS)) {
		lua_pushcfunction(L, l_maps_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return maps;
}

static int l_maps(lua_State *L)		/* mem.maps() -> list */
{
	struct ph_thread *thread = check_alive(L);
	struct ph_maps *maps = push_maps(L);	/* maps */
	struct ph_err err;
	int r = ph_os_maps_read(thread->tid, maps);

	if (r < 0) {
		ph_err_set_in(&err, r, "read memory map", thread->tid);
		ph_bind_raise(L, &err);
	}
	lua_createtable(L, (int)maps->count, 0);	/* maps list */
	for (size_t i = 0; i < maps->count; i++) {
		const struct ph_map_entry *entry = &maps->entries[i];

		lua_createtable(L, 0, 5);
		ph_bind_push_u64(L, entry->start);
		lua_setfield(L, -2, "start");
		ph_bind_push_u64(L, entry->end);
		lua_setfield(L, -2, "stop");
		lua_pushstring(L, entry->perms);
		lua_setfield(L, -2, "perms");
		ph_bind_push_u64(L, entry->offset);
		lua_setfield(L, -2, "offset");
		lua_pushstring(L, entry->path);
		lua_setfield(L, -2, "path");
		lua_rawseti(L, -2, (int)i + 1);
	}
	ph_os_maps_fini(maps);
	return 1;
}

static int l_mem(lua_State *L)		/* core.mem(target | nil) -> the table of these */
{
	static const struct {
		const char *name;
		lua_CFunction fn;
		bool try;
	} functions[] = {
		{ "read", l_read, false },	{ "try_read", l_read, true },  { "cstr", l_cstr, false },
		{ "try_cstr", l_cstr, true },	{ "write", l_write, false },   { "search", l_search, false },
		{ "maps", l_maps, false },
	};

	lua_settop(L, 1);
	lua_newtable(L);			/* target mem */
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		lua_pushvalue(L, 1);
		lua_pushboolean(L, functions[i].try);
		lua_pushcclosure(L, functions[i].fn, 2);
		lua_setfield(L, 2, functions[i].name);
	}
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		lua_newtable(L);		/* target mem view */
		lua_newtable(L);		/* target mem view meta */
		lua_pushvalue(L, 1);
		lua_pushinteger(L, (lua_Integer)i);
		lua_pushcclosure(L, l_get, 2);
		lua_setfield(L, -2, "__index");
		lua_pushvalue(L, 1);
		lua_pushinteger(L, (lua_Integer)i);
		lua_pushcclosure(L, l_set, 2);
		lua_setfield(L, -2, "__newindex");
		lua_setmetatable(L, -2);
		lua_setfield(L, 2, widths[i].name);
	}
	return 1;
}

static int l_pattern(lua_State *L)	/* core.pattern(text) -> bytes, mask; nothing when it is no pattern */
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	uint8_t *bytes = lua_newuserdata(L, len + 1), *mask = lua_newuserdata(L, len + 1);
	int n = ph_pattern_parse(text, len, bytes, mask);

	if (n < 0)
		return 0;
	lua_pushlstring(L, (const char *)bytes, (size_t)n);
	lua_pushlstring(L, (const char *)mask, (size_t)n);
	return 2;
}

void ph_bind_open_mem(lua_State *L)		/* core -> core */
{
	lua_pushcfunction(L, l_mem);
	lua_setfield(L, -2, "mem");
	lua_pushcfunction(L, l_pattern);
	lua_setfield(L, -2, "pattern");
}
