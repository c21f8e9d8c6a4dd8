-- waits - system calls that wait: what they take of a session's time line (clock.lua), and until when.

require("jit").off(true, true) -- see trace/decode.lua

local ffi = require "ffi"
local api = require "ptracehook"
local core = require "ptracehook.core"
local kernel = require "bypass.kernel"

local M = {}

local WAKE_COST = 20000 -- until we hear of a stop, and the thread goes on
local WAITS = {
	"nanosleep", "clock_nanosleep", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"wait4", "waitid", "pause", "futex", "rt_sigsuspend", "rt_sigtimedwait", "semtimedop", "mq_timedreceive", "msgrcv",
	"read", "readv", "recvfrom", "recvmsg", "accept", "accept4", "connect", "flock", "io_getevents",
}

-- The length in a struct timespec, or timeval when unit is 1000, or nil.
local function length_at(mem, at, unit)
	local ok, length = pcall(function()
		return tonumber(mem.i64[at]) * 1e9 + tonumber(mem.i64[at + 8]) * (unit or 1)
	end)
	return at ~= 0 and ok and length or nil
end

local function milliseconds(value)
	local n = api.i32(value)
	return n >= 0 and n * 1e6 or nil
end

-- Moments that system calls wait for are the program's; the kernel is given its own. By call: the argument that points
-- to the moment, where in that it stands, and the clock that it is of; nil: it is a length of time.
local FUTEX_REALTIME = 256
local FUTEX_MOMENTS = { [9] = true, [11] = true, [13] = true, [6] = kernel.REALTIME } -- WAIT_BITSET, …, LOCK_PI
local moments = {
	clock_nanosleep = function(sc)
		return api.i32(sc.args[2]) % 2 == 1 and api.i32(sc.args[1]) or nil, 3, 0 -- TIMER_ABSTIME
	end,
	timerfd_settime = function(sc)
		local id = api.i32(sc.args[2]) % 2 == 1 and kernel.timer_clock(sc.thread.tid, api.i32(sc.args[1]))
		return id or nil, 3, 16 -- TFD_TIMER_ABSTIME; it_value
	end,
	futex = function(sc)
		local op = tonumber(sc.args[2]) % 512
		local kind = FUTEX_MOMENTS[op % 128]
		local id = kind == true and (op >= FUTEX_REALTIME and kernel.REALTIME or kernel.MONOTONIC) or kind
		return id or nil, 4, 0
	end,
	mq_timedreceive = function() return kernel.REALTIME, 5, 0 end,
	mq_timedsend = function() return kernel.REALTIME, 5, 0 end,
}

-- By call: nanoseconds that it waits at most, or nil: for ever, or until a moment.
local lengths = {
	nanosleep = function(sc, mem) return length_at(mem, sc.args[1]) end,
	clock_nanosleep = function(sc, mem)
		return api.i32(sc.args[2]) % 2 == 0 and length_at(mem, sc.args[3]) or nil
	end,
	poll = function(sc) return milliseconds(sc.args[3]) end,
	epoll_wait = function(sc) return milliseconds(sc.args[4]) end,
	epoll_pwait = function(sc) return milliseconds(sc.args[4]) end,
	ppoll = function(sc, mem) return length_at(mem, sc.args[3]) end,
	epoll_pwait2 = function(sc, mem) return length_at(mem, sc.args[4]) end,
	select = function(sc, mem) return length_at(mem, sc.args[5], 1000) end,
	pselect6 = function(sc, mem) return length_at(mem, sc.args[5]) end,
	rt_sigtimedwait = function(sc, mem) return length_at(mem, sc.args[3]) end,
	futex = function(sc, mem)
		return tonumber(sc.args[2]) % 128 == 0 and length_at(mem, sc.args[4]) or nil -- FUTEX_WAIT
	end,
}

local ENDED_BY_TIME = { futex = -api.E.ETIMEDOUT, rt_sigtimedwait = -api.E.EAGAIN }

