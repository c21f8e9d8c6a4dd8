-- ptrace - ptrace(2) as the kernel answers it to programs that nobody traces.
--
-- A thread that says PTRACE_TRACEME, or that another one attaches to, gets a link (tracee.lua): who its tracer is, as
-- far as the program knows. It stops for that one as the kernel would have it: in a hook of ours, at the signal, until
-- the tracer lets it go on.
--
--	            attach: SIGSTOP sent       a signal arrives              CONT, DETACH, KILL
--	   (none) ────────────────────→ running ────────────→ stopped ────────────────→ running or (none)
--	                                                      its tracer's wait tells

require("jit").off(true, true) -- see trace/decode.lua

local api = require "ptracehook"
local core = require "ptracehook.core"
local kernel = require "bypass.kernel"
local shared = require("bypass.part").shared
local tracee = require "bypass.tracee"

local M = {}

local TRACEME, CONT, KILL, SINGLESTEP, ATTACH, DETACH, SYSCALL = 0, 7, 8, 9, 16, 17, 24
local SEIZE, INTERRUPT, LISTEN = 0x4206, 0x4207, 0x4208
local EVENT_STOP = 128
local SIGKILL, SIGTRAP, SIGSTOP = 9, 5, 19
local WNOHANG, WEXITED, WSTOPPED, WNOWAIT, P_ALL, P_PID = 1, 4, 2, 0x1000000, 0, 1
local CLD_TRAPPED, SIGCHLD = 4, 17
local PERIOD = 0.0005 -- seconds from look to look, of who waits

local IGNORED = 0x08430000 -- unless caught: SIGCHLD, SIGCONT, SIGURG, SIGWINCH

local i32 = api.i32
local band, bnot, bor = bit.band, bit.bnot, bit.bor

local function stop_status(sig, event)
	return sig * 256 + 0x7f + (event or 0) * 65536
end

