-- operators - what number.lua's install() puts in place: arithmetic, comparison, text and stores of 64-bit integers.

local ffi = require "ffi"
local number = require "ptracehook.number"

local M = {}

local cast, istype, typeof = ffi.cast, ffi.istype, ffi.typeof
local type, tonumber, error, select = type, tonumber, error, select
local format = string.format
local complain, too_big, is_value = number.complain, number.too_big, number.is_wide

local u64_t, i64_t = typeof "uint64_t", typeof "int64_t"
local TWO63, TWO64 = 2 ^ 63, 2 ^ 64

local function is_wide(x)
	return istype(u64_t, x) or istype(i64_t, x)
end

-- A Lua number beside a 64-bit operand: the same bits as int64_t, so that uint64_t stays uint64_t and int64_t stays
-- int64_t. level: 3, the line of the operator, when a metamethod calls.
local function operand(n, level)
	if n % 1 ~= 0 then
		complain(n, "64-bit arithmetic", "whole number", level)
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

function M.install(mt)
	install_arithmetic(mt)
	install_comparison(mt)
	install_text(mt)
	install_conversion(mt)
end

return M
