-- clock - time as a target would have it without a tracer, or as a script wants it.
--
-- One time line for the whole session, in nanoseconds since it was begun. It advances by
--   - what the program's processes ran, as the kernel accounts it, less what our stops cost;
--   - what they waited in system calls, and no thread stood in a hook;
--   - one step for each look at it, so that it never stands still, and after many looks on end by larger ones: a
--     program that does nothing but wait for a moment gets there;
-- and not while a thread stands in a hook or before a prompt. Clocks of the kernel and the counter of the CPU are
-- that, added to what they were.

require("jit").off(true, true) -- see trace/decode.lua

local api = require "ptracehook"
local core = require "ptracehook.core"
local number = require "ptracehook.number"
local kernel = require "bypass.kernel"
local shared = require("bypass.part").shared
local waits = require "bypass.waits"

local M = {}

local STEP = 25			-- between two looks
local STOP_COST = 8000		-- of the kernel's time for one of our stops, booked on the thread
local NOISE = 100000		-- less than that since the last look is not told from it
local PATIENCE, STEP_MAX = 2000, 10000000 -- looks on end until the step doubles, and how far
local CLOCKS = { [0] = true, true, [4] = true, [5] = true, [6] = true, [7] = true, [8] = true, [9] = true, [11] = true }
local REALTIME_CLOCKS = { [0] = true, [5] = true, [8] = true, [11] = true } -- REALTIME, its relatives, TAI

local methods = {}
local meta = { __index = methods }

-- The frequency of the counter, about: what a program can measure is that of our time line.
local function frequency()
	local text = kernel.read "/proc/cpuinfo" or ""
	return (tonumber(text:match "cpu MHz%s*:%s*([%d.]+)") or 2000) / 1000
end

function methods:stops()
	return self.session.ended and 0 or self.session:stats().stops
end

-- What the process ran since it was last looked at.
function methods:worked(pid)
	local cpu = kernel.clock(kernel.cpu_clock(pid))
	local before = self.cpu[pid]
	self.cpu[pid] = cpu
	local stops = self:stops()
	local cost = (stops - self.last_stops) * STOP_COST
	self.last_stops = stops
	return cpu and before and math.max(0, cpu - before - cost) or 0
end

-- A look of a process's at the time: the time line, moved on.
function methods:look(pid)
	local worked = self:worked(pid)
	if worked > NOISE then
		self.now = self.now + worked * self.rate
		self.looks, self.step = 0, self.first_step
	end
	self.looks = self.looks + 1
	if self.looks > PATIENCE and self.step > 0 then
		self.looks, self.step = 0, math.min(self.step * 2, STEP_MAX)
	end
	self.now = self.now + self.step
	return self.now
end

-- It is one of those that follow the time line.
function methods.has(_, id)
	return CLOCKS[id] ~= nil
end

-- Something has taken nanoseconds since the time line stood there.
function methods:pass(since, nanoseconds)
	if nanoseconds > NOISE then
		self.now = math.max(self.now, since + nanoseconds * self.rate)
		self.looks, self.step = 0, self.first_step
	end
end

-- What a clock showed when the time line began: seconds, and nanoseconds beside them, which a number would round.
function methods:base(id)
	if REALTIME_CLOCKS[id] and self.at then
		return math.floor(self.at), self.at % 1 * 1e9
	elseif not self.bases[id] then
		local seconds, nanoseconds = kernel.clock_parts(id)
		self.bases[id] = { seconds or 0, (nanoseconds or 0) - (kernel.clock(kernel.MONOTONIC) - self.began) }
	end
	return self.bases[id][1], self.bases[id][2]
end

-- Seconds and nanoseconds that a clock shows, or nil for one that is left alone.
function methods:read(id, pid)
	if not CLOCKS[id] then
		return nil
	end
	local seconds, nanoseconds = self:base(id)
	nanoseconds = math.floor(nanoseconds + self:look(pid))
	return seconds + math.floor(nanoseconds / 1e9), nanoseconds % 1e9
end

function methods:counter(pid)
	local ticks = (self.began + self:look(pid)) * self.ticks
	return number.u64(math.floor(ticks))
end

-- What a script wants of it; nil: as it is. at: seconds since 1970 that it is now.
function methods:set(at, rate, step, skips_sleep)
	if at then
		self.at = at - self.now / 1e9
	end
	if step then
		self.first_step, self.step = step * 1e9, step * 1e9
	end
	self.rate = rate or self.rate
	if skips_sleep ~= nil then
		self.skips_sleep = skips_sleep
	end
end

-- ---- System calls

local function write_time(mem, at, first, second)
	mem.u64[at] = first
	mem.u64[at + 8] = second
end

local function answer(part, sc, fn)
	local ok = pcall(fn, sc.thread.mem)
	part:note("%s", sc.name)
	sc:skip(ok and 0 or -api.E.EFAULT)
end

local function on_clock_gettime(self, part, sc)
	if sc.arch ~= "x86_64" then
		return
	end
	local seconds, nanoseconds = self:read(api.i32(sc.args[1]), sc.thread.process.pid)
	if seconds then
		answer(part, sc, function(mem) write_time(mem, sc.args[2], seconds, nanoseconds) end)
	end
end

