-- process - what a program asks about itself: prctl, descriptors, its number.

require("jit").off(true, true) -- see trace/decode.lua

local api = require "ptracehook"
local check = require "ptracehook.check"
local core = require "ptracehook.core"
local kernel = require "bypass.kernel"
local number = require "ptracehook.number"

local M = {}

local i32 = api.i32

-- ---- prctl(2)

local GET_DUMPABLE, SET_DUMPABLE, GET_SECCOMP, GET_TSC, SET_TSC, GET_NO_NEW_PRIVS = 3, 4, 21, 25, 26, 39
local TSC_ENABLE = 1

-- Number of filters that are the program's own; nil where the kernel does not say.
local function own_filters(part, tid)
	local n = tonumber(kernel.status(tid, "Seccomp_filters"))
	return n and n - (core.has_filter(part.session) and 1 or 0)
end

local questions = {
	[GET_DUMPABLE] = function(part, sc) return part.dumpable[sc.thread.process.pid] end,
	-- A tracer that is not root could not read its memory any more.
	[SET_DUMPABLE] = function(part, sc)
		if sc.args[2] ~= 0 then
			part.dumpable[sc.thread.process.pid] = nil
			return nil
		end
		part.dumpable[sc.thread.process.pid] = 0
		return 0
	end,
	[GET_SECCOMP] = function(part, sc) return own_filters(part, sc.thread.tid) == 0 and 0 or nil end,
	[GET_NO_NEW_PRIVS] = function(part, sc)
		return own_filters(part, sc.thread.tid) == 0 and tonumber(kernel.status("self", "NoNewPrivs")) or nil
	end,
	[GET_TSC] = function(_, sc)
		return pcall(function() sc.thread.mem.u32[sc.args[2]] = TSC_ENABLE end) and 0 or -api.E.EFAULT
	end,
	[SET_TSC] = function(_, sc) return sc.args[2] == TSC_ENABLE and 0 or nil end,
}

local ASK, NO_RANDOMIZE = 0xffffffff, 0x0040000

-- Addresses that are not random since a debugger wants them so.
local function personality(part)
	local own = {}
	part:on("syscall", "personality", { leave = function(sc)
		local pid, wanted = sc.thread.process.pid, tonumber(sc.args[1] % 2 ^ 32)
		if sc.ret >= 0 and not own[pid] and bit.band(tonumber(sc.ret), NO_RANDOMIZE) ~= 0 then
			part:note "personality"
			sc.ret = sc.ret - NO_RANDOMIZE
		end
		own[pid] = own[pid] or wanted ~= ASK or nil
	end })
end

function M.prctl(part)
	part.dumpable = {}
	personality(part)
	part:on("syscall", "prctl", { enter = function(sc)
		local answer = questions[i32(sc.args[1])]
		local ret = answer and answer(part, sc)
		if ret then
			part:note("request %d: %d", i32(sc.args[1]), ret)
			sc:skip(ret)
		end
	end })
	part:on("exec", nil, function(thread) part.dumpable[thread.process.pid] = nil end)
end

-- ---- Descriptors

-- Closes what a program that has not run yet was given beside its standard streams.
function M.descriptors(part)
	local process = part.session.process
	if not kernel.is_new(process) then
		return
	end
	for fd = 3, 1023 do
		local path = kernel.path_of(process.pid, fd)
		if path and part.session.syscall.close(fd) == 0 then
			part:note("%d, %s", fd, path)
		end
	end
end

-- ---- getpid

-- By name: the places of a process's number among the arguments.
local PID_CALLS = {
	kill = 1, tgkill = 1, rt_sigqueueinfo = 1, rt_tgsigqueueinfo = 1, getpgid = 1, getsid = 1, setpgid = 1, pidfd_open = 1,
	sched_getaffinity = 1, sched_setaffinity = 1, process_vm_readv = 1, process_vm_writev = 1, prlimit64 = 1,
}
local PATH_CALLS = { open = 1, stat = 1, lstat = 1, access = 1, readlink = 1, openat = 2, newfstatat = 2,
	readlinkat = 2, statx = 2 }

local function names_of(calls)
	local names = {}
	for name in pairs(calls) do
		names[#names + 1] = name
	end
	return names
end

local function check_pid(pid)
	local ok, n = pcall(number.count, pid, "pid")
	if not ok or n < 1 or n >= 2 ^ 22 then
		check.fail("bypass.pid: a process's number from 1 to 4194303 expected, got %s", number.show(pid))
	end
	return n
end

-- getpid gives `pid`; calls and paths that name it mean the process that it was given to.
function M.pid(part, pid)
	pid = check_pid(pid)
	local real = part.session.pid
	part:on("syscall", "getpid", { leave = function(sc)
		if sc.thread.process.pid == real then
			part:note("getpid gives %d", pid)
			sc.ret = pid
		end
	end })
	part:on("syscall", names_of(PID_CALLS), { enter = function(sc)
		if i32(sc.args[1]) == pid then
			sc.args[1] = real
		end
	end })
	part:on("syscall", names_of(PATH_CALLS), { enter = function(sc)
		local at = PATH_CALLS[sc.name]
		local rest = (sc:str(at) or ""):match("^/proc/" .. pid .. "(.*)$")
		if rest and (rest == "" or rest:sub(1, 1) == "/") then
			sc:set_str(at, ("/proc/%d%s"):format(real, rest))
		end
	end })
end

return M
