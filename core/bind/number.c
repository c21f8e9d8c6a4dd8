#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind/bind.h"

#define TWO_63 9223372036854775808.0
#define TWO_64 18446744073709551616.0
#define LUA_TCDATA 10	/* lj_obj.h: the type tag behind "cdata", which lua.h does not name */

/*
 * The C interface of LuaJIT has no way to ask for a cdata's type. Its id stands in the object's header, a fixed
 * distance before the payload; measure() finds that distance on objects whose types it knows, so that another
 * build of LuaJIT is found out at once and not by wrong numbers. (Padding lies before the payload too, with whatever
 * was there: only the ids themselves will do.)
 */
static struct {
	int distance;		/* 0: not measured yet */
	uint16_t u64, i64;
} id;

#define PROBES 8

static uint16_t id_at(const void *payload, int distance)
{
	uint16_t value;

	memcpy(&value, (const char *)payload - distance, sizeof(value));
	return value;
}

/* Lua's own tonumber, whatever a script's means. */
static int tonumber_ref;

/* The type's id, and PROBES objects of it, left on the stack. */
static uint16_t make(lua_State *L, const char *what, const void *ret[PROBES])
{
	uint16_t number;

	luaL_checkstack(L, PROBES + 8, NULL);
	lua_getfield(L, LUA_REGISTRYINDEX, PH_BIND_FFI);	/* ffi */
	lua_rawgeti(L, LUA_REGISTRYINDEX, tonumber_ref);
	lua_getfield(L, -2, "typeof");
	lua_pushstring(L, what);
	lua_call(L, 1, 1);			/* ffi tonumber type */
	lua_call(L, 1, 1);			/* ffi id */
	number = (uint16_t)lua_tointeger(L, -1);
	lua_pop(L, 1);
	for (int i = 0; i < PROBES; i++) {
		lua_getfield(L, -1 - i, "new");
		lua_pushstring(L, what);
		lua_call(L, 1, 1);		/* ffi object… */
		ret[i] = lua_topointer(L, -1);
	}
	return number;
}

static bool all_have(const void *const objects[PROBES], int distance, uint16_t wanted)
{
	for (int i = 0; i < PROBES; i++)
		if (id_at(objects[i], distance) != wanted)
			return false;
	return true;
}

/* Returns a number through a cell that C wrote: cdata cannot be made from C. */
static const char makers[] =
	"local ffi, address = ...\n"
	"local u = ffi.cast('uint64_t *', ffi.cast('uintptr_t', ffi.cast('void *', address)))\n"
	"local i = ffi.cast('int64_t *', u)\n"
	"return function() return u[0] end, function() return i[0] end\n";

static int push_u64_ref, push_i64_ref;

/* Of lua/ptracehook/number.lua: plain(cdata) -> number or 64 bits or nil; show(value) -> text. */
static int plain_ref = LUA_NOREF, show_ref = LUA_NOREF;

