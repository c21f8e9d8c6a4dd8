-- hook - functions: their calls with arguments and result, and other functions in their place.
--
-- A breakpoint at the first instruction; the return is a trap of the engine's (core/engine/returns.h), which tells
-- which call it was. Types come from a prototype (prototype.lua); without one arguments are six addresses, the result
-- is rax.

local core = require "ptracehook.core"
local breakpoint = require "ptracehook.breakpoint"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local relay = require "ptracehook.relay"
local wait = require "ptracehook.wait"

local M = {}

local regs, mem = core.load("regs").new(nil), core.load("mem").new(nil)

-- enum ph_until_end
local DONE, THREAD_GONE = 0, 2

-- ---- Values

local function signed(value, size)
	if size == 8 then
		return number.i64(value)
	end
	local span = 2 ^ (size * 8)
	return value >= span / 2 and value - span or value
end

local masks = { [1] = 0xffULL, [2] = 0xffffULL, [4] = 0xffffffffULL }
local band = require("bit").band

local function whole(what, value)
	if what.size == 8 then
		return what.signed and number.i64(value) or value
	end
	value = tonumber(band(value, masks[what.size]))
	return what.signed and signed(value, what.size) or value
end

-- By kind of type: 64 bits, as a register or the stack has them, as a script sees them.
local shown = {
	int = whole,
	bool = function(_, value) return band(value, 0xffULL) ~= 0ULL end,
	pointer = function(_, value) return value end,
	string = function(_, value)
		if value == 0ULL then
			return nil
		end
		local text = mem.try_cstr(value)
		return text or value
	end,
	void = function() return nil end,
}

local function read_argument(argument)
	local what = argument.what
	if argument.vector then
		local lanes = regs[argument.vector]
		if what.kind == "float" then
			return lanes.f32[0]
		end
		return lanes.f64[0]
	elseif argument.stack then
		local at = regs.rsp + argument.stack
		if what.kind == "double" then
			return mem.f64[at]
		elseif what.kind == "float" then
			return mem.f32[at]
		end
		return shown[what.kind](what, mem.u64[at])
	end
	return shown[what.kind](what, regs[argument.register])
end

local function read_result(what)
	if what == nil then
		return regs.rax
	elseif what.kind == "double" then
		return regs.xmm0.f64[0]
	elseif what.kind == "float" then
		return regs.xmm0.f32[0]
	end
	return shown[what.kind](what, regs.rax)
end

local function is_result(value)
	return type(value) == "number" or type(value) == "boolean" or number.is_wide(value)
end

local function write_vector(name, kind, value, title)
	value = number.is_wide(value) and tonumber(value) or value
	if type(value) ~= "number" then
		check.fail("%s: number expected, got %s", title, number.show(value))
	end
	regs[name][kind == "float" and "f32" or "f64"][0] = value
end

-- A whole number as a register takes it.
local function integer_of(value, title)
	if type(value) == "boolean" then
		return value and 1 or 0
	end
	return check.call(number.fit, value, 64, title, check.HERE)
end

local function write_result(what, value, title)
	if what and (what.kind == "double" or what.kind == "float") then
		write_vector("xmm0", what.kind, value, title)
	else
		regs.rax = integer_of(value, title)
	end
end

local function write_argument(argument, index, value)
	local title = "original: argument " .. index
	local kind = argument.what and argument.what.kind
	if argument.vector then
		write_vector(argument.vector, kind, value, title)
	elseif argument.register then
		regs[argument.register] = integer_of(value, title)
	elseif kind == "double" or kind == "float" then
		mem[kind == "float" and "f32" or "f64"][regs.rsp + argument.stack] = value
	else
		mem.u64[regs.rsp + argument.stack] = integer_of(value, title)
	end
end

local untyped = {}
for i, name in ipairs { "rdi", "rsi", "rdx", "rcx", "r8", "r9" } do
	untyped[i] = { register = name }
end

