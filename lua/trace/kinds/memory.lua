-- memory - mappings and shared memory.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"

local format = string.format
local int, uint, addr = C.int, C.uint, C.addr

local HUGE_SHIFT, HUGE_MASK = 2 ^ 26, 0xfc000000

-- The type and the flags behind it; the size of huge pages is a number among them.
K.enter("map", function(_, v)
	v = uint(v)
	local kind = v % 16
	local rest = v - kind
	local huge = flags.both(v, 0x40000) ~= 0 and flags.both(rest, HUGE_MASK) or 0
	rest = rest - huge
	local words = flags.choice("map_type", kind)
	if rest ~= 0 then
		words = words .. "|" .. flags.bits("map", rest)
	end
	return words .. (huge ~= 0 and format("|%d<<MAP_HUGE_SHIFT", huge / HUGE_SHIFT) or "")
end)

-- Not there unless the flags say that the mapping moves to it.
K.enter("mremap_to", function(call, v)
	return flags.both(uint(call.args[4]), 6) ~= 0 and addr(v) or nil
end)

K.filled("residency", function(call, v)
	local pages = (call.args[2] + 4095) / 4096
	local n = pages > call.strings and call.strings or tonumber(pages)
	local bytes = call.read(v, n)
	if not bytes then
		return addr(v)
	end
	local parts = {}
	for i = 1, #bytes do
		parts[i] = format("%u", bytes:byte(i) % 2)
	end
	return "[" .. table.concat(parts, ", ") .. (pages > n and ", ..." or "") .. "]"
end)

-- A mode of memory placement with its flags, and the nodes that it means.
K.enter("mpol", function(_, v)
	v = uint(v)
	local mode = v % 8192
	return flags.choice("mpol", mode) .. (v ~= mode and "|" .. flags.bits("mpol_flags", v - mode) or "")
end)

K.filled("mpol_out", function(call, v)
	return call:object(C.int_box, v, function(box) return "[" .. flags.choice("mpol", box.value % 2 ^ 32) .. "]" end)
end)

local function nodes(call, v, _, i)
	local words = math.floor((tonumber(call.args[i + 1]) + 62) / 64)
	return call:array(C.word_box, v, words, function(box) return format("%#016x", box.value) end)
end
K.enter("nodes", nodes)
K.filled("nodes_out", nodes)

local MEMBARRIER_CPU = 1

K.kind("membarrier", {
	enter = function(call, v)
		local value = uint(call.args[2])
		return flags.choice("membarrier", uint(v)) .. ", " .. (value == MEMBARRIER_CPU and "MEMBARRIER_CMD_FLAG_CPU, "
			.. format("%d", int(call.args[3])) or value == 0 and "0" or format("%#x /* MEMBARRIER_CMD_FLAG_??? */", value))
	end,
	after = function(call, v)
		if not call.failed and uint(v) == 0 then
			call.shows, call.note = "hex", flags.bits("membarrier", tonumber(call.ret))
		end
	end,
})

-- The mode of a new object of System V IPC stands in its lowest nine bits.
K.enter("ipc_flags", function(_, v, set)
	v = uint(v)
	local permissions = v % 512
	local rest = v - permissions
	return (rest ~= 0 and flags.bits(set, rest) .. "|" or "") .. format("%#03o", permissions)
end)

K.enter("ipc_key", function(_, v)
	return int(v) == 0 and "IPC_PRIVATE" or format("%#x", uint(v))
end)

K.enter("ipc_cmd", function(_, v, set)
	v = uint(v)
	local plain = v % 256
	return (v - plain == 256 and "IPC_64|" or "") .. flags.choice(set, plain)
end)

local sembuf_t = ffi.typeof "struct { uint16_t num; int16_t op, flg; }"

K.enter("sembufs", function(call, v, _, i)
	return call:array(sembuf_t, v, uint(call.args[i + 1]), function(s)
		return format("{sem_num=%u, sem_op=%d, sem_flg=%s}", s.num, s.op, flags.bits("semop", s.flg % 65536))
	end)
end)
