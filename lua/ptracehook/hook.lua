-- hook - functions: their calls with arguments and result, and other functions in their place.
--
-- A breakpoint at the first instruction; the return is a trap of the engine's (core/engine/returns.h), which tells
-- which call it was. Types come from a prototype (prototype.lua), or from debug information when the function is first
-- entered (signature.lua); arguments.lua reads and writes by them.

local ffi = require "ffi"
local core = require "ptracehook.core"
local arguments = require "ptracehook.arguments"
local breakpoint = require "ptracehook.breakpoint"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local relay = require "ptracehook.relay"
local wait = require "ptracehook.wait"

-- The same is in core/bind/wait.c.
ffi.cdef [[
typedef struct {
	int (*await)(uint32_t id);
	uint64_t caller;
} ptracehook_calls;
]]

local M = {}

core.keep_relay(relay)

local calls = ffi.cast("ptracehook_calls *", core.calls)
local in_flight = {} -- by the number that await gave: calls in flight, and, until that is given again, one that was

local tid_now = core.load("regs").tid
local regs, mem = core.load("regs").new(nil), core.load("mem").new(nil)

-- enum ph_until_end
local DONE, THREAD_GONE = 0, 2

-- ---- What is hooked

local function prototype_of(what, text)
	if type(text) == "boolean" then
		return nil
	end
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
	if not proto.name then
		check.fail("%s: '%s' has no name of a function: give the place first, and it as proto", what, where)
	end
	local address = session:find_sym(proto.name)
	if not address or not session:where(address):find("(", 1, true) then
		return proto.name, proto -- of C, or not there yet
	end
	local overload = core.load("prototype").name_in_cxx(proto)
	return overload and session:find_sym(overload) and overload or proto.name, proto, where
end

