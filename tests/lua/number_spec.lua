local spec = debug.getinfo(1, "S").source:sub(2)
local root = spec:match "^(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "lua/?.lua;" .. package.path

local ffi = require "ffi"
local number = require "ptracehook.number"
number.install()

local hex, key, num, u64, i64, i32 = number.hex, number.key, number.num, number.u64, number.i64, number.i32

local HOT = 20000
local MINUS_1 = 0xffffffffffffffffULL

local function line()
	return debug.getinfo(2, "l").currentline
end

-- fn must raise at that line of this file, with a message that has all of `parts`
local function raises(fn, ...)
	local ok, e = pcall(fn)
	assert.is_false(ok)
	for _, part in ipairs { ... } do
		assert.truthy(tostring(e):find(part, 1, true), tostring(e) .. "\nshould have: " .. part)
	end
end

-- The model: sign and magnitude, the magnitude as limbs of 16 bits, lowest first.
local LIMBS = 5
local model = {}

function model.new(negative, limbs)
	for i = 1, LIMBS do
		limbs[i] = limbs[i] or 0
	end
	return { negative = negative, limbs = limbs }
end

function model.less(a, b) -- magnitudes
	for i = LIMBS, 1, -1 do
		if a[i] ~= b[i] then
			return a[i] < b[i]
		end
	end
	return false
end

function model.wrap(limbs)
	local carry = 0
	local out = {}
	for i = 1, 4 do
		local n = (limbs[i] or 0) + carry
		out[i] = n % 65536
		carry = math.floor(n / 65536)
	end
	out[5] = 0
	return out
end

function model.negate(limbs)
	local out = {}
	for i = 1, 4 do
		out[i] = 65535 - limbs[i]
	end
	out[1] = out[1] + 1
	return model.wrap(out)
end

function model.bits(v)
	return v.negative and model.negate(v.limbs) or model.wrap(v.limbs)
end

function model.add(a, b)
	local out = {}
	for i = 1, 4 do
		out[i] = a[i] + b[i]
	end
	return model.wrap(out)
end

function model.mul(a, b)
	local out = { 0, 0, 0, 0 }
	for i = 1, 4 do
		for j = 1, 5 - i do
			out[i + j - 1] = out[i + j - 1] + a[i] * b[j]
		end
	end
	return model.wrap(out)
end

function model.divmod(a, b)
	local q, r = model.new(false, {}).limbs, model.new(false, {}).limbs
	for i = LIMBS, 1, -1 do
		for bit = 15, 0, -1 do
			local carry = math.floor(a[i] / 2 ^ bit) % 2
			for k = 1, LIMBS do
				local n = r[k] * 2 + carry
				r[k], carry = n % 65536, n >= 65536 and 1 or 0
			end
			if not model.less(r, b) then
				local borrow = 0
				for k = 1, LIMBS do
					local n = r[k] - b[k] - borrow
					r[k], borrow = n % 65536, n < 0 and 1 or 0
				end
				q[i] = q[i] + 2 ^ bit
			end
		end
	end
	return q, r
end

function model.decimal(v)
	local limbs, digits = { unpack(v.limbs) }, {}
	repeat
		local rest, any = 0, false
		for i = LIMBS, 1, -1 do
			local n = rest * 65536 + limbs[i]
			limbs[i], rest = math.floor(n / 10), n % 10
			any = any or limbs[i] > 0
		end
		table.insert(digits, 1, ("%d"):format(rest))
	until not any
	return (v.negative and "-" or "") .. table.concat(digits)
end

function model.same(a, b)
	for i = 1, 4 do
		if a[i] ~= b[i] then
			return false
		end
	end
	return true
end

function model.is_zero(limbs)
	return model.same(limbs, { 0, 0, 0, 0 }) and limbs[5] == 0
end

function model.value_less(a, b)
	if a.negative ~= b.negative then
		return a.negative
	elseif a.negative then
		return model.less(b.limbs, a.limbs)
	end
	return model.less(a.limbs, b.limbs)
end

local view = ffi.new "union { uint16_t limbs[4]; uint64_t u; int64_t i; }"

local function limbs_of(x)
	if ffi.istype("int64_t", x) then
		view.i = x
	else
		view.u = x
	end
	return { view.limbs[0], view.limbs[1], view.limbs[2], view.limbs[3], 0 }
end

local random = math.random

local function random_limb()
	local kind = random(4)
	return kind == 1 and 0 or kind == 2 and 65535 or kind == 3 and random(0, 3) or random(0, 65535)
end

-- -> a value of the kind, and its model
local function random_value(kind)
	if kind == "number" then
		local n = random(0, 1) == 0 and random(0, 20) or random(0, 2 ^ 31 - 1) * 2 ^ random(0, 33)
		n = random(0, 1) == 0 and n <= 2 ^ 63 and -n or n
		local m, limbs = math.abs(n), {}
		for i = 1, LIMBS do
			limbs[i] = m % 65536
			m = math.floor(m / 65536)
		end
		return n, model.new(n < 0, limbs)
	end
	for i = 0, 3 do
		view.limbs[i] = random_limb()
	end
	local x = kind == "u64" and view.u or view.i
	local negative = kind == "i64" and view.limbs[3] >= 32768
	local limbs = limbs_of(x)
	return x, model.new(negative, negative and model.negate(limbs) or limbs)
