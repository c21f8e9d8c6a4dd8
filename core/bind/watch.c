#include <stdio.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/watch.h"

#define WATCH "Watch"

static const char *const access_names[] = {
	[PH_WATCH_WRITE] = "w",
	[PH_WATCH_READ_WRITE] = "rw",
	[PH_WATCH_EXECUTE] = "x",
};

#define N_ACCESSES (sizeof(access_names) / sizeof(access_names[0]))

static void *ref_watch(void *watch)
{
	return ph_watch_ref(watch);
}

void ph_bind_push_watch(lua_State *L, struct ph_watch *watch)
{
	ph_bind_push(L, WATCH, watch, ref_watch);
}

/* What the engine keeps for us: the function, by its place in the registry. */
static struct ph_action on_hit(const struct ph_event *event, void *user)
{
	return ph_bind_call_hook(event, (int)(intptr_t)user);
}

static void forget(void *user)
{
	ph_bind_drop_function((int)(intptr_t)user);
}

static enum ph_watch_access check_access(lua_State *L, int index)
{
	const char *name = luaL_checkstring(L, index);

	for (size_t i = 0; i < N_ACCESSES; i++)
		if (strcmp(access_names[i], name) == 0)
			return (enum ph_watch_access)i;
	ph_bind_argument_error(L, "watch: access: \"w\", \"rw\" or \"x\" expected, got \"%s\"", name);
}

/* core.watch(session | nil, address, len, access, fn, soft): checked by ptracehook/watch.lua. */
static int l_watch(lua_State *L)
{
	struct ph_session *session = ph_bind_check_session(L, 1);
	struct ph_watch_options options = {
		.address = ph_bind_check_addr(L, 2, "watch: address"), .len = ph_bind_check_len(L, 3, "watch: len"),
		.access = check_access(L, 4), .soft = lua_toboolean(L, 6), .fn = on_hit, .user_free = forget,
	};
	enum ph_event_kind kind = options.access == PH_WATCH_EXECUTE ? PH_EVENT_WATCH_EXECUTE : PH_EVENT_WATCH;
	struct ph_watch *watch;
	struct ph_action action;
	struct ph_err err;
	const char *why;
	int r, ref;

	if (ph_bind_is_action(L, 5) && !ph_bind_to_action(L, 5, kind, &action, &why))
		ph_bind_argument_error(L, "watch: %s cannot answer a watch of access \"%s\"", why,
				       access_names[options.access]);
	ref = ph_bind_keep_function(L, 5);
	options.user = (void *)(intptr_t)ref;
	ph_bind_enter();
	r = ph_watch_add(session, &options, &watch, &err);
	ph_bind_leave();
	if (r < 0) {
		ph_bind_drop_function(ref);
		ph_err_wrap(&err, r, "watch");
		ph_bind_raise(L, &err);
	}
	ph_bind_push_watch(L, watch);
	ph_watch_unref(watch);
	return 1;
}

static int change(lua_State *L, int (*how)(struct ph_watch *, struct ph_err *))
{
	struct ph_watch *watch = ph_bind_check(L, 1, WATCH);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = how(watch, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int enable(struct ph_watch *watch, struct ph_err *err)
{
	return ph_watch_enable(watch, true, err);
}

static int disable(struct ph_watch *watch, struct ph_err *err)
{
	return ph_watch_enable(watch, false, err);
}

static int l_remove(lua_State *L)
{
	return change(L, ph_watch_remove);
}

static int l_enable(lua_State *L)
{
	return change(L, enable);
}

static int l_disable(lua_State *L)
{
	return change(L, disable);
}

static int l_id(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	lua_pushinteger(L, (lua_Integer)watch->id);
	return 1;
}

static int l_address(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	ph_bind_push_u64(L, watch->address);
	return 1;
}

static int l_len(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	lua_pushinteger(L, (lua_Integer)watch->len);
	return 1;
}

static int l_access(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	lua_pushstring(L, access_names[watch->access]);
	return 1;
}

static int l_hits(lua_State *L)
{
	/* Counts stay far below 2^53. */
	lua_pushnumber(L, (lua_Number)ph_watch_hits(ph_bind_check(L, 1, WATCH)));
	return 1;
}

static int l_enabled(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	lua_pushboolean(L, watch->enabled && !watch->removed && !watch->session->ended);
	return 1;
}

static int l_session(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	ph_bind_push_session(L, watch->session);
	return 1;
}

/* Up to eight bytes as the number that they are, more as a string; of an instruction there is nothing to say. */
static int push_value(lua_State *L, const struct ph_watch *watch, const uint8_t *bytes)
{
	uint64_t value = 0;

	if (watch->access == PH_WATCH_EXECUTE)
		return 0;
	if (watch->len > sizeof(value)) {
		lua_pushlstring(L, (const char *)bytes, watch->len);
	} else {
		memcpy(&value, bytes, watch->len);
		ph_bind_push_u64(L, value);
	}
	return 1;
}

static int l_old(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	return push_value(L, watch, watch->before);
}

static int l_new(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);

	return push_value(L, watch, watch->now);
}

static int l_gc(lua_State *L)
{
	ph_watch_unref(*(struct ph_watch **)lua_touserdata(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	const struct ph_watch *watch = ph_bind_check(L, 1, WATCH);
	const char *state = watch->gone ? ", gone with its program" : watch->removed ? ", removed" :
			    watch->enabled ? "" : ", disabled";
	char text[128];

	snprintf(text, sizeof(text), "Watch %u at 0x%llx, %zu bytes, \"%s\" (%llu hits%s)", watch->id,
		 (unsigned long long)watch->address, watch->len, access_names[watch->access],
		 (unsigned long long)watch->hits, state);
	lua_pushstring(L, text);
	return 1;
}

void ph_bind_open_watch(lua_State *L)	/* core -> core */
{
	static const luaL_Reg methods[] = {
		{ "remove", l_remove }, { "enable", l_enable }, { "disable", l_disable }, { NULL, NULL },
	};
	static const luaL_Reg getters[] = {
		{ "id", l_id }, { "address", l_address }, { "len", l_len }, { "access", l_access }, { "hits", l_hits },
		{ "enabled", l_enabled }, { "session", l_session }, { "old", l_old }, { "new", l_new }, { NULL, NULL },
	};

	ph_bind_class_open(L, &(struct ph_bind_class){ WATCH, methods, getters, l_gc, l_tostring });
	lua_pushcfunction(L, l_watch);
	lua_setfield(L, -2, "watch");
}