-- A prototype describes one function, not others of its name: text, or nil when a place was given.
local function refuse_overloads(what, session, added, text)
	local is_known, names = {}, {}
	for _, address in ipairs(text and added.addresses or {}) do
		local name = session:where(address):gsub("^[^(]*!", "")
		if not is_known[name] then
			is_known[name], names[#names + 1] = true, name
		end
	end
	if #names > 1 then
		added:remove()
		table.sort(names)
		check.fail("%s: '%s' is none of %s: give one of them as the place, and the prototype as proto", what, text,
			table.concat(names, ", "))
	end
end

-- What debug information says of the function at rip; false: nothing.
local function discover(state)
	local is_many = #state.breakpoint.addresses > 1
	local address = regs.rip
	local key = is_many and number.key(address)
	local known = is_many and state.protos[key]
	if known ~= nil and is_many then
		return known
	end
	local proto = core.load("signature").of(state.session, address, state.as_declared) or false
	if state.as_declared and not proto then
		relay.fn = state.enter or state.leave or state.unwound or state.fn
		check.fail("hook: proto = true: no debug information describes the function at %s (compile it with -g, or give its "
			.. "prototype)", number.hex(address))
	elseif is_many then
		state.protos[key] = proto
	else
		state.proto = proto
	end
	return proto
end

-- The types of the function that was entered; false: none are known.
local function proto_of(state)
	local proto = state.proto
	if proto == nil then
		return discover(state)
	end
	return proto
end

-- proto: a prototype that was given; true: debug information is to say; false: nothing is; nil: it may.
local function new_state(session, proto, asked)
	if asked == false then
		proto = false
	end
	return { session = session, proto = proto, as_declared = asked == true, protos = {} }
end

-- Of calls in flight whose place is several addresses: what discover found when they were entered.
local found_at_entry = setmetatable({}, { __mode = "k" })

local function result_type(state, this)
	local proto = state.proto
	if proto == nil then
		proto = found_at_entry[this]
	end
	return proto and proto.result or nil
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

local check_answer = core.check_answer

-- What the script's function returned, and that its call is over.
local function answer(state, action)
	if action ~= nil then
		check_answer(action)
		state.removed = action == core.actions.REMOVE or state.removed
	end
	relay.this, relay.original, relay.fn = nil, nil, nil
	return action
end

local untyped_call = arguments.untyped_call

-- n: of this.args; nil: untyped has them.
local function call_enter(state, this, untyped, n)
	local enter = state.enter
	if enter == nil then
		return nil
	end
	relay.this, relay.fn = this, enter
	local action
	if untyped then
		action = state.call_untyped(enter, untyped)
	else
		action = enter(unpack(this.args, 1, n))
	end
	return answer(state, action)
end

-- `this` of a call that is entered, but for its caller; and what call_enter wants to know.
local function begin_call(proto, depth)
	if not proto then
		return untyped_call(depth)
	end
	local args, n = arguments.read(proto)
	return { args = args, depth = depth, caller = false }, nil, n -- room for all three at once
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
	local this, untyped, n = begin_call(proto_of(state), depth_by_stack(state, tid_now()))
	this.caller = mem.u64[regs.rsp]
	return call_enter(state, this, untyped, n)
end

local function on_enter(state)
	local proto, tid = proto_of(state), tid_now()
	local depth = (state.depths[tid] or 0) + 1
	local this, untyped, n = begin_call(proto, depth)
	local await_number = calls.await(state.id)
	if await_number < 0 then
		core.await_failed()
	end
	this.caller = calls.caller
	in_flight[await_number] = this
	if state.proto == nil then
		found_at_entry[this] = proto
	end
	state.depths[tid] = depth
	return call_enter(state, this, untyped, n)
end

local function on_return(state, this)
	if not state.leave then
		return nil
	end
	relay.this, relay.fn = this, state.leave
	local result = result_type(state, this)
	local value = state.leave(arguments.read_result(result))
	if arguments.is_result(value) then
		arguments.write_result(result, value, "hook: what leave returned")
		value = nil
	end
	return answer(state, value)
end

local function on_unwound(state, this)
	if not state.unwound then
		return nil
	end
	relay.this, relay.fn = this, state.unwound
	return answer(state, (state.unwound()))
end

-- By number, as the engine keeps them for calls in flight; those that nobody else keeps are gone.
local states = setmetatable({}, { __mode = "v" })
local next_id = 1

-- For snapshots: how deep in its calls each thread was, by hook.
function M.keep_depths()
	local kept = {}
	for id, state in pairs(states) do
		kept[id] = {}
		for tid, depth in pairs(state.depths) do
			kept[id][tid] = depth
		end
	end
	return kept
end

function M.restore_depths(kept)
	for id, state in pairs(states) do
		state.depths = {}
		for tid, depth in pairs(kept and kept[id] or {}) do
			state.depths[tid] = depth
		end
	end
end

core.on_call_end(function(id, await_number, how, tid)
	local state, this = states[id], in_flight[await_number]
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

local function add(what, session, state, where, fn, options, text)
	options = options or {}
	if options.mode ~= nil then
		check.fail "hook: mode is a breakpoint's: enter may return SKIP or RETURN"
	end
	state.breakpoint = breakpoint.add(session, where, fn, options, true)
	refuse_overloads(what, session, state.breakpoint, text)
	return new_handle(state)
end

function M.hook(session, where, functions, options)
	check_functions(functions)
	local at, proto, text = place_of(session, "hook", where, functions.proto)
	local state = new_state(session, proto, functions.proto)
	state.enter, state.leave, state.unwound = functions.enter, functions.leave, functions.unwound
	state.call_untyped = functions.enter and arguments.caller_of(functions.enter)
	state.depths, state.open = {}, {}
	state.id, next_id = next_id, next_id + 1
	states[state.id] = state
	local alone = not state.leave and not state.unwound
	return add("hook", session, state, at, alone and function() return on_enter_alone(state) end
		or function() return on_enter(state) end, options, text)
end

-- ---- replace()

-- memory: what is freed when the call has left, or nil.
local function finish_call(memory)
	if not memory then
		return wait.finish_call()
	end
	local ok, how = pcall(wait.finish_call)
	local freed, why = pcall(mem.free, memory) -- its thread may have ended, and its program
	if not ok or not freed and how ~= "unwound" then
		error(ok and why or how, 0)
	end
	return how
end

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
		arguments.put_back(call.kept)
	else
		call.kept = arguments.keep(call.proto)
	end
	if finish_call(arguments.write(call.proto, call.texts, ...)) == "unwound" then
		call.unwound = true
		return nil, "unwound"
	end
	call.returned = true
	return arguments.read_result(call.proto and call.proto.result or nil)
end

local function replaced(state)
	local tid = tid_now()
	if state.passing[tid] then
		state.passing[tid] = nil
		return nil
	end
	local proto = proto_of(state)
	local args, n = arguments.read(proto)
	local call = {
		tid = tid, rsp = regs.rsp, address = regs.rip, caller = mem.u64[regs.rsp], proto = proto,
		texts = arguments.texts(proto, args),
	}
	relay.this = { args = args, caller = call.caller, depth = 1 }
	relay.original = function(...) return call_original(state, call, ...) end
	relay.fn = state.fn
	local value = state.fn(unpack(args, 1, n))
	if call.unwound then
		value = nil
	elseif arguments.is_result(value) then
		arguments.write_result(proto and proto.result or nil, value, "replace: what the function returned")
		value = nil
	end
	local action = answer(state, value)
	if action == nil and not call.unwound and not call.returned then
		return core.actions.RETURN
	end
	return action
end

function M.replace(session, where, fn, options)
	if not check.is_callable(fn) then
		check.fail("replace: function expected as the second argument, got %s", number.show(fn))
	end
	local given = {}
	for name, value in pairs(check.table("replace: options", options) or {}) do
		given[name] = value
	end
	local at, proto, text = place_of(session, "replace", where, given.proto)
	local state = new_state(session, proto, given.proto)
	state.fn, state.passing = fn, {}
	given.proto = nil
	return add("replace", session, state, at, function() return replaced(state) end, given, text)
end

return M
