#include <string.h>

#include "bind/bind.h"

/* registry: object pointer to its userdata, weak, so that one object is one value in scripts. */
static int handles_ref = LUA_NOREF;

static int l_index(lua_State *L)	/* object.name */
{
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));	/* method or nil */
	if (!lua_isnil(L, -1))
		return 1;
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(2));	/* nil getter or nil */
	if (lua_isnil(L, -1))
		return 1;
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

static int l_newindex(lua_State *L)	/* object.name = value */
{
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));	/* setter or nil */
	if (lua_isnil(L, -1))
		ph_bind_argument_error(L, "%s has no field '%s' that can be set", lua_tostring(L, lua_upvalueindex(2)),
				       lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 3);
	lua_call(L, 2, 0);
	return 0;
}

/* A table of them that need not grow. */
static void push_functions(lua_State *L, const luaL_Reg *functions)
{
	int n = 0;

	while (functions[n].name)
		n++;
	lua_createtable(L, 0, n);
	luaL_register(L, NULL, functions);
}

/* core.classes[name] = {methods = …, getters = …, setters = …} */
void ph_bind_class_open(lua_State *L, const struct ph_bind_class *class)
{
	luaL_newmetatable(L, class->name);	/* meta */
	push_functions(L, class->methods);	/* meta methods */
	push_functions(L, class->getters);	/* meta methods getters */
	lua_newtable(L);			/* meta methods getters setters */

	lua_pushvalue(L, -3);
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, l_index, 2);
	lua_setfield(L, -5, "__index");
	lua_pushvalue(L, -1);
	lua_pushstring(L, class->name);
	lua_pushcclosure(L, l_newindex, 2);
	lua_setfield(L, -5, "__newindex");
	lua_pushcfunction(L, class->gc);
	lua_setfield(L, -5, "__gc");
	lua_pushcfunction(L, class->tostring);
	lua_setfield(L, -5, "__tostring");
	lua_pushstring(L, class->name);
	lua_setfield(L, -5, "__metatable");

	lua_getfield(L, LUA_REGISTRYINDEX, "ptracehook.classes");
	lua_createtable(L, 0, 3);		/* meta methods getters setters classes entry */
	lua_pushvalue(L, -5);
	lua_setfield(L, -2, "methods");
	lua_pushvalue(L, -4);
	lua_setfield(L, -2, "getters");
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "setters");
	lua_setfield(L, -2, class->name);
	lua_pop(L, 5);
}

void ph_bind_open_classes(lua_State *L)
{
	lua_newtable(L);		/* handles */
	lua_newtable(L);
	lua_pushliteral(L, "v");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	handles_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

bool ph_bind_is(lua_State *L, int index, const char *class)
{
	bool same;

	if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
		return false;
	luaL_getmetatable(L, class);
	same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same;
}

void *ph_bind_test(lua_State *L, int index, const char *class)
{
	return ph_bind_is(L, index, class) ? *(void **)lua_touserdata(L, index) : NULL;
}

void *ph_bind_check(lua_State *L, int index, const char *class)
{
	void *object = ph_bind_test(L, index, class);
	lua_Debug ar;

	if (object)
		return object;
	if (lua_getstack(L, 0, &ar))
		lua_getinfo(L, "n", &ar);
	else
		ar.name = NULL;
	ph_bind_argument_error(L, "%s%s%s expected, got %s; call methods with a colon", ar.name ? ar.name : "",
			       ar.name ? ": " : "", class, lua_isnone(L, index) ? "nothing" : luaL_typename(L, index));
}

bool ph_bind_push_known(lua_State *L, const void *object)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, handles_ref);	/* handles */
	lua_pushlightuserdata(L, (void *)(uintptr_t)object);
	lua_rawget(L, -2);				/* handles found */
	if (lua_isnil(L, -1)) {
		lua_pop(L, 2);
		return false;
	}
	lua_remove(L, -2);
	return true;
}

static void push_metatable(lua_State *L, const char *class)
{
	luaL_getmetatable(L, class);
	if (!lua_isnil(L, -1))
		return;
	lua_pop(L, 1);
	ph_bind_open_rest(L);
	luaL_getmetatable(L, class);
}

void ph_bind_push(lua_State *L, const char *class, void *object, void *(*ref)(void *))
{
	void **slot;

	if (!object) {
		lua_pushnil(L);
		return;
	}
	if (ph_bind_push_known(L, object))
		return;
	push_metatable(L, class);			/* meta */
	lua_rawgeti(L, LUA_REGISTRYINDEX, handles_ref);	/* meta handles */
	slot = lua_newuserdata(L, sizeof(*slot));	/* meta handles new */
	*slot = ref(object);
	lua_pushvalue(L, -3);
	lua_setmetatable(L, -2);
	lua_pushlightuserdata(L, object);
	lua_pushvalue(L, -2);
	lua_rawset(L, -4);
	lua_replace(L, -3);				/* new handles */
	lua_pop(L, 1);
}
