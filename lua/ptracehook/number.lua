-- number - 64-bit integers that behave.
--
-- A 64-bit quantity is a uint64_t or int64_t cdata. Stock LuaJIT shows it with ULL, turns negative numbers into 2^63
-- (in the interpreter; its JIT does not), cuts fractions off and divides by zero. install() mends the metatable that
-- all cdata share, and string.format, bit and the writers of files. Traces take that metatable for constant, so
-- install() comes before any code is compiled. Other cdata (pointers, structs, metatypes) keep the stock behaviour.
--
-- In the checks below `what` begins the message, and `level` says whose line it names, counted as by error() in
-- the function that calls the check: 2, its caller, is the default.

local ffi = require "ffi"

local M = {}

local cast, istype, typeof = ffi.cast, ffi.istype, ffi.typeof
local type, tonumber, tostring, error, select = type, tonumber, tostring, error, select
local format = string.format

local u64_t, i64_t, i32_t = typeof "uint64_t", typeof "int64_t", typeof "int32_t"

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
	end
	return tonumber(x)
end

M.is_ctype = is_ctype
M.is_wide = is_value
M.is_pointer = is_pointer
M.show = show

-- A Lua number beside a 64-bit operand: the same bits as int64_t, so that uint64_t stays uint64_t and int64_t stays
-- int64_t. level: 3, the line of the operator, when a metamethod calls.
local function operand(n, level)
	if n % 1 ~= 0 then
		complain(n, "64-bit arithmetic", WHOLE, level)
	elseif n >= TWO64 or n < -TWO63 then
		too_big(n, "64-bit arithmetic", 64, level)
	elseif n < TWO63 then
		return cast(i64_t, n)
	end
	return cast(i64_t, cast(u64_t, n))
end

-- What stock LuaJIT converts rightly, whatever the other operand.
local function is_plain(n)
	return n >= 0 and n < TWO63 and n % 1 == 0
end

local function install_arithmetic(mt)
	local add, sub, mul, div, mod, pow = mt.__add, mt.__sub, mt.__mul, mt.__div, mt.__mod, mt.__pow
	local lt = mt.__lt
	local band, bor = require("bit").band, require("bit").bor

	function mt.__add(a, b)
		if type(b) == "number" then
			if not is_plain(b) and is_wide(a) then
				b = operand(b, 3)
			end
		elseif type(a) == "number" then
			if not is_plain(a) and is_wide(b) then
				a = operand(a, 3)
			end
		end
		return add(a, b)
	end

	function mt.__sub(a, b)
		if type(b) == "number" then
			if not is_plain(b) and is_wide(a) then
				b = operand(b, 3)
			end
		elseif type(a) == "number" then
			if not is_plain(a) and is_wide(b) then
				a = operand(a, 3)
			end
		end
		return sub(a, b)
	end

	function mt.__mul(a, b)
		if type(b) == "number" then
			if not is_plain(b) and is_wide(a) then
				b = operand(b, 3)
			end
		elseif type(a) == "number" then
			if not is_plain(a) and is_wide(b) then
				a = operand(a, 3)
			end
		end
		return mul(a, b)
	end

	local function magnitude(x)
		if type(x) == "number" then
			if x < 0 then
				return cast(u64_t, sub(0, operand(x, 5))), true
			end
			operand(x, 5)
			return cast(u64_t, x), false
		elseif istype(i64_t, x) and lt(x, 0) then
			return cast(u64_t, sub(0, x)), true
		end
		return cast(u64_t, x), false
	end

	-- Division goes by value and cuts towards zero, as idiv does; the remainder has the dividend's sign.
	local function divide(op, a, b, sign)
		local x, x_negative = magnitude(a)
		local y, y_negative = magnitude(b)
		if not lt(0, y) then
			error("64-bit arithmetic: division by zero", 3)
		end
		y = bor(y, band(x, y)) -- y, but hidden from the JIT, which folds (-x)/(-y) to x/y, unsigned ones too
		local r = op(x, y)
		if x_negative ~= (sign and y_negative) then
			r = sub(0, r)
		end
		if istype(u64_t, a) or istype(u64_t, b) then
			return r
		end
		return cast(i64_t, r)
	end

	-- Both operands are integers of ours, at least one of them 64 bits wide.
	local function are_integers(a, b)
		if type(a) == "number" then
			return is_wide(b)
		elseif type(b) == "number" then
			return is_wide(a)
		end
		return type(a) == "cdata" and type(b) == "cdata" and is_wide(a) and is_wide(b)
	end

	function mt.__div(a, b)
		if type(b) == "number" and b > 0 and is_plain(b) or not are_integers(a, b) then
			return div(a, b)
		end
		local r = divide(div, a, b, true)
		return r
	end

	function mt.__mod(a, b)
		if type(b) == "number" and b > 0 and is_plain(b) or not are_integers(a, b) then
			return mod(a, b)
		end
		local r = divide(mod, a, b, false)
		return r
	end

	function mt.__pow(a, b)
		if type(b) == "number" and is_plain(b) or not are_integers(a, b) then
			return pow(a, b)
		end
		if type(b) == "number" then
			b = operand(b, 3)
		end
		if istype(i64_t, b) and lt(b, 0) then
			error("64-bit arithmetic: the exponent must not be negative", 2)
		end
		if type(a) == "number" then
			a = operand(a, 3)
		end
		return pow(a, b)
	end