static int l_number_helpers(lua_State *L)	/* core.number_helpers(plain, show) */
{
	lua_settop(L, 2);
	show_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	plain_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* When the first 64 bits cross: many scripts have none. */
static void measure(lua_State *L)
{
	const void *unsigned_ones[PROBES], *signed_ones[PROBES];
	int top = lua_gettop(L), found = 0;

	id.u64 = make(L, "uint64_t", unsigned_ones);
	id.i64 = make(L, "int64_t", signed_ones);
	for (int distance = 2; distance <= 8 && !found; distance += 2)
		if (all_have(unsigned_ones, distance, id.u64) && all_have(signed_ones, distance, id.i64))
			found = distance;
	lua_settop(L, top);
	if (!found)
		luaL_error(L, "this build of LuaJIT keeps the types of cdata where ptracehook does not find them");

	if (luaL_loadbuffer(L, makers, sizeof(makers) - 1, "=ptracehook/number.c") != 0)
		lua_error(L);
	lua_getfield(L, LUA_REGISTRYINDEX, PH_BIND_FFI);
	lua_pushlightuserdata(L, &ph_bind.now.cell);
	lua_call(L, 2, 2);			/* push_u64 push_i64 */
	push_i64_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	push_u64_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	id.distance = found;
}

static inline void ensure_measured(lua_State *L)
{
	if (__builtin_expect(!id.distance, false))
		measure(L);
}

void ph_bind_open_numbers(lua_State *L)
{
	lua_getglobal(L, "tonumber");
	tonumber_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushcfunction(L, l_number_helpers);
	lua_setfield(L, -2, "number_helpers");
}

void ph_bind_push_u64(lua_State *L, uint64_t value)
{
	ensure_measured(L);
	ph_bind.now.cell = value;
	lua_rawgeti(L, LUA_REGISTRYINDEX, push_u64_ref);
	lua_call(L, 0, 1);
}

void ph_bind_push_i64(lua_State *L, int64_t value)
{
	ensure_measured(L);
	ph_bind.now.cell = (uint64_t)value;
	lua_rawgeti(L, LUA_REGISTRYINDEX, push_i64_ref);
	lua_call(L, 0, 1);
}

bool ph_bind_is_integer_cdata(lua_State *L, int index)
{
	uint16_t type;

	if (lua_type(L, index) != LUA_TCDATA)
		return false;
	ensure_measured(L);
	type = id_at(lua_topointer(L, index), id.distance);
	return type == id.u64 || type == id.i64;
}

const char *ph_bind_push_shown(lua_State *L, int index)
{
	lua_pushvalue(L, index);		/* value */
	lua_rawgeti(L, LUA_REGISTRYINDEX, show_ref);
	lua_insert(L, -2);
	lua_call(L, 1, 1);			/* text */
	return lua_tostring(L, -1);
}

static int wrong(lua_State *L, int index, const char *what, const char *noun)
{
	ph_bind_argument_error(L, "%s: %s expected, got %s", what, noun, ph_bind_push_shown(L, index));
}

struct integer {
	uint64_t bits;
	bool negative;
};

static struct integer from_cdata(const void *payload)
{
	struct integer result;

	memcpy(&result.bits, payload, sizeof(result.bits));
	result.negative = id_at(payload, id.distance) == id.i64 && (int64_t)result.bits < 0;
	return result;
}

static bool is_whole_number(double number)
{
	return number == floor(number) && number < TWO_64 && number >= -TWO_63;
}

static struct integer from_number(double number)
{
	bool negative = number < 0;

	return (struct integer){ negative ? (uint64_t)(int64_t)number : (uint64_t)number, negative };
}

static struct integer check_integer(lua_State *L, int index, const char *what, const char *noun)
{
	struct integer result;
	double number;

	if (ph_bind_is_integer_cdata(L, index))
		return from_cdata(lua_topointer(L, index));
	if (lua_type(L, index) == LUA_TCDATA) {
		/* A pointer out of a struct copy, an enum, a small integer. */
		lua_pushvalue(L, index);
		lua_rawgeti(L, LUA_REGISTRYINDEX, plain_ref);
		lua_insert(L, -2);
		lua_call(L, 1, 1);		/* number, 64 bits or nil */
		if (!ph_bind_is_whole(L, -1))
			wrong(L, index, what, noun);
		result = lua_type(L, -1) == LUA_TNUMBER ? from_number(lua_tonumber(L, -1)) : from_cdata(lua_topointer(L, -1));
		lua_pop(L, 1);
		return result;
	}
	if (lua_type(L, index) != LUA_TNUMBER)
		wrong(L, index, what, noun);
	number = lua_tonumber(L, index);
	if (!is_whole_number(number) && !(number == floor(number) && isfinite(number)))
		wrong(L, index, what, noun);
	if (!is_whole_number(number))
		ph_bind_argument_error(L, "%s: %.14g does not fit in 64 bits", what, number);
	return from_number(number);
}

bool ph_bind_is_whole(lua_State *L, int index)
{
	return ph_bind_is_integer_cdata(L, index) ||
	       (lua_type(L, index) == LUA_TNUMBER && is_whole_number(lua_tonumber(L, index)));
}

static uint64_t check_unsigned(lua_State *L, int index, const char *what, const char *noun)
{
	struct integer value = check_integer(L, index, what, noun);

	if (value.negative)
		ph_bind_argument_error(L, "%s: %s must not be negative, got %lld", what, noun, (long long)value.bits);
	return value.bits;
}

uint64_t ph_bind_check_addr(lua_State *L, int index, const char *what)
{
	return check_unsigned(L, index, what, "address");
}

size_t ph_bind_check_len(lua_State *L, int index, const char *what)
{
	uint64_t value = check_unsigned(L, index, what, "size");

	if (value > SIZE_MAX / 4)
		ph_bind_argument_error(L, "%s: %llu is more than there is memory", what, (unsigned long long)value);
	return value;
}

uint64_t ph_bind_check_int(lua_State *L, int index, unsigned int bits, const char *what)
{
	struct integer value = check_integer(L, index, what, "whole number");
	bool fits = bits == 64 || (value.negative ? (int64_t)value.bits >= -(1ll << (bits - 1)) :
						    value.bits < 1ull << bits);

	if (fits)
		return value.bits;
	if (value.negative)
		ph_bind_argument_error(L, "%s: %lld does not fit in %u bits", what, (long long)value.bits, bits);
	ph_bind_argument_error(L, "%s: %llu does not fit in %u bits", what, (unsigned long long)value.bits, bits);
}

double ph_bind_check_float(lua_State *L, int index, const char *what)
{
	struct integer value;

	if (lua_type(L, index) == LUA_TNUMBER)
		return lua_tonumber(L, index);
	value = check_integer(L, index, what, "number");
	return value.negative ? (double)(int64_t)value.bits : (double)value.bits;
}
