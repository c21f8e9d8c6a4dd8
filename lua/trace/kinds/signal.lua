-- signal - signals, their sets, handlers and information.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local api = require "ptracehook"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr

local RTMIN = 32
local names = {}
for name in ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN "
	.. "TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"):gmatch "%S+" do
	names[#names + 1] = name
end
names[RTMIN] = "RTMIN"

-- The kernel's numbers from 32 on; libraries keep the first ones for themselves.
local function short_name(n)
	return names[n] or n > RTMIN and n <= 64 and format("RT_%d", n - RTMIN) or nil
end

local function signal(n)
	local name = short_name(n)
	return n == 0 and "0" or name and "SIG" .. name or format("%d", n)
end
K.shared.signal = signal

K.enter("signal", function(_, v) return signal(int(v)) end)

-- ---- Sets

local function sigset(bytes)
	local present, count, total = {}, 0, #bytes * 8
	for n = 1, total do
		present[n] = math.floor(bytes:byte(math.floor((n - 1) / 8) + 1) / 2 ^ ((n - 1) % 8)) % 2 == 1
		count = count + (present[n] and 1 or 0)
	end
	local inverted = count >= math.floor(total * 2 / 3)
	local parts = {}
	for n = 1, total do
		if present[n] ~= inverted then
			parts[#parts + 1] = short_name(n) or format("%d", n)
		end
	end
	return (inverted and "~[" or "[") .. table.concat(parts, " ") .. "]"
end
K.shared.sigset = sigset

local function sigset_at(call, v, size)
	if v == 0 then
		return "NULL"
	end
	local bytes = size > 0 and size <= 128 and call.read(v, size < 8 and size or 8)
	return bytes and sigset(bytes) or addr(v)
end

-- Its size is argument N.
K.enter("sigset", function(call, v, n) return sigset_at(call, v, uint(call.args[tonumber(n)])) end)
K.filled("sigset_out", function(call, v, n) return sigset_at(call, v, uint(call.args[tonumber(n)])) end)

-- pselect6's: a pointer and a size behind a pointer.
local pack_t = typeof "struct { uint64_t set, size; }"
K.enter("sigset_pack", function(call, v)
	return call:object(pack_t, v, function(p)
		return format("{sigmask=%s, sigsetsize=%u}", sigset_at(call, p.set, tonumber(p.size)), p.size)
	end)
end)

-- ---- Handlers

local action_t = typeof "struct { uint64_t handler, flags, restorer; uint8_t mask[8]; }"
local HANDLERS = { [0] = "SIG_DFL", "SIG_IGN" }
local SA_RESTORER = 0x04000000

local function action(call, v)
	return call:object(action_t, v, function(a)
		local value = tonumber(a.flags)
		local words = format("{sa_handler=%s, sa_mask=%s, sa_flags=%s",
			a.handler == 0xffffffffffffffffULL and "SIG_ERR" or a.handler < 2 and HANDLERS[tonumber(a.handler)]
				or addr(a.handler),
			sigset(ffi.string(a.mask, 8)), flags.bits("sigaction", value))
		if flags.both(value, SA_RESTORER) ~= 0 then
			words = words .. ", sa_restorer=" .. addr(a.restorer)
		end
		return words .. "}"
	end)
end
K.enter("sigaction", action)
K.filled("sigaction_out", action)

local stack_t = typeof "struct { uint64_t sp; int32_t flags, pad; uint64_t size; }"

local function stack(call, v)
	return call:object(stack_t, v, function(s)
		return format("{ss_sp=%s, ss_flags=%s, ss_size=%u}", addr(s.sp), flags.bits("sigaltstack", s.flags % 2 ^ 32), s.size)
	end)
end
K.enter("sigaltstack", stack)
K.filled("sigaltstack_out", stack)

-- The mask that the frame on the stack puts back: the return address was popped, so the ucontext is on top.
local UCONTEXT_MASK = 296

K.enter("sigframe", function(call)
	local bytes = call.sp and call.read(call.sp + UCONTEXT_MASK, 8)
	return bytes and "{mask=" .. sigset(bytes) .. "}" or "{}"
end)

-- ---- siginfo

local info_t = typeof [[union {
	int32_t words[32];
	struct {
		int32_t signo, err, code, pad, pid;
		uint32_t uid;
		union { uint64_t value; int32_t status; };
		int64_t utime, stime;
	} sent;
	struct { int32_t pad[4]; uint64_t addr; } fault;
	struct { int32_t pad[4]; int32_t timer, overrun; uint64_t value; } timer;
	struct { int32_t pad[4]; int64_t band; int32_t fd; } poll;
	struct { int32_t pad[4]; uint64_t addr; int32_t call; uint32_t arch; } sys;
}]]

local CODES = {
	SIGSEGV = "segv", SIGBUS = "bus", SIGILL = "ill", SIGFPE = "fpe", SIGTRAP = "trap", SIGCHLD = "cld",
	SIGIO = "poll_code", SIGSYS = "sys_code",
}
local FAULTS = { SIGSEGV = true, SIGBUS = true, SIGILL = true, SIGFPE = true, SIGTRAP = true }
local SI_KERNEL, SI_TIMER, SI_TKILL = 0x80, -2, -6
local AUDIT_ARCH_X86_64 = 0xc000003e

-- A siginfo_t's bytes as a Signal (lua/meta/event.lua): which fields it has depends on who sent it.
local function parse(bytes)
	local info = info_t()
	ffi.copy(info, bytes, math.min(#bytes, 128))
	local sent = info.sent
	local name, code = signal(sent.signo), sent.code
	local sig = { number = sent.signo, code = code }
	if code == SI_TIMER then
		sig.timer, sig.overrun, sig.value = info.timer.timer, info.timer.overrun, info.timer.value
	elseif code <= 0 or name == "SIGCHLD" and code ~= SI_KERNEL then
		sig.pid, sig.uid = sent.pid, sent.uid
		if code > 0 then
			sig.status, sig.utime, sig.stime = sent.status, sent.utime, sent.stime
		elseif code < 0 and code ~= SI_TKILL then
			sig.value = sent.value
		end
	elseif FAULTS[name] and code ~= SI_KERNEL then
		sig.addr = info.fault.addr
	elseif name == "SIGIO" and code ~= SI_KERNEL then
		sig.band, sig.fd = info.poll.band, info.poll.fd
	elseif name == "SIGSYS" and code ~= SI_KERNEL then
		sig.call_addr, sig.syscall, sig.arch = info.sys.addr, info.sys.call, info.sys.arch
	end
	return sig
end

-- A Signal in words.
local function siginfo(sig)
	if sig.number == 0 then
		return "{}"
	end
	local name, code = signal(sig.number), sig.code
	local set = code > 0 and code ~= SI_KERNEL and CODES[name]
	local parts = {
		"si_signo=" .. name,
		"si_code=" .. (set and flags.name(set, code) or flags.name("si_code", code) or format("%#x", code % 2 ^ 32)),
	}
	if sig.timer then
		parts[#parts + 1] = format("si_timerid=%#x, si_overrun=%d", sig.timer, sig.overrun)
	elseif sig.pid then
		parts[#parts + 1] = format("si_pid=%d, si_uid=%d", sig.pid, sig.uid)
	end
	if sig.status then
		parts[#parts + 1] = format("si_status=%s, si_utime=%s, si_stime=%s",
			code == 1 and format("%d", sig.status) or signal(sig.status), K.shared.ticks(sig.utime), K.shared.ticks(sig.stime))
	elseif sig.addr then
		parts[#parts + 1] = "si_addr=" .. addr(sig.addr)
	elseif sig.band then
		parts[#parts + 1] = format("si_band=%d, si_fd=%d", sig.band, sig.fd)
	elseif sig.call_addr then
		parts[#parts + 1] = format("si_call_addr=%s, si_syscall=__NR_%s, si_arch=%s", addr(sig.call_addr),
			api.SYS[sig.syscall] or format("%d", sig.syscall), sig.arch % 2 ^ 32 == AUDIT_ARCH_X86_64 and "AUDIT_ARCH_X86_64"
			or format("%#x", sig.arch % 2 ^ 32))
	elseif sig.value then
		local value = ffi.cast("uint64_t", sig.value)
		parts[#parts + 1] = format("si_int=%d, si_ptr=%s", int(value), addr(value))
	end
	return "{" .. table.concat(parts, ", ") .. "}"
end
K.shared.siginfo = siginfo

local function siginfo_at(call, v)
	if v == 0 then
		return "NULL"
	end
	local bytes = call.read(v, 128)
	return bytes and siginfo(parse(bytes)) or addr(v)
end
K.shared.siginfo_at = siginfo_at
K.enter("siginfo", siginfo_at)
K.filled("siginfo_out", siginfo_at)

K.kind("signal_result", {
	after = function(call)
		call.note = not call.failed and call.ret ~= 0 and signal(tonumber(call.ret)) or nil
	end,
})
