-- syscall - the call that a thread stands in, as hooks see and change it.
--
-- A view on the engine's own structure through the FFI (core/engine/call.h), as registers are: reading an argument is
-- no call. What was written goes to the kernel when the thread goes on.

local ffi = require "ffi"
local bit = require "bit"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

ffi.cdef [[
typedef struct {
	uint64_t number, args[6];
	int64_t ret;
	uint32_t phase, changed, abi, skipped;
} ptracehook_call;

typedef struct { ptracehook_call *call; uint32_t slot; } ptracehook_sc;
typedef struct { ptracehook_call *call; } ptracehook_sc_args;
]]

local M = {}

local bor, lshift = bit.bor, bit.lshift
local cast = ffi.cast
local i64_t = ffi.typeof "int64_t"
local call_p = ffi.typeof "ptracehook_call *"

local ENTER, LEAVE = 1, 2 -- enum ph_call_phase; 0: over
local NUMBER, RET, FIRST_ARG = 1, 2, 4 -- PH_OS_CALL_…

local tables = core.call_names()
local arches = { [0] = "x86_64", [1] = "i386", [2] = "x32" }

-- Numbers by name and names by number, of the x86-64 table.
M.numbers = tables[0]

-- By slot: what belongs to an sc. false once its thread has ended.
local arguments, threads = {}, {}

local function living(call)
	if call == nil or call.phase == 0 then
		check.fail "this system call is over: its sc can be used only while its hook runs, or while run() has stopped there"
	end
	return call
end

local function before(call, what)
	if call.phase ~= ENTER then
		check.fail("%s: the call has been made already; only its result can be changed: sc.ret, sc.errno", what)
	end
	return call
end

local function name_of(call)
	local nr = tonumber(call.number)
	return tables[call.abi][nr] or ("syscall_0x%x"):format(nr)
end

local function has_result(call)
	return call.phase == LEAVE or call.skipped ~= 0
end

local errnos = core.errnos()

local function to_errno(what, value)
	local code = value
	if type(value) == "string" then
		code = errnos[value]
	end
	if type(code) ~= "number" or code % 1 ~= 0 or code < 1 or code > 4095 then
		check.fail("%s: an error such as \"ENOENT\", or its number from 1 to 4095, expected, got %s", what,
			number.show(value))
	end
	return code
end

local function set_ret(call, value)
	if not has_result(call) then
		check.fail "sc.ret: the call has not been made yet; sc:skip(ret) answers it without the kernel"
	end
	call.ret = cast(i64_t, value)
	call.changed = bor(call.changed, RET)
end

local getters = {
	args = function(self) return arguments[self.slot] or living(nil) end,
	thread = function(self) return threads[self.slot] or living(nil) end,
	nr = function(self) return tonumber(living(self.call).number) end,
	name = function(self) return name_of(living(self.call)) end,
	arch = function(self) return arches[living(self.call).abi] end,
	ret = function(self)
		local call = living(self.call)
		if has_result(call) then
			return call.ret
		end
	end,
	errno = function(self)
		local call = living(self.call)
		if has_result(call) and call.ret < 0 and call.ret >= -4095 then
			local code = -tonumber(call.ret)
			return errnos[code] or ("E%d"):format(code)
		end
	end,
}

local setters = {
	nr = function(call, value)
		before(call, "sc.nr")
		call.number = check.call(number.fit, value, 32, "sc.nr", check.HERE)
		call.changed = bor(call.changed, NUMBER)
	end,
	name = function(call, value)
		before(call, "sc.name")
		local nr = type(value) == "string" and tables[call.abi][value]
		if type(nr) ~= "number" then
			check.fail("sc.name: a system call of %s expected, got %s", arches[call.abi], number.show(value))
		end
		call.number = nr
		call.changed = bor(call.changed, NUMBER)
	end,
	ret = function(call, value)
		set_ret(call, check.call(number.int, value, "sc.ret", check.HERE))
	end,
	errno = function(call, value)
		set_ret(call, -to_errno("sc.errno", value))
	end,
}

-- The argument's place, from 0.
local function place(what, i)
	if type(i) == "cdata" and number.is_wide(i) then
		i = tonumber(i)
	end
	if type(i) ~= "number" or i % 1 ~= 0 or i < 1 or i > 6 then
		check.fail("%s: an argument from 1 to 6 expected, got %s", what, number.show(i))
	end
	return i - 1
end

