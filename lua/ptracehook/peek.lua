-- peek - small reads of what the globals mean, without leaving compiled code (core/bind/peek.c).
--
-- Stands in front of the functions of mem, which get whatever is unusual: other kinds of numbers, large sizes, and
-- every read that fails, for the error to be theirs.

local ffi = require "ffi"
local core = require "ptracehook.core"

ffi.cdef [[
typedef struct {
	int (*read)(uint64_t addr, uint32_t len);
	int (*cstr)(uint64_t addr);
	union {
		char bytes[256];
		uint8_t u8; uint16_t u16; uint32_t u32; uint64_t u64, ptr;
		int8_t i8; int16_t i16; int32_t i32; int64_t i64;
	} cell;
} ptracehook_peek;
]]

local M = {}

local peek = ffi.cast("ptracehook_peek *", core.peek)
local cell = peek.cell
local istype, str, type = ffi.istype, ffi.string, type
local u64_t = ffi.typeof "uint64_t"
local ROOM, EXACT = ffi.sizeof(cell.bytes), 2 ^ 53

-- An address that the FFI takes as it is.
local function is_plain(addr)
	if type(addr) == "cdata" then
		return istype(u64_t, addr)
	end
	return type(addr) == "number" and addr >= 0 and addr < EXACT and addr % 1 == 0
end

local function reader(slow, name)
	local size = (name:match "%d+" or 64) / 8
	return function(view, addr)
		if is_plain(addr) and peek.read(addr, size) == 0 then
			return cell[name]
		end
		return slow(view, addr)
	end
end

-- mem: the table for what the globals mean (core.mem(nil)).
function M.add(mem)
	local read, cstr = mem.read, mem.cstr

	function mem.read(addr, n)
		if type(n) == "number" and n >= 0 and n <= ROOM and n % 1 == 0 and is_plain(addr)
			and peek.read(addr, n) == 0 then
			return str(cell.bytes, n)
		end
		return read(addr, n)
	end

	function mem.cstr(addr, max)
		if max == nil and is_plain(addr) then
			local n = peek.cstr(addr)
			if n >= 0 then
				return str(cell.bytes, n)
			end
		end
		return cstr(addr, max)
	end

	-- Not f32 and f64: a NaN of the target's is to become LuaJIT's own first (layout.lua says why).
	for _, name in ipairs { "u8", "u16", "u32", "u64", "ptr", "i8", "i16", "i32", "i64" } do
		local meta = getmetatable(mem[name])
		meta.__index = reader(meta.__index, name)
	end
end

return M
