-- basic - numbers, strings, buffers, descriptors, flags.

require("jit").off(true, true) -- see decode.lua

local ffi = require "ffi"
local C = require "trace.call"
local K = require "trace.kinds"
local flags = require "trace.flags"
local text = require "trace.text"

local format, tonumber = string.format, tonumber
local int, uint, long, addr, hex = C.int, C.uint, C.long, C.addr, C.hex

K.enter("int", function(_, v) return format("%d", int(v)) end)
K.enter("uint", function(_, v) return format("%u", uint(v)) end)
K.enter("long", function(_, v) return format("%d", long(v)) end)
K.enter("size", function(_, v) return format("%u", v) end)
K.enter("hex", function(_, v) return hex(v) end)
K.enter("hex32", function(_, v) return format("%#x", uint(v)) end)
K.enter("addr", function(_, v) return addr(v) end)

-- The half of a number that its first argument has whole.
K.enter("skip", function() return nil end)

-- A user or group: -1 is none.
local function id(v)
	v = uint(v)
	return v == 0xffffffff and "-1" or format("%u", v)
end
K.shared.id = id
K.enter("id", function(_, v) return id(v) end)

-- Clock ticks, of which a second has a hundred: 41 /* 0.41 s */
function K.shared.ticks(n)
	return n == 0 and "0" or format("%d /* %.2f s */", n, tonumber(n) / 100)
end

-- ---- Numbers behind a pointer

local boxes = {
	int = { C.int_box, "[%d]" }, uint = { C.uint_box, "[%u]" }, long = { C.long_box, "[%d]" },
	size = { C.word_box, "[%u]" }, hex = { C.word_box, "[%#x]" }, hex32 = { C.uint_box, "[%#x]" },
}

local function pointed(call, v, name)
	local box = boxes[name]
	return call:object(box[1], v, function(object)
		if name == "hex" then
			return object.value == 0 and "[NULL]" or format(box[2], object.value)
		end
		return format(box[2], object.value)
	end)
end
K.shared.pointed = pointed

K.enter("ptr", pointed)
K.filled("out", pointed)

-- How much room there was, and how much was used: [128 => 16].
K.kind("room", {
	save = function(call, v, _, i) call.saved[i] = call:int_at(v) end,
	leave = function(call, v, _, i)
		local before, now = call.saved[i], call:int_at(v)
		if not before then
			return addr(v)
		elseif call.failed or not now or now == before then
			return format("[%d]", before)
		end
		return format("[%d => %d]", before, now)
	end,
})

-- ---- Strings and paths

K.enter("str", function(call, v) return call:string(v) end)
K.enter("path", function(call, v) return call:path(v) end)

-- buf:N: as many bytes as argument N says.
K.enter("buf", function(call, v, n) return call:buffer(v, call.args[tonumber(n)]) end)

-- As many bytes as the result says.
K.filled("filled", function(call, v)
	return call:buffer(v, call.ret)
end)
K.filled("filled_hex", function(call, v)
	return call:buffer(v, call.ret, text.quote_hex)
end)
K.filled("filled_str", function(call, v) return call:string(v) end)
K.filled("filled_path", function(call, v) return call:path(v) end)

-- A link's text, which no zero byte ends.
K.filled("link", function(call, v)
	return call:buffer(v, call.ret)
end)

-- strings:N, as execve takes them.
local function vector(call, at, limit)
	if at == 0 then
		return "NULL"
	end
	local parts = {}
	for i = 0, math.huge do
		local pointer = call:word_at(at + i * 8)
		if not pointer then
			if i == 0 then
				return addr(at)
			end
			parts[#parts + 1] = "... /* " .. addr(at + i * 8) .. " */"
			break
		elseif pointer == 0 then
			break
		elseif i >= limit then
			parts[#parts + 1] = "..."
			break
		end
		parts[#parts + 1] = call:string(pointer)
	end
	return "[" .. table.concat(parts, ", ") .. "]"
end
K.enter("argv", function(call, v) return vector(call, v, call.strings) end)

local MANY = 65536 -- variables: memory without a zero is no environment

K.enter("envp", function(call, v)
	if v == 0 then
		return "NULL"
	end
	for i = 0, MANY do
		local pointer = i < MANY and call:word_at(v + i * 8) or nil
		if not pointer then
			return i == 0 and addr(v) or format("%#x /* %d vars, unterminated */", v, i)
		elseif pointer == 0 then
			return format("%#x /* %d var%s */", v, i, i == 1 and "" or "s")
		end
	end
end)

-- ---- Descriptors

K.enter("fd", function(call, v) return call:fd(int(v)) end)
K.enter("dirfd", function(call, v) return call:dirfd(int(v)) end)

K.filled("fd_pair", function(call, v)
	local pair = ffi.typeof "struct { int32_t fd[2]; }"
	return call:object(pair, v, function(p) return "[" .. call:fd(p.fd[0]) .. ", " .. call:fd(p.fd[1]) .. "]" end)
end)

-- ---- Flags, constants, modes

K.enter("flags", function(_, v, set) return flags.bits(set, uint(v)) end)
K.enter("enum", function(_, v, set) return flags.choice(set, uint(v)) end)
-- Of constants with negative values.
K.enter("enum_int", function(_, v, set) return flags.choice(set, int(v)) end)

local types = {
	[0x1000] = "S_IFIFO", [0x2000] = "S_IFCHR", [0x4000] = "S_IFDIR", [0x6000] = "S_IFBLK", [0x8000] = "S_IFREG",
	[0xa000] = "S_IFLNK", [0xc000] = "S_IFSOCK",
}

-- S_IFREG|0644, with the three bits above the permissions by name.
local function mode(m)
	local kind = flags.both(m, 0xf000)
	local parts = {}
	parts[1] = types[kind]
	for _, bit in ipairs { { 0x800, "S_ISUID" }, { 0x400, "S_ISGID" }, { 0x200, "S_ISVTX" } } do
		if flags.both(m, bit[1]) ~= 0 then
			parts[#parts + 1] = bit[2]
		end
	end
	local rest = m - (types[kind] and kind or 0) - flags.both(m, 0xe00)
	parts[#parts + 1] = format("%#03o", rest)
	return table.concat(parts, "|")
end
K.shared.mode = mode
K.shared.node_types = types

K.enter("mode", function(_, v) return format("%#03o", uint(v) % 65536) end)

function K.shared.device(major, minor)
	return format("makedev(%#x, %#x)", major, minor)
end
