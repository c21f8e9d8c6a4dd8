-- scalar - numbers, enumerators, booleans and pointers of a target: out of bytes, and into them.
--
-- Types are those of types.lua. 64 bits stay whole: they are uint64_t or int64_t, everything narrower is a Lua number.

local ffi = require "ffi"
local bit = require "bit"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local types = require "ptracehook.types"

local M = {}

-- What a variable or a field reads as when nobody knows it any more.
M.LOST = "<optimized out>"

local cast, copy, new, str, typeof = ffi.cast, ffi.copy, ffi.new, ffi.string, ffi.typeof
local i64_t = typeof "int64_t"
local pointer_t = number.pointer_t
local lshift, arshift = bit.lshift, bit.arshift
local fail = check.fail

local box = new "uint64_t[1]"

-- The low n bytes of a string as an unsigned number of 64 bits.
function M.whole_of(bytes, n)
	box[0] = 0
	copy(box, bytes, math.min(n, 8))
	return box[0]
end

-- x86's long double: 64 bits of mantissa, 15 of exponent, a sign.
local function long_double_of(bytes)
	local mantissa, top = tonumber(M.whole_of(bytes, 8)), bytes:byte(9) + bytes:byte(10) * 256
	local exponent, sign = top % 32768, top >= 32768 and -1 or 1
	if exponent == 32767 then
		return M.whole_of(bytes, 8) == 0x8000000000000000ULL and sign * math.huge or 0 / 0
	end
	return sign * math.ldexp(mantissa, exponent - 16383 - 63)
end

function M.float_of(bytes, size)
	box[0] = M.whole_of(bytes, 8)
	if size == 4 then
		return number.load_f32(box)
	elseif size == 8 then
		return number.load_f64(box)
	end
	return long_double_of(bytes)
end

-- An unsigned number of so many bits as Lua has it: 64 bits and more than 32 as they are, others as Lua numbers.
local function integer_of(value, bits, signed, wide)
	if signed then
		value = arshift(cast(i64_t, lshift(value, 64 - bits)), 64 - bits)
	end
	return wide and value or tonumber(value)
end

local function enum_of(t, value)
	local plain = tonumber(value)
	return types.name_of(t, plain) or plain
end

local function pointer_of(t, value, pid)
	local ref, stars = types.target_of(t)
	return new(pointer_t, value, ref, t.serial, stars, pid)
end

-- bits: of a bit-field, else nil.
function M.of(t, value, bits, pid)
	if t.kind == "pointer" then
		return pointer_of(t, value, pid)
	elseif t.kind == "boolean" then
		return value ~= 0
	elseif t.kind == "enum" then
		return enum_of(t, integer_of(value, bits or t.size * 8, t.signed, false))
	end
	return integer_of(value, bits or t.size * 8, t.signed, t.size == 8)
end

function M.bytes_of(value, size)
	box[0] = value
	return str(box, size)
end

local f32_box, f64_box = new "float[1]", new "double[1]"

function M.float_bytes(t, value, what)
	if type(value) ~= "number" then
		value = tonumber(number.plain(value)) or fail("%s: number expected, got %s", what, number.show(value))
	end
	if t.size == 4 then
		f32_box[0] = value
		return str(f32_box, 4)
	elseif t.size == 8 then
		f64_box[0] = value
		return str(f64_box, 8)
	end
	fail("%s: a %s cannot be written", what, t.name)
end

-- What a scalar is to be, as a whole number that fits.
function M.whole_for(t, value, bits, what)
	if t.kind == "enum" and type(value) == "string" then
		local named = types.value_of(t, value)
		if not named then
			local near = check.nearest(value, t.values)
			fail("%s: %s has no '%s'%s", what, t.name, value, near and "; did you mean '" .. near .. "'?" or "")
		end
		return (check.call(number.int, named, what, check.HERE))
	elseif t.kind == "boolean" and type(value) == "boolean" then
		return value and 1 or 0
	elseif t.kind == "pointer" and value == nil then
		return 0
	end
	local fitted = check.call(number.fit, value, bits, what, check.HERE)
	return fitted
end

-- As C writes it.
function M.quote(text)
	return '"' .. text:gsub('[%c"\\\127-\255]', function(c)
		return c == "\n" and "\\n" or (c == '"' or c == "\\") and "\\" .. c or ("\\x%02x"):format(c:byte())
	end) .. '"'
end

return M