ffi.metatype("ptracehook_sc_args", {
	__index = function(self, i)
		local call = self.call
		if call ~= nil and call.phase ~= 0 and (i == 1 or i == 2 or i == 3) then
			return call.args[i - 1]
		end
		return living(call).args[place("sc.args", i)]
	end,
	__newindex = function(self, i, value)
		local call, at = before(living(self.call), "sc.args"), place("sc.args", i)
		call.args[at] = check.call(number.int, value, "sc.args", check.HERE)
		call.changed = bor(call.changed, lshift(FIRST_ARG, at))
	end,
	__len = function() return 6 end,
	__tostring = function() return "arguments of a system call" end,
})

local methods = {}

local function self_of(self, what)
	if not ffi.istype("ptracehook_sc", self) then
		check.fail("%s: a system call expected, got %s; call methods with a colon", what, number.show(self))
	end
	return living(self.call)
end

-- What mem.NAME(…) gives, or nil when the memory is not there.
local function try(self, name, ...)
	local ok, bytes = pcall(threads[self.slot].mem[name], ...)
	if ok then
		return bytes
	end
	return nil, bytes
end

function methods:str(i)
	local call = self_of(self, "str")
	return try(self, "cstr", call.args[place("str", i)])
end

function methods:buf(i, n)
	local call = self_of(self, "buf")
	local addr, size = call.args[place("buf", i)], check.size("buf: n", n)
	local bytes, err = try(self, "read", addr, size)
	if not bytes and type(err) == "table" and err.done and err.done > 0 then
		return try(self, "read", addr, err.done)
	end
	return bytes, err
end

function methods:set_str(i, s)
	before(self_of(self, "set_str"), "set_str")
	local at = place("set_str", i)
	core.call_set_bytes(threads[self.slot], at, check.string("set_str: text", s) .. "\0")
end

function methods:set_buf(i, bytes)
	before(self_of(self, "set_buf"), "set_buf")
	local at = place("set_buf", i)
	if type(bytes) ~= "string" then
		check.fail("set_buf: string expected, got %s", number.show(bytes))
	end
	core.call_set_bytes(threads[self.slot], at, bytes)
end

function methods:skip(ret)
	local call = before(self_of(self, "skip"), "skip")
	local value = check.call(number.int, ret == nil and 0 or ret, "skip: ret", check.HERE)
	call.ret = cast(i64_t, value)
	call.skipped = 1
	call.changed = bor(call.changed, RET)
end

ffi.metatype("ptracehook_sc", {
	__index = function(self, name)
		local get = getters[name]
		if get then
			return get(self)
		end
		return methods[name]
	end,
	__newindex = function(self, name, value)
		local set = setters[name]
		if not set then
			check.fail("a system call has no field '%s' that can be set; there are nr, name, args, ret and errno",
				tostring(name))
		end
		set(living(self.call), value)
	end,
	__tostring = function(self)
		local call = self.call
		if call == nil or call.phase == 0 then
			return "system call (over)"
		end
		return ("system call %s"):format(name_of(call))
	end,
})

-- As the classes that C makes: Lua may add to both tables.
core.classes.Syscall = { methods = methods, getters = getters }

local new_sc, new_args = ffi.typeof "ptracehook_sc", ffi.typeof "ptracehook_sc_args"

core.syscall_helpers(function(view)
	local call = cast(call_p, view)
	return new_sc(call, 0), new_args(call)
end, arguments, threads)

-- "*", a name, a number or a list of the latter two: names, numbers, every.
local function split(filter)
	if filter == nil or filter == "*" then
		return nil, nil, true
	end
	local names, numbers = {}, {}
	local list = type(filter) == "table" and filter or { filter }
	for _, one in ipairs(list) do
		if one == "*" then
			return nil, nil, true
		elseif type(one) == "string" then
			names[#names + 1] = check.string("on: filter", one)
		else
			numbers[#numbers + 1] = check.call(number.count, one, "on: filter: a system call's name or number",
				check.HERE)
		end
	end
	if #names + #numbers == 0 then
		check.fail "on: filter: an empty list of system calls"
	end
	return names, numbers, false
end

local function check_fn(what, fn)
	if fn ~= nil and not check.is_callable(fn) and not core.is_action(fn) then
		check.fail("%s: function or action expected, got %s", what, number.show(fn))
	end
	return fn
end

local known = { enter = true, leave = true }

function M.on(session, filter, fn)
	local enter, leave = fn, nil
	if type(fn) == "table" and not check.is_callable(fn) then
		check.options("on", fn, known)
		enter, leave = check_fn("on: enter", fn.enter), check_fn("on: leave", fn.leave)
		if enter == nil and leave == nil then
			check.fail "on: a table with enter, leave or both expected"
		end
	elseif fn == nil then
		check.fail "on: function, action or {enter = …, leave = …} expected as the last argument, got nil"
	else
		check_fn("on", fn)
	end
	local names, numbers, every = split(filter)
	return (core.on_syscall(session, names, numbers, every, enter, leave))
end

return M
