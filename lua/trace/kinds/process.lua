-- process - clone, limits, scheduling, prctl, futex and their like.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local int, uint, addr = C.int, C.uint, C.addr
local both = flags.both

-- ---- clone

local VM_PIDFD, SETTLS, PARENT_SETTID = 0x1000, 0x80000, 0x100000
local CHILD_CLEARTID, CHILD_SETTID = 0x200000, 0x1000000

local function clone_flags(value, set)
	local number = value % 256
	local rest = value - number
	local words = rest ~= 0 and flags.bits(set, rest) or nil
	if number ~= 0 then
		return (words and words .. "|" or "") .. K.shared.signal(number)
	end
	return words or "0"
end

-- (flags, stack, parent_tid, child_tid, tls)
K.kind("clone", {
	enter = function(call)
		local value = tonumber(call.args[1])
		call.more = both(value, VM_PIDFD + SETTLS + PARENT_SETTID + CHILD_CLEARTID + CHILD_SETTID) ~= 0
		return "child_stack=" .. addr(call.args[2]) .. ", flags=" .. clone_flags(value, "clone")
	end,
	leave = function(call)
		local value, words = tonumber(call.args[1]), ""
		if both(value, PARENT_SETTID + VM_PIDFD) ~= 0 then
			words = ", parent_tid=" .. (call.failed and addr(call.args[3]) or K.shared.pointed(call, call.args[3], "int"))
		end
		if both(value, SETTLS) ~= 0 then
			words = words .. format(", tls=%#x", call.args[5])
		end
		if both(value, CHILD_SETTID + CHILD_CLEARTID) ~= 0 then
			words = words .. ", child_tidptr=" .. addr(call.args[4])
		end
		return words
	end,
})

local clone_args_t = typeof [[struct {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
}]]

