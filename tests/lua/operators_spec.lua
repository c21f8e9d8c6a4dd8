local spec = debug.getinfo(1, "S").source:sub(2)
local root = spec:match "^(.*)tests/lua/[^/]*$" or "./"
package.path = ("%slua/?.lua;%stests/lua/?.lua;%s"):format(root, root, package.path)

local ffi = require "ffi"
local model = require "bignum"
local number = require "ptracehook.number"
number.install()

local u64, i64, hex = number.u64, number.i64, number.hex
local random, kinds, limbs_of = math.random, model.kinds, model.limbs_of
local random_value, random_pair, fail = model.random_value, model.random_pair, model.fail

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
				raises(function() here = line(); local _ = x + n end, "operators_spec", "whole number expected, got ")
				raises(function() local _ = x - n end, "operators_spec.lua:" .. here + 1 .. ":")
				raises(function() local _ = n * x end, "operators_spec.lua:" .. here + 2 .. ":", "whole number expected")
				raises(function() local _ = x / n end, "operators_spec.lua:" .. here + 3 .. ":", "whole number expected")
				raises(function() local _ = n % x end, "operators_spec.lua:" .. here + 4 .. ":", "whole number expected")
				raises(function() local _ = x ^ n end, "operators_spec.lua:" .. here + 5 .. ":", "whole number expected")
				raises(function() local _ = n ^ x end, "operators_spec.lua:" .. here + 6 .. ":", "whole number expected")
			end
		end
		raises(function() local _ = 5ULL + 2 ^ 64 end, "18446744073709551616 does not fit in 64 bits")
		raises(function() local _ = -1e300 / 5LL end, "-1e+300 does not fit in 64 bits")
	end)

	it("refuses to divide by zero, at the line of the operator", function()
		for _, zero in ipairs { 0, -0.0, 0ULL, 0LL } do
			for _, x in ipairs { 5ULL, -5LL } do
				local here
				raises(function() here = line(); local _ = x / zero end, "division by zero", "operators_spec.lua:")
				raises(function() local _ = x % zero end, "operators_spec.lua:" .. here + 1 .. ": ", "division by zero")
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
		raises(function() local _ = 2ULL ^ -1 end, "operators_spec.lua:", "the exponent must not be negative")
		raises(function() local _ = 2LL ^ -1LL end, "the exponent must not be negative")
		raises(function() local _ = 2 ^ -1LL end, "the exponent must not be negative")
	end)

	it("refuses nil, tables and strings as stock LuaJIT does", function()
		raises(function() local _ = 1ULL + nil end, "operators_spec.lua:", "arithmetic on 'uint64_t' and 'nil'")
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
		raises(function() return 1ULL < nil end, "operators_spec.lua:", "attempt to compare")
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
		raises(function() string.format("%d", nil) end, "operators_spec.lua:", "#2 to 'format' (number expected, got nil)")
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
		raises(function() f:write({}) end, "operators_spec.lua:", "bad argument", "to 'write'")
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
		raises(function() return 5ULL .. nil end, "operators_spec.lua:", "attempt to concatenate")
		raises(function() return {} .. 5LL end, "attempt to concatenate")
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
