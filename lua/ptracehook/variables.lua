-- variables - args() and locals(): what a function's parameters and variables are, as tables that print in their order.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local scalar = require "ptracehook.scalar"
local typed = require "ptracehook.typed"
local types = require "ptracehook.types"

local M = {}

local LOST = scalar.LOST
local fail = check.fail

-- An object that is in registers, or nowhere as a whole: reads give nil where a byte is lost.
local function memory_of(bytes, lost)
	local mem = {}
	function mem.read(addr, n)
		local at = tonumber(addr)
		if at + n > #bytes or lost and lost:sub(at + 1, at + n):find "[^%z]" then
			return nil
		end
		return bytes:sub(at + 1, at + n)
	end
	function mem.write()
		fail "what is in registers is written there (regs)"
	end
	return mem
end

-- An object of this type out of bytes that stand in no memory.
function M.read_bytes(t, bytes, pid)
	return typed.read(t, 0ULL, memory_of(bytes), pid)
end

local function value_of(variable, t, process)
	if variable.address then
		if t.size == 0 or t.kind == "function" then
			return LOST
		end
		local ok, value = pcall(typed.read, t, variable.address, process.mem, process.pid)
		if not ok then
			return "<cannot be read>"
		end
		return value
	elseif not variable.bytes then
		return LOST
	end
	return typed.read(t, 0ULL, memory_of(variable.bytes, variable.lost), process.pid)
end

-- Tables of a function's parameters or variables, which print in their order.
local listing = {}

local orders = setmetatable({}, { __mode = "k" })

function listing.__tostring(values)
	local parts = {}
	for i, name in ipairs(orders[values].names) do
		local value = values[name]
		parts[i] = name .. " = " .. (type(value) == "string" and value ~= LOST and scalar.quote(value) or tostring(value))
	end
	return table.concat(parts, "\n")
end

function listing.__index(values, name)
	local order = orders[values]
	if type(name) ~= "string" then
		return nil
	end
	local known = {}
	for _, each in ipairs(order.names) do
		known[each] = true
	end
	local near = check.nearest(name, known)
	fail("%s has no %s '%s'%s", order.owner, order.noun, name, near and "; did you mean '" .. near .. "'?" or "")
end

local function variables(target, parameters)
	local found = core.variables(target, parameters)
	local list = types.link(found.types)
	local values, names = {}, {}
	for _, variable in ipairs(found) do
		if variable.name ~= "" then
			names[#names + 1] = variable.name
			values[variable.name] = value_of(variable, list[variable.type], found.process)
		end
	end
	orders[values] = { names = names, owner = found.name, noun = parameters and "parameter" or "variable" }
	return setmetatable(values, listing)
end

function M.args(target)
	return (variables(target, true))
end

function M.locals(target)
	return (variables(target, false))
end

return M
