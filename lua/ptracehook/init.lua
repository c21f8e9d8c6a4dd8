-- ptracehook - the names that scripts see: globals, and fields of require "ptracehook".

local number = require "ptracehook.number"
number.install() -- before anything is compiled: see number.lua

local core = require "ptracehook.core"
core.number_helpers(number.plain, number.show)

local relay = require "ptracehook.relay" -- before a script keeps coroutine.resume

local M = {
	hex = number.hex, key = number.key, num = number.num,
	u64 = number.u64, i64 = number.i64, i32 = number.i32,
}

for name, action in pairs(core.actions) do
	M[name] = action
end

-- What acts on sessions is loaded when the first of it is asked for: these stand for it until then.
local session_names = {
	"spawn", "attach", "policy", "bp", "bps", "on", "run", "detach", "kill", "threads", "sym", "find_sym",
	"find_syms", "where", "modules", "hexdump", "stats", "insns", "disasm", "backtrace", "bt", "line", "args", "locals",
	"patch", "nop", "redirect", "original_bytes", "asm", "call", "f64", "syscall", "watch", "steps",
	"step", "step_over", "finish", "run_to", "sleep", "hook", "replace", "snapshot",
	"load_snapshot", "core", "gdb",
}

local is_loaded

local function load_session()
	if is_loaded then
		return
	end
	is_loaded = true -- now: a name that is nowhere may be asked for while it loads
	local ok, session = pcall(core.load, "session")
	if not ok then
		is_loaded = false -- or the stand-ins would call themselves for ever
		error(session, 0)
	end
	for name, fn in pairs(session.globals) do
		local stand_in = M[name]
		M[name] = fn
		if rawget(_G, name) == stand_in then
			rawset(_G, name, fn)
		end
	end
end

for _, name in ipairs(session_names) do
	M[name] = function(...)
		load_session()
		return M[name](...)
	end
end

-- What changes from event to event is looked up when it is asked for, so that a script may have variables of these
-- names, and an event costs no assignments.
local dynamic = {
	this = function() return relay.this end,
	original = function() return relay.original end,
}
core.dynamic = dynamic
for _, name in ipairs { "thread", "process" } do
	dynamic[name] = function()
		load_session()
		dynamic[name] = core[name]
		return core[name]()
	end
end

-- Numbers of 64 bits, as registers and results are, find what plain ones do.
local function by_any_number(names)
	return setmetatable(names, {
		__index = function(self, name)
			if type(name) == "cdata" then
				return rawget(self, tonumber(name))
			end
		end,
	})
end

-- What many scripts do without is made when it is first used: it costs as much time as the rest of the start.
local lazy = {
	SIG = function() return by_any_number(core.signals()) end,
	E = function() return by_any_number(core.errnos()) end,
	SYS = function() return by_any_number(core.load("syscall").numbers) end,
	state = function() return {} end, -- what scripts keep over reloads
}

-- The table that regs or mem will be, empty until then.
local function later(module)
	local self = {}
	local function fill()
		local new = core.load(module).new
		setmetatable(self, nil)
		return new(nil, self)
	end
	return setmetatable(self, {
		__index = function(_, name) return fill()[name] end,
		__newindex = function(_, name, value) fill()[name] = value end,
		__tostring = function() return tostring(fill()) end,
	})
end
M.regs, M.mem = later "regs", later "mem"

-- What the prompt brings, in scripts too: loaded when one of them is named.
local prompt_names = {
	repl = true, cont = true, pause = true, ctx = true, dis = true, restart = true, quit = true, save = true,
	load_script = true, reload = true, help = true,
}

local function lookup(self, name)
	if prompt_names[name] then
		load_session()
		return core.load("repl.verbs").globals[name]
	end
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
	elseif not is_loaded then
		load_session()
		return rawget(self, name)
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
	core.exit(tonumber(core.load("check").call(number.int, status, "os.exit", 1) % 256))
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
			core.load("check").fail "'tostring' must return a string to 'print'"
		end
		parts[i] = text
	end
	local ok, why = stdout:write(concat(parts, "\t"), "\n")
	if not ok then
		core.load("check").fail("cannot write standard output: %s", tostring(why))
	end
end

return setmetatable(M, { __index = lookup })
