-- Struct and array copies. The memory is tests/targets/mem.c's, see mem_spec.lua.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local ffi = require "ffi"
local support = require "support"
local raises = support.raises

-- Standing in mem_here(); its regions by name.
local function here(...)
	local s = support.spawn { "mem", ... }
	return support.regions(s), s
end

-- fn changes memory, of which the program finds these changed and nothing else.
local function changes(fn, ...)
	local at, s = here(...)
	local before = support.output(s)
	fn(at)
	local reason = s:run()
	assert.equal("", support.output(s):sub(#before + 1))
	assert.same({ kind = "exit", code = 0 }, reason)
end

local function faults(fn, addr, done)
	local e = raises(fn)
	assert.equal("table", type(e))
	assert.equal(hex(addr), hex(e.addr))
	assert.equal(done, e.done)
	assert.equal("EIO", e.name)
	assert.equal(E.EIO, e.errno)
	assert.truthy(e.message:find(hex(addr), 1, true), e.message)
	return e
end

describe("mem", function()
	after_each(support.close)

	describe("struct, array and put", function()
		ffi.cdef [[
			typedef struct { uint64_t u64; int64_t i64; double f64; float f32; int32_t i32; uint16_t u16; int16_t i16;
				uint8_t u8; int8_t i8; uint16_t pad; uint32_t u32; } __attribute__((packed)) spec_kinds;
			struct spec_node { struct spec_node *next; const char *text; };
		]]

		it("copy a struct", function()
			local k = mem.struct("spec_kinds", here().pattern + 0x100)
			assert.equal(0x1122334455667788ULL, k.u64)
			assert.equal(-2LL, k.i64)
			assert.equal(1.5, k.f64)
			assert.equal(-0.25, k.f32)
			assert.equal(-5, k.i32)
			assert.equal(0xbeef, k.u16)
			assert.equal(-300, k.i16)
			assert.equal(0xfffffffe, k.u32)
		end)

		it("are no burden in a hook: a type is read once", function()
			support.spawn { "calc_pie" }
			for i = 1, 70000 do
				mem.struct("struct { int a; double b; }", regs.rsp)
				mem.array("struct { int a; double b; }", regs.rsp, 1)
				mem.put(regs.rsp, ffi.new("int", i))
			end
		end)

		it("copy: what is changed in it stays here", function()
			local p = here().pattern
			local k = mem.struct(ffi.typeof "spec_kinds", p + 0x100)
			k.u64 = 5
			assert.equal(0x1122334455667788ULL, mem.u64[p + 0x100])
		end)

		it("outlive what they were made from", function()
			local k = mem.struct("spec_kinds", here().pattern + 0x100)
			for _ = 1, 20 do
				ffi.new("char[?]", 100000)
				collectgarbage()
			end
			assert.equal(0x1122334455667788ULL, k.u64)
		end)

		it("give scalars as values, and pointers as addresses of the target", function()
			local p = here().pattern
			assert.equal(0x7788, mem.struct("uint16_t", p + 0x100))
			assert.equal(1.5, mem.struct("double", p + 0x110))
			assert.equal(-2LL, mem.struct("int64_t", p + 0x108))
			local node = mem.struct("struct spec_node", p + 0x128)
			assert.equal("a string", mem.cstr(node.text))
			assert.equal("a string", mem.cstr(mem.struct("const char *", p + 0x130)))
			assert.equal(p + 0x140, u64(node.text))
		end)

		it("copy arrays, from 0, of any type", function()
			local p = here().pattern
			local a = mem.array("uint8_t", p, 256)
			for i = 0, 255 do
				assert.equal(i, a[i])
			end
			assert.equal(256, ffi.sizeof(a))
			assert.equal(0x03020100, mem.array("uint32_t", p, 2)[0])
			assert.equal(7, mem.struct("uint8_t[8]", p)[7])
			assert.equal(0x1122334455667788ULL, mem.array("spec_kinds", p + 0x100, 1)[0].u64)
			assert.equal(0, ffi.sizeof(mem.array("int", p, 0)))
			assert.equal(5, mem.array("uint8_t[4]", p, 2)[1][1])
		end)

		it("put back what was made here", function()
			changes(function(at)
				mem.put(at.pattern, ffi.new("uint16_t[2]", { 0x1111, 0x2222 }))
				mem.put(at.pattern + 8, 0x1122334455667788ULL)
				mem.put(at.pattern + 24, ffi.new("int", -2))
				mem.put(at.pattern + 32, ffi.new("double", 2))
				mem.put(at.pattern + 48, ffi.cast("char *", 0x55))
				mem.put(at.pattern + 64, ffi.new("uint8_t[?]", 3, { 7, 8, 9 }))
				mem.put(at.pattern + 80, ffi.new("struct { struct { uint8_t a, b; } in_it; }", { { 3, 4 } }).in_it)
				mem.put(at.pattern + 96, ffi.new("enum { SPEC_A, SPEC_B }", 1))
			end, "pattern+0=11112222", "pattern+8=8877665544332211", "pattern+24=feffffff", "pattern+32=0000000000000040",
				"pattern+48=5500000000000000", "pattern+64=070809", "pattern+80=0304", "pattern+96=01000000")
		end)

		it("puts a struct that was copied, changed", function()
			changes(function(at)
				local k = mem.struct("spec_kinds", at.pattern + 0x100)
				k.i32 = 1
				mem.put(at.pattern + 0x100, k)
			end, "pattern+0x11c=01000000")
		end)

		it("name what is wrong with a type", function()
			local p = here().pattern
			raises(function() mem.struct("no_such_type", p) end, "mem.struct: ", "no_such_type")
			raises(function() mem.struct("struct spec_incomplete", p) end, "mem.struct: ")
			raises(function() mem.struct("void", p) end, "mem.struct: ctype<void> has no size of its own")
			raises(function() mem.struct("int[?]", p) end, "has no size of its own")
			raises(function() mem.struct("struct { int n; char c[?]; }", p) end, "has no size of its own")
			raises(function() mem.struct("int(void)", p) end, "has no size of its own")
			raises(function() mem.struct("int &", p) end, "has no size of its own")
			raises(function() mem.struct(nil, p) end, "mem.struct: C type expected (a name or an ffi.typeof), got nil")
			raises(function() mem.struct(5, p) end, "C type expected", "got 5")
			raises(function() mem.struct(p, "int") end, "mem.struct: address: address expected")
			raises(function() mem.struct("int") end, "mem.struct: address: address expected, got nil")
			raises(function() mem.array("int", p) end, "mem.array: n: count expected, got nil")
			raises(function() mem.array("int", p, -1) end, "mem.array: n: count must not be negative")
			raises(function() mem.array("int", p, 1.5) end, "mem.array: n:")
			raises(function() mem.array("int", p, 2 ^ 40) end, "more than an array can hold")
			raises(function() mem.array("void", p, 1) end, "mem.array: ctype<void>")
			raises(function() mem.put(p, 5) end, "mem.put: cdata expected, got 5")
			raises(function() mem.put(p, "x") end, 'mem.put: cdata expected, got the string "x"')
			raises(function() mem.put(p, ffi.typeof "int") end, "mem.put: cdata expected, got ctype<int>")
			raises(function() mem.put(nil, 5ULL) end, "mem.put: address:")
		end)

		it("fault as reads and writes do", function()
			local at = here()
			faults(function() mem.struct("spec_kinds", at.hole - 8) end, at.hole, 8)
			faults(function() mem.array("int", at.hole - 8, 2 ^ 20) end, at.hole, 8)
			faults(function() mem.put(at.hole - 4, 5ULL) end, at.hole, 4)
		end)
	end)

	-- LuaJIT keeps doubles as they are; negative NaNs with other bits than its own are values of other kinds to it.
	describe("hostile floats", function()
		local hostile = {
			0xffffffffffffffffULL, 0xfffbffffdeadbeefULL, 0xfff9800041414141ULL, 0xfffa000000000010ULL,
			0xfff0000100000001ULL, 0xfffdaaaaaaaaaaaaULL, 0xfffe7fff00000001ULL, 0xfffc0000000000ffULL,
		}

		-- What in the list is no number, or is one where `nan` says that it must not be.
		local function strange(list, nan)
			local kinds = {}
			for _, v in ipairs(list) do
				if type(v) ~= "number" or nan and v == v then
					kinds[#kinds + 1] = type(v)
				end
			end
			collectgarbage()
			return table.concat(kinds, ", "):sub(1, 200)
		end

		local function try(ctype, read)
			local list = {}
			for _, bits in ipairs(hostile) do
				for at = 0, 200, 8 do
					mem.u64[regs.rsp - 4096 + at] = bits
				end
				for _ = 1, 80 do -- hot enough to be compiled as well
					list[#list + 1] = read(mem.struct(ctype, regs.rsp - 4096))
				end
			end
			assert.equal("", strange(list), ctype)
		end

		for _, mode in ipairs { "on", "off" } do
			it("are plain NaNs in copies, JIT " .. mode, function()
				jit[mode]()
				finally(jit.on)
				support.spawn { "calc_pie" }
				try("double", function(x) return x end)
				try("float", function(x) return x end)
				try("double[3]", function(x) return x[2] end)
				try("struct { int a; double d; }", function(x) return x.d end)
				try("struct { char a; const float f; }", function(x) return x.f end)
				try("struct { int a; struct { float f[3]; double d[2]; } s[2]; }", function(x) return x.s[1].d[1] end)
				try("struct { int a; struct { float f[3]; double d[2]; } s[2]; }", function(x) return x.s[1].f[2] end)
				try("struct { int a; union { double d; float f; struct { float g; } s; }; }", function(x) return x.d end)
				try("struct { int a; union { double d; float f; struct { float g; } s; }; }", function(x) return x.s.g end)
				try("struct { complex c; complex float cf; }", function(x) return x.c.im end)
				try("struct { complex c; complex float cf; }", function(x) return x.cf.re end)
				try("complex", function(x) return x.re end)
				try("union { double d; }", function(x) return x.d end)
			end)
		end

		it("are plain NaNs in arrays", function()
			support.spawn { "calc_pie" }
			local p = regs.rsp - 4096
			for i, bits in ipairs(hostile) do
				mem.u64[p + (i - 1) * 8] = bits
			end
			local list = {}
			local doubles, floats = mem.array("double", p, #hostile), mem.array("float", p, #hostile * 2)
			for i = 0, #hostile - 1 do
				list[#list + 1] = doubles[i]
				list[#list + 1] = floats[i * 2 + 1]
				list[#list + 1] = mem.f64[p + i * 8]
				list[#list + 1] = mem.f32[p + i * 8 + 4]
			end
			assert.equal("", strange(list, true))
		end)

		it("leave every other number as it is", function()
			support.spawn { "calc_pie" }
			local p = regs.rsp - 4096
			local values = { 0, -0.0, 1.5, -2, math.huge, -math.huge, 5e-324, -1.7976931348623157e308 }
			for _, v in ipairs(values) do
				mem.f64[p] = v
				assert.equal(v, mem.struct("struct { double d; }", p).d)
				assert.equal(1 / v, 1 / mem.struct("struct { double d; }", p).d)
			end
			mem.u64[p] = 0x7ff8dead00000001ULL -- a positive NaN keeps its bits
			local s = mem.struct("union { double d; uint64_t u; }", p)
			assert.equal(0x7ff8dead00000001ULL, s.u)
			assert.is_true(s.d ~= s.d)
		end)

		it("leave integers alone, whatever they are", function()
			support.spawn { "calc_pie" }
			local p = regs.rsp - 4096
			mem.i64[p], mem.i64[p + 8] = -1, -1
			local s = mem.struct("struct { int64_t a; uint32_t b; int8_t c[4]; }", p)
			assert.is_true(s.a == -1 and s.b == 0xffffffff and s.c[3] == -1)
		end)

		it("are plain NaNs in vector registers", function()
			support.spawn { "calc_pie" }
			local list = {}
			for _, bits in ipairs(hostile) do
				regs.xmm0 = { u64 = { bits, bits } }
				list[#list + 1] = regs.xmm0.f64[1]
				list[#list + 1] = regs.xmm0.f32[1]
			end
			assert.equal("", strange(list, true))
		end)
	end)
end)
