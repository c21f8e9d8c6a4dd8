-- number - 64-bit integers that behave.
--
-- A 64-bit quantity is a uint64_t or int64_t cdata. Stock LuaJIT shows it with ULL, turns negative numbers into 2^63
-- (in the interpreter; its JIT does not), cuts fractions off and divides by zero. install() mends the metatable that
-- all cdata share, and string.format, bit and the writers of files (operators.lua). Other cdata (pointers, structs,
-- metatypes) keep the stock behaviour.
--
-- In the checks below `what` begins the message, and `level` says whose line it names, counted as by error() in
-- the function that calls the check: 2, its caller, is the default.

local ffi = require "ffi"

local M = {}

local cast, istype, typeof = ffi.cast, ffi.istype, ffi.typeof
local type, tonumber, tostring, error = type, tonumber, tostring, error
local format = string.format

local u64_t, i64_t, i32_t = typeof "uint64_t", typeof "int64_t", typeof "int32_t"

-- A pointer of the target's with its type (typed.lua): to every other function it is its address. Fields of what it
-- leads to are its own to scripts, so that its real ones have names which no program uses.
ffi.cdef [[
typedef struct {
	uint64_t ptracehook_address, ptracehook_ref;
	uint32_t ptracehook_serial, ptracehook_stars;
	int32_t ptracehook_pid;
} ptracehook_pointer;
]]
local pointer_t = typeof "ptracehook_pointer"

local u32_p, f32_p, f64_p = typeof "const uint32_t *", typeof "const float *", typeof "const double *"

local TWO53, TWO63, TWO64 = 2 ^ 53, 2 ^ 63, 2 ^ 64
local EXACT = cast(u64_t, TWO53)

local function is_wide(x)
	return istype(u64_t, x) or istype(i64_t, x)
end

-- istype() takes the ctype object for one of its values, and tonumber() takes it for its own id (of 16 bits).
local function is_ctype(x)
	local n = tonumber(x)
	return n and n < 65536 and n == tonumber(typeof(x)) and pcall(x)
end

local function is_value(x)
	return type(x) == "cdata" and is_wide(x) and not is_ctype(x)
end

-- An array decays to an address of ours, so it is none.
local function is_pointer(x)
	local name = tostring(typeof(x))
	return name:find("(*", 1, true) and not name:find("(*[", 1, true)
		or name:find("*", 1, true) and not name:find("[", 1, true)
end