local function on_gettimeofday(self, part, sc)
	if sc.arch ~= "x86_64" or sc.args[1] == 0 then
		return
	end
	local seconds, nanoseconds = self:read(kernel.REALTIME, sc.thread.process.pid)
	answer(part, sc, function(mem)
		write_time(mem, sc.args[1], seconds, math.floor(nanoseconds / 1000))
		if sc.args[2] ~= 0 then
			mem.u64[sc.args[2]] = 0
		end
	end)
end

local function on_time(self, part, sc)
	local seconds = self:read(kernel.REALTIME, sc.thread.process.pid)
	part:note "time"
	local width = sc.arch == "i386" and "u32" or "u64"
	if sc.args[1] ~= 0 and not pcall(function() sc.thread.mem[width][sc.args[1]] = seconds end) then
		sc:skip(-api.E.EFAULT)
		return
	end
	sc:skip(seconds)
end

-- ---- The counter of the CPU, which raises SIGSEGV for it (prctl(2), PR_SET_TSC)

-- The size of the instruction, and whether it is rdtscp; nil when it is neither.
local function counter_instruction(bytes)
	local prefixes = bytes:match "^[\x66\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x40-\x4f]*"
	local rest = bytes:sub(#prefixes + 1)
	if rest:sub(1, 2) == "\x0f\x31" then
		return #prefixes + 2, false
	elseif rest:sub(1, 3) == "\x0f\x01\xf9" then
		return #prefixes + 3, true
	end
end

-- The CPU that a thread ran on last (proc_pid_stat(5)).
local function cpu_of(tid)
	local rest = (kernel.read(("/proc/%d/stat"):format(tid)) or ""):match "^.*%) (.*)$"
	local n = 2
	for field in (rest or ""):gmatch "%S+" do
		n = n + 1
		if n == 39 then
			return tonumber(field)
		end
	end
	return 0
end

local SI_KERNEL = 128

-- The instruction's size, and whether it is rdtscp, when it is what raised the signal.
local function look_at_counter(thread, sig)
	if sig.number ~= api.SIG.SIGSEGV or sig.code ~= SI_KERNEL then
		return nil
	end
	local at, bytes = thread.regs.rip, nil
	for _, n in ipairs { 15, 3, 2 } do -- the memory may end behind it
		local ok, read = pcall(thread.mem.read, at, n)
		bytes = bytes or ok and read
	end
	return counter_instruction(bytes or "")
end

local function on_fault(self, part, thread, sig)
	local size, with_cpu = look_at_counter(thread, sig)
	if not size then
		return nil
	end
	local regs = thread.regs
	local value = self:counter(thread.process.pid)
	regs.rax, regs.rdx = value % 2 ^ 32, value / 2 ^ 32
	if with_cpu then
		regs.rcx = cpu_of(thread.tid)
	end
	regs.rip = regs.rip + size
	part:note(with_cpu and "rdtscp" or "rdtsc")
	self.answered[thread.tid] = regs.rip
	return api.SUPPRESS
end

-- ---- The vDSO's functions, which would read the counter: system calls in their place

local IN_VDSO = { __vdso_clock_gettime = "clock_gettime", __vdso_gettimeofday = "gettimeofday", __vdso_time = "time" }

-- Where they are in the vDSO, which is one for all programs.
local function offsets_in_vdso(session)
	local base, offsets = kernel.vdso(session.pid), {}
	for name, call in pairs(IN_VDSO) do
		local at = base and session:find_sym("[vdso]!" .. name)
		offsets[call] = at and at - base
	end
	return offsets
end

local function patch_vdso(self, process)
	local base = kernel.vdso(process.pid)
	for call, offset in pairs(base and self.offsets or {}) do
		self.patches[#self.patches + 1] = self.session:patch(base + offset,
			api.asm(("mov eax, %d; syscall; ret"):format(api.SYS[call])))
	end
end

-- ---- Starting

local function handle_calls(self, part)
	local function bound(fn)
		return function(sc) fn(self, part, sc) end
	end
	part:on("syscall", "clock_gettime", { enter = bound(on_clock_gettime) })
	part:on("syscall", "gettimeofday", { enter = bound(on_gettimeofday) })
	part:on("syscall", "time", { enter = bound(on_time) })
	waits.handle(self, part)
end

-- Starts the time line of the part's session.
function M.start(part)
	local session = part.session
	local self = setmetatable({
		session = session, began = kernel.clock(kernel.MONOTONIC), now = 0, rate = 1, first_step = STEP, step = STEP,
		looks = 0, ticks = frequency(), bases = {}, cpu = {}, waits = {}, answered = {}, last_stops = session:stats().stops,
		patches = {}, offsets = offsets_in_vdso(session),
	}, meta)
	core.trap_tsc(session, true)
	part:undo(function() core.trap_tsc(session, false) end)
	part:undo(function()
		for _, patch in ipairs(self.patches) do
			if patch.active then
				patch:restore()
			end
		end
	end)
	-- For those that tell the program of its signals: this one is none. They may be asked before us, or after.
	shared(session).answers_fault = function(thread, sig)
		local after = sig.number == api.SIG.SIGSEGV and self.answered[thread.tid]
		return not part.removed and (after == thread.regs.rip or look_at_counter(thread, sig) ~= nil)
	end
	patch_vdso(self, session.process)
	part:on("exec", nil, function(thread) patch_vdso(self, thread.process) end)
	part:on("signal", "SIGSEGV", function(thread, sig) return on_fault(self, part, thread, sig) end)
	handle_calls(self, part)
	part.clock = self
end

return M