-- Of a process: its tracees, or those of them that a wait for `id` means (-1: any).
local function tracees_of(self, pid, id)
	local list = {}
	for _, link in pairs(self.links) do
		if link.tracer == pid and (id <= 0 or id == link.tid) then
			list[#list + 1] = link
		end
	end
	table.sort(list, function(a, b) return a.tid < b.tid end)
	return list
end

local function find_thread(session, tid)
	for _, thread in ipairs(session:threads()) do
		if thread.tid == tid then
			return thread
		end
	end
end

local function find_process(session, pid)
	for _, process in ipairs(session:processes()) do
		if process.pid == pid then
			return process
		end
	end
end

-- ---- Stops

-- In a hook of the thread's: it stands until its tracer lets it go on; gives what to do with the signal, 0: nothing.
local function stand(self, link, sig, code, event)
	link.stopped, link.told, link.resume = true, false, nil
	link.signal, link.code, link.status = sig, code, stop_status(sig, event)
	while not link.resume and self.links[link.tid] == link and not self.part.removed do
		api.sleep(PERIOD)
	end
	link.stopped = false
	local resume = link.resume or { signal = 0 }
	if resume.step then
		link.thread:step()
		return stand(self, link, SIGTRAP, 0)
	end
	return resume.signal
end

local function on_signal(self, thread, sig)
	local link = self.links[thread.tid]
	local answers_fault = link and shared(self.part.session).answers_fault
	if not link or answers_fault and answers_fault(thread, sig) then
		return nil
	end
	local number, event = sig.number, nil
	if number == SIGSTOP and link.interrupting then
		link.interrupting, number, event = nil, SIGTRAP, EVENT_STOP
	end
	local deliver = stand(self, link, number, sig.code, event)
	if deliver == 0 then
		return api.SUPPRESS
	end
	return deliver ~= sig.number and api.SIGNAL(deliver) or nil
end

local function release(self, link, sig)
	self.links[link.tid] = nil
	link.resume = { signal = sig or 0 }
end

local function on_exit(self, thread, reason)
	local link, pid = self.links[thread.tid], thread.process.pid
	self.outside[thread.tid] = nil
	if link then
		link.stopped, link.told = true, false
		link.status = reason.kind == "signal" and api.SIG[reason.signal] or (reason.code or 0) * 256
		link.ended = true
		-- Its parent hears of it from the kernel.
		if link.is_child then
			self.links[link.tid] = nil
		end
	end
	if thread.tid == pid then
		for _, own in ipairs(tracees_of(self, pid, -1)) do
			release(self, own)
		end
	end
end

-- ---- Requests

-- A thread of the tracer may wait already, in the kernel, which will tell it nothing: it waits anew, in on_wait4.
local function add_link(self, link)
	self.links[link.tid] = link
	local process = find_process(self.part.session, link.tracer)
	for _, thread in ipairs(process and process:threads() or {}) do
		core.interrupt(thread)
	end
end

local function traceme(self, sc)
	local thread = sc.thread
	if self.links[thread.tid] or self.outside[thread.tid] then
		return -api.E.EPERM, "PTRACE_TRACEME again: EPERM"
	end
	local parent = tonumber(kernel.status(thread.tid, "PPid"))
	if find_process(self.part.session, parent) then
		local link = tracee.new(thread, parent)
		link.is_child, link.execs = true, true
		add_link(self, link)
	else
		self.outside[thread.tid] = parent == kernel.pid and kernel.parent() or parent
	end
	return 0, "PTRACE_TRACEME: 0"
end

local function attach(self, sc, tid, seize)
	local own, thread = sc.thread.process, find_thread(self.part.session, tid)
	local what = seize and "PTRACE_SEIZE" or "PTRACE_ATTACH"
	if not thread then
		return nil
	elseif thread.process == own or self.links[tid] or self.outside[tid] then
		return -api.E.EPERM, ("%s to %d: EPERM"):format(what, tid)
	elseif seize and sc.args[3] ~= 0 then
		return -api.E.EIO, ("%s to %d: EIO"):format(what, tid)
	end
	local link = tracee.new(thread, own.pid)
	link.seized = seize
	link.is_child = tonumber(kernel.status(tid, "PPid")) == own.pid
	add_link(self, link)
	if not seize then
		kernel.signal_thread(thread.process.pid, tid, SIGSTOP)
	end
	return 0, ("%s to %d: 0"):format(what, tid)
end

local function interrupt(link)
	if not link.seized then
		return -api.E.EIO
	end
	if not link.stopped then
		link.interrupting = true
		kernel.signal_thread(link.thread.process.pid, link.tid, SIGSTOP)
	end
	return 0
end

local resumes = { [CONT] = true, [SYSCALL] = true, [LISTEN] = true, [SINGLESTEP] = true, [DETACH] = true }

local function request(self, sc, nr, link)
	if nr == INTERRUPT then
		return interrupt(link)
	elseif nr == KILL then
		kernel.signal_thread(link.thread.process.pid, link.tid, SIGKILL)
		return 0
	elseif not link.stopped or link.ended then
		return -api.E.ESRCH
	elseif nr == DETACH then
		release(self, link, i32(sc.args[4]))
		return 0
	elseif resumes[nr] then
		link.stopped = false
		link.resume = { signal = i32(sc.args[4]), step = nr == SINGLESTEP }
		return 0
	end
	local fn = tracee.requests[nr]
	if not fn then
		return -api.E.EIO
	end
	local ok, answer = pcall(fn, link, sc)
	return ok and (answer or 0) or -api.E.EIO
end

local function on_ptrace(self, sc)
	local nr, tid = tonumber(sc.args[1]), i32(sc.args[2])
	local answer, words
	if nr == TRACEME then
		answer, words = traceme(self, sc)
	elseif nr == ATTACH or nr == SEIZE then
		answer, words = attach(self, sc, tid, nr == SEIZE)
	else
		local link = self.links[tid]
		if link and link.tracer == sc.thread.process.pid then
			answer = request(self, sc, nr, link)
		elseif find_thread(self.part.session, tid) then
			answer = -api.E.ESRCH
		end
		words = answer and ("request %d to %d: %d"):format(nr, tid, answer)
	end
	if answer then
		self.part:note("%s", words)
		sc:skip(answer)
	end
end

-- ---- Waits

local function kernel_has_news(pid, id)
	for child in (kernel.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch "%d+" do
		local state = (id <= 0 or tonumber(child) == id) and kernel.status(child, "State")
		if state and state:find "^[ZX]" then
			return true
		end
	end
	return false
end

-- The mask in a field of status, 64 bits as two numbers.
local function mask(id, field)
	local text = kernel.status(id, field) or "0"
	return tonumber(text:sub(-8), 16) or 0, tonumber(text:sub(1, -9), 16) or 0
end

-- A signal that is neither blocked nor ignored waits for the thread: the call would be interrupted.
local function is_interrupted(tid)
	local blocked, blocked_high = mask(tid, "SigBlk")
	local caught = mask(tid, "SigCgt")
	local unheard = bor(blocked, band(IGNORED, bnot(caught)))
	for _, field in ipairs { "SigPnd", "ShdPnd" } do
		local low, high = mask(tid, field)
		if band(low, bnot(unheard)) ~= 0 or band(high, bnot(blocked_high)) ~= 0 then
			return true
		end
	end
	return false
end

-- The first of them that has something to tell.
local function news_of(links)
	for _, link in ipairs(links) do
		if link.stopped and not link.told then
			return link
		end
	end
end

local function told(self, link, keep)
	if keep then
		return
	end
	link.told = true
	if link.ended then
		self.links[link.tid] = nil
	end
end

-- What the wait has come to: a link with news, or a number that it returns; nil: the kernel answers.
local function wait_for(self, sc, id, options)
	local pid, tid = sc.thread.process.pid, sc.thread.tid
	while true do
		local links = tracees_of(self, pid, id)
		local link = news_of(links)
		if link then
			return link
		elseif #links == 0 or kernel_has_news(pid, id) then
			return nil
		elseif options % 2 == WNOHANG then
			return 0
		elseif is_interrupted(tid) then
			return -api.E.EINTR
		end
		api.sleep(PERIOD)
	end
end

local function on_wait4(self, sc)
	local id, options = i32(sc.args[1]), tonumber(sc.args[3])
	local news = #tracees_of(self, sc.thread.process.pid, id) > 0 and wait_for(self, sc, id, options)
	if not news then
		return
	elseif type(news) == "number" then
		sc:skip(news)
		return
	end
	if sc.args[2] ~= 0 and not pcall(function() sc.thread.mem.u32[sc.args[2]] = news.status end) then
		sc:skip(-api.E.EFAULT)
		return
	end
	told(self, news)
	self.part:note("wait4 tells of %d", news.tid)
	sc:skip(news.tid)
end

local function fill_siginfo(sc, link)
	local mem, at = sc.thread.mem, sc.args[3]
	mem.write(at, ("\0"):rep(128))
	mem.u32[at] = SIGCHLD
	mem.u32[at + 8] = link.ended and 1 or CLD_TRAPPED
	mem.u32[at + 16] = link.tid
	mem.u32[at + 24] = math.floor(link.status / 256)
end

local function on_waitid(self, sc)
	local kind, options = i32(sc.args[1]), tonumber(sc.args[4])
	local id = kind == P_PID and i32(sc.args[2]) or -1
	if kind ~= P_ALL and kind ~= P_PID or band(options, WSTOPPED + WEXITED) == 0 or
		#tracees_of(self, sc.thread.process.pid, id) == 0 then
		return
	end
	local news = wait_for(self, sc, id, options)
	if type(news) == "number" then
		sc:skip(news)
	elseif news then
		if sc.args[3] ~= 0 and not pcall(fill_siginfo, sc, news) then
			sc:skip(-api.E.EFAULT)
			return
		end
		told(self, news, band(options, WNOWAIT) ~= 0)
		self.part:note("waitid tells of %d", news.tid)
		sc:skip(0)
	end
end

function M.setup(part)
	local self = { part = part, links = {}, outside = {} }
	shared(part.session).tracees = self
	part:on("syscall", "ptrace", { enter = function(sc) on_ptrace(self, sc) end })
	part:on("syscall", "wait4", { enter = function(sc) on_wait4(self, sc) end })
	part:on("syscall", "waitid", { enter = function(sc) on_waitid(self, sc) end })
	part:on("signal", nil, function(thread, sig) return on_signal(self, thread, sig) end)
	part:on("exec", nil, function(thread)
		local link = self.links[thread.tid]
		if link and link.execs then
			stand(self, link, SIGTRAP, 0)
		end
	end)
	part:on("thread_exit", nil, function(thread, reason) on_exit(self, thread, reason) end)
end

return M