local function clone_args(call, v)
	local size = call.args[2]
	if size < 64 then
		return nil
	end
	local bytes = call.read(v, size < 88 and size or 88)
	if not bytes then
		return nil
	end
	local args = clone_args_t()
	ffi.copy(args, bytes, #bytes)
	return args
end

K.kind("clone_args", {
	enter = function(call, v)
		local args = clone_args(call, v)
		if not args then
			return addr(v)
		end
		local value = tonumber(args.flags)
		local words = { "flags=" .. flags.bits("clone3", value) }
		if both(value, VM_PIDFD) ~= 0 then
			words[#words + 1] = "pidfd=" .. addr(args.pidfd)
		end
		if both(value, CHILD_SETTID + CHILD_CLEARTID) ~= 0 then
			words[#words + 1] = "child_tid=" .. addr(args.child_tid)
		end
		if both(value, PARENT_SETTID) ~= 0 then
			words[#words + 1] = "parent_tid=" .. addr(args.parent_tid)
		end
		words[#words + 1] = "exit_signal=" .. (args.exit_signal == 0 and "0" or K.shared.signal(tonumber(args.exit_signal)))
		words[#words + 1] = "stack=" .. addr(args.stack)
		words[#words + 1] = format("stack_size=%#x", args.stack_size)
		if both(value, SETTLS) ~= 0 then
			words[#words + 1] = format("tls=%#x", args.tls)
		end
		if args.set_tid ~= 0 or args.set_tid_size ~= 0 then
			words[#words + 1] = format("set_tid=%s, set_tid_size=%u", addr(args.set_tid), args.set_tid_size)
		end
		if both(value, 0x200000000) ~= 0 then
			words[#words + 1] = format("cgroup=%u", args.cgroup)
		end
		call.saved.clone = args
		call.more = true
		return "{" .. table.concat(words, ", ") .. "}"
	end,
	leave = function(call)
		local args = call.saved.clone
		if call.failed or not args then
			return ""
		end
		local value, parts = tonumber(args.flags), {}
		if both(value, VM_PIDFD) ~= 0 then
			local fd = call:int_at(args.pidfd)
			parts[#parts + 1] = "pidfd=" .. (fd and "[" .. call:fd(fd) .. "]" or addr(args.pidfd))
		end
		if both(value, PARENT_SETTID) ~= 0 then
			parts[#parts + 1] = "parent_tid=" .. K.shared.pointed(call, args.parent_tid, "int")
		end
		return parts[1] and " => {" .. table.concat(parts, ", ") .. "}" or ""
	end,
})

-- ---- Limits and usage

local rlimit_t = typeof "struct { uint64_t cur, max; }"

local function limit(n, infinity)
	if n == 0xffffffffffffffffULL then
		return infinity
	elseif n > 1024 and n % 1024 == 0 then
		return format("%u*1024", n / 1024)
	end
	return format("%u", n)
end

local function rlimit(call, v, infinity)
	return call:object(rlimit_t, v, function(r)
		return format("{rlim_cur=%s, rlim_max=%s}", limit(r.cur, infinity), limit(r.max, infinity))
	end)
end
K.enter("rlimit", rlimit)
K.filled("rlimit_out", rlimit)

local usage_t = typeof "struct { int64_t a, b, c, d; int64_t rest[14]; }"

K.filled("rusage", function(call, v)
	return call:object(usage_t, v, function(u)
		return format("{ru_utime={tv_sec=%d, tv_usec=%d}, ru_stime={tv_sec=%d, tv_usec=%d}, ...}", u.a, u.b, u.c, u.d)
	end)
end)

local tms_t = typeof "struct { int64_t utime, stime, cutime, cstime; }"

K.filled("tms", function(call, v)
	return call:object(tms_t, v, function(t)
		return format("{tms_utime=%s, tms_stime=%s, tms_cutime=%s, tms_cstime=%s}", K.shared.ticks(t.utime),
			K.shared.ticks(t.stime), K.shared.ticks(t.cutime), K.shared.ticks(t.cstime))
	end)
end)

local sysinfo_t = typeof [[struct {
	int64_t uptime;
	uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit;
}]]

K.filled("sysinfo", function(call, v)
	return call:object(sysinfo_t, v, function(s)
		return format("{uptime=%d, loads=[%u, %u, %u], totalram=%u, freeram=%u, sharedram=%u, bufferram=%u, totalswap=%u, "
			.. "freeswap=%u, procs=%u, totalhigh=%u, freehigh=%u, mem_unit=%u}", s.uptime, s.loads[0], s.loads[1], s.loads[2],
			s.totalram, s.freeram, s.sharedram, s.bufferram, s.totalswap, s.freeswap, s.procs, s.totalhigh, s.freehigh,
			s.mem_unit)
	end)
end)

K.filled("utsname", function(call, v)
	local system, node = call:string(v), call:string(v + 65)
	return format("{sysname=%s, nodename=%s, ...}", system, node)
end)

-- ---- Scheduling

local function cpus(call, v, bytes)
	local mask = call.read(v, bytes)
	if not mask then
		return addr(v)
	end
	local parts = {}
	for i = 0, #mask * 8 - 1 do
		if math.floor(mask:byte(math.floor(i / 8) + 1) / 2 ^ (i % 8)) % 2 == 1 then
			parts[#parts + 1] = format("%d", i)
		end
	end
	return "[" .. table.concat(parts, " ") .. "]"
end

K.enter("cpus", function(call, v, _, i)
	return cpus(call, v, math.min(128, tonumber(call.args[i - 1])))
end)
K.filled("cpus_out", function(call, v) return cpus(call, v, tonumber(call.ret)) end)

K.enter("policy", function(_, v)
	v = uint(v)
	local reset = both(v, 0x40000000)
	return flags.choice("sched", v - reset) .. (reset ~= 0 and "|SCHED_RESET_ON_FORK" or "")
end)

K.kind("policy_result", {
	after = function(call)
		call.note = not call.failed and flags.name("sched", tonumber(call.ret)) or nil
		call.shows = not call.failed and "hex" or nil
	end,
})

local sched_attr_t = typeof [[struct {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
}]]

local function sched_attr(call, v)
	return call:object(sched_attr_t, v, function(a)
		local words = format("{size=%u, sched_policy=%s, sched_flags=%s", a.size, flags.choice("sched", a.policy),
			flags.bits("sched_flags", tonumber(a.flags)))
		return words .. format(", sched_nice=%d, sched_priority=%u, sched_runtime=%u, sched_deadline=%u, sched_period=%u}",
			a.nice, a.priority, a.runtime, a.deadline, a.period)
	end)
end
K.enter("sched_attr", sched_attr)
K.filled("sched_attr_out", sched_attr)

local function ioprio(v)
	return format("IOPRIO_PRIO_VALUE(%s, %d)", flags.choice("ioprio_class", math.floor(v / 8192)), v % 8192)
end

K.enter("ioprio", function(_, v)
	v = uint(v)
	return ioprio(v)
end)

K.kind("ioprio_result", {
	after = function(call)
		if not call.failed then
			call.shows, call.note = "hex", ioprio(tonumber(call.ret))
		end
	end,
})

-- ---- prctl

local function signal(_, v) return K.shared.signal(int(v)) end
local function number(_, v) return format("%u", v) end
local function cap(_, v) return K.shared.capability(uint(v)) end
local function hex(_, v) return format("%#x", v) end
local function name(call, v) return call:string(v, 15) end
local function pointed_int(call, v) return K.shared.pointed(call, v, "int") end
local function set(words) return function(_, v) return flags.choice(words, uint(v)) end end

-- By option: the kinds of the arguments behind it; out marks those that are filled in; note: what the result means.
local options = {
	PR_SET_PDEATHSIG = { signal }, PR_GET_PDEATHSIG = { out = pointed_int }, PR_SET_NAME = { name },
	PR_GET_NAME = { out = name }, PR_SET_DUMPABLE = { set "dumpable" }, PR_GET_DUMPABLE = { note = "dumpable" },
	PR_SET_KEEPCAPS = { number }, PR_GET_KEEPCAPS = {}, PR_SET_TIMERSLACK = { number }, PR_GET_TIMERSLACK = {},
	PR_SET_NO_NEW_PRIVS = { number, hex, hex, hex }, PR_GET_NO_NEW_PRIVS = { hex, hex, hex, hex },
	PR_SET_CHILD_SUBREAPER = { number }, PR_GET_CHILD_SUBREAPER = { out = pointed_int }, PR_GET_SECCOMP = {},
	PR_SET_THP_DISABLE = { number, hex, hex, hex }, PR_GET_THP_DISABLE = { hex, hex, hex, hex },
	PR_SET_SECCOMP = { set "seccomp_mode", hex }, PR_CAPBSET_READ = { cap },
	PR_CAPBSET_DROP = { cap }, PR_GET_SECUREBITS = {},
	PR_CAP_AMBIENT = { set "prctl_ambient", hex, hex, hex }, PR_SET_VMA = { set "prctl_vma", hex, number, name },
	PR_GET_TID_ADDRESS = { out = function(call, v) return K.shared.pointed(call, v, "hex") end },
}
local unknown = { hex, hex, hex, hex }

K.kind("prctl", {
	enter = function(call, v)
		local how = options[flags.name("prctl", uint(v))] or unknown
		local parts = { flags.choice("prctl", uint(v)) }
		for i, show in ipairs(how) do
			parts[#parts + 1] = show(call, call.args[i + 1])
		end
		call.more = how.out ~= nil
		return table.concat(parts, ", ")
	end,
	leave = function(call, v)
		local how = options[flags.name("prctl", uint(v))]
		return ", " .. (call.failed and addr(call.args[2]) or how.out(call, call.args[2]))
	end,
	after = function(call, v)
		local how = options[flags.name("prctl", uint(v))] or unknown
		if how.note and not call.failed then
			call.note = flags.name(how.note, tonumber(call.ret))
		end
	end,
})

K.kind("arch_prctl", {
	enter = function(call, v)
		local code = flags.name("arch_prctl", uint(v))
		call.more = code == "ARCH_GET_FS" or code == "ARCH_GET_GS"
		local words = flags.choice("arch_prctl", uint(v))
		return call.more and words or code == "ARCH_GET_CPUID" and words or words .. ", " .. format("%#x", call.args[2])
	end,
	leave = function(call)
		return ", " .. (call.failed and addr(call.args[2]) or K.shared.pointed(call, call.args[2], "hex"))
	end,
})

-- ---- futex

local PRIVATE, CLOCK = 128, 256

local function any(v)
	return uint(v) == 0xffffffff and "FUTEX_BITSET_MATCH_ANY" or format("%#x", uint(v))
end

local OPS, COMPARES = { [0] = "SET", "ADD", "OR", "ANDN", "XOR" }, { [0] = "EQ", "NE", "LT", "LE", "GT", "GE" }

local function wake_op(v)
	v = uint(v)
	local op, shift = math.floor(v / 2 ^ 28) % 8, v >= 2 ^ 31
	local arg, compare, against = math.floor(v / 4096) % 4096, math.floor(v / 2 ^ 24) % 16, v % 4096
	return format("%sFUTEX_OP_%s<<28|%#x<<12|FUTEX_OP_CMP_%s<<24|%#x", shift and "FUTEX_OP_OPARG_SHIFT<<28|" or "",
		OPS[op] or "???", arg, COMPARES[compare] or "???", against)
end

-- By operation: how val, timeout or val2, uaddr2 and val3 are shown; nil for the rest: they do not matter.
local function val(_, args) return format("%u", uint(args[3])) end
local function timeout(call, args) return K.shared.timespec_at(call, args[4]) end
local function val2(_, args) return format("%u", uint(args[4])) end
local function uaddr2(_, args) return format("%#x", args[5]) end
local function val3(_, args) return format("%u", uint(args[6])) end
local function mask(_, args) return any(args[6]) end

local futexes = {
	FUTEX_WAIT = { val, timeout }, FUTEX_WAKE = { val }, FUTEX_FD = { val }, FUTEX_REQUEUE = { val, val2, uaddr2 },
	FUTEX_CMP_REQUEUE = { val, val2, uaddr2, val3 },
	FUTEX_WAKE_OP = { val, val2, uaddr2, function(_, args) return wake_op(args[6]) end },
	FUTEX_LOCK_PI = { timeout }, FUTEX_LOCK_PI2 = { timeout }, FUTEX_UNLOCK_PI = {}, FUTEX_TRYLOCK_PI = {},
	FUTEX_WAIT_BITSET = { val, timeout, mask }, FUTEX_WAKE_BITSET = { val, mask },
	FUTEX_WAIT_REQUEUE_PI = { val, timeout, uaddr2 }, FUTEX_CMP_REQUEUE_PI = { val, val2, uaddr2, val3 },
}
local raw = {
	val, function(_, args) return format("%#x", args[4]) end, uaddr2,
	function(_, args) return format("%#x", uint(args[6])) end,
}

K.enter("futex", function(call, v)
	v = uint(v)
	local command = v % 128
	local known = flags.name("futex", command)
	local words
	if known then
		words = known .. (both(v, PRIVATE) ~= 0 and "_PRIVATE" or "")
			.. (both(v, CLOCK) ~= 0 and "|FUTEX_CLOCK_REALTIME" or "")
	else
		words = format("%#x /* FUTEX_??? */", v)
	end
	local parts = { words }
	for _, show in ipairs(futexes[known] or raw) do
		parts[#parts + 1] = show(call, call.args)
	end
	return table.concat(parts, ", ")
end)

-- ---- ptrace, seccomp, personality

-- Requests that use neither address nor data.
local BARE = {
	PTRACE_TRACEME = true, PTRACE_KILL = true, PTRACE_ATTACH = true, PTRACE_INTERRUPT = true, PTRACE_LISTEN = true,
}
-- Those whose data is a signal.
local GOING_ON = { PTRACE_CONT = true, PTRACE_DETACH = true, PTRACE_SYSCALL = true, PTRACE_SINGLESTEP = true }

K.enter("ptrace_args", function(call, v, _, i)
	local request, data = flags.name("ptrace", uint(call.args[1])), call.args[i + 1]
	if BARE[request] then
		return nil
	end
	if request == "PTRACE_SEIZE" or request == "PTRACE_SETOPTIONS" then
		return addr(v) .. ", " .. flags.bits("ptrace_options", uint(data))
	end
	return addr(v) .. ", " .. (GOING_ON[request] and K.shared.signal(int(data)) or addr(data))
end)

-- The kind of thing, and what to compare where a process has several.
K.enter("kcmp", function(call, v)
	local kind = flags.choice("kcmp", uint(v))
	if kind == "KCMP_FILE" then
		return format("%s, %d, %d", kind, int(call.args[4]), int(call.args[5]))
	elseif kind == "KCMP_EPOLL_TFD" then
		return format("%s, %d, %s", kind, int(call.args[4]), addr(call.args[5]))
	end
	return kind
end)

local READING = { SYSLOG_ACTION_READ = true, SYSLOG_ACTION_READ_ALL = true, SYSLOG_ACTION_READ_CLEAR = true }
local LEVEL = "SYSLOG_ACTION_CONSOLE_LEVEL"

K.kind("syslog", {
	enter = function(call, v)
		local action = flags.name("syslog", uint(v))
		local words = format("%d /* %s */", int(v), action or "SYSLOG_ACTION_???")
		call.more = READING[action]
		return action and action ~= LEVEL and words or format("%s, %s, %d", words, addr(call.args[2]), int(call.args[3]))
	end,
	leave = function(call)
		local bytes = call.failed and addr(call.args[2]) or call:buffer(call.args[2], call.ret)
		return format(", %s, %d", bytes, int(call.args[3]))
	end,
})

-- With flags it makes no rule set, but tells a number.
K.kind("landlock", {
	enter = function(_, v) return flags.bits("landlock", uint(v)) end,
	after = function(call, v) call.shows = uint(v) ~= 0 and "number" or nil end,
})

K.enter("key", function(_, v) return flags.name("key_spec", int(v)) or format("%d", int(v)) end)

-- The command, and what only a restart with words takes.
K.enter("reboot", function(call, v)
	local words = flags.choice("reboot", uint(v))
	return uint(v) == 0xa1b2c3d4 and words .. ", " .. call:string(call.args[4]) or words
end)

K.kind("personality_result", {
	after = function(call)
		call.note = not call.failed and call.ret == 0 and "PER_LINUX" or nil
	end,
})

local fprog_t = typeof "struct { uint16_t len; uint64_t filter; }"

K.enter("seccomp_args", function(call, v)
	local op = uint(call.args[1])
	if op == 1 then
		return call:object(fprog_t, v, function(p) return format("{len=%u, filter=%#x}", p.len, p.filter) end)
	elseif op == 2 then
		return call:object(C.uint_box, v, function(b) return "[" .. flags.choice("seccomp_action", b.value) .. "]" end)
	end
	return addr(v)
end)

K.enter("seccomp_flags", function(call, v)
	return uint(call.args[1]) == 1 and flags.bits("seccomp_flags", uint(v)) or format("%u", uint(v))
end)

K.enter("personality", function(_, v)
	v = uint(v)
	return v == 0xffffffff and "0xffffffff" or v == 0 and "PER_LINUX" or format("%#x", v)
end)

K.enter("restart", function(call)
	return "<... resuming interrupted " .. (call.resuming or "system call") .. " ...>"
end)
