-- bypass - hides the tracer from its target, and gives it the time, random bytes and results that a script wants:
-- require "bypass".
--
-- Each technique is a function that starts it for the current session, and gives a Bypass; all() starts those that
-- hide. They answer system calls, reads of /proc and faults; nothing is put into the program's own code. Each is a
-- file in bypass/.

require("jit").off(true, true) -- see trace/decode.lua

local api = require "ptracehook"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local part = require "bypass.part"

local M = {}

local function of(module)
	return require("bypass." .. module)
end

function M.ptrace(options)
	return part.start("ptrace", options, of("ptrace").setup)
end

function M.status(options)
	return part.start("status", options, of("status").setup)
end

function M.parent(options)
	return part.start("parent", options, of("parent").setup, of("parent").options)
end

function M.environment(options)
	return part.start("environment", options, of("environment").setup, of("environment").options)
end

function M.descriptors(options)
	return part.start("descriptors", options, of("process").descriptors)
end

function M.prctl(options)
	return part.start("prctl", options, of("process").prctl)
end

function M.timing(options)
	return part.start("timing", options, of("clock").start)
end

-- Breakpoints leave the code as it is.
function M.checksums(options)
	return part.start("checksums", options, function(self)
		self.session:policy { hardware = true }
		self:undo(function() self.session:policy { hardware = false } end)
	end)
end

-- ---- What a script wants

local time_known = { at = true, rate = true, step = true, skip_sleep = true, log = true }

local function check_number(what, value)
	if value ~= nil and (type(value) ~= "number" or value ~= value or value < 0 or value >= 2 ^ 40) then
		check.fail("%s: a number, 0 or more, expected, got %s", what, number.show(value))
	end
	return value
end

-- wanted: seconds since 1970, or {at, rate, step, skip_sleep, log}.
function M.time(wanted)
	if type(wanted) ~= "table" then
		wanted = { at = wanted }
	end
	check.options("bypass.time", wanted, time_known)
	local at, rate = check_number("bypass.time: at", wanted.at), check_number("bypass.time: rate", wanted.rate)
	local step = check_number("bypass.time: step", wanted.step)
	local skips = check.boolean("bypass.time: skip_sleep", wanted.skip_sleep)
	local self = M.timing { log = wanted.log }
	self.clock:set(at, rate, step, skips)
	return self
end

function M.random(seed, options)
	return part.start("random", options, function(self) of("random").setup(self, seed) end)
end

function M.pid(pid, options)
	return part.start("pid", options, function(self) of("process").pid(self, pid) end)
end

local returns_known = { log = true }

-- value: what the function returns, or a function of its arguments that gives it.
function M.returns(where, value, options)
	options = check.options("bypass.returns", options, returns_known)
	if value == nil then
		check.fail "bypass.returns: value: what the function is to return expected as the second argument, got nil"
	elseif type(value) == "boolean" then
		value = value and 1 or 0
	elseif not check.is_callable(value) then
		value = check.call(number.int, value, "bypass.returns: value", check.HERE)
	end
	local function result(regs)
		local given = value
		if check.is_callable(value) then
			given = value(regs.rdi, regs.rsi, regs.rdx, regs.rcx, regs.r8, regs.r9)
			if type(given) == "boolean" then
				given = given and 1 or 0
			end
		end
		return given
	end
	return api.bp(where, function(thread)
		local given = result(thread.regs)
		if given == nil then
			return nil
		end
		if options.log then
			options.log(("returns: %s gives %s"):format(tostring(where), tostring(given)))
		end
		return api.RETURN(given)
	end)
end

-- ---- Together

local techniques = { "ptrace", "status", "parent", "environment", "prctl", "timing", "checksums" }

function M.techniques()
	return { unpack(techniques) }
end

local all_known = { descriptors = true, log = true }
for _, name in ipairs(techniques) do
	all_known[name] = true
end

-- options: {NAME = false} leaves one out, {NAME = {…}} gives it options of its own; descriptors only when asked for,
-- and log is for all. Gives them by name.
function M.all(options)
	options = check.options("bypass.all", options, all_known)
	local started = {}
	local names = M.techniques()
	names[#names + 1] = "descriptors"
	for _, name in ipairs(names) do
		local own = options[name]
		if own == nil then
			own = name ~= "descriptors"
		end
		if own ~= nil and type(own) ~= "boolean" and type(own) ~= "table" then
			check.fail("bypass.all: %s: true, false or a table of options expected, got %s", name, number.show(own))
		end
		if own then
			local given = { log = options.log }
			for option, value in pairs(own == true and {} or own) do
				given[option] = value
			end
			started[name] = M[name](given)
		end
	end
	return started
end

return M
