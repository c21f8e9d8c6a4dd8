local spec = debug.getinfo(1, "S").source:sub(2)
local root = spec:match "^(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "lua/?.lua;" .. package.path

local ffi = require "ffi"
require("ptracehook.number").install()
local vector = require "ptracehook.vector"

local function zeros(n)
	return ("\0"):rep(n)
end

-- a vector over a Lua string; get() gives the string
local function fake(width, bytes)
	bytes = bytes or zeros(width)
	return vector.new(width, function() return bytes end, function(s)
		assert(type(s) == "string" and #s == width)
		bytes = s
	end), function() return bytes end
end

local function raises(fn, ...)
	local ok, e = pcall(fn)
	assert.is_false(ok)
	for _, part in ipairs { "vector_spec.lua:", ... } do
		assert.truthy(tostring(e):find(part, 1, true), tostring(e) .. "\nshould have: " .. part)
	end
end

local kinds = {
	u8 = "uint8_t", u16 = "uint16_t", u32 = "uint32_t", u64 = "uint64_t", i8 = "int8_t", i16 = "int16_t",
	i32 = "int32_t", i64 = "int64_t", f32 = "float", f64 = "double",
}

describe("the lanes of a vector", function()
	it("are written in place and leave the others alone", function()
		local v, bytes = fake(16)
		v.f64[1] = 2
		v.f64[0] = 1.5
		assert.equal(1.5, v.f64[0])
		assert.equal(2, v.f64[1])
		v.u8[15] = 0xff
		assert.equal(1.5, v.f64[0])
		assert.equal(0xff, bytes():byte(16))
		v.u64[0] = -1
		assert.equal(zeros(6), bytes():sub(9, 14))
		assert.equal(("\255"):rep(8), bytes():sub(1, 8))
	end)

	it("are as many as fit", function()
		for width = 16, 64, 16 do
			local v = fake(width)
			for name, ctype in pairs(kinds) do
				assert.equal(width / ffi.sizeof(ctype), #v[name])
			end
		end
	end)

	it("read back what the FFI stores, for random bytes", function()
		for _ = 1, 200 do
			local b = {}
			for i = 1, 32 do
				b[i] = string.char(math.random(0, 255))
			end
			local bytes = table.concat(b)
			local v = fake(32, bytes)
			for name, ctype in pairs(kinds) do
				local p = ffi.cast("const " .. ctype .. " *", bytes)
				local lanes = v[name]
				for i = 0, #lanes - 1 do
					local x = lanes[i]
					if x == x then -- a nan of random bits is no Lua value, so the FFI cannot say
						assert(x == p[i], name)
						lanes[i] = x
					end
				end
			end
			assert.equal(bytes, v.bytes)
		end
	end)

	it("give numbers up to 32 bits, cdata for 64", function()
		local v = fake(16, ("\255"):rep(16))
		assert.equal(255, v.u8[0])
		assert.equal(-1, v.i8[15])
		assert.equal(-1, v.i32[3])
		assert.equal(4294967295, v.u32[3])
		assert.is_true(ffi.istype("uint64_t", v.u64[0]) and ffi.istype("int64_t", v.i64[1]))
		assert.is_true(v.u64[1] == 0xffffffffffffffffULL and v.i64[1] < 0)
		assert.equal("18446744073709551615", tostring(v.u64[1]))
	end)

	it("take any integer that fits, signed or unsigned, and no other", function()
		local v = fake(16)
		v.u8[0], v.i8[1], v.u16[1], v.i32[1] = -1, 255, -32768, 0xffffffff
		assert.equal("\255\255\0\128\255\255\255\255", v.bytes:sub(1, 8))
		v.i32[2], v.u64[0] = 7ULL, 7LL
		assert.equal(7, v.i32[2])
		assert.is_true(v.u64[0] == 7)
		raises(function() v.u8[0] = 256 end, "u8: 256 does not fit in 8 bits")
		raises(function() v.i8[0] = -129 end, "i8: -129 does not fit in 8 bits")
		raises(function() v.u64[0] = 2 ^ 64 end, "does not fit in 64 bits")
		raises(function() v.u32[0] = 1.5 end, "u32: whole number expected, got 1.5")
		raises(function() v.u32[0] = nil end, "u32: whole number expected, got nil")
		raises(function() v.f64[0] = "1" end, "f64: number expected, got the string \"1\"")
		v.f64[0] = 3ULL
		v.f32[3] = -3LL
		assert.equal(3, v.f64[0])
		assert.equal(-3, v.f32[3])
	end)

	it("are bounded", function()
		local v = fake(16)
		raises(function() return v.f64[2] + 1 end, "f64: the lanes are 0 to 1, got 2")
		raises(function() v.f64[2] = 1 end, "f64: the lanes are 0 to 1, got 2")
		raises(function() v.u8[-1] = 1 end, "u8: the lanes are 0 to 15, got -1")
		raises(function() v.u8[0.5] = 1 end, "u8: the lanes are 0 to 15, got 0.5")
		raises(function() v.u8[0 / 0] = 1 end, "u8: the lanes are 0 to 15, got nan")
		raises(function() v.u8["0"] = 1 end, "u8: the lanes are 0 to 15, got the string \"0\"")
		raises(function() v.u32[4ULL] = 1 end, "u32: the lanes are 0 to 3, got 4")
		raises(function() v.u32[-1LL] = 1 end, "u32: the lanes are 0 to 3, got -1")
		raises(function() local _ = v.u24 + 1 end, "vector: no field u24")
		raises(function() v.x = 1 end, "vector: no field x")
		v.u32[3ULL] = 9
		assert.equal(9, v.u32[3LL])
	end)

	it("turn every nan into a Lua number", function()
		for high = 0xfff0, 0xffff do
			local quarter = string.char(0x41, 0x41, high % 256, math.floor(high / 256))
			local v = fake(16, quarter:rep(4))
			assert.equal("number", type(v.f64[0]))
			assert.equal("number", type(v.f32[3]))
			assert.is_true(v.f32[0] ~= v.f32[0])
			assert.truthy(tostring(v.f64):find "nan")
		end
		collectgarbage()
	end)

	it("are assigned whole from a table, from 1 or from 0", function()
		local v = fake(16)
		v.f32 = { 1, 2.5 }
		assert.equal("{1, 2.5, 0, 0}", tostring(v.f32))
		v.u32 = { [0] = 7, [3] = 9 }
		assert.equal("{7, 0, 0, 9}", tostring(v.u32))
		raises(function() v.f64 = { 1, 2, 3 } end, "f64: the lanes are 0 to 1, got 2")
		raises(function() v.f64 = { x = 1 } end, "f64: the lanes have numbers, got the string \"x\"")
		raises(function() v.u8 = { 256 } end, "u8: 256 does not fit in 8 bits")
		raises(function() v.u8 = 5 end, "u8: a table of lanes expected, got 5")
	end)

	it("show the register as it is at the time", function()
		local v, w = fake(16), fake(16)
		local lanes = v.u8
		v.bytes = ("\1"):rep(16)
		assert.equal(1, lanes[5])
		assert.is_true(lanes ~= w.u8 and v.u8 == lanes)
	end)

	it("stay right in hot loops", function()
		local v = fake(32)
		for i = 1, 20000 do
			v.u32[i % 8] = i
			v.f64[3] = i / 2
			assert(v.f64[3] == i / 2 and (i % 8 >= 6 or v.u32[i % 8] == i))
		end
	end)
end)

describe("a whole vector", function()
	it("has bytes, a width, text and equality", function()
		local v, w, x = fake(16), fake(16), fake(32)
		assert.equal(16, v.width)
		v.bytes = "0123456789abcdef"
		assert.equal("0123456789abcdef", v.bytes)
		assert.equal("{0x3736353433323130, 0x6665646362613938}", tostring(v))
		assert.is_false(v == w)
		w.bytes = v.bytes
		assert.is_true(v == w)
		assert.is_false(v == x)
		assert.is_false(v == 5 or v == "0123456789abcdef")
		raises(function() v.bytes = "short" end, "vector: a string of 16 bytes expected, got 5")
		raises(function() v.bytes = 5 end, "vector: a string of 16 bytes expected, got 5")
		assert.equal("0123456789abcdef", v.bytes)
	end)

	it("is assigned from a vector, as wide or narrower", function()
		local v, w = fake(16, "0123456789abcdef"), fake(32)
		assert.equal("0123456789abcdef", vector.assign(16, v))
		assert.equal("0123456789abcdef" .. zeros(16), vector.assign(32, v))
		raises(function() vector.assign(16, w, 1) end, "vector: 32 bytes do not fit in 16")
	end)

	it("is assigned from a string of its width", function()
		assert.equal("0123456789abcdef", vector.assign(16, "0123456789abcdef"))
		raises(function() vector.assign(32, "0123456789abcdef", 1) end, "vector: a string of 32 bytes expected, got 16")
	end)

	it("is assigned from an integer: the low 64 bits", function()
		assert.equal("\5" .. zeros(15), vector.assign(16, 5))
		assert.equal("\5" .. zeros(31), vector.assign(32, 5ULL))
		assert.equal(("\255"):rep(8) .. zeros(8), vector.assign(16, -1))
		raises(function() vector.assign(16, 1.5, 1) end, "vector: whole number expected, got 1.5 (", ".f64[0] = 1.5")
		raises(function() vector.assign(16, 2 ^ 64, 1) end, "vector: 18446744073709551616 does not fit in 64 bits")
	end)

	it("is assigned from cdata of its size", function()
		local s = ffi.new("struct { uint8_t b[16]; double d[2]; }", { { 1, 2 }, { 0.5 } })
		assert.equal("\1\2" .. zeros(14), vector.assign(16, s.b))
		assert.equal(ffi.string(s, 32), vector.assign(32, s))
		assert.equal(ffi.string(s.d, 16), vector.assign(16, ffi.new("double[2]", 0.5)))
		raises(function() vector.assign(16, ffi.new "int[3]", 1) end, "16 bytes expected, got 12 bytes (ctype<int [3]>)")
		raises(function() vector.assign(16, ffi.cast("char *", 0), 1) end, "got 8 bytes (ctype<char *>)")
		raises(function() vector.assign(16, ffi.typeof "double[2]", 1) end, "array or struct expected, got ctype<double [2]>")
		raises(function() vector.assign(16, ffi.new("double complex", 1, 2), 1) end, "array or struct expected, got 1+2i")
		raises(function() vector.assign(8, ffi.cast("char *", 16), 1) end, "array or struct expected, got cdata<char *>")
		raises(function() vector.assign(8, ffi.new("double", 16), 1) end, "array or struct expected, got cdata<double>")
	end)

	it("is assigned from a table with one kind of lanes", function()
		local v = fake(16)
		v.bytes = vector.assign(16, { f64 = { 1.5, 2 } })
		assert.equal("{1.5, 2}", tostring(v.f64))
		v.bytes = vector.assign(16, { u32 = { [0] = 1, 2, 3, 4 } })
		assert.equal("{1, 2, 3, 4}", tostring(v.u32))
		v.bytes = vector.assign(16, { i64 = { -1 } })
		assert.equal("{-1, 0}", tostring(v.i64))
		raises(function() vector.assign(16, {}, 1) end, "a table with one kind of lanes expected")
		raises(function() vector.assign(16, { 1, 2 }, 1) end, "a table with one kind of lanes expected")
		raises(function() vector.assign(16, { f64 = { 1 }, u8 = {} }, 1) end, "a table with one kind of lanes expected")
		raises(function() vector.assign(16, { f64 = 3 }, 1) end, "f64: a table of lanes expected, got 3")
		raises(function() vector.assign(16, { f64 = { 1, 2, 3 } }, 1) end, "f64: the lanes are 0 to 1, got 2")
		raises(function() vector.assign(16, { u8 = { "x" } }, 1) end, "u8: whole number expected, got the string \"x\"")
	end)

	it("is assigned from nothing else", function()
		for _, value in ipairs { true, print, io.stdout } do
			raises(function() vector.assign(16, value, 1) end, "string, cdata, table of lanes or whole number expected")
		end
		raises(function() vector.assign(16, nil, 1) end, "expected, got nil")
	end)
end)

describe("an x87 register", function()
	it("goes to a number and back", function()
		for _, x in ipairs { 0, 1, -1, 1.5, math.pi, 1e300, -5e-324, 1e-310, 2 ^ 1023, 2 ^ -1074, math.huge, -math.huge } do
			assert.equal(10, #vector.st_bytes(x))
			assert.equal(x, vector.st_number(vector.st_bytes(x)))
		end
		assert.equal(-math.huge, 1 / vector.st_number(vector.st_bytes(-0.0)))
		local nan = vector.st_number(vector.st_bytes(0 / 0))
		assert.is_true(nan ~= nan)
	end)

	it("has Intel's encoding", function()
		assert.equal("\0\0\0\0\0\0\0\128\255\63", vector.st_bytes(1))
		assert.equal("\0\0\0\0\0\0\0\160\0\192", vector.st_bytes(-2.5))
		assert.equal(math.pi, vector.st_number("\53\194\104\33\162\218\15\201\0\64")) -- fldpi
		assert.equal("\0\0\0\0\0\0\0\128\255\127", vector.st_bytes(math.huge))
		raises(function() vector.st_bytes("1", 1) end, "number expected, got the string \"1\"")
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
