#include <stdio.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/plan.h"

#define CLASS "Action"

struct action {
	struct ph_action action;
	bool needs_value;	/* the word alone is no action yet: GOTO, SIGNAL */
	bool takes_value;
};

static const struct {
	const char *name;
	enum ph_action_kind kind;
	bool takes_value, needs_value;
} actions[] = {
	{ "CONTINUE", PH_CONTINUE, false, false }, { "STEP", PH_STEP, false, false },
	{ "SKIP", PH_SKIP, false, false },	   { "RETURN", PH_RETURN, true, false },
	{ "GOTO", PH_GOTO, true, true },	   { "STOP", PH_STOP, false, false },
	{ "DETACH", PH_DETACH, false, false },	   { "KILL", PH_KILL, false, false },
	{ "SIGNAL", PH_SIGNAL, true, true },	   { "SUPPRESS", PH_SUPPRESS, false, false },
	{ "REMOVE", PH_REMOVE, false, false },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

static const char *name_of(enum ph_action_kind kind)
{
	for (size_t i = 0; i < N_ACTIONS; i++)
		if (actions[i].kind == kind)
			return actions[i].name;
	return "?";
}

static struct action *test(lua_State *L, int index)
{
	return ph_bind_is(L, index, CLASS) ? lua_touserdata(L, index) : NULL;
}

static struct action *check(lua_State *L, int index)
{
	struct action *action = test(L, index);

	if (!action)
		ph_bind_argument_error(L, "action expected, got %s", luaL_typename(L, index));
	return action;
}

static struct action *push(lua_State *L, struct action value)
{
	struct action *action = lua_newuserdata(L, sizeof(*action));

	*action = value;
	luaL_getmetatable(L, CLASS);
	lua_setmetatable(L, -2);
	return action;
}

static uint64_t check_place(lua_State *L, int index)
{
	struct ph_err err;
	ph_addr addr;
	int r;

	if (lua_type(L, index) != LUA_TSTRING)
		return ph_bind_check_addr(L, index, "GOTO");
	r = ph_session_resolve(ph_bind_check_session(L, 0), lua_tostring(L, index), &addr, &err);
	if (r < 0) {
		ph_err_wrap(&err, r, "GOTO");
		ph_bind_raise(L, &err);
	}
	return addr;
}

static int l_call(lua_State *L)		/* RETURN([value]), GOTO(place), SIGNAL(signal) */
{
	struct action value = *check(L, 1);

	if (!value.takes_value)
		ph_bind_argument_error(L, "%s takes no value: return %s", name_of(value.action.kind),
				       name_of(value.action.kind));
	switch (value.action.kind) {
	case PH_GOTO:
		value.action.value = check_place(L, 2);
		break;
	case PH_SIGNAL:
		value.action.value = (uint64_t)ph_bind_check_signal(L, 2, "SIGNAL");
		break;
	default:
		if (lua_gettop(L) < 2) {
			push(L, value);
			return 1;
		}
		if (lua_type(L, 2) == LUA_TBOOLEAN)
			value.action.value = (uint64_t)lua_toboolean(L, 2);
		else
			value.action.value = ph_bind_check_int(L, 2, 64, "RETURN: value");
		break;
	}
	value.action.has_value = true;
	value.needs_value = false;
	push(L, value);
	return 1;
}

static int l_tostring(lua_State *L)
{
	const struct action *action = check(L, 1);
	const char *name = name_of(action->action.kind);
	char text[64];

	if (action->action.kind == PH_SIGNAL && action->action.has_value)
		snprintf(text, sizeof(text), "%s(%d)", name, (int)action->action.value);
	else if (action->action.has_value)
		snprintf(text, sizeof(text), "%s(0x%llx)", name, (unsigned long long)action->action.value);
	else
		snprintf(text, sizeof(text), "%s", name);
	lua_pushstring(L, text);
	return 1;
}

static int l_eq(lua_State *L)
{
	const struct action *a = test(L, 1), *b = test(L, 2);

	lua_pushboolean(L, a && b && a->action.kind == b->action.kind && a->action.value == b->action.value &&
			   a->action.has_value == b->action.has_value);
	return 1;
}

bool ph_bind_is_action(lua_State *L, int index)
{
	return test(L, index) != NULL;
}

bool ph_bind_to_action(lua_State *L, int index, enum ph_event_kind kind, struct ph_action *ret, const char **ret_why)
{
	static char why[160];
	const struct action *action = test(L, index);

	*ret_why = why;
	if (!action) {
		if (lua_type(L, index) == LUA_TSTRING || lua_type(L, index) == LUA_TNUMBER)
			snprintf(why, sizeof(why), "%.100s", lua_tostring(L, index));
		else
			snprintf(why, sizeof(why), "a %s", luaL_typename(L, index));
		return false;
	}
	if (action->needs_value) {
		snprintf(why, sizeof(why), "%s alone, which needs a value (%s)", name_of(action->action.kind),
			 action->action.kind == PH_GOTO ? "GOTO(address)" : "SIGNAL(\"SIGUSR1\")");
		return false;
	}
	if (!ph_plan_allows(kind, action->action.kind)) {
		snprintf(why, sizeof(why), "%s, which has no meaning there", name_of(action->action.kind));
		return false;
	}
	*ret = action->action;
	return true;
}

static int l_is_action(lua_State *L)	/* core.is_action(x): something that a hook may return */
{
	const struct action *action = test(L, 1);

	lua_pushboolean(L, action && !action->needs_value);
	return 1;
}

void ph_bind_open_action(lua_State *L)		/* core -> core */
{
	luaL_newmetatable(L, CLASS);
	lua_pushcfunction(L, l_call);
	lua_setfield(L, -2, "__call");
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushcfunction(L, l_eq);
	lua_setfield(L, -2, "__eq");
	lua_pushliteral(L, CLASS);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	lua_newtable(L);			/* core actions */
	for (size_t i = 0; i < N_ACTIONS; i++) {
		push(L, (struct action){ { .kind = actions[i].kind }, actions[i].needs_value,
					 actions[i].takes_value });
		lua_setfield(L, -2, actions[i].name);
	}
	lua_setfield(L, -2, "actions");
	lua_pushcfunction(L, l_is_action);
	lua_setfield(L, -2, "is_action");
}
