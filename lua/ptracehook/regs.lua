-- regs - registers of a stopped thread, by name.
--
-- A view on the engine's own structure through the FFI: reading one costs less than a call. The names, offsets and
-- widths come from the engine's table (core/x86/regs.h).

local ffi = require "ffi"
local bit = require "bit"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

ffi.cdef [[
typedef struct {
	union { uint64_t u64[27]; uint32_t u32[54]; uint16_t u16[108]; uint8_t u8[216]; };
	uint32_t stopped, have, dirty, tid;
} ptracehook_view;

typedef struct {
	ptracehook_view *view, *asked;
	uint64_t cell;
} ptracehook_now;
]]

local M = {}

local now = ffi.cast("ptracehook_now *", core.now)
local band, bor, bnot, lshift = bit.band, bit.bor, bit.bnot, bit.lshift
local fit, HERE = number.fit, check.HERE

-- By name, made when a register is first asked for; false for what the wide ones below know.
local getters, setters = {}, {}

-- The kernel refuses some values of these, so they are handed to it at once, for the error to have the right line.
local careful = { cs = 16, ss = 16, ds = 16, es = 16, fs = 16, gs = 16, fs_base = 64, gs_base = 64 }

local by_size = {
	[8] = function(at, what)
		return function(view) return view.u64[at] end,
			function(view, value) view.u64[at] = fit(value, 64, what, 3) end
	end,
	[4] = function(at, what, whole)
		return function(view) return view.u32[at] end,
			-- The CPU clears the upper half when the lower one is written.
			function(view, value) view.u64[whole] = fit(value, 32, what, 3) end
	end,
	[2] = function(at, what)
		return function(view) return view.u16[at] end,
			function(view, value) view.u16[at] = fit(value, 16, what, 3) end
	end,
	[1] = function(at, what)
		return function(view) return view.u8[at] end,
			function(view, value) view.u8[at] = fit(value, 8, what, 3) end
	end,
}

local RFLAGS = core.register "rflags" / 8

local function of_flag(name, position)
	local mask = lshift(1ULL, position)
	return function(view) return band(view.u64[RFLAGS], mask) ~= 0ULL end,
		function(view, value)
			if type(value) ~= "boolean" then
				check.fail("regs.%s: true or false expected, got %s", name, number.show(value))
			end
			view.u64[RFLAGS] = value and bor(view.u64[RFLAGS], mask) or band(view.u64[RFLAGS], bnot(mask))
		end
end

-- The functions for a name, or false: it is none of the general registers and flags.
local function make(name)
	local offset, size, shift = core.register(name == "ret" and "rax" or name)
	if offset then
		local get, set = by_size[size]((offset + shift / 8) / size, "regs." .. name, offset / 8)
		return get, not careful[name] and set
	end
	local position = core.flag(name)
	if position then
		return of_flag(name, position)
	end
	return false, false
end

local function add(kind)
	return function(_, name)
		if type(name) ~= "string" then
			return nil
		end
		local get, set = make(name)
		if get or core.xreg_size(name) then
			getters[name], setters[name] = get, set
		end
		return kind == "get" and get or kind == "set" and set
	end
end
setmetatable(getters, { __index = add "get" })
setmetatable(setters, { __index = add "set" })

-- The view of the thread that `target` means, fetched; nil means the thread whose event is being handled.
local function view_of(target)
	if target == nil then
		local view = now.view
		if view ~= nil and view.have ~= 0 then
			return view
		end
	end
	core.view(target)
	return now.asked
end

-- The id of the current thread, as core.tid() gives it, for what is to be compiled.
function M.tid()
	local view = now.view
	return view ~= nil and view.tid or 0
end

-- The general registers of the current thread in the kernel's order, until it goes on; for reading.
function M.words()
	return view_of(nil).u64
end

local function new_arguments(target)
	local names = core.arguments()
	local function name_of(i)
		return names[number.is_wide(i) and tonumber(i) or i] or check.fail("regs.arg has 1 to 6, got %s", number.show(i))
	end
	return setmetatable({}, {
		__index = function(_, i) return getters[name_of(i)](view_of(target)) end,
		__newindex = function(_, i, value)
			local name = name_of(i)
			local view = view_of(target)
			setters[name](view, value)
			view.dirty = 1
		end,
	})
end

