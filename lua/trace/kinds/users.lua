-- users - ids, groups and capabilities.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format, tonumber, typeof = string.format, tonumber, ffi.typeof
local int, addr = C.int, C.addr

K.filled("id_out", function(call, v)
	return call:object(C.uint_box, v, function(box) return "[" .. K.shared.id(box.value + 0ULL) .. "]" end)
end)

local function groups(call, v, n)
	return call:array(C.uint_box, v, n, function(box) return K.shared.id(box.value + 0ULL) end)
end

local GROUPS_MAX = 65536

K.enter("groups", function(call, v, _, i)
	local n = int(call.args[i - 1])
	return n <= GROUPS_MAX and groups(call, v, n) or addr(v)
end)
K.filled("groups_out", function(call, v)
	return call.args[1] == 0 and call.ret ~= 0 and addr(v) or groups(call, v, tonumber(call.ret))
end)

local cap_header_t = typeof "struct { uint32_t version; int32_t pid; }"
local CAPABILITIES = { [0] = "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE" }

function K.shared.capability(n)
	return CAPABILITIES[n] and "CAP_" .. CAPABILITIES[n] or format("%#x /* CAP_??? */", n)
end

K.enter("cap_header", function(call, v)
	return call:object(cap_header_t, v, function(h)
		return format("{version=%s, pid=%d}", flags.choice("cap_version", h.version), h.pid)
	end)
end)

local cap_data_t = typeof "struct { uint32_t effective, permitted, inheritable; }"

local function capabilities(low, high)
	if low == 0 and high == 0 then
		return "0"
	end
	local parts = {}
	for i = 0, 63 do
		local word, n = i < 32 and low or high, i % 32
		if math.floor(word / 2 ^ n) % 2 == 1 then
			if CAPABILITIES[i] then
				parts[#parts + 1] = "1<<CAP_" .. CAPABILITIES[i]
			end
		end
	end
	local rest = math.floor(high / 2 ^ (#CAPABILITIES + 1 - 32)) * 2 ^ (#CAPABILITIES + 1 - 32)
	if rest ~= 0 then
		parts[#parts + 1] = format("%#x", ffi.cast("uint64_t", rest) * 2ULL ^ 32)
	end
	return table.concat(parts, "|")
end

local function cap_data(call, v)
	local one = call:struct(cap_data_t, v)
	local two = one and call:struct(cap_data_t, v + 12)
	if not one then
		return addr(v)
	end
	two = two or cap_data_t()
	return format("{effective=%s, permitted=%s, inheritable=%s}", capabilities(one.effective, two.effective),
		capabilities(one.permitted, two.permitted), capabilities(one.inheritable, two.inheritable))
end
K.enter("cap_data", cap_data)
K.filled("cap_data_out", cap_data)
