#include <errno.h>
#include <string.h>

#include "bind/bind.h"
#include "engine/tracer.h"
#include "engine/typed.h"
#include "image/unwind.h"

/* What the engine answers, in memory that Lua frees: making 64-bit numbers runs Lua code, which may be interrupted. */
#define ANSWER "ptracehook.variables"

static int l_gc(lua_State *L)
{
	ph_variables_fini(lua_touserdata(L, 1));
	return 0;
}

static struct ph_variables *push_answer(lua_State *L)
{
	struct ph_variables *answer = lua_newuserdata(L, sizeof(*answer));

	memset(answer, 0, sizeof(*answer));
	if (luaL_newmetatable(L, ANSWER)) {
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return answer;
}

static void set_number(lua_State *L, const char *name, uint64_t value)
{
	if (!value)
		return;
	lua_pushnumber(L, (lua_Number)value);
	lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
	if (!value)
		return;
	lua_pushboolean(L, true);
	lua_setfield(L, -2, name);
}

/* ---- Types: a list of tables; where the engine has indices, so has it, from 1 */

static const char *const kinds[] = {
	[PH_TYPE_VOID] = "void",       [PH_TYPE_INTEGER] = "integer",	[PH_TYPE_BOOLEAN] = "boolean",
	[PH_TYPE_FLOAT] = "float",     [PH_TYPE_ENUM] = "enum",		[PH_TYPE_POINTER] = "pointer",
	[PH_TYPE_STRUCT] = "struct",   [PH_TYPE_UNION] = "union",	[PH_TYPE_ARRAY] = "array",
	[PH_TYPE_FUNCTION] = "function", [PH_TYPE_OTHER] = "other",
};

static void push_members(lua_State *L, const struct ph_types *types, const struct ph_type *type)
{
	lua_createtable(L, (int)type->n, 0);
	for (size_t i = 0; i < type->n; i++) {
		const struct ph_member *member = &types->members[type->first + i];

		lua_createtable(L, 0, 6);
		lua_pushstring(L, member->name);
		lua_setfield(L, -2, "name");
		set_number(L, "type", member->type + 1);
		lua_pushnumber(L, (lua_Number)member->offset);
		lua_setfield(L, -2, "offset");
		lua_pushnumber(L, member->bit);
		lua_setfield(L, -2, "bit");
		set_number(L, "bits", member->bits);
		set_flag(L, "base", member->is_base);
		lua_rawseti(L, -2, (int)i + 1);
	}
}

static void push_enumerators(lua_State *L, const struct ph_types *types, const struct ph_type *type)
{
	lua_createtable(L, (int)type->n, 0);
	for (size_t i = 0; i < type->n; i++) {
		const struct ph_enumerator *enumerator = &types->enumerators[type->first + i];

		lua_createtable(L, 0, 2);
		lua_pushstring(L, enumerator->name);
		lua_setfield(L, -2, "name");
		ph_bind_push_i64(L, enumerator->value);
		lua_setfield(L, -2, "value");
		lua_rawseti(L, -2, (int)i + 1);
	}
}

static void push_type(lua_State *L, const struct ph_types *types, const struct ph_type *type)
{
	lua_createtable(L, 0, 10);
	lua_pushstring(L, kinds[type->kind]);
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, type->name);
	lua_setfield(L, -2, "name");
	lua_pushnumber(L, (lua_Number)type->size);
	lua_setfield(L, -2, "size");
	lua_pushnumber(L, (lua_Number)type->self);
	lua_setfield(L, -2, "self");
	set_flag(L, "signed", type->is_signed);
	set_flag(L, "char", type->is_char);
	set_flag(L, "incomplete", type->is_incomplete);
	switch (type->kind) {
	case PH_TYPE_POINTER:
		set_number(L, "ref", type->ref);
		/* Made up of another of the list. */
		if (!type->self)
			set_number(L, "element", type->element + 1);
		break;
	case PH_TYPE_ARRAY:
		lua_pushnumber(L, (lua_Number)type->count);
		lua_setfield(L, -2, "count");
		set_number(L, "element", type->element + 1);
		break;
	case PH_TYPE_STRUCT:
	case PH_TYPE_UNION:
		push_members(L, types, type);
		lua_setfield(L, -2, "members");
		break;
	case PH_TYPE_ENUM:
		push_enumerators(L, types, type);
		lua_setfield(L, -2, "enumerators");
		break;
	case PH_TYPE_VOID:
	case PH_TYPE_INTEGER:
	case PH_TYPE_BOOLEAN:
	case PH_TYPE_FLOAT:
	case PH_TYPE_FUNCTION:
	case PH_TYPE_OTHER:
		break;
	}
}