local function all(target)
	local view = view_of(target)
	local values = {}
	for name, kind in pairs(core.registers()) do
		if kind == "whole" then
			values[name] = getters[name](view)
		end
	end
	return values
end

local u32_box = ffi.typeof "uint32_t[1]"
local u64_box = ffi.typeof "uint64_t[1]"

-- Registers outside the general ones: x87, vectors, masks, mxcsr. kind tells how they look to Lua.
local wide_get = {
	st = function(target, name) return core.xreg_read(target, name) end,
	mxcsr = function(target, name)
		local box = u32_box()
		ffi.copy(box, core.xreg_read(target, name), 4)
		return box[0]
	end,
	opmask = function(target, name)
		local box = u64_box()
		ffi.copy(box, core.xreg_read(target, name), 8)
		return box[0]
	end,
	vector = function(target, name, size)
		view_of(target) -- a thread that has ended, or runs, is an error here and not at the first lane
		return core.load("vector").new(size, function()
			return core.xreg_read(target, name)
		end, function(bytes)
			core.xreg_write(target, name, bytes)
		end)
	end,
}

local function to_float(what, value)
	if type(value) == "number" then
		return value
	elseif number.is_wide(value) then
		return tonumber(value)
	end
	check.fail("%s: number expected, got %s", what, number.show(value))
end

local wide_set = {
	st = function(target, name, _, value)
		core.xreg_write(target, name, to_float("regs." .. name, value))
	end,
	mxcsr = function(target, name, _, value)
		value = check.call(fit, value, 32, "regs.mxcsr", HERE)
		if value > 0xffff then
			check.fail("regs.mxcsr: %s has bits that the CPU refuses: it has 16", number.hex(value))
		end
		core.xreg_write(target, name, ffi.string(u32_box(value), 4))
	end,
	opmask = function(target, name, _, value)
		core.xreg_write(target, name, ffi.string(u64_box(check.call(fit, value, 64, "regs." .. name, HERE)), 8))
	end,
	vector = function(target, name, size, value)
		core.xreg_write(target, name, check.call(core.load("vector").assign, size, value, HERE))
	end,
}

local function unknown(name)
	check.fail("regs has no register %s", type(name) == "string" and "'" .. name .. "'" or number.show(name))
end

local function get_other(target, arguments, name)
	if name == "arg" then
		return arguments
	elseif name == "all" then
		return function() return all(target) end
	elseif type(name) ~= "string" then
		unknown(name)
	end
	local debug_number = name:match "^dr([0-7])$"
	if debug_number then
		return core.debug_register(target, tonumber(debug_number))
	end
	local size, kind = core.xreg_size(name)
	if not size then
		unknown(name)
	end
	return wide_get[kind](target, name, size)
end

local function set_careful(target, name, value)
	local at, view = core.register(name) / 8, view_of(target)
	local before = view.u64[at]
	view.u64[at] = check.call(fit, value, careful[name], "regs." .. name, HERE)
	view.dirty = 1
	local ok, why = pcall(core.flush, target)
	if not ok then
		-- The kernel took those in front of it; once more, so that the engine knows.
		view.u64[at] = before
		core.flush(target)
		if type(why) == "table" and why.name == "EIO" then
			check.fail("regs.%s: the kernel refuses %s", name, number.hex(value))
		end
		error(why, 0)
	end
end

local function set_other(target, name, value)
	if careful[name] then
		return set_careful(target, name, value)
	elseif name == "arg" or name == "all" or type(name) == "string" and name:find "^dr[0-7]$" then
		check.fail("regs.%s cannot be written%s", name, name == "arg" and " whole: regs.arg[1] and so on can" or "")
	end
	local size, kind
	if type(name) == "string" then
		size, kind = core.xreg_size(name)
	end
	if not size then
		unknown(name)
	end
	wide_set[kind](target, name, size, value)
end

-- target: a Thread, Process or Session; nil: what the globals mean. self: the table to be it, if there is one.
function M.new(target, self)
	local arguments = new_arguments(target)
	return setmetatable(self or {}, {
		__index = function(_, name)
			local get = getters[name]
			if get then
				return get(view_of(target))
			end
			return get_other(target, arguments, name)
		end,
		__newindex = function(_, name, value)
			local set = setters[name]
			if not set then
				return set_other(target, name, value)
			end
			local view = view_of(target)
			set(view, value)
			view.dirty = 1
		end,
		__tostring = function() return "regs" end,
	})
end

return M