end

-- By value: a uint64_t is never below a negative number, whichever kind that is.
local function install_comparison(mt)
	local eq, lt, le = mt.__eq, mt.__lt, mt.__le
	local floor, ceil = math.floor, math.ceil

	-- `==` goes by bits, so that what was stored as -1 is -1 when read back.
	function mt.__eq(a, b)
		if type(a) == "number" then
			a, b = b, a
		end
		if type(b) == "number" then
			if is_plain(b) or not is_wide(a) then
				return eq(a, b)
			elseif b % 1 ~= 0 or b >= TWO64 or b < -TWO63 then
				return false
			end
			return eq(a, (operand(b, 3)))
		elseif type(a) == "cdata" and type(b) == "cdata" then
			return eq(a, b)
		elseif is_wide(type(a) == "cdata" and a or b) then
			return false
		end
		return eq(a, b)
	end

	local function order(op, a, b)
		if istype(i64_t, a) and istype(u64_t, b) then
			return lt(a, 0) or op(cast(u64_t, a), b)
		elseif istype(u64_t, a) and istype(i64_t, b) then
			return not lt(b, 0) and op(a, cast(u64_t, b))
		end
		return op(a, b)
	end

	-- x: 64 bits wide, n: a number that is_plain refuses; rounded to where it makes no difference
	local function order_right(op, x, n)
		if n ~= n or n < -TWO63 then
			return false
		elseif n >= TWO64 then
			return true
		end
		return order(op, x, n < TWO63 and cast(i64_t, n) or cast(u64_t, n))
	end

	local function order_left(op, n, x)
		if n ~= n or n >= TWO64 then
			return false
		elseif n < -TWO63 then
			return true
		end
		return order(op, n < TWO63 and cast(i64_t, n) or cast(u64_t, n), x)
	end

	function mt.__lt(a, b)
		if type(b) == "number" then
			if is_plain(b) or not is_wide(a) then
				return lt(a, b)
			end
			return order_right(lt, a, ceil(b))
		elseif type(a) == "number" then
			if is_plain(a) or not is_wide(b) then
				return lt(a, b)
			end
			return order_left(lt, floor(a), b)
		elseif type(a) == "cdata" and type(b) == "cdata" then
			return order(lt, a, b)
		end
		return lt(a, b)
	end

	function mt.__le(a, b)
		if type(b) == "number" then
			if is_plain(b) or not is_wide(a) then
				return le(a, b)
			end
			return order_right(le, a, floor(b))
		elseif type(a) == "number" then
			if is_plain(a) or not is_wide(b) then
				return le(a, b)
			end
			return order_left(le, ceil(a), b)
		elseif type(a) == "cdata" and type(b) == "cdata" then
			return order(le, a, b)
		end
		return le(a, b)
	end
