#include <errno.h>
#include <string.h>

#include "bind/bind.h"
#include "x86/regs.h"
#include "x86/xstate.h"

_Static_assert(sizeof(struct user_regs_struct) == 27 * 8, "the FFI view has 27 words");
_Static_assert(offsetof(struct ph_view, stopped) == 27 * 8, "the FFI view has its flags behind the words");

void ph_bind_set_now(struct ph_thread *thread)
{
	struct ph_thread *before = ph_bind.now_thread;

	ph_bind.now_thread = thread ? ph_thread_ref(thread) : NULL;
	ph_bind.now.view = thread ? &thread->view : NULL;
	ph_thread_unref(before);
}

struct ph_thread *ph_bind_check_target(lua_State *L, int index)
{
	struct ph_session *session;
	struct ph_process *process;
	struct ph_thread *thread;

	if (lua_isnoneornil(L, index)) {
		session = ph_bind_check_session(L, 0);
		thread = ph_bind.now_thread ? ph_bind.now_thread : ph_session_thread(session);
		if (thread && ph_bind_has_ended(thread) && ph_session_thread(session))
			thread = ph_session_thread(session);
	} else if ((thread = ph_bind_test(L, index, "Thread"))) {
		session = ph_process_session(ph_thread_process(thread));
	} else if ((process = ph_bind_test(L, index, "Process"))) {
		session = ph_process_session(process);
		thread = ph_process_any_thread(process);
	} else {
		session = ph_bind_check(L, index, "Session");
		thread = ph_session_thread(session);
	}
	if (!thread || ph_session_has_ended(session))
		ph_bind_argument_error(L, "the target has ended: there are no registers or memory to use");
	return thread;
}

static int l_view(lua_State *L)		/* core.view(target): now.asked, fetched */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	struct ph_err err;

	if (ph_thread_regs_fetch(thread, &err) < 0)
		ph_bind_raise(L, &err);
	ph_bind.now.asked = &thread->view;
	return 0;
}

static int l_flush(lua_State *L)	/* core.flush(target): what was changed, to the kernel, which may refuse it */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_thread_regs_flush(thread, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	return 0;
}

static void fetch_xstate(lua_State *L, struct ph_thread *thread, void **area, size_t *len)
{
	struct ph_err err;

	if (ph_thread_xstate_fetch(thread, area, len, &err) < 0)
		ph_bind_raise(L, &err);
}

static struct ph_xreg check_xreg(lua_State *L, int index)
{
	const char *name = luaL_checkstring(L, index);
	struct ph_xreg reg;

	if (ph_xreg_find(name, &reg) < 0)
		ph_bind_argument_error(L, "regs has no register '%s'", name);
	return reg;
}

static int l_xreg_read(lua_State *L)	/* core.xreg_read(target, name) -> bytes, or a number for st */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	struct ph_xreg reg = check_xreg(L, 2);
	union {
		unsigned char bytes[PH_XREG_SIZE_MAX];
		long double number;
	} value = { { 0 } };
	void *area;
	size_t len;

	fetch_xstate(L, thread, &area, &len);
	if (ph_xreg_get(ph_xstate_layout(), area, len, &reg, value.bytes) < 0)
		ph_bind_argument_error(L, "this CPU has no register '%s'", lua_tostring(L, 2));
	if (reg.kind == PH_XREG_ST)
		lua_pushnumber(L, (lua_Number)value.number);
	else
		lua_pushlstring(L, (const char *)value.bytes, reg.size);
	return 1;
}

static int l_xstate(lua_State *L)	/* core.xstate(target) -> the XSAVE area */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	void *area;
	size_t len;

	fetch_xstate(L, thread, &area, &len);
	lua_pushlstring(L, area, len);
	return 1;
}