local function show(x)
	local t = type(x)
	if t == "number" then
		if x ~= x then
			return "nan" -- printf would say -nan as well
		elseif x % 1 == 0 and x < 1e21 and x > -1e21 then
			return format("%.0f", x)
		end
		local short = format("%.14g", x)
		return tonumber(short) == x and short or format("%.17g", x)
	elseif t == "string" then
		return format("the string %q", #x > 40 and x:sub(1, 37) .. "..." or x)
	elseif t == "nil" or t == "boolean" or t == "cdata" then
		return tostring(x)
	end
	return "a " .. t
end

local function complain(x, what, noun, level)
	error(format("%s: %s expected, got %s", what, noun, show(x)), level + 1)
end

local function too_big(x, what, bits, level)
	error(format("%s: %s does not fit in %d bits", what, show(x), bits), level + 1)
end

-- The bits of a whole number of either kind (or of a pointer out of a struct copy) as uint64_t, and whether it is
-- negative.
local function whole(x, what, noun, level)
	if type(x) == "cdata" then
		if is_ctype(x) then
			complain(x, what, noun, level + 1)
		elseif istype(u64_t, x) then
			return cast(u64_t, x), false
		elseif istype(i64_t, x) then
			return cast(u64_t, x), cast(i64_t, x) < 0
		elseif is_pointer(x) then
			return cast(u64_t, x), false
		elseif istype(pointer_t, x) then
			return x.ptracehook_address, false
		end
		local n = tonumber(x) -- enums and the small integer types
		if not n then
			complain(x, what, noun, level + 1)
		end
		x = n
	elseif type(x) ~= "number" then
		complain(x, what, noun, level + 1)
	end
	if x % 1 ~= 0 then
		complain(x, what, noun, level + 1)
	elseif x >= TWO64 or x < -TWO63 then
		too_big(x, what, 64, level + 1)
	elseif x >= 0 then
		return cast(u64_t, x), false
	end
	return cast(u64_t, cast(i64_t, x)), true -- straight to uint64_t is 2^63 in the interpreter
end

local WHOLE = "whole number"

function M.hex(x)
	return format("0x%x", (whole(x, "hex", WHOLE, 2)))
end

function M.key(x)
	local bits = whole(x, "key", WHOLE, 2)
	return bits <= EXACT and tonumber(bits) or format("%u", bits)
end

function M.num(x)
	local bits, negative = whole(x, "num", WHOLE, 2)
	if type(x) == "number" then
		return x
	end
	local n = tonumber(negative and cast(i64_t, bits) or bits)
	if n == TWO64 or cast(u64_t, negative and cast(i64_t, n) or cast(u64_t, n)) ~= bits then
		error(format("num: %s is not exact as a Lua number (past 2^53)", show(x)), 2)
	end
	return n
end

function M.u64(x)
	return (whole(x, "u64", WHOLE, 2))
end

function M.i64(x)
	return cast(i64_t, (whole(x, "i64", WHOLE, 2)))
end

function M.i32(x)
	return tonumber(cast(i32_t, (whole(x, "i32", WHOLE, 2))))
end

-- 0 .. 2^64-1 -> uint64_t
function M.addr(x, what, level)
	level = level or 2
	local bits, negative = whole(x, what, "address", level + 1)
	if negative then
		error(format("%s: address must not be negative, got %s", what, show(x)), level + 1)
	end
	return bits
end

local function amount(x, what, noun, level)
	local bits, negative = whole(x, what, noun, level + 1)
	if negative then
		error(format("%s: %s must not be negative, got %s", what, noun, show(x)), level + 1)
	elseif bits > EXACT then
		error(format("%s: %s must not be above 2^53, got %s", what, noun, show(x)), level + 1)
	end
	return tonumber(bits)
end

-- 0 .. 2^53 -> Lua number
function M.size(x, what, level)
	local n = amount(x, what, "size", (level or 2) + 1)
	return n
end

function M.count(x, what, level)
	local n = amount(x, what, "count", (level or 2) + 1)
	return n
end

-- Any whole number that fits `bits`, signed or unsigned, as the unsigned value that is to be stored: uint64_t for
-- 64, otherwise a Lua number. A uint64_t that equals a negative number (wrapped arithmetic) counts as that number.
function M.fit(x, bits, what, level)
	level = level or 2
	local v = whole(x, what, WHOLE, level + 1)
	if bits == 64 then
		return v
	end
	local n = tonumber(cast(i64_t, v))
	if n >= 0 and n < 2 ^ bits then
		return n
	elseif n >= 0 or n < -2 ^ (bits - 1) or type(x) == "number" and x >= 0 then
		too_big(x, what, bits, level + 1)
	end
	return n + 2 ^ bits
end

-- Any whole number -2^63 .. 2^64-1 -> uint64_t
function M.int(x, what, level)
	local v = whole(x, what, WHOLE, (level or 2) + 1)
	return v
end

-- A NaN of the target's could be any Lua value to the stock FFI, which boxes doubles as they are: a bad string, say,
-- that crashes the collector. So floats out of a target are loaded by these. p: any pointer of ours.
function M.load_f64(p)
	local words = cast(u32_p, p)
	local high = words[1] % 0x80000000
	if high > 0x7ff00000 or high == 0x7ff00000 and words[0] ~= 0 then
		return 0 / 0
	end
	return cast(f64_p, p)[0]
end

function M.load_f32(p)
	if cast(u32_p, p)[0] % 0x80000000 > 0x7f800000 then
		return 0 / 0
	end
	return cast(f32_p, p)[0]
end

-- Any cdata that is a whole number to us, as a Lua number or 64 bits; nil for what is none.
function M.plain(x)
	if type(x) ~= "cdata" or is_ctype(x) then
		return nil
	elseif istype(u64_t, x) or is_pointer(x) then
		return cast(u64_t, x)
	elseif istype(i64_t, x) then
		return cast(i64_t, x)
	elseif istype(pointer_t, x) then
		return x.ptracehook_address
	end
	return tonumber(x)
end

M.pointer_t = pointer_t
M.is_ctype = is_ctype
M.is_wide = is_value
M.is_pointer = is_pointer
M.show = show

M.complain, M.too_big = complain, too_big

-- The stock one, for modules that are loaded later: busted's forgets parameters, and keeps what it is given.
M.typeof = typeof

-- Before anything is compiled: traces take the metatable of cdata for constant.
function M.install()
	local mt = debug.getmetatable(0ULL)
	if not mt.ptracehook then
		mt.ptracehook = true
		require("ptracehook.operators").install(mt)
	end
end

return M
