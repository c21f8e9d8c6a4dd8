#include <string.h>

#include "bind/bind.h"
#include "engine/beginning.h"
#include "engine/patching.h"
#include "engine/redirect.h"
#include "x86/asm.h"

#define PATCH "Patch"

static void *ref_patch(void *patch)
{
	return ph_patch_ref(patch);
}

static struct ph_thread *check_thread(lua_State *L, const char *what)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);

	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "%s: thread %d has ended", what, thread->tid);
	return thread;
}

static struct ph_process *check_process(lua_State *L, const char *what)
{
	return ph_thread_process(check_thread(L, what));
}

static int l_patch(lua_State *L)	/* core.patch(target, addr, bytes, keep) -> Patch */
{
	struct ph_process *process = check_process(L, "patch");
	ph_addr addr = ph_bind_check_addr(L, 2, "patch: where");
	size_t len;
	const char *bytes = luaL_checklstring(L, 3, &len);
	bool keep = lua_toboolean(L, 4);
	struct ph_patch *patch;
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_patch_add(process, addr, bytes, len, keep, &patch, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push(L, PATCH, patch, ref_patch);
	ph_patch_unref(patch);
	return 1;
}

static int l_redirect(lua_State *L)	/* core.redirect(target, addr, to, keep) -> address, Patch */
{
	struct ph_thread *thread = check_thread(L, "redirect");
	ph_addr addr = ph_bind_check_addr(L, 2, "redirect: where"), to = ph_bind_check_addr(L, 3, "redirect: to");
	bool keep = lua_toboolean(L, 4);
	struct ph_patch *patch;
	ph_addr original;
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_redirect(thread, addr, to, keep, &original, &patch, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push_u64(L, original);
	ph_bind_push(L, PATCH, patch, ref_patch);
	ph_patch_unref(patch);
	return 2;
}

static int l_check_beginning(lua_State *L)	/* core.check_beginning(target, what, addr) */
{
	const char *what = luaL_checkstring(L, 2);
	struct ph_process *process = check_process(L, what);
	ph_addr addr = ph_bind_check_addr(L, 3, what);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_beginning_check(process, addr, what, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_original(lua_State *L)	/* core.original(target, addr, n) -> bytes */
{
	struct ph_process *process = check_process(L, "original_bytes");
	ph_addr addr = ph_bind_check_addr(L, 2, "original_bytes: where");
	size_t len = ph_bind_check_len(L, 3, "original_bytes: n");
	void *buf;
	struct ph_err err;

	/* Lua's memory is bounded by what can be read: a wild size fails before there is room for it. */
	if (len > PH_PAGE && ph_process_read_original(process, addr + len - 1, &err.tid, 1, &err) < 0)
		ph_bind_raise(L, &err);
	buf = lua_newuserdata(L, len);
	if (ph_process_read_original(process, addr, buf, len, &err) < 0)
		ph_bind_raise(L, &err);
	lua_pushlstring(L, buf, len);
	return 1;
}

static int l_patched(lua_State *L)	/* core.patched(target, addr) -> the length of the lowest patch there, or nil */
{
	struct ph_process *process = check_process(L, "original_bytes");
	ph_addr addr = ph_bind_check_addr(L, 2, "original_bytes: where");
	struct ph_patch *patch;

	ph_list_each(patch, &process->session->patches, struct ph_patch, in_session)
		if (patch->space == process->space && patch->addr == addr) {
			lua_pushnumber(L, (lua_Number)patch->len);
			return 1;
		}
	return 0;
}

static bool resolve(void *session, const char *name, ph_addr *ret)
{
	return session && ph_session_resolve(session, name, ret, NULL) >= 0;
}

/* While only the text is looked at: any name may be one. */
static bool any_name(void *arg, const char *name, ph_addr *ret)
{
	(void)name;
	*ret = *(ph_addr *)arg;
	return true;
}

static int l_assemble(lua_State *L)	/* core.assemble(session | nil, text, addr) -> bytes */
{
	struct ph_session *session = lua_isnil(L, 1) ? NULL : ph_bind_check_session(L, 1);
	const char *text = luaL_checkstring(L, 2);
	ph_addr addr = ph_bind_check_addr(L, 3, "asm: address");
	uint8_t bytes[PH_ASM_MAX];
	size_t len;
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_asm(text, addr, session ? resolve : any_name, session ? (void *)session : (void *)&addr, bytes, &len, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	lua_pushlstring(L, (const char *)bytes, len);
	return 1;
}

/* ---- Patch */

static int l_restore(lua_State *L)	/* patch:restore() */
{
	struct ph_patch *patch = ph_bind_check(L, 1, PATCH);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_patch_restore(patch, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static int l_address(lua_State *L)
{
	const struct ph_patch *patch = ph_bind_check(L, 1, PATCH);

	ph_bind_push_u64(L, patch->addr);
	return 1;
}

static int l_under(lua_State *L)
{
	const struct ph_patch *patch = ph_bind_check(L, 1, PATCH);

	lua_pushlstring(L, (const char *)patch->under, patch->len);
	return 1;
}

static int l_active(lua_State *L)
{
	const struct ph_patch *patch = ph_bind_check(L, 1, PATCH);

	lua_pushboolean(L, patch->state == PH_PATCH_IN);
	return 1;
}

static int l_session(lua_State *L)
{
	const struct ph_patch *patch = ph_bind_check(L, 1, PATCH);

	ph_bind_push_session(L, patch->session);
	return 1;
}

static int l_gc(lua_State *L)
{
	ph_patch_unref(*(struct ph_patch **)lua_touserdata(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	static const char *const states[] = {
		[PH_PATCH_IN] = "", [PH_PATCH_RESTORED] = ", restored", [PH_PATCH_GONE] = ", gone",
	};
	const struct ph_patch *patch = ph_bind_check(L, 1, PATCH);

	lua_pushfstring(L, "Patch of %d bytes at %p%s", (int)patch->len, (void *)(uintptr_t)patch->addr,
			states[patch->state]);
	return 1;
}

void ph_bind_open_patch(lua_State *L)	/* core -> core */
{
	static const luaL_Reg methods[] = { { "restore", l_restore }, { NULL, NULL } };
	static const luaL_Reg getters[] = {
		{ "address", l_address }, { "original", l_under },  { "active", l_active },
		{ "session", l_session }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "patch", l_patch },	    { "original", l_original }, { "patched", l_patched },
		{ "assemble", l_assemble }, { "redirect", l_redirect },
		{ "check_beginning", l_check_beginning }, { NULL, NULL },
	};

	ph_bind_class_open(L, &(struct ph_bind_class){ PATCH, methods, getters, l_gc, l_tostring });
	luaL_register(L, NULL, functions);
}
