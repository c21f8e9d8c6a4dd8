local spec = debug.getinfo(1, "S").source:sub(2)
local root = spec:match "^(.*)tests/lua/[^/]*$" or "./"
package.path = ("%slua/?.lua;%stests/lua/?.lua;%s"):format(root, root, package.path)

local ffi = require "ffi"
local model = require "bignum"
local number = require "ptracehook.number"
number.install()

local hex, key, num, u64, i64, i32 = number.hex, number.key, number.num, number.u64, number.i64, number.i32
local random, random_pair, fail = math.random, model.random_pair, model.fail

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