end

local kinds = { "u64", "i64", "number" }

local function random_pair()
	local k1, k2
	repeat
		k1, k2 = kinds[random(3)], kinds[random(3)]
	until k1 ~= "number" or k2 ~= "number"
	local a, ma = random_value(k1)
	local b, mb = random_value(k2)
	if random(8) == 1 and k1 == k2 then
		b, mb = a, ma
	end
	return a, b, ma, mb
end

local function fail(op, a, b, got)
	error(("%s %s %s (%s, %s) gave %s"):format(tostring(a), op, tostring(b), type(a) == "cdata"
		and tostring(ffi.typeof(a)) or "number", type(b) == "cdata" and tostring(ffi.typeof(b)) or "number",
		tostring(got)), 2)
end

describe("equality of 64-bit integers", function()
	it("holds for negative numbers on either side, by constants, in hot loops", function()
		local x, y = u64(-1), u64(-4096)
		local n = 0
		for _ = 1, HOT do
			if x == -1 and -1 == x and y == -4096 and -4096 == y then
				n = n + 1
			end
			if x == -2 or -2 == x or x ~= -1 or -1 ~= x or y == 2 ^ 63 then
				n = n - 1000000
			end
		end
		assert.equal(HOT, n)
	end)

	it("holds for negative numbers in variables, in hot loops", function()
		local n = 0
		for i = 1, HOT do
			local x, y = u64(-i), -i
			if x == y and y == x and i64(y) == x and x == i64(y) and i64(y) == y and y == i64(y) then
				n = n + 1
			end
			if x ~= y or x == y - 1 or y - 1 == x or x == i or i64(y) == i then
				n = n - 1000000
			end
		end
		assert.equal(HOT, n)
	end)

	it("survives a sign that changes while the loop is hot", function()
		local n = 0
		for i = -HOT, HOT do
			local x = i < 0 and 0ULL - (-i) or 0ULL + i
			if x == i and i == x and not (x == i + 1) and not (i - 1 == x) then
				n = n + 1
			end
		end
		assert.equal(2 * HOT + 1, n)
	end)

	it("is false for fractions, nan, infinities and what is out of range", function()
		local x, y, n = 1ULL, i64(-1), 0
		for _ = 1, HOT do
			if x == 1.5 or 1.5 == x or y == -1.5 or -1.5 == y or x == 0 / 0 or x == math.huge or y == -math.huge
				or MINUS_1 == 2 ^ 64 or MINUS_1 == -1.5 or y == 2 ^ 64 - 2048 or x == -1e300 or u64(2 ^ 63) == 1e300 then
				n = n + 1
			end
		end
		assert.equal(0, n)
	end)

	it("is false for other types and raises nothing", function()
		local others = { "1", "x", true, false, {}, print, coroutine.create(print), io.stdout, setmetatable({}, {
			__eq = function() return true end,
		}) }
		local x, y, n = 1ULL, 1LL, 0
		for _ = 1, HOT / 10 do
			for i = 1, #others do
				if x == others[i] or others[i] == x or y == others[i] or others[i] == y then
					n = n + 1
				end
			end
			if x == nil or nil == y or x == "1" or "1" == y or y == true then
				n = n + 1
			end
		end
		assert.equal(0, n)
	end)

	it("goes by bits between the signed and the unsigned kind", function()
		local n = 0
		for _ = 1, HOT do
			if MINUS_1 == -1LL and -1LL == MINUS_1 and 5ULL == 5LL and 5LL ~= 6ULL then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
		assert.is_true(u64(2 ^ 63) == -2 ^ 63)
		assert.is_true(i64(-2 ^ 63) == 2 ^ 63)
	end)

	it("agrees with the model on random pairs", function()
		for _ = 1, HOT do
			local a, b, ma, mb = random_pair()
			local expected = model.same(model.bits(ma), model.bits(mb))
			if (a == b) ~= expected or (b == a) ~= expected or (a ~= b) == expected then
				fail("==", a, b, a == b)
			end
		end
	end)
end)