end

local function any_cdata(a, b, c, d, e, f, ...)
	return type(a) == "cdata" or type(b) == "cdata" or type(c) == "cdata" or type(d) == "cdata"
		or type(e) == "cdata" or type(f) == "cdata" or select("#", ...) > 0 and any_cdata(...)
end

local function decimal(x)
	if istype(u64_t, x) then
		return format("%u", cast(u64_t, x)) -- the cast drops a const, which format() would not take
	end
	return format("%d", cast(i64_t, x))
end

local function install_text(mt)
	local stock_tostring, concat = mt.__tostring, mt.__concat

	function mt.__tostring(x)
		if is_value(x) then
			return decimal(x)
		end
		return stock_tostring(x)
	end

	local function text(x)
		local t = type(x)
		if t == "string" or t == "number" then
			return x
		end
		return is_value(x) and decimal(x) or nil
	end

	function mt.__concat(a, b)
		local s, t = text(a), text(b)
		if s and t then
			return s .. t
		end
		return concat(a, b)
	end

	-- Stock format() takes 64 bits, but %d shows them signed and the conversions of floats refuse them.
	local function format_wide(fmt, ...)
		local args, n = { ... }, 0
		local out = fmt:gsub("%%([-+ #0]*%d*%.?%d*)(.)", function(flags, conversion)
			if conversion == "%" then
				return nil
			end
			n = n + 1
			local x = args[n]
			if not is_value(x) then
				return nil
			elseif conversion:find "[aAeEfFgG]" then
				args[n] = tonumber(x)
			elseif istype(u64_t, x) then
				args[n] = cast(u64_t, x)
				return conversion:find "[di]" and "%" .. flags .. "u" or nil
			else
				args[n] = cast(i64_t, x)
			end
		end)
		return format(out, unpack(args, 1, select("#", ...)))
	end

	local function format_any(...)
		local fmt, a, b, c = ...
		if type(a) == "cdata" or type(b) == "cdata" or type(c) == "cdata"
			or select("#", ...) > 4 and any_cdata(select(5, ...)) then
			if type(fmt) == "string" then
				return format_wide(...)
			end
		end
		return format(...)
	end

	rawset(string, "format", format_any)

	local function texts(x, ...)
		if is_value(x) then
			x = decimal(x)
		end
		if select("#", ...) == 0 then
			return x
		end
		return x, texts(...)
	end

	local io_write = io.write
	local file = getmetatable(io.stdout).__index
	local file_write = file.write

	rawset(io, "write", function(...)
		if any_cdata(...) then
			return io_write(texts(...))
		end
		return io_write(...)
	end)

	function file.write(...)
		if any_cdata(...) then
			return file_write(texts(...))
		end
		return file_write(...)
	end
end

local function signed(x, ...)
	if type(x) == "number" and x < 0 and x >= -TWO63 then
		x = cast(i64_t, x)
	end
	if select("#", ...) == 0 then
		return x
	end
	return x, signed(...)
end

-- bit.band(regs.rsp, -16), and -1 stored into a field of a struct copy, are 2^63 in the stock interpreter.
local function install_conversion(mt)
	local bit = require "bit"

	for _, name in ipairs { "band", "bor", "bxor" } do
		local op = bit[name]
		bit[name] = function(...)
			local a, b = ...
			if type(a) == "cdata" or type(b) == "cdata" or select("#", ...) > 2 and any_cdata(select(3, ...)) then
				return op(signed(...))
			end
			return op(...)
		end
	end

	local newindex = mt.__newindex
	function mt.__newindex(x, k, v)
		if type(v) == "number" and v < 0 and v % 1 == 0 and v >= -TWO63 then
			v = cast(i64_t, v)
		end
		return newindex(x, k, v)
	end
end

function M.install()
	local mt = debug.getmetatable(0ULL)
	if mt.ptracehook then
		return
	end
	mt.ptracehook = true
	install_arithmetic(mt)
	install_comparison(mt)
	install_text(mt)
	install_conversion(mt)
end

return M
