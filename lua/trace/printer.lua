-- printer - lines of several threads in one stream, as strace writes them.
--
-- A call's line begins when the call does and is ended when that ends; when another thread has something to say in
-- between, it is left with "<unfinished ...>" and taken up again with "<... read resumed>". What a line says comes from
-- decode.lua. Knows neither sessions nor hooks: it is told what happened.

require("jit").off(true, true) -- see decode.lua

local clock = require "trace.clock"
local decode = require "trace.decode"

local M = {}

local format = string.format

local Printer = {}
Printer.__index = Printer

-- options: write(text), columns (where results stand), pids ("always", "auto": when there are several threads, or nil),
-- time ("clock", "micro", "unix", "relative" or nil), spent (whether to show how long a call took).
function M.new(options)
	return setmetatable({
		write = options.write, columns = options.columns or 40, pids = options.pids, time = options.time,
		spent = options.spent, column = 0, open = {}, living = {}, count = 0,
		pieces = {}, size = 0,
	}, Printer)
end

-- ---- Threads: how many there are decides whether lines say whose they are

function Printer:born(tid)
	if not self.living[tid] then
		self.living[tid] = true
		self.count = self.count + 1
	end
end

function Printer:gone(tid)
	if self.living[tid] then
		self.living[tid] = nil
		self.count = self.count - 1
	end
	self.open[tid] = nil
end

-- ---- Pieces of lines

-- Pieces are gathered, and written at the end of what happened: a call that blocks stands there with what is known.
local function add(self, text)
	self.size = self.size + 1
	self.pieces[self.size] = text
end

local function put(self, text)
	self.column = self.column + #text
	add(self, text)
end

local function flush(self)
	if self.size > 0 then
		local text = table.concat(self.pieces, "", 1, self.size)
		self.size = 0
		self.write(text)
	end
end

local function stamp(self)
	local seconds, micro = clock.now()
	if self.time == "clock" then
		return os.date("%H:%M:%S ", seconds)
	elseif self.time == "micro" then
		return os.date("%H:%M:%S", seconds) .. format(".%06d ", micro)
	elseif self.time == "unix" then
		return format("%d.%06d ", seconds, micro)
	end
	local before = self.before or { seconds, micro }
	local passed = (seconds - before[1]) * 1000000 + micro - before[2]
	self.before = { seconds, micro }
	return format("%6d.%06d ", math.floor(passed / 1000000), passed % 1000000)
end

-- Begins a line of this thread; one that another left open is cut.
local function begin(self, tid)
	if self.column > 0 then
		add(self, " <unfinished ...>\n")
	end
	self.current, self.column = tid, 0
	if self.pids == "always" then
		put(self, format("%-5d ", tid))
	elseif self.pids == "auto" and self.count > 1 then
		put(self, format("[pid %5d] ", tid))
	end
	if self.time then
		put(self, stamp(self))
	end
end

local function finish(self)
	add(self, "\n")
	self.column, self.current = 0, nil
end

-- On with the line of a call, which may have been cut.
local function resume(self, tid, call)
	if self.current ~= tid or self.column == 0 then
		begin(self, tid)
		put(self, "<... " .. call.name .. " resumed>")
	end
end

local function result(self, words)
	put(self, ") ")
	if self.column < self.columns then
		put(self, (" "):rep(self.columns - self.column))
	end
	put(self, "= " .. words)
end

-- ---- What happened

function Printer:enter(tid, call)
	self:born(tid)
	self.open[tid] = call
	begin(self, tid)
	put(self, call.name .. "(" .. decode.enter(call))
	flush(self)
	call.began = clock.seconds()
end

-- remark: behind the result, "(INJECTED)".
function Printer:leave(tid, call, remark)
	local spent = self.spent and clock.seconds() - call.began
	self.open[tid] = nil
	resume(self, tid, call)
	put(self, decode.leave(call))
	result(self, decode.result(call))
	if remark then
		put(self, " " .. remark)
	end
	if spent then
		put(self, format(" <%.6f>", spent))
	end
	finish(self)
	flush(self)
end

-- The thread ends, perhaps inside a call that will not return.
function Printer:ended(tid, words)
	local call = self.open[tid]
	if call then
		resume(self, tid, call)
		if not decode.is_whole(call) then
			put(self, " <unfinished ...>")
		end
		result(self, "?")
		finish(self)
	end
	begin(self, tid)
	put(self, "+++ " .. words .. " +++")
	finish(self)
	flush(self)
	self:gone(tid)
end

-- A call that is over.
function Printer:whole(tid, words, returned)
	begin(self, tid)
	put(self, words)
	result(self, returned)
	finish(self)
	flush(self)
end

-- An exec of thread `by` ends the leader, whose id it has from here on.
function Printer:superseded(leader, by)
	if self.current == by and self.column > 0 then
		put(self, format(" <pid changed to %d ...>", leader))
		finish(self)
	end
	self:line(leader, format("+++ superseded by execve in pid %d +++", by))
	self:gone(by)
end

function Printer:line(tid, words)
	begin(self, tid)
	put(self, words)
	finish(self)
	flush(self)
end

-- A line that belongs to the one before.
function Printer:below(words)
	self.write(words .. "\n")
end

-- Nothing more will come: a line that is open is ended as strace does when it lets go.
function Printer:close()
	if self.column > 0 then
		self.write " <detached ...>\n"
		self.column = 0
	end
end

return M