-- The arguments as a list, and by their names.
local function read_arguments(proto)
	if not proto then
		return { regs.rdi, regs.rsi, regs.rdx, regs.rcx, regs.r8, regs.r9 }, 6
	end
	local list = {}
	for i, argument in ipairs(proto.arguments) do
		local value = read_argument(argument)
		list[i] = value
		if argument.name then
			list[argument.name] = value
		end
	end
	return list, #proto.arguments
end

-- ---- What is hooked

local function prototype_of(what, text)
	local proto, why = core.load("prototype").parse(check.string(what .. ": proto", text))
	return proto or check.fail("%s: '%s' is no C prototype: %s", what, text, why)
end

-- where may be a prototype; one that is a known place is that.
local function place_of(session, what, where, proto)
	if proto ~= nil then
		return where, prototype_of(what, proto)
	elseif type(where) ~= "string" or not where:find("(", 1, true) or session:find_sym(where) then
		return where
	end
	proto = prototype_of(what, where)
	return proto.name or check.fail("%s: '%s' has no name of a function: give the place first, and it as proto", what,
		where), proto
end

local Handle = { __metatable = "Handle" }
local methods = {}

function Handle.__index(self, name)
	if name == "hits" then
		return rawget(self, 1).breakpoint.hits
	end
	return methods[name]
end

function Handle.__newindex(_, name)
	check.fail("Handle has no field '%s' that can be set", tostring(name))
end

function Handle.__tostring(self)
	local state = rawget(self, 1)
	return ("Handle on %s%s"):format(state.breakpoint.name, state.removed and " (removed)" or "")
end

for _, name in ipairs { "remove", "enable", "disable" } do
	methods[name] = function(self)
		local state = getmetatable(self) == "Handle" and type(self) == "table" and rawget(self, 1)
			or check.fail("%s: Handle expected, got %s; call methods with a colon", name, number.show(self))
		state.breakpoint[name](state.breakpoint)
		if name == "remove" then
			state.removed = true
		end
	end
end

local function new_handle(state)
	return setmetatable({ state }, Handle)
end

-- ---- hook()

local wanted = { enter = true, leave = true, unwound = true, proto = true }

local function answer(state, action)
	if action == core.actions.REMOVE then
		state.removed = true
	end
	return action
end

local function call_enter(state, this, n)
	if state.enter == nil then
		return nil
	end
	relay.this = this
	local action = state.enter(unpack(this.args, 1, n))
	relay.this = nil
	return answer(state, action)
end