-- The moment that a call waits for, by the program's clocks: where it stands, its bytes, its clock, seconds and
-- nanoseconds; nil when it is none, or nonsense.
local function moment_of(self, sc)
	local find = sc.arch == "x86_64" and moments[sc.name]
	local id, place, offset
	if find then
		id, place, offset = find(sc)
	end
	if not id or not self:has(id) or sc.args[place] == 0 then
		return nil
	end
	local ok, bytes = pcall(sc.thread.mem.read, sc.args[place], offset + 16)
	if not ok then
		return nil
	end
	local words = ffi.cast("int64_t *", ffi.cast("char *", bytes) + offset)
	local seconds, nanoseconds = tonumber(words[0]), tonumber(words[1])
	if seconds < 0 or nanoseconds < 0 or nanoseconds >= 1e9 or seconds == 0 and nanoseconds == 0 then
		return nil
	end
	return { place = place, head = bytes:sub(1, offset), clock = id, seconds = seconds, nanoseconds = nanoseconds }
end

-- Nanoseconds until then, on the time line.
local function until_then(self, moment)
	local seconds, nanoseconds = self:base(moment.clock)
	return (moment.seconds - seconds) * 1e9 + moment.nanoseconds - nanoseconds - self.now
end

local function length_of(self, sc)
	local moment = moment_of(self, sc)
	if moment then
		return until_then(self, moment)
	end
	return sc.arch == "x86_64" and lengths[sc.name] and lengths[sc.name](sc, sc.thread.mem) or 0
end

local function begin_wait(self, sc)
	self.waits[sc.thread.tid] = {
		free = core.free_time(self.session), stops = self:stops(), now = self.now, length = length_of(self, sc),
	}
end

-- Whoever waited until something happened waited also while threads stood in hooks of ours; that is no time at all.
-- What a thread did that another one waited for is accounted already. A wait that lasted as long as it was to did so.
local function end_wait(self, sc)
	local began = self.waits[sc.thread.tid]
	self.waits[sc.thread.tid] = nil
	if not began then
		return
	end
	local stopped = (self:stops() - began.stops) * WAKE_COST
	local waited = sc.name == "futex" and 0 or math.max(0, core.free_time(self.session) - began.free - stopped)
	if sc.ret == (ENDED_BY_TIME[sc.name] or 0) then
		waited = math.max(waited, began.length)
	end
	self:pass(began.now, waited)
end

local function translate(self, sc)
	local moment = moment_of(self, sc)
	if not moment then
		return
	end
	local seconds, nanoseconds = kernel.clock_parts(moment.clock)
	nanoseconds = nanoseconds + math.max(0, until_then(self, moment))
	local new = ffi.new("int64_t[2]", seconds + math.floor(nanoseconds / 1e9), nanoseconds % 1e9)
	sc:set_buf(moment.place, moment.head .. ffi.string(new, 16))
end

-- Answers a sleep at once, and has the time gone by.
local function skip_sleep(self, part, sc)
	if sc.arch ~= "x86_64" then
		return
	end
	local wanted = length_of(self, sc)
	self.now = self.now + math.max(0, wanted)
	part:note("%s of %.3f s skipped", sc.name, wanted / 1e9)
	sc:skip(0)
end

-- ---- Handlers

function M.handle(self, part)
	part:on("syscall", WAITS, {
		enter = function(sc) begin_wait(self, sc) end, leave = function(sc) end_wait(self, sc) end,
	})
	part:on("syscall", { "nanosleep", "clock_nanosleep" }, { enter = function(sc)
		if self.skips_sleep then
			skip_sleep(self, part, sc)
		end
	end })
	local names = {}
	for name in pairs(moments) do
		names[#names + 1] = name
	end
	part:on("syscall", names, { enter = function(sc)
		if not self.skips_sleep or sc.name ~= "clock_nanosleep" then
			translate(self, sc)
		end
	end })
end

return M
