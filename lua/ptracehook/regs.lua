-- regs - registers of a stopped thread, by name.
--
-- A view on the engine's own structure through the FFI: reading one costs less than a call. The names, offsets and
-- widths come from the engine's table (core/x86/regs.h).

local ffi = require "ffi"
local bit = require "bit"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local vector = require "ptracehook.vector"

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

local getters, setters = {}, {}

for name, reg in pairs(core.registers) do
	local at = (reg.offset + reg.shift / 8) / reg.size
	local what, bits = "regs." .. name, reg.size * 8
	if reg.size == 8 then
		getters[name] = function(view) return view.u64[at] end
		setters[name] = function(view, value) view.u64[at] = fit(value, bits, what, 3) end
	elseif reg.size == 4 then
		local whole = reg.offset / 8
		getters[name] = function(view) return view.u32[at] end
		-- The CPU clears the upper half when the lower one is written.
		setters[name] = function(view, value) view.u64[whole] = fit(value, bits, what, 3) end
	elseif reg.size == 2 then
		getters[name] = function(view) return view.u16[at] end
		setters[name] = function(view, value) view.u16[at] = fit(value, bits, what, 3) end
	else
		getters[name] = function(view) return view.u8[at] end
		setters[name] = function(view, value) view.u8[at] = fit(value, bits, what, 3) end
	end
end

-- The kernel refuses some values of these, so they are handed to it at once, for the error to have the right line.
local careful = {}
for _, name in ipairs { "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base" } do
	careful[name] = { at = core.registers[name].offset / 8, bits = name:find "_base" and 64 or 16 }
	setters[name] = nil
end

local RFLAGS = core.registers.rflags.offset / 8

for name, position in pairs(core.flags) do
	local mask = lshift(1ULL, position)
	getters[name] = function(view) return band(view.u64[RFLAGS], mask) ~= 0ULL end
	setters[name] = function(view, value)
		if type(value) ~= "boolean" then
			check.fail("regs.%s: true or false expected, got %s", name, number.show(value))
		end
		view.u64[RFLAGS] = value and bor(view.u64[RFLAGS], mask) or band(view.u64[RFLAGS], bnot(mask))
	end
end

local function rename(alias, name)
	getters[alias], setters[alias] = getters[name], setters[name]
end
rename("ret", "rax")

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

local function new_arguments(target)
	local names = core.arguments
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
	for name, reg in pairs(core.registers) do
		if reg.kind == "whole" then
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
		return vector.new(size, function()
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
		core.xreg_write(target, name, check.call(vector.assign, size, value, HERE))
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
	local row, view = careful[name], view_of(target)
	local before = view.u64[row.at]
	view.u64[row.at] = check.call(fit, value, row.bits, "regs." .. name, HERE)
	view.dirty = 1
	local ok, why = pcall(core.flush, target)
	if not ok then
		-- The kernel took those in front of it; once more, so that the engine knows.
		view.u64[row.at] = before
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

-- target: a Thread, Process or Session; nil: what the globals mean.
function M.new(target)
	local arguments = new_arguments(target)
	return setmetatable({}, {
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
