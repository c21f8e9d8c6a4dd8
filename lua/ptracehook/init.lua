-- ptracehook - the names that scripts see: globals, and fields of require "ptracehook".

local number = require "ptracehook.number"
number.install() -- before anything is compiled: see number.lua

local core = require "ptracehook.core"
core.number_helpers(number.plain, number.show)

local check = require "ptracehook.check"
local session = require "ptracehook.session"

local M = {
	hex = number.hex, key = number.key, num = number.num,
	u64 = number.u64, i64 = number.i64, i32 = number.i32,
}

for name, action in pairs(core.actions) do
	M[name] = action
end
for name, fn in pairs(session.globals) do
	M[name] = fn
end

-- What changes from event to event is looked up when it is asked for, so that a script may have variables of these
-- names, and an event costs no assignments.
local dynamic = { thread = core.thread, process = core.process }

-- What many scripts do without is made when it is first asked for: it costs as much time as the rest of the start.
local lazy = {
	regs = function() return require("ptracehook.regs").new(nil) end,
	mem = function() return require("ptracehook.mem").new(nil) end,
	SIG = core.signals, E = core.errnos,
}

local function lookup(_, name)
	local get, make = dynamic[name], lazy[name]
	if get then
		return get()
	elseif make then
		local value = make()
		lazy[name] = nil
		M[name] = value
		if rawget(_G, name) == nil then
			rawset(_G, name, value)
		end
		return value
	end
end

for name, value in pairs(M) do
	_G[name] = value
end
setmetatable(_G, { __index = lookup })

-- Exits through us: targets are ended or let go first.
function os.exit(status)
	if status == nil or status == true then
		status = 0
	elseif status == false then
		status = 1
	end
	core.exit(tonumber(check.call(number.int, status, "os.exit", check.HERE) % 256))
end

-- Commands run on every CPU that we were given, not on the one that we may have moved to (policy{cpu = "auto"}).
for library, name in pairs { [os] = "execute", [io] = "popen" } do
	local run = library[name]
	library[name] = function(...)
		core.leave_cpu()
		return run(...)
	end
end

-- print raises when nobody takes the output, as every other verb does.
local stdout, tostring, select, concat = io.stdout, tostring, select, table.concat

function print(...)
	local parts = {}
	for i = 1, select("#", ...) do
		local text = tostring((select(i, ...)))
		if type(text) ~= "string" then
			check.fail "'tostring' must return a string to 'print'"
		end
		parts[i] = text
	end
	local ok, why = stdout:write(concat(parts, "\t"), "\n")
	if not ok then
		check.fail("cannot write standard output: %s", tostring(why))
	end
end

return setmetatable(M, { __index = lookup })
