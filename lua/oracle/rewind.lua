-- oracle.rewind - one guess after the other from a snapshot: the program runs to a place once, and is put back there.
--
-- A run ends where the function returns at whose beginning the snapshot was taken, at `stop`, before the program would
-- exit or die, or out of time. A program that is gone all the same (killed, execed) is started anew.

local api = require "ptracehook"
local check = require "ptracehook.check"
local core = require "ptracehook.core"
local number = require "ptracehook.number"
local runner = require "oracle.runner"
local Score = require "oracle.score"

local M = {}

local clock = core.clock
local STARTS = 3 -- in a row, and people are told

-- The signals that end a program or dump its core, unless it handles them.
local DEADLY = { "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGALRM", "SIGTERM", "SIGPIPE" }

local function is_caught(pid, signal)
	local file = io.open(("/proc/%d/status"):format(pid))
	local text = file and file:read "*a" or ""
	if file then
		file:close()
	end
	local mask = {}
	for _, name in ipairs { "SigCgt", "SigIgn" } do
		mask[#mask + 1] = tonumber(text:match(name .. ":%s*%x*(%x%x%x%x%x%x%x%x)") or "0", 16)
	end
	local bit = 2 ^ (signal - 1)
	for _, value in ipairs(mask) do
		if math.floor(value / bit) % 2 == 1 then
			return true
		end
	end
	return false
end

local function describe(reason)
	local sc = reason.kind == "stop" and reason.sc
	if sc then
		return "it ended with exit status " .. tonumber(sc.args[1] % 256)
	elseif reason.kind == "exit" then
		return "it ended with exit status " .. reason.code
	elseif reason.kind == "signal" then
		return "it was ended by " .. reason.signal
	elseif reason.kind == "timeout" then
		return "it ran out of time"
	end
	return "it stopped: " .. reason.kind
end

-- What ends a run, each told to `self.last`.
local function arm_ends(self, session)
	if self.stop then
		self.stop:arm(session, STOP)
	end
	local regs = session:threads()[1].regs
	local at_entry = self.set.stop == "return"
	if self.set.stop == nil then
		local name = session:where(regs.rip)
		at_entry = name ~= nil and not name:find("+", 1, true)
	end
	if at_entry then
		local caller = session.mem.u64[regs.rsp]
		self.leaves = session:bp(caller, STOP, { when = ("rsp == 0x%x"):format(regs.rsp + 8) })
	end
end

-- Before anything has run, so that what hooks of system calls need is put in place at the beginning.
local function arm_endings(self, session)
	session:on("syscall", { "exit_group", "exit" }, function(sc)
		if sc.name == "exit_group" or #session:threads() == 1 then
			return STOP
		end
	end)
	for _, name in ipairs(DEADLY) do
		-- The run ends before it is delivered, and it is not to come in the next.
		local is_end
		session:on("signal", name, function()
			is_end = not is_caught(session.pid, SIG[name])
			return is_end and SUPPRESS or nil
		end)
		session:on("signal", name, function()
			if is_end then
				self.signal = name
				return STOP
			end
		end)
	end
end

local function address_of(self, session)
	local buffer = self.set.buffer
	if check.is_callable(buffer) then
		return check.address("oracle: buffer: what the function gave", buffer(session))
	elseif type(buffer) ~= "string" then
		return check.address("oracle: buffer", buffer)
	end
	local ok, value = pcall(function() return session:threads()[1].regs[buffer] end)
	if ok and number.is_wide(value) then
		return value
	end
	return session:sym(buffer)
end

local function let_go(self)
	if self.session and not self.session.ended then
		self.session:kill()
	end
	self.session, self.snap = nil, nil
end

-- Started, run to the place, everything armed there.
local function open(self)
	local set = self.set
	let_go(self)
	if self.input then
		self.feed(set.first or "")
	end
	local session = api.spawn(self.options)
	self.session = session
	arm_endings(self, session)
	if set.setup then
		set.setup(session)
	end
	local place = session:bp(set.snapshot, STOP)
	local reason = session:run(self.limit)
	if reason.kind ~= "stop" or not reason.breakpoint or reason.breakpoint.id ~= place.id then
		local why = describe(reason)
		let_go(self)
		check.fail("oracle: %s never came to %s, where its snapshot was to be taken: %s", set.program[1],
			Score.describe(set.snapshot), why)
	end
	place:remove()
	self.score:arm(session)
	if self.done then
		self.done:arm(session)
	end
	arm_ends(self, session)
	if self.input == nil then
		self.buffer, self.mem_write = address_of(self, session), session.mem.write
	end
	self.snap = session:snapshot()
end

-- How the run ended, from what run() gave.
local function fill(self, run, reason)
	runner.fill(run, reason)
	if reason.kind ~= "stop" then
		return
	end
	local breakpoint, sc = reason.breakpoint, reason.sc
	if sc then
		run.kind, run.code = "exit", tonumber(sc.args[1] % 256)
	elseif reason.event == "signal" then
		run.kind, run.signal = "signal", self.signal or "?"
	elseif breakpoint and self.leaves and breakpoint.id == self.leaves.id then
		local ret = reason.thread.regs.rax
		run.kind, run.ret, run.code = "return", ret, tonumber(ret % 256)
	end
end

local function run_once(self, guess)
	local run, session = self.run, self.session
	if self.buffer then
		self.mem_write(self.buffer, guess)
	else
		self.feed(guess)
	end
	if self.wants_output then
		self.out:clear()
		self.err:clear()
	end
	self.score:reset()
	if self.done then
		self.done:reset()
	end
	run.guess, run.session = guess, session
	local began = self.times and clock()
	fill(self, run, session:run(self.limit))
	run.seconds = began and clock() - began or 0
	if not self.is_sure then
		runner.missing(self)
		self.is_sure = true
	end
	return runner.judge(self, run)
end

local function put_back(self)
	if not self.snap or self.session.ended then
		open(self)
		return
	end
	local ok, why = pcall(self.snap.restore, self.snap)
	if ok then
		self.starts = 0
		return
	end
	self.starts = self.starts + 1
	if self.starts == STARTS and self.set.progress ~= "none" then
		io.stderr:write(("oracle: %s is started anew for each guess, since it cannot be put back: %s\n"):format(
			self.set.program[1], type(why) == "table" and why.message or tostring(why)))
	end
	open(self)
end

function M.new(set)
	local self = runner.base(set)
	self.starts = 0
	self.times = type(set.score) == "function" or type(set.score) == "table" and set.score.time
	local function run(guess)
		put_back(self)
		return run_once(self, guess)
	end
	return run, function() let_go(self) end
end

return M
