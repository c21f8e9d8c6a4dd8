-- session - what a Session can do, and the same as globals that act on the current one.

local core = require "ptracehook.core"
local breakpoint = require "ptracehook.breakpoint"
local check = require "ptracehook.check"
local mem = require "ptracehook.mem"
local number = require "ptracehook.number"
local regs = require "ptracehook.regs"
local spawn = require "ptracehook.spawn"

local M = { globals = {} }

local classes = core.classes
local methods = classes.Session.methods

-- A view belongs to one object: made when first asked for and kept in the userdata's environment, so that the two,
-- which refer to each other, are collected together. (A weak table would keep both for ever.)
local OWN = {}

local function own_table(object)
	local own = debug.getfenv(object)
	if own[OWN] == nil then
		own = { [OWN] = true }
		debug.setfenv(object, own)
	end
	return own
end

for _, class in ipairs { "Session", "Thread", "Process" } do
	for name, make in pairs { regs = regs.new, mem = mem.new } do
		classes[class].getters[name] = function(self)
			local own = own_table(self)
			if not own[name] then
				own[name] = make(self)
			end
			return own[name]
		end
	end
end

local deadlines = setmetatable({}, { __mode = "k" })

function M.globals.spawn(options)
	local session, timeout = spawn.spawn(options)
	deadlines[session] = timeout and core.clock() + timeout
	return session
end

local attach_known = { follow = true }

function M.globals.attach(pid, options)
	options = check.options("attach", options, attach_known)
	local ok, session = pcall(core.attach, number.count(pid, "attach: pid", 3),
		check.boolean("attach: follow", options.follow))
	if not ok then
		error(session, 0)
	end
	return session
end

local run_known = { timeout = true }

local function run(self, options)
	options = check.options("run", options, run_known, 3)
	if options[1] ~= nil then
		error("run{s1, s2} is not in this version: run one session after the other", 3)
	end
	local limit = check.seconds("run: timeout", options.timeout, 3)
	local deadline = deadlines[self]
	if deadline then
		limit = math.min(limit or math.huge, math.max(0, deadline - core.clock()))
	end
	-- Rounded up: a short limit is not none.
	return self:run_ms(limit and math.ceil(limit * 1000))
end

local policy_known = { errors = true, exitkill = true, follow = true }

local function policy(self, settings)
	settings = check.options("policy", settings, policy_known, 3)
	if settings.errors ~= nil then
		if settings.errors ~= "report" and settings.errors ~= "end" then
			error("policy: errors: \"end\" or \"report\" expected, got " .. number.show(settings.errors), 3)
		end
		core.report_errors(settings.errors == "report")
	end
	self:set_policy(check.boolean("policy: exitkill", settings.exitkill, 3),
		check.boolean("policy: follow", settings.follow, 3))
end

local function on(self, event, filter, fn)
	if fn == nil then
		filter, fn = nil, filter
	end
	check.string("on: event", event, 3)
	if not check.is_callable(fn) and not core.is_action(fn) then
		error("on: function or action expected as the last argument, got " .. number.show(fn), 3)
	end
	if filter ~= nil then
		if event ~= "signal" then
			error(("on: \"%s\" takes no filter"):format(event), 3)
		end
		if type(filter) ~= "table" then
			filter = { filter }
		end
		local signals = {}
		for i, one in ipairs(filter) do
			signals[i] = core.signal(one)
		end
		filter = signals
	end
	return core.on(self, event, filter, fn)
end

local detach_known = { stopped = true }

local function detach(self, options)
	options = check.options("detach", options, detach_known, 3)
	self:let_go(check.boolean("detach: stopped", options.stopped, 3))
end

local function threads(self)
	local list = {}
	for _, process in ipairs(self:processes()) do
		for _, thread in ipairs(process:threads()) do
			list[#list + 1] = thread
		end
	end
	return list
end

local function find_sym(self, name)
	local address = self:resolve(check.string("find_sym: name", name, 3))
	return address
end

local function sym(self, name)
	local address, why = self:resolve(check.string("sym: name", name, 3))
	if not address then
		error(why, 3)
	end
	return address
end

-- Each is a method of Session and, with the current one in self's place, a global.
local shared = {
	bp = breakpoint.add, bps = core.bps, on = on, policy = policy, run = run, detach = detach,
	kill = methods.kill, stats = methods.stats, threads = threads, sym = sym, find_sym = find_sym,
}

local function current()
	return core.current() or core.raise "there is no target: name a program or -p PID on the command line, or call spawn or attach first"
end

for name, fn in pairs(shared) do
	methods[name] = fn
	M.globals[name] = function(...)
		return fn(current(), ...)
	end
end

return M