describe("64-bit arithmetic", function()
	it("wraps as the CPU does, also with negative numbers, in hot loops", function()
		local x, n = u64(0x1000), 0
		for i = 1, HOT do
			if x + -16 == 0xff0 and -16 + x == 0xff0 and x - 16 == 0xff0 and x - -16 == 0x1010 and -16 - x == -0x1010
				and x * -1 == -0x1000 and -1 * x == -0x1000 and -x == -0x1000 and (x - 0x1001) == -1
				and x + -0x1001 == MINUS_1 and x + -i == 0x1000 - i and x * -i == -0x1000 * i then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
	end)

	it("agrees with the model on random pairs: + - * and unary minus", function()
		for _ = 1, HOT do
			local a, b, ma, mb = random_pair()
			local x, y = model.bits(ma), model.bits(mb)
			if not model.same(limbs_of(a + b), model.add(x, y)) then
				fail("+", a, b, a + b)
			elseif not model.same(limbs_of(a - b), model.add(x, model.negate(y))) then
				fail("-", a, b, a - b)
			elseif not model.same(limbs_of(a * b), model.mul(x, y)) then
				fail("*", a, b, a * b)
			elseif type(a) == "cdata" and not model.same(limbs_of(-a), model.negate(x)) then
				fail("unary -", a, a, -a)
			end
		end
	end)

	it("divides by value and cuts towards zero: / and %", function()
		assert.is_true(10ULL / -2 == -5)
		assert.is_true(-7 / 2LL == -3)
		assert.is_true(-7LL % 2 == -1)
		assert.is_true(10ULL % -3 == 1)
		assert.is_true(MINUS_1 / 2 == 0x7fffffffffffffffULL)
		assert.is_true(i64(-2 ^ 63) / -1 == -2 ^ 63)
		for _ = 1, HOT / 4 do
			local a, b, ma, mb = random_pair()
			if not model.is_zero(mb.limbs) then
				local q, r = model.divmod(ma.limbs, mb.limbs)
				if ma.negative ~= mb.negative then
					q = model.negate(q)
				end
				if ma.negative then
					r = model.negate(r)
				end
				if not model.same(limbs_of(a / b), q) then
					fail("/", a, b, a / b)
				elseif not model.same(limbs_of(a % b), r) then
					fail("%", a, b, a % b)
				end
			end
		end
	end)

	it("divides negated operands unsigned, in hot loops", function()
		local n = 0
		for i = 1, HOT do
			local x, y = 5ULL + i, 3ULL + i
			if (-x) / (-y) == 0 and (0 - x) / (y * -1) == 0 and (-x) / (-3ULL) == 0 and (-x) * (-y) == x * y then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
	end)

	it("is the same for constants and variables, compiled and interpreted", function()
		local function literal(x)
			if type(x) == "number" then
				return ("(%.17g)"):format(x)
			end
			return ffi.istype("uint64_t", x) and hex(x) .. "ULL" or hex(x) .. "LL"
		end
		local names = { "+", "-", "*", "/", "%", "==", "~=", "<", "<=", ">", ">=" }
		for _ = 1, 1500 do
			local a, b, _, mb = random_pair()
			local op = names[random(model.is_zero(mb.limbs) and 3 or #names)]
			if op ~= "/" and op ~= "%" or not model.is_zero(mb.limbs) then
				local code = ("local a, b, n = ... local r for _ = 1, n do r = %s %s %s end return tostring(r)")
				local expected
				for _, form in ipairs { { "a", "b" }, { literal(a), "b" }, { "a", literal(b) }, { literal(a), literal(b) } } do
					local f = assert(loadstring(code:format(form[1], op, form[2])))
					expected = expected or f(a, b, 1)
					local r = f(a, b, 150)
					if r ~= expected then
						fail(op .. " (as " .. form[1] .. op .. form[2] .. ")", a, b, r .. ", not " .. expected)
					end
				end
			end
		end
	end)

	it("raises to powers, wrapping", function()
		for _ = 1, HOT / 10 do
			local a, ma = random_value(kinds[random(3)])
			local n = random(0, 9)
			local expected = { 1, 0, 0, 0 }
			for _ = 1, n do
				expected = model.mul(expected, model.bits(ma))
			end
			if not model.same(limbs_of(a ^ u64(n)), expected) then
				fail("^", a, n, a ^ u64(n))
			elseif type(a) == "cdata" and not (model.same(limbs_of(a ^ n), expected)
				and model.same(limbs_of(a ^ i64(n)), expected)) then
				fail("^", a, n, a ^ n)
			end
		end
		assert.is_true(2ULL ^ 63 == 2 ^ 63)
	end)

	it("stays unsigned if one operand is, signed otherwise", function()
		for _, other in ipairs { 3, -3, 2LL, 2 ^ 63 } do
			for _, r in ipairs { 5ULL + other, other - 5ULL, 5ULL * other, 5ULL / other, other % 5ULL } do
				assert.is_true(ffi.istype("uint64_t", r))
			end
			for _, r in ipairs { 5LL + other, other - 5LL, 5LL * other, 5LL / other, other % 5LL } do
				assert.is_true(ffi.istype("int64_t", r))
			end
		end
	end)

	it("refuses fractions, nan, infinities and what is out of range, at the line of the operator", function()
		for _, n in ipairs { 1.5, -0.25, 0 / 0, math.huge, -math.huge } do
			for _, x in ipairs { 5ULL, 5LL } do
				local here
				raises(function() here = line(); local _ = x + n end, "number_spec", "whole number expected, got ")
				raises(function() local _ = x - n end, "number_spec.lua:" .. here + 1 .. ":")
				raises(function() local _ = n * x end, "number_spec.lua:" .. here + 2 .. ":", "whole number expected")
				raises(function() local _ = x / n end, "number_spec.lua:" .. here + 3 .. ":", "whole number expected")
				raises(function() local _ = n % x end, "number_spec.lua:" .. here + 4 .. ":", "whole number expected")
				raises(function() local _ = x ^ n end, "number_spec.lua:" .. here + 5 .. ":", "whole number expected")
				raises(function() local _ = n ^ x end, "number_spec.lua:" .. here + 6 .. ":", "whole number expected")
			end
		end
		raises(function() local _ = 5ULL + 2 ^ 64 end, "18446744073709551616 does not fit in 64 bits")
		raises(function() local _ = -1e300 / 5LL end, "-1e+300 does not fit in 64 bits")
	end)

	it("refuses to divide by zero, at the line of the operator", function()
		for _, zero in ipairs { 0, -0.0, 0ULL, 0LL } do
			for _, x in ipairs { 5ULL, -5LL } do
				local here
				raises(function() here = line(); local _ = x / zero end, "division by zero", "number_spec.lua:")
				raises(function() local _ = x % zero end, "number_spec.lua:" .. here + 1 .. ": ", "division by zero")
			end
		end
		raises(function() local _ = 7 / 0ULL end, "division by zero")
		raises(function() local _ = -7 % 0LL end, "division by zero")
		raises(function()
			for i = HOT, 0, -1 do
				local _ = 7ULL / i
			end
		end, "division by zero")
	end)

	it("refuses negative exponents", function()
		raises(function() local _ = 2ULL ^ -1 end, "number_spec.lua:", "the exponent must not be negative")
		raises(function() local _ = 2LL ^ -1LL end, "the exponent must not be negative")
		raises(function() local _ = 2 ^ -1LL end, "the exponent must not be negative")
	end)

	it("refuses nil, tables and strings as stock LuaJIT does", function()
		raises(function() local _ = 1ULL + nil end, "number_spec.lua:", "arithmetic on 'uint64_t' and 'nil'")
		raises(function() local _ = {} / 1LL end, "attempt to perform arithmetic")
		raises(function() local _ = 1ULL % "5" end, "attempt to perform arithmetic")
	end)

	it("takes negative numbers in bit.band, bit.bor and bit.bxor, in hot loops", function()
		local x, n = u64(0x7fff12345678), 0
		for i = 1, HOT do
			if bit.band(x, -16) == 0x7fff12345670 and bit.bor(-16, 1ULL) == -15 and bit.bxor(x, -1) == bit.bnot(x)
				and bit.band(x, -16, 0xff) == 0x70 and bit.band(MINUS_1, -i) == -i and bit.band(-1LL, -16) == -16 then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
		assert.equal(8, bit.band(12, -8))
		assert.equal(-1, bit.bor(-1, 1))
		raises(function() bit.band() end, "bad argument #1 to 'band'")
		raises(function() bit.band(1ULL, {}) end, "bad argument #2 to 'band'")
	end)
end)

describe("order of 64-bit integers", function()
	it("goes by value, in hot loops", function()
		local n = 0
		for i = 1, HOT do
			local x, y = u64(i), i64(-i)
			if x > -i and -i < x and not (x < -1) and not (MINUS_1 < -1) and MINUS_1 > 0 and y < 0 and y <= -i
				and y < x and x > y and y >= -i and not (y > -1) and MINUS_1 > -1LL and i64(5) < MINUS_1 then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
	end)

	it("takes fractions, infinities and nan", function()
		local x, y = 2ULL, -2LL
		assert.is_true(x < 2.5 and x > 1.5 and x <= 2.5 and x >= 1.5 and 1.5 < x and 2.5 > x and 1.5 <= x)
		assert.is_false(x < 1.5 or x > 2.5 or x <= 1.5 or x >= 2.5 or 2.5 < x or 2.5 <= x)
		assert.is_true(y < -1.5 and y > -2.5 and -2.5 <= y and -1.5 >= y)
		assert.is_false(y > -1.5 or y < -2.5)
		for _, v in ipairs { x, y, MINUS_1, i64(-2 ^ 63) } do
			assert.is_true(v < math.huge and v > -math.huge and v <= 2 ^ 64 and v > -2 ^ 64 and 2 ^ 64 > v and -1e300 <= v)
			assert.is_false(v > math.huge or v < -math.huge or v >= 2 ^ 64)
			local nan = 0 / 0
			assert.is_false(v < nan or v > nan or v <= nan or v >= nan or nan < v or nan >= v)
		end
	end)

	it("agrees with the model on random pairs", function()
		for _ = 1, HOT do
			local a, b, ma, mb = random_pair()
			local less, more = model.value_less(ma, mb), model.value_less(mb, ma)
			if (a < b) ~= less or (b > a) ~= less then
				fail("<", a, b, a < b)
			elseif (a <= b) == more or (b >= a) == more then
				fail("<=", a, b, a <= b)
			end
		end
	end)

	it("refuses nil, strings and tables", function()
		raises(function() return 1ULL < nil end, "number_spec.lua:", "attempt to compare")
		raises(function() return "1" <= 1LL end, "attempt to compare")
		raises(function() return {} > 1LL end, "attempt to compare")
	end)
end)

describe("text of 64-bit integers", function()
	it("is decimal without a suffix, in hot loops", function()
		local n = 0
		for i = 1, HOT do
			if tostring(u64(i)) == tostring(i) and tostring(i64(-i)) == "-" .. i and tostring(MINUS_1) == "18446744073709551615"
				and "<" .. u64(i) .. ">" == "<" .. i .. ">" and 1 .. u64(i) == "1" .. i and u64(i) .. 1 == i .. "1"
				and u64(1) .. i64(-2) == "1-2" then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
	end)

	it("agrees with the model on random values", function()
		for _ = 1, HOT / 10 do
			local x, m = random_value(kinds[random(2)])
			local text = model.decimal(m)
			assert.equal(text, tostring(x))
			assert.equal(text, ("%s"):format(x))
			assert.equal("[" .. text .. "]", "[" .. x .. "]")
			assert.equal(text, ("%d"):format(x))
			local bits = limbs_of(x)
			local h = ("%04x%04x%04x%04x"):format(bits[4], bits[3], bits[2], bits[1])
			assert.equal(h, ("%016x"):format(x))
			assert.equal(h:upper(), ("%016X"):format(x))
			assert.equal("0x" .. (h:gsub("^0+(.)", "%1")), hex(x))
			assert.equal(model.decimal(model.new(false, bits)), ("%u"):format(x))
		end
	end)

	it("formats with %d %i %u %x %X %o %s, widths and flags", function()
		assert.equal("18446744073709551615|18446744073709551615|18446744073709551615",
			("%d|%i|%u"):format(MINUS_1, MINUS_1, MINUS_1))
		assert.equal("-1|18446744073709551615|ffffffffffffffff", ("%d|%u|%x"):format(-1LL, -1LL, -1LL))
		assert.equal("    5|5    |00005|%|   -5", ("%5d|%-5d|%05d|%%|%5d"):format(5ULL, 5ULL, 5LL, -5LL))
		assert.equal("ff FF 377 0xff 00000000000000ff", ("%x %X %o %#x %016x"):format(255ULL, 255ULL, 255ULL, 255LL, 255LL))
		assert.equal("a 1 b 2.5 3 nil", string.format("%s %d %s %.1f %d %s", "a", 1ULL, "b", 2.5, 3, nil))
		assert.equal("7.00 7", ("%.2f %g"):format(7ULL, 7LL))
		assert.equal("    7", ("%5s"):format(7ULL))
	end)

	it("leaves string.format as it is for everything else", function()
		assert.equal("1 x 2.5 ff %", string.format("%d %s %.1f %x %%", 1, "x", 2.5, 255))
		assert.equal("5", string.format(5))
		raises(function() string.format("%d", nil) end, "number_spec.lua:", "#2 to 'format' (number expected, got nil)")
		raises(function() string.format("%d") end, "bad argument #2 to 'format'")
		raises(function() string.format("%d %d", 1ULL) end, "bad argument #3 to 'format'")
		raises(function() string.format("%d", {}) end, "bad argument #2 to 'format' (number expected, got table)")
		raises(function() string.format() end, "bad argument #1 to 'format'")
		raises(function() string.format(5ULL, 1) end, "bad argument #1 to 'format'")
		raises(function() string.format("%y", 5ULL) end, "invalid option")
	end)

	it("is what print prints", function()
		local out = io.popen(("luajit -e 'package.path=%q..package.path require\"ptracehook.number\".install()"
			.. " print(5ULL, -5LL, 1, nil)' 2>&1"):format(root .. "lua/?.lua;"))
		assert.equal("5\t-5\t1\tnil\n", out:read "*a")
		out:close()
	end)

	it("is what io.write and file:write write, with their own results", function()
		local path = os.tmpname()
		local f = assert(io.open(path, "w"))
		local plain = io.open(path, "r"):write "x"
		assert.is_nil(plain) -- not open for writing
		assert.is_true(f:write(5ULL, " ", -5LL, " ", 1, "x") and true)
		assert.equal(type(f:write "y"), type(f:write(1ULL)))
		raises(function() f:write({}) end, "number_spec.lua:", "bad argument", "to 'write'")
		raises(function() f:write(1ULL, {}) end, "bad argument", "to 'write'")
		raises(function() f:write(ffi.new "int[2]") end, "bad argument", "to 'write'")
		local before = io.output()
		io.output(f)
		io.write(" ", MINUS_1, "\n", 2)
		io.write "z"
		io.output(before)
		f:close()
		assert.equal("5 -5 1xy11 18446744073709551615\n2z", io.open(path):read "*a")
		local pipe = io.popen("cat > " .. path, "w")
		pipe:write(7ULL, 8LL)
		pipe:close()
		assert.equal("78", io.open(path):read "*a")
		os.remove(path)
	end)

	it("does not concatenate with nil or tables", function()
		raises(function() return 5ULL .. nil end, "number_spec.lua:", "attempt to concatenate")
		raises(function() return {} .. 5LL end, "attempt to concatenate")
	end)
end)

describe("views of integers", function()
	it("hex shows any of them, negative ones in two's complement", function()
		assert.equal("0xff", hex(255))
		assert.equal("0x0", hex(0))
		assert.equal("0xffffffffffffffff", hex(-1))
		assert.equal("0xffffffffffffffff", hex(-1LL))
		assert.equal("0xffffffffffffffff", hex(MINUS_1))
		assert.equal("0x8000000000000000", hex(2 ^ 63))
		assert.equal("0x20000000000001", hex(2ULL ^ 53 + 1))
		assert.equal("0xc", hex(12ULL)) -- 12 is also the id of the type
	end)

	it("key is the same for equal integers and differs for others", function()
		assert.equal(5, key(5))
		assert.equal(5, key(5ULL))
		assert.equal(5, key(5LL))
		assert.equal(2 ^ 53, key(2ULL ^ 53))
		assert.equal("9007199254740993", key(2ULL ^ 53 + 1))
		assert.equal("18446744073709551615", key(-1))
		assert.equal(key(-1), key(MINUS_1))
		assert.equal(key(-1), key(-1LL))
		assert.equal(key(2 ^ 63), key(u64(2 ^ 63)))
		assert.equal("0", tostring(key(-0.0)))
		for _ = 1, HOT do
			local a, b = random_pair()
			if (key(a) == key(b)) ~= (a == b) then
				fail("key", a, b, key(a))
			end
		end
	end)

	it("num gives the exact number or raises", function()
		assert.equal(5, num(5ULL))
		assert.equal(-5, num(-5LL))
		assert.equal(-5, num(-5))
		assert.equal(2 ^ 63, num(u64(2 ^ 63)))
		assert.equal(-2 ^ 63, num(i64(-2 ^ 63)))
		assert.equal(2 ^ 64 - 2048, num(u64(2 ^ 64 - 2048)))
		for _, x in ipairs { 2ULL ^ 53 + 1, MINUS_1, 0x7fffffffffffffffLL, -(2LL ^ 53) - 1 } do
			raises(function() num(x) end, "number_spec.lua:", "num: " .. x .. " is not exact")
		end
	end)

	it("u64, i64 and i32 give the same bits in another kind", function()
		assert.is_true(ffi.istype("uint64_t", u64(5)) and ffi.istype("int64_t", i64(5ULL)))
		assert.equal("18446744073709551615", tostring(u64(-1)))
		assert.equal("18446744073709551615", tostring(u64(-1LL)))
		assert.equal("-1", tostring(i64(MINUS_1)))
		assert.equal("-9223372036854775808", tostring(i64(2 ^ 63)))
		assert.equal("-9223372036854775808", tostring(u64(2 ^ 63) + 0LL - 0 == -2 ^ 63 and i64(-2 ^ 63)))
		assert.equal(-1, i32(0xffffffff))
		assert.equal(-2, i32(0x12345678fffffffeULL))
		assert.equal(-1, i32(-1LL))
		assert.equal(2147483647, i32(0x7fffffff))
		assert.equal(-2147483648, i32(0x80000000ULL))
	end)

	it("refuses all else, at the caller's line", function()
		for name, fn in pairs { hex = hex, key = key, num = num, u64 = u64, i64 = i64, i32 = i32 } do
			local here = line() + 2
			local function check(x, text)
				raises(function() fn(x) end, "number_spec.lua:" .. here .. ": " .. name .. ": " .. text)
			end
			check(nil, "whole number expected, got nil")
			check(1.5, "whole number expected, got 1.5")
			check("16", "whole number expected, got the string \"16\"")
			check(true, "whole number expected, got true")
			check({}, "whole number expected, got a table")
			check(print, "whole number expected, got a function")
			check(0 / 0, "whole number expected, got nan")
			check(math.huge, "whole number expected, got inf")
			check(-math.huge, "whole number expected, got -inf")
			check(2 ^ 64, "18446744073709551616 does not fit in 64 bits")
			check(-2 ^ 63 - 2048, "-9223372036854777856 does not fit in 64 bits")
			check(1e300, "1e+300 does not fit in 64 bits")
			check(ffi.new "int[2]", "whole number expected, got cdata<int [2]>")
			check(ffi.new "struct { int x; }", "whole number expected, got cdata<struct ")
			check(ffi.typeof "uint64_t", "whole number expected, got ctype<uint64_t>")
			check(ffi.new("double", 1.5), "whole number expected, got 1.5")
		end
	end)

	it("take pointers, enums and small integers of struct copies", function()
		assert.equal("0x7fff12345678", hex(ffi.cast("char *", 0x7fff12345678)))
		assert.equal("0x10", hex(ffi.cast("void (*)(void)", 16)))
		assert.equal("0x10", hex(ffi.cast("int (*)[3]", 16)))
		assert.equal(7, num(ffi.new("enum { A, B = 7 }", 7)))
		assert.equal(-7, num(ffi.new("int16_t", -7)))
		assert.equal("0x5", hex(ffi.new("const uint64_t", 5)))
		assert.equal("5", tostring(ffi.new("const uint64_t", 5)))
		assert.equal("5 5", ("%d %x"):format(ffi.new("const uint64_t", 5), ffi.new("const int64_t", 5)))
	end)
end)

describe("checks for other modules", function()
	it("addr takes 0 to 2^64-1", function()
		assert.is_true(ffi.istype("uint64_t", number.addr(5, "t")))
		assert.is_true(number.addr(0, "t") == 0 and number.addr(MINUS_1, "t") == MINUS_1 and number.addr(5LL, "t") == 5)
		raises(function() number.addr(-1, "mem.read", 1) end, "number_spec.lua:", "address must not be negative, got -1")
		raises(function() number.addr(-1LL, "mem.read", 1) end, "mem.read: address must not be negative, got -1")
		raises(function() number.addr(nil, "mem.read", 1) end, "number_spec.lua:", "mem.read: address expected, got nil")
		raises(function() number.addr(1.5, "mem.read", 1) end, "mem.read: address expected, got 1.5")
		raises(function() number.addr(2 ^ 64, "mem.read", 1) end, "mem.read: 18446744073709551616 does not fit in 64 bits")
		raises(function() number.addr(math.huge, "mem.read", 1) end, "mem.read: address expected, got inf")
	end)

	it("size and count take 0 to 2^53 and give a Lua number", function()
		for noun, fn in pairs { size = number.size, count = number.count } do
			assert.equal(0, fn(0, "t"))
			assert.equal(4096, fn(4096ULL, "t"))
			assert.equal(2 ^ 53, fn(2 ^ 53, "t"))
			raises(function() fn(-1, "t", 1) end, "number_spec.lua:", "t: " .. noun .. " must not be negative, got -1")
			raises(function() fn(2ULL ^ 53 + 1, "t", 1) end, "t: " .. noun .. " must not be above 2^53, got 9007199254740993")
			raises(function() fn(1.5, "t", 1) end, "t: " .. noun .. " expected, got 1.5")
			raises(function() fn("4", "t", 1) end, "t: " .. noun .. " expected, got the string \"4\"")
		end
	end)

	it("fit takes what a width holds, signed or unsigned", function()
		for _, bits in ipairs { 8, 16, 32 } do
			local top = 2 ^ bits
			assert.equal(top - 1, number.fit(top - 1, bits, "t"))
			assert.equal(top - 1, number.fit(-1, bits, "t"))
			assert.equal(top - 1, number.fit(-1LL, bits, "t"))
			assert.equal(top - 1, number.fit(MINUS_1, bits, "t"))
			assert.equal(top / 2, number.fit(-top / 2, bits, "t"))
			assert.equal(5, number.fit(5ULL, bits, "t"))
			for _, x in ipairs { top, -top / 2 - 1, u64(top), i64(-top), u64(2 ^ 63), 2 ^ 64 - 2048, i64(-top / 2 - 1) } do
				raises(function() number.fit(x, bits, "t", 1) end, "number_spec.lua:", "does not fit in " .. bits .. " bits")
			end
		end
		assert.equal("18446744073709551615", tostring(number.fit(-1, 64, "t")))
		assert.is_true(ffi.istype("uint64_t", number.fit(5, 64, "t")))
		raises(function() number.fit(2 ^ 64, 64, "regs.rax", 1) end, "regs.rax: 18446744073709551616 does not fit in 64 bits")
		raises(function() number.fit(1.5, 32, "regs.eax", 1) end, "regs.eax: whole number expected, got 1.5")
	end)

	it("name by default the line of the caller's caller", function()
		local function read(a, n, v)
			local _ = number.addr(a, "read")
			_ = number.size(n, "read")
			_ = number.fit(v, 8, "read")
			_ = number.int(v, "read")
		end
		local here = line()
		raises(function() read(-1) end, "number_spec.lua:" .. here + 1 .. ": read: address")
		raises(function() read(1, -1) end, "number_spec.lua:" .. here + 2 .. ": read: size")
		raises(function() read(1, 1, 256) end, "number_spec.lua:" .. here + 3 .. ": read: 256")
		raises(function() read(1, 1, nil) end, "number_spec.lua:" .. here + 4 .. ": read: whole")
	end)

	it("load_f64 and load_f32 turn every nan into one that is a Lua number", function()
		local b = ffi.new "union { uint32_t w[2]; double d; float f; }"
		for high = 0, 0xffff do
			b.w[1], b.w[0] = high * 65536 + random(0, 65535), random(0, 2 ^ 31)
			assert(type(number.load_f64(b)) == "number")
			b.w[0] = b.w[1]
			assert(type(number.load_f32(b)) == "number")
		end
		for _, x in ipairs { 0, -0.0, 1.5, -1e300, math.huge, -math.huge } do
			b.d = x
			assert.equal(x, number.load_f64(b))
			b.f = x
			assert.equal(tonumber(ffi.new("float", x)), number.load_f32(b))
		end
	end)
end)

describe("other cdata", function()
	local Point = ffi.metatype("struct { double x, y; }", {
		__eq = function() return true end,
		__add = function(a) return a.x + 100 end,
		__sub = function() return "sub" end,
		__lt = function() return true end,
		__le = function() return true end,
		__concat = function() return "concat" end,
		__tostring = function(p) return "point " .. p.x end,
		__unm = function() return "unm" end,
		__div = function() return "div" end,
		__mod = function() return "mod" end,
		__pow = function() return "pow" end,
	})

	it("keeps the operators of metatypes, on either side", function()
		local p = Point(1, 2)
		for _ = 1, HOT do
			assert(p + 1 == 101 and p - 1 == "sub" and -p == "unm" and p / 1.5 == "div" and p % -1 == "mod" and p ^ 2.5 == "pow")
		end
		assert.equal("sub", p - 5ULL)
		assert.equal("sub", 5ULL - p)
		assert.equal("sub", -5.5 - p)
		assert.equal("div", 0 / p)
		assert.equal("div", p / 0ULL)
		assert.is_true(p == 5ULL and 5ULL == p and p == Point(3, 4))
		assert.is_true(p < 5ULL and 5ULL < p and p <= -1.5 and -1.5 <= p)
		assert.equal("concat", p .. 1ULL)
		assert.equal("concat", 1ULL .. p)
		assert.equal("point 1", tostring(p))
		assert.equal("point 1", ("%s"):format(p))
	end)

	it("keeps pointers, arrays and structs", function()
		local a = ffi.new("int[4]", 1, 2, 3, 4)
		local p = a + 1
		assert.equal(2, p[0])
		assert.equal(1, (p + -1)[0])
		assert.equal(1, (p - 1)[0])
		assert.is_true(p - a == 1 and p > a and a <= p and a + 1 == p and p ~= a)
		assert.equal(3, (a + 2ULL)[0])
		assert.is_true(ffi.cast("void *", nil) == nil and p ~= nil)
		assert.truthy(tostring(a):find "^cdata<int %[4%]>: 0x")
		assert.truthy(tostring(p):find "^cdata<int %*>: 0x")
		assert.equal("ctype<uint64_t>", tostring(ffi.typeof "uint64_t"))
		assert.equal("ctype<int64_t>", ("%s"):format(ffi.typeof "int64_t"))
		assert.equal("12 11", 12ULL .. " " .. 11LL)
		raises(function() return a .. "x" end, "attempt to concatenate")
		raises(function() return a + {} end, "attempt to perform arithmetic")
	end)

	it("stores negative numbers into uint64_t fields, in hot loops", function()
		local s = ffi.new "struct { uint64_t u; int32_t i; double d; uint8_t b; float f[2]; }"
		local n = 0
		for i = 1, HOT do
			s.u, s.i, s.d, s.b, s.f[1] = -i, -i, -i - 0.5, -1, -2
			if s.u == -i and s.i == -i and s.d == -i - 0.5 and s.b == 255 and s.f[1] == -2 then
				n = n + 1
			end
		end
		assert.equal(HOT, n)
		raises(function() s.x = -1 end, "number_spec.lua:", "has no member named 'x'")
	end)
end)

describe("install", function()
	it("does nothing the second time, nor for a second copy of the module", function()
		local mt = debug.getmetatable(0ULL)
		local eq, format, write = mt.__eq, string.format, io.write
		number.install()
		package.loaded["ptracehook.number"] = nil
		require("ptracehook.number").install()
		package.loaded["ptracehook.number"] = number
		assert.is_true(mt.__eq == eq and string.format == format and io.write == write)
	end)

	it("leaves == and tostring compilable", function()
		if not jit.status() then
			return
		end
		local util = require "jit.util"
		local function hot()
			local x, n = u64(-5), 0
			for i = 1, HOT do
				if x == -5 and x ~= i and tostring(x) ~= "" and x + -1 ~= 0 and x / 3 ~= 0 and x < MINUS_1 then
					n = n + 1
				end
			end
			return n
		end
		-- A trace needs memory near LuaJIT's own code, which address randomisation may deny it for a while.
		local compiled = false
		for _ = 1, 20 do
			jit.flush()
			assert.equal(HOT, hot())
			for trace = 1, 8 do
				compiled = compiled or util.traceinfo(trace) ~= nil
			end
		end
		assert.is_true(compiled)
	end)
end)

if jit.status() then
	describe("the interpreter", function()
		it("agrees: this file passes with the JIT off", function()
			local run = io.popen(("luajit -joff %s %s 2>&1; echo status $?"):format(arg[0], spec))
			local out = run:read "*a"
			run:close()
			assert.truthy(out:find "status 0%s*$", out)
		end)
	end)
end