static int l_xreg_write(lua_State *L)	/* core.xreg_write(target, name, bytes | number) */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	struct ph_xreg reg = check_xreg(L, 2);
	union {
		unsigned char bytes[PH_XREG_SIZE_MAX];
		long double number;
	} value = { { 0 } };
	const char *bytes;
	void *area;
	size_t len;

	if (reg.kind == PH_XREG_ST) {
		value.number = (long double)luaL_checknumber(L, 3);
	} else {
		bytes = luaL_checklstring(L, 3, &len);
		if (len != reg.size)
			ph_bind_argument_error(L, "register '%s' has %d bytes, got %d", lua_tostring(L, 2), reg.size, (int)len);
		memcpy(value.bytes, bytes, len);
	}
	fetch_xstate(L, thread, &area, &len);
	if (ph_xreg_set(ph_xstate_layout(), area, len, &reg, value.bytes) < 0)
		ph_bind_argument_error(L, "this CPU has no register '%s'", lua_tostring(L, 2));
	ph_thread_xstate_set_dirty(thread);
	return 0;
}

static int l_xreg_size(lua_State *L)	/* core.xreg_size(name) -> bytes, kind; or nothing */
{
	static const char *const kinds[] = {
		[PH_XREG_VECTOR] = "vector", [PH_XREG_OPMASK] = "opmask", [PH_XREG_ST] = "st", [PH_XREG_MXCSR] = "mxcsr",
	};
	struct ph_xreg reg;

	if (ph_xreg_find(luaL_checkstring(L, 1), &reg) < 0)
		return 0;
	lua_pushinteger(L, reg.size);
	lua_pushstring(L, kinds[reg.kind]);
	return 2;
}

static int l_debug_register(lua_State *L)	/* core.debug_register(target, n) -> uint64 */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	struct ph_err err;
	uint64_t value;
	int r = ph_thread_debug_reg_read(thread, (unsigned int)luaL_checkinteger(L, 2), &value, &err);

	if (r < 0)
		ph_bind_raise(L, &err);
	ph_bind_push_u64(L, value);
	return 1;
}

static const char *const reg_kinds[] = {
	[PH_REG_WHOLE] = "whole", [PH_REG_PART] = "part", [PH_REG_ALIAS] = "alias",
};

static int l_register(lua_State *L)	/* core.register(name) -> offset, size in bytes, shift in bits; or nothing */
{
	const struct ph_reg *reg = ph_reg_find(luaL_checkstring(L, 1));

	if (!reg)
		return 0;
	lua_pushinteger(L, reg->offset);
	lua_pushinteger(L, reg->size);
	lua_pushinteger(L, reg->shift);
	return 3;
}

static int l_flag(lua_State *L)		/* core.flag(name) -> its bit; or nothing */
{
	const struct ph_flag *flag = ph_flag_find(luaL_checkstring(L, 1));

	if (!flag)
		return 0;
	lua_pushinteger(L, flag->bit);
	return 1;
}

static int l_registers(lua_State *L)	/* core.registers() -> {name = "whole" | "part" | "alias"} */
{
	lua_createtable(L, 0, PH_REGS_COUNT);
	for (int i = 0; i < PH_REGS_COUNT; i++) {
		lua_pushstring(L, reg_kinds[ph_regs[i].kind]);
		lua_setfield(L, -2, ph_regs[i].name);
	}
	return 1;
}

static int l_flags(lua_State *L)	/* core.flags() -> {name = bit} */
{
	lua_createtable(L, 0, PH_FLAGS_COUNT);
	for (int i = 0; i < PH_FLAGS_COUNT; i++) {
		lua_pushinteger(L, ph_flags[i].bit);
		lua_setfield(L, -2, ph_flags[i].name);
	}
	return 1;
}

static int l_arguments(lua_State *L)	/* core.arguments() -> list of names */
{
	lua_createtable(L, PH_REG_ARGS_COUNT, 0);
	for (int i = 0; i < PH_REG_ARGS_COUNT; i++) {
		lua_pushstring(L, ph_regs[ph_reg_args[i]].name);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

void ph_bind_open_regs(lua_State *L)		/* core -> core */
{
	static const luaL_Reg functions[] = {
		{ "view", l_view },	       { "flush", l_flush },	      { "xreg_read", l_xreg_read },
		{ "xstate", l_xstate },
		{ "xreg_write", l_xreg_write }, { "xreg_size", l_xreg_size },
		{ "debug_register", l_debug_register },		       { "register", l_register },
		{ "registers", l_registers },  { "flag", l_flag },	      { "flags", l_flags },
		{ "arguments", l_arguments },  { NULL, NULL },
	};

	luaL_register(L, NULL, functions);
	lua_pushlightuserdata(L, &ph_bind.now);
	lua_setfield(L, -2, "now");
}