static void push_types(lua_State *L, const struct ph_types *types, uint64_t serial)
{
	lua_createtable(L, (int)types->n, 1);
	lua_pushnumber(L, (lua_Number)serial);
	lua_setfield(L, -2, "serial");
	for (size_t i = 0; i < types->n; i++) {
		push_type(L, types, &types->types[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
}

static int l_type_find(lua_State *L)	/* core.type_find(target, text) -> types; or nil, why */
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	const char *text = luaL_checkstring(L, 2);
	struct ph_variables *answer = push_answer(L);
	struct ph_err err;
	uint64_t serial;
	int r;

	ph_bind_enter();
	r = ph_typed_find(thread, text, &answer->types, &serial, &err);
	ph_bind_leave();
	if (r < 0) {
		char message[PH_ERR_MESSAGE_MAX];

		lua_pushnil(L);
		lua_pushstring(L, *err.detail ? err.detail : ph_err_message(&err, message, sizeof(message)));
		return 2;
	}
	push_types(L, &answer->types, serial);
	ph_variables_fini(answer);
	return 1;
}

static struct ph_process *check_pid(lua_State *L, int index)
{
	pid_t pid = (pid_t)luaL_checkinteger(L, index);
	struct ph_session *session;
	struct ph_process *process;

	ph_list_each(session, &ph_bind.tracer->sessions, struct ph_session, in_tracer)
		ph_list_each(process, &session->processes, struct ph_process, in_session)
			if (process->pid == pid)
				return process;
	ph_bind_argument_error(L, "process %d has ended: what was in its memory is gone", pid);
}

static int l_type_follow(lua_State *L)	/* core.type_follow(pid, serial, ref) -> types */
{
	struct ph_process *process = check_pid(L, 1);
	uint64_t serial = (uint64_t)luaL_checknumber(L, 2), ref = (uint64_t)luaL_checknumber(L, 3);
	struct ph_variables *answer = push_answer(L);
	struct ph_err err;
	int r;

	ph_bind_enter();
	r = ph_typed_follow(process, serial, ref, &answer->types, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	push_types(L, &answer->types, serial);
	ph_variables_fini(answer);
	return 1;
}

static int l_process_by_pid(lua_State *L)	/* core.process_by_pid(pid) -> Process */
{
	ph_bind_push_process(L, check_pid(L, 1));
	return 1;
}

static int l_process_of(lua_State *L)	/* core.process_of(target) -> Process */
{
	ph_bind_push_process(L, ph_thread_process(ph_bind_check_target(L, 1)));
	return 1;
}

static void push_variable(lua_State *L, const struct ph_variable *variable)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, variable->name);
	lua_setfield(L, -2, "name");
	set_number(L, "type", variable->type + 1);
	if (variable->in_memory) {
		ph_bind_push_u64(L, variable->address);
		lua_setfield(L, -2, "address");
	} else if (variable->bytes) {
		lua_pushlstring(L, (const char *)variable->bytes, variable->n_bytes);
		lua_setfield(L, -2, "bytes");
	}
	if (!variable->in_memory && variable->lost) {
		lua_pushlstring(L, (const char *)variable->lost, variable->n_bytes);
		lua_setfield(L, -2, "lost");
	}
}

/* core.variables(target, parameters | locals) -> {types = types, process = Process, name = function's, variables…} */
static int l_variables(lua_State *L)
{
	struct ph_thread *thread = ph_bind_check_target(L, 1);
	bool parameters = lua_toboolean(L, 2);
	struct ph_variables *answer;
	struct ph_err err;
	uint64_t serial;
	int r;

	if (ph_bind_has_ended(thread))
		ph_bind_argument_error(L, "%s: thread %d has ended", parameters ? "args" : "locals", ph_thread_tid(thread));
	answer = push_answer(L);
	ph_bind_enter();
	r = ph_typed_variables(thread, parameters ? PH_VARIABLES_PARAMETERS : PH_VARIABLES_LOCALS, answer, &serial, &err);
	ph_bind_leave();
	if (r < 0)
		ph_bind_raise(L, &err);
	lua_createtable(L, (int)answer->n, 3);
	push_types(L, &answer->types, serial);
	lua_setfield(L, -2, "types");
	ph_bind_push_process(L, ph_thread_process(thread));
	lua_setfield(L, -2, "process");
	lua_pushstring(L, answer->function ? answer->function : "function");
	lua_setfield(L, -2, "name");
	for (size_t i = 0; i < answer->n; i++) {
		push_variable(L, &answer->list[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	ph_variables_fini(answer);
	return 1;
}

/* ---- Signatures */

#define SIGNATURE "ptracehook.signature"

static int l_gc_signature(lua_State *L)
{
	ph_signature_fini(lua_touserdata(L, 1));
	return 0;
}

static struct ph_signature *push_signature_room(lua_State *L)
{
	struct ph_signature *answer = lua_newuserdata(L, sizeof(*answer));

	memset(answer, 0, sizeof(*answer));
	if (luaL_newmetatable(L, SIGNATURE)) {
		lua_pushcfunction(L, l_gc_signature);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return answer;
}

/* Into the table at the top: {"rdi", "xmm0"} as parts, or the offset above the return address as stack. */
static void set_home(lua_State *L, const struct ph_home *home)
{
	static const char *const general[] = {
		[PH_UNWIND_RAX] = "rax", [PH_UNWIND_RDX] = "rdx", [PH_UNWIND_RCX] = "rcx", [PH_UNWIND_RSI] = "rsi",
		[PH_UNWIND_RDI] = "rdi", [PH_UNWIND_R8] = "r8",	  [PH_UNWIND_R9] = "r9",
	};

	switch (home->kind) {
	case PH_HOME_UNKNOWN:
		break;
	case PH_HOME_STACK:
		lua_pushnumber(L, (lua_Number)home->offset);
		lua_setfield(L, -2, "stack");
		break;
	case PH_HOME_REGISTERS:
		lua_createtable(L, (int)home->n_parts, 0);
		for (size_t i = 0; i < home->n_parts; i++) {
			if (home->parts[i].is_xmm)
				lua_pushfstring(L, "xmm%d", (int)home->parts[i].n);
			else
				lua_pushstring(L, general[home->parts[i].n]);
			lua_rawseti(L, -2, (int)i + 1);
		}
		lua_setfield(L, -2, "parts");
		break;
	}
}

static void push_parameter(lua_State *L, const struct ph_parameter *parameter)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, parameter->name);
	lua_setfield(L, -2, "name");
	set_number(L, "type", parameter->type + 1);
	set_flag(L, "text", parameter->is_text);
	set_home(L, &parameter->place);
}

/*
 * core.signature(session, address) -> {types = types, name =, variadic =, result = parameter, parameters…}, or nil when no debug information describes a function that begins there.
 */
static int l_signature(lua_State *L)
{
	struct ph_process *process = ph_bind_check_process(L, "hook");
	ph_addr addr = ph_bind_check_addr(L, 2, "hook: address");
	struct ph_signature *answer = push_signature_room(L);
	struct ph_err err;
	uint64_t serial;
	int r;

	ph_bind_enter();
	r = ph_typed_signature(process, addr, answer, &serial, &err);
	ph_bind_leave();
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		ph_bind_raise(L, &err);
	lua_createtable(L, (int)answer->n, 4);
	push_types(L, &answer->types, serial);
	lua_setfield(L, -2, "types");
	lua_pushstring(L, answer->name);
	lua_setfield(L, -2, "name");
	set_flag(L, "variadic", answer->is_variadic);
	if (answer->has_result) {
		push_parameter(L, &answer->result);
		lua_setfield(L, -2, "result");
	}
	for (size_t i = 0; i < answer->n; i++) {
		push_parameter(L, &answer->list[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	ph_signature_fini(answer);
	return 1;
}

void ph_bind_open_types(lua_State *L)		/* core -> core */
{
	static const luaL_Reg functions[] = {
		{ "type_find", l_type_find },
		{ "type_follow", l_type_follow },
		{ "process_by_pid", l_process_by_pid },
		{ "process_of", l_process_of },
		{ "variables", l_variables },
		{ "signature", l_signature },
		{ NULL, NULL },
	};

	luaL_register(L, NULL, functions);
}