-- Nobody waits for returns: how deep it is says the stack.
local function depth_by_stack(state, tid)
	local open, rsp = state.open[tid], regs.rsp
	if not open then
		open = {}
		state.open[tid] = open
	end
	while #open > 0 and open[#open] <= rsp do
		open[#open] = nil
	end
	open[#open + 1] = rsp
	return #open
end

local function on_enter_alone(state)
	local args, n = read_arguments(state.proto)
	local this = { args = args, caller = mem.u64[regs.rsp], depth = depth_by_stack(state, core.tid()) }
	return call_enter(state, this, n)
end

local function on_enter(state)
	local args, n = read_arguments(state.proto)
	local tid = core.tid()
	local depth = (state.depths[tid] or 0) + 1
	local this = { args = args, depth = depth, caller = false } -- room for all three at once
	this.caller = core.await(this, state.id)
	state.depths[tid] = depth
	return call_enter(state, this, n)
end

local function on_return(state, this)
	if not state.leave then
		return nil
	end
	relay.this = this
	local value = state.leave(read_result(state.result))
	relay.this = nil
	if is_result(value) then
		write_result(state.result, value, "hook: what leave returned")
		return nil
	end
	return answer(state, value)
end

local function on_unwound(state, this)
	if not state.unwound then
		return nil
	end
	relay.this = this
	local action = state.unwound()
	relay.this = nil
	return answer(state, action)
end

-- By number, as the engine keeps them for calls in flight; those that nobody else keeps are gone.
local states = setmetatable({}, { __mode = "v" })
local next_id = 1

core.on_call_end(function(id, this, how, tid)
	local state = states[id]
	if not state then
		return nil
	end
	if how == THREAD_GONE and this.depth == 1 then
		state.depths[tid] = nil
	else
		state.depths[tid] = this.depth - 1
	end
	if state.removed then
		return nil
	elseif how == DONE then
		return on_return(state, this)
	end
	return on_unwound(state, this)
end)

local function check_functions(functions)
	if type(functions) ~= "table" then
		check.fail("hook: {enter = function, leave = function} expected as the second argument, got %s",
			number.show(functions))
	end
	check.options("hook", functions, wanted)
	for _, name in ipairs { "enter", "leave", "unwound" } do
		local fn = functions[name]
		if fn ~= nil and not check.is_callable(fn) then
			check.fail("hook: %s: function expected, got %s", name, number.show(fn))
		end
	end
	if not (functions.enter or functions.leave or functions.unwound) then
		check.fail "hook: at least one of enter, leave and unwound is needed"
	end
end

local function add(session, state, where, fn, options)
	options = options or {}
	if options.mode ~= nil then
		check.fail "hook: mode is a breakpoint's: enter may return SKIP or RETURN"
	end
	state.breakpoint = breakpoint.add(session, where, fn, options)
	return new_handle(state)
end

function M.hook(session, where, functions, options)
	check_functions(functions)
	local state = { enter = functions.enter, leave = functions.leave, unwound = functions.unwound, depths = {}, open = {} }
	where, state.proto = place_of(session, "hook", where, functions.proto)
	state.result = state.proto and state.proto.result
	state.id, next_id = next_id, next_id + 1
	states[state.id] = state
	local alone = not state.leave and not state.unwound
	return add(session, state, where, alone and function() return on_enter_alone(state) end
		or function() return on_enter(state) end, options)
end

-- ---- replace()

-- The function itself, called once more with everything as its caller left it, but for the arguments.
local function call_original(state, call, ...)
	if call.unwound then
		check.fail "original: the call was ended by longjmp or an exception: nothing is left to return to"
	end
	if call.returned then
		regs.rsp = call.rsp
		mem.u64[call.rsp] = call.caller
		regs.rip = call.address
		state.passing[call.tid] = true
	end
	local places = state.proto and state.proto.arguments or untyped
	for i = 1, select("#", ...) do
		local value = select(i, ...)
		if not places[i] then
			check.fail("original: %d arguments at most, got %d", #places, select("#", ...))
		elseif value ~= nil then
			write_argument(places[i], i, value)
		end
	end
	if wait.finish_call() == "unwound" then
		call.unwound = true
		return nil, "unwound"
	end
	call.returned = true
	return read_result(state.result)
end

local function replaced(state)
	local tid = core.tid()
	if state.passing[tid] then
		state.passing[tid] = nil
		return nil
	end
	local args, n = read_arguments(state.proto)
	local call = { tid = tid, rsp = regs.rsp, address = regs.rip, caller = mem.u64[regs.rsp] }
	relay.this = { args = args, caller = call.caller, depth = 1 }
	relay.original = function(...) return call_original(state, call, ...) end
	local value = state.fn(unpack(args, 1, n))
	relay.this, relay.original = nil, nil
	if call.unwound then
		return nil
	elseif value ~= nil and not is_result(value) then
		return answer(state, value)
	elseif value ~= nil then
		write_result(state.result, value, "replace: what the function returned")
	end
	if call.returned then
		return nil
	end
	return core.actions.RETURN
end

function M.replace(session, where, fn, options)
	if not check.is_callable(fn) then
		check.fail("replace: function expected as the second argument, got %s", number.show(fn))
	end
	local given = {}
	for name, value in pairs(check.table("replace: options", options) or {}) do
		given[name] = value
	end
	local state = { fn = fn, passing = {} }
	where, state.proto = place_of(session, "replace", where, given.proto)
	given.proto = nil
	state.result = state.proto and state.proto.result
	return add(session, state, where, function() return replaced(state) end, given)
end

return M
