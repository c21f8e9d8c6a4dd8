-- kernel - what this library asks the kernel for itself: /proc, clocks, signals. As seen by the tracer.

require("jit").off(true, true) -- see trace/decode.lua

local ffi = require "ffi"

local M = {}

-- Under names of our own: scripts may declare these functions as they like.
ffi.cdef [[
long ptracehook_bypass_readlink(const char *, char *, size_t) __asm__("readlink");
int ptracehook_bypass_clock_gettime(int, int64_t *) __asm__("clock_gettime");
int ptracehook_bypass_getpid(void) __asm__("getpid");
int ptracehook_bypass_getppid(void) __asm__("getppid");
long ptracehook_bypass_syscall(long, long, long, long) __asm__("syscall");
]]

local C = ffi.C
local buffer = ffi.new "char[4096]"
local time = ffi.new "int64_t[2]"

M.REALTIME, M.MONOTONIC = 0, 1
local SYS_TGKILL = 234

M.pid = C.ptracehook_bypass_getpid()

function M.parent()
	return C.ptracehook_bypass_getppid()
end

-- What a link says, or nil.
function M.readlink(path)
	local n = C.ptracehook_bypass_readlink(path, buffer, ffi.sizeof(buffer))
	return n >= 0 and ffi.string(buffer, n) or nil
end

-- The path behind a descriptor of a thread's, or nil.
function M.path_of(tid, fd)
	return M.readlink(("/proc/%d/fd/%d"):format(tid, fd))
end

-- A whole file, or nil.
function M.read(path)
	local file = io.open(path, "rb")
	local bytes = file and file:read "*a"
	if file then
		file:close()
	end
	return bytes
end

-- Where the next read from a descriptor begins, or nil.
function M.position(tid, fd)
	local text = M.read(("/proc/%d/fdinfo/%d"):format(tid, fd))
	return text and tonumber(text:match "pos:%s*(%d+)")
end

-- A field of /proc/ID/status, or nil.
function M.status(id, field)
	local text = M.read(("/proc/%s/status"):format(id))
	return text and text:match("\n" .. field .. ":%s*([^\n]*)")
end

-- Whose file in /proc this is: the thread's id, or nil.
function M.owner(path)
	return tonumber(path:match "/task/(%d+)/" or path:match "^/proc/(%d+)/")
end

function M.is_traced_by_us(id)
	return id ~= nil and tonumber(M.status(id, "TracerPid")) == M.pid
end

-- Nanoseconds as a number, or nil where there is no such clock: exact for a hundred days, and close enough past them.
function M.clock(id)
	if C.ptracehook_bypass_clock_gettime(id, time) ~= 0 then
		return nil
	end
	return tonumber(time[0]) * 1e9 + tonumber(time[1])
end

-- Seconds and nanoseconds, or nil.
function M.clock_parts(id)
	if C.ptracehook_bypass_clock_gettime(id, time) ~= 0 then
		return nil
	end
	return tonumber(time[0]), tonumber(time[1])
end

-- The clock of a descriptor of timerfd_create(2), or nil.
function M.timer_clock(tid, fd)
	local text = M.read(("/proc/%d/fdinfo/%d"):format(tid, fd))
	return text and tonumber(text:match "clockid:%s*(%d+)")
end

-- The clock of the time that a process has run (kernel/time/posix-cpu-timers.c).
function M.cpu_clock(pid)
	return (-pid - 1) * 8 + 2
end

-- What the kernel told a program when it began (getauxval(3)), by kind: an uint64_t, or nil.
function M.auxiliary(pid, kind)
	local bytes = M.read(("/proc/%d/auxv"):format(pid)) or ""
	local words = ffi.cast("const uint64_t *", bytes)
	for i = 0, #bytes / 16 - 1 do
		if words[i * 2] == kind then
			return words[i * 2 + 1]
		end
	end
end

local AT_SYSINFO_EHDR = 33

function M.vdso(pid)
	return M.auxiliary(pid, AT_SYSINFO_EHDR)
end

local AT_BASE, AT_ENTRY, E_ENTRY = 7, 9, 24

-- Whether a process's program has not run yet: it stands at the entry of its dynamic linker, or at its own.
function M.is_new(process)
	local base, entry = M.auxiliary(process.pid, AT_BASE), M.auxiliary(process.pid, AT_ENTRY)
	local ok, is = pcall(function()
		return process.regs.rip == (base and base ~= 0 and base + process.mem.u64[base + E_ENTRY] or entry)
	end)
	return ok and is
end

function M.signal_thread(pid, tid, sig)
	return C.ptracehook_bypass_syscall(SYS_TGKILL, pid, tid, sig) == 0
end

return M
