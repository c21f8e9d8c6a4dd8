-- What the memory holds is said in tests/targets/mem.c, which also tells from inside that a write changed just what it
-- should: mem NAME+OFFSET=HEX… exits 0 when that is all that changed.

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

	describe("views", function()
		it("read every width, at any alignment", function()
			local p = here().pattern
			assert.equal(0x1122334455667788ULL, mem.u64[p + 0x100])
			assert.equal(0x1122334455667788ULL, mem.ptr[p + 0x100])
			assert.equal(0x55667788, mem.u32[p + 0x100])
			assert.equal(0x7788, mem.u16[p + 0x100])
			assert.equal(0x88, mem.u8[p + 0x100])
			assert.equal(-2LL, mem.i64[p + 0x108])
			assert.equal(1.5, mem.f64[p + 0x110])
			assert.equal(-0.25, mem.f32[p + 0x118])
			assert.equal(-5, mem.i32[p + 0x11c])
			assert.equal(0xfffffffb, mem.u32[p + 0x11c])
			assert.equal(0xbeef, mem.u16[p + 0x120])
			assert.equal(-300, mem.i16[p + 0x122])
			assert.equal(0xff, mem.u8[p + 0x124])
			assert.equal(-1, mem.i8[p + 0x125])
			assert.equal(0xfffffffe, mem.u32[p + 0x128])
			assert.equal(p + 0x140, mem.ptr[p + 0x130])
			assert.equal(0x04030201, mem.u32[p + 1])
			assert.equal(0x0807060504030201ULL, mem.u64[p + 1])
		end)

		it("give 64 bits as uint64_t and int64_t, the rest as Lua numbers", function()
			local p = here().pattern
			assert.is_true(ffi.istype("uint64_t", mem.u64[p]) and ffi.istype("uint64_t", mem.ptr[p]))
			assert.is_true(ffi.istype("int64_t", mem.i64[p]) and mem.i64[p + 0x108] < 0)
			for _, name in ipairs { "u8", "u16", "u32", "i8", "i16", "i32", "f32", "f64" } do
				assert.equal("number", type(mem[name][p]), name)
			end
		end)

		it("write every width, signed and unsigned, and nothing beside it", function()
			changes(function(at)
				local p = at.pattern
				mem.u8[p], mem.i8[p + 2], mem.u16[p + 4], mem.i16[p + 8] = 0xfe, -2, 0xfedc, -3
				mem.u32[p + 16], mem.i32[p + 24], mem.u64[p + 32], mem.i64[p + 48] = 0xfedcba98, -4, -1, -5LL
				mem.f32[p + 64], mem.f64[p + 72], mem.ptr[p + 88] = 0.5, -2, 0x1122334455667788ULL
				mem.u8[p + 100], mem.u32[p + 104], mem.i64[p + 112] = -1, -1, 0xffffffffffffffffULL
			end, "pattern+0=fe", "pattern+2=fe", "pattern+4=dcfe", "pattern+8=fdff", "pattern+16=98badcfe",
				"pattern+24=fcffffff", "pattern+32=ffffffffffffffff", "pattern+48=fbffffffffffffff",
				"pattern+64=0000003f", "pattern+72=00000000000000c0", "pattern+88=8877665544332211",
				"pattern+100=ff", "pattern+104=ffffffff", "pattern+112=ffffffffffffffff")
		end)

		it("take addresses of every kind", function()
			local p = here().pattern
			for _, addr in ipairs { p, i64(p), num(p), ffi.cast("char *", p) } do
				assert.equal(0x03020100, mem.u32[addr])
			end
		end)

		it("name themselves and what was wrong", function()
			local p = here().pattern
			for _, row in ipairs {
				{ nil, "got nil" }, { -1, "must not be negative, got -1" }, { -1LL, "must not be negative, got -1" },
				{ 1.5, "got 1.5" }, { 1e300, "does not fit in 64 bits" }, { 0 / 0, "got nan" }, { "1", 'got the string "1"' },
				{ {}, "got a table" }, { true, "got true" }, { math.huge, "got inf" }, { print, "got a function" },
			} do
				raises(function() return (mem.u32[row[1]]) end, "mem.u32: address:", row[2])
				if row[1] ~= nil then
					raises(function() mem.i8[row[1]] = 1 end, "mem.i8: address:", row[2])
				end
			end
			raises(function() mem.u8[p] = 256 end, "mem.u8: value: 256 does not fit in 8 bits")
			raises(function() mem.u8[p] = -129 end, "mem.u8: value: -129 does not fit in 8 bits")
			raises(function() mem.u64[p] = 2 ^ 64 end, "mem.u64: value:", "does not fit in 64 bits")
			raises(function() mem.u32[p] = nil end, "mem.u32: value: whole number expected, got nil")
			raises(function() mem.u32[p] = 1.5 end, "mem.u32: value: whole number expected, got 1.5")
			raises(function() mem.u32[p] = "1" end, 'got the string "1"')
			raises(function() mem.f64[p] = "1" end, 'mem.f64: value: number expected, got the string "1"')
			raises(function() mem.f32[p] = nil end, "mem.f32: value: number expected, got nil")
			assert.equal(0x03020100, mem.u32[p])
			assert.is_nil(mem.u128)
		end)
	end)

	describe("read and write", function()
		it("move bytes as they are", function()
			local p = here().pattern
			local bytes = mem.read(p, 256)
			assert.equal(256, #bytes)
			for i = 0, 255 do
				assert.equal(i, bytes:byte(i + 1))
			end
			assert.equal("", mem.read(p, 0))
		end)

		it("know no bound but memory", function()
			local at = here()
			local big = mem.read(at.big, 4 * 2 ^ 20)
			assert.equal(4 * 2 ^ 20, #big)
			assert.equal("\xde\xad\xbe\xef\xca\xfe", big:sub(0x123456 + 1, 0x123456 + 6))
			faults(function() mem.read(at.run, 2 ^ 44) end, at.run + 64, 64)
			raises(function() mem.read(at.run, 2 ^ 63) end, "mem.read: n:", "more than there is memory")
		end)

		it("write what is read-only, and shared memory, and text", function()
			changes(function(at)
				mem.write(at.pattern + 1000, "hello")
				mem.write(at.rodata, "\1\2")
				mem.write(at.constant + 10, "X")
				mem.write(at.shared, "Z")
				mem.write(at.file, "\9")
			end, "pattern+1000=68656c6c6f", "rodata+0=0102", "constant+10=58", "shared+0=5a", "shared_ro+0=5a", "file+0=09")
		end)

		it("write many pages", function()
			changes(function(at)
				mem.write(at.big + 1, ("\0"):rep(3 * 2 ^ 20))
			end, "big+0x123456=000000000000", "big+0x1ffffd=000000000000")
		end)

		it("do not show breakpoints, and write under them", function()
			local at = here()
			local before = mem.read(at.text, 4)
			local b = bp("mem_here", function() end)
			assert.equal(before, mem.read(at.text, 4))
			assert.not_equal(0xcc, mem.u8[at.text])
			mem.u8[at.text] = 0x90
			assert.equal(0x90, mem.u8[at.text])
			b:remove()
			assert.equal(0x90, mem.u8[at.text])
		end)

		it("say where they failed, and how far they came", function()
			local at = here()
			faults(function() mem.read(at.edge, 100) end, at.hole, 17)
			faults(function() mem.read(at.hole, 1) end, at.hole, 0)
			faults(function() return (mem.u64[at.hole - 4]) end, at.hole, 4)
			faults(function() mem.read(at.past, 1) end, at.past, 0)
			faults(function() mem.write(at.edge, ("x"):rep(100)) end, at.hole, 17)
			faults(function() mem.u64[at.hole - 4] = 0 end, at.hole, 4)
			faults(function() mem.read(0, 8) end, 0, 0)
			faults(function() mem.read(2ULL ^ 63, 8) end, 2ULL ^ 63, 0)
			faults(function() mem.read(u64(-1), 8) end, u64(-1), 0)
		end)

		it("read what the program itself may not (PROT_NONE)", function()
			local at = here()
			assert.equal("nnnn", mem.read(at.none, 4))
		end)

		it("name what was wrong with an argument", function()
			local p = here().pattern
			raises(function() mem.read() end, "mem.read: address: address expected, got nil")
			raises(function() mem.read(p) end, "mem.read: n: size expected, got nil")
			raises(function() mem.read(p, -1) end, "mem.read: n: size must not be negative, got -1")
			raises(function() mem.read(p, 1.5) end, "mem.read: n: size expected, got 1.5")
			raises(function() mem.read(p, "8") end, 'mem.read: n: size expected, got the string "8"')
			raises(function() mem.read(-8, 8) end, "mem.read: address: address must not be negative, got -8")
			raises(function() mem.write(p) end, "mem.write: bytes: string expected, got nil")
			raises(function() mem.write(p, 5) end, "mem.write: bytes: string expected, got 5")
			raises(function() mem.write(nil, "x") end, "mem.write: address: address expected, got nil")
			raises(function() mem.read(ffi.new "struct { int x; }", 1) end, "mem.read: address: address expected, got cdata")
		end)
	end)

	describe("try_read and try_cstr", function()
		it("give what read and cstr give", function()
			local p = here().pattern
			assert.equal("\0\1\2", mem.try_read(p, 3))
			assert.equal("a string", mem.try_cstr(p + 0x140))
			assert.equal("a s", mem.try_cstr(p + 0x140, 3))
		end)

		it("give nil and the error where those raise", function()
			local at = here()
			local bytes, e = mem.try_read(at.edge, 100)
			assert.is_nil(bytes)
			assert.equal("EIO", e.name)
			assert.equal(17, e.done)
			assert.equal(at.hole, e.addr)
			local text, why = mem.try_cstr(at.run)
			assert.is_nil(text)
			assert.equal(64, why.done)
			assert.equal(at.run + 64, why.addr)
			assert.truthy(tostring(why):find "^[^\n]*_spec.lua:%d+: read memory at 0x")
			assert.truthy(("could not: " .. why):find "^could not: .*read memory")
		end)

		it("raise what is the script's mistake", function()
			here()
			raises(function() mem.try_read(nil, 1) end, "mem.try_read: address: address expected, got nil")
			raises(function() mem.try_read(1, -1) end, "mem.try_read: n:")
			raises(function() mem.try_cstr(1.5) end, "mem.try_cstr: address:")
			raises(function() mem.try_cstr(1, "x") end, "mem.try_cstr: max:")
		end)
	end)

	describe("cstr", function()
		it("stops at the zero, at max, and at the end of a mapping", function()
			local at = here()
			assert.equal("a string", mem.cstr(at.pattern + 0x140))
			assert.equal("a st", mem.cstr(at.pattern + 0x140, 4))
			assert.equal("", mem.cstr(at.pattern + 0x140, 0))
			assert.equal("", mem.cstr(at.pattern))
			assert.equal("ends at the edge", mem.cstr(at.edge))
			assert.equal(("r"):rep(64), mem.cstr(at.run, 64))
		end)

		it("reads long ones, over many pages", function()
			local at = here()
			mem.write(at.big + 100, ("y"):rep(300000) .. "\0")
			assert.equal(300000, #mem.cstr(at.big + 100))
			assert.equal(70000, #mem.cstr(at.big + 100, 70000))
		end)

		it("says where there is no more", function()
			local at = here()
			faults(function() mem.cstr(at.run) end, at.run + 64, 64)
			faults(function() mem.cstr(at.run, 65) end, at.run + 64, 64)
			faults(function() mem.cstr(at.hole) end, at.hole, 0)
			raises(function() mem.cstr(nil) end, "mem.cstr: address: address expected, got nil")
			raises(function() mem.cstr(at.run, -1) end, "mem.cstr: max: size must not be negative, got -1")
		end)
	end)

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

	describe("find", function()
		local needle = "de ad be ef ca fe"

		it("finds bytes, the first or all", function()
			local at = here()
			assert.equal(at.big + 0x123456, mem.find(needle, { at.big, at.big + 4 * 2 ^ 20 }))
			assert.same({ hex(at.big + 0x123456), hex(at.big + 0x1ffffd) },
				{ hex(mem.find_all(needle, { at.big, at.big + 4 * 2 ^ 20 })[1]),
				  hex(mem.find_all(needle, { at.big, at.big + 4 * 2 ^ 20 })[2]) })
			assert.equal(at.big + 0x123456, mem.find("\xde\xad\xbe\xef", { at.big, at.big + 4 * 2 ^ 20 }))
			assert.is_nil(mem.find(needle, { at.big, at.big + 0x1000 }))
			assert.same({}, mem.find_all(needle, { at.big, at.big + 0x1000 }))
		end)

		it("finds across the borders of its own pieces and of mappings", function()
			local at = here()
			for _, where in ipairs { 2 ^ 20 - 3, 2 ^ 20, 2 ^ 20 + 1, 2 ^ 20 + 5, 4096 - 2, 4 * 2 ^ 20 - 6 } do
				mem.write(at.big + where, "NEEDLE")
				assert.equal(at.big + where, mem.find("NEEDLE", { at.big, at.big + 4 * 2 ^ 20 }), where)
				mem.write(at.big + where, "needle")
			end
		end)

		it("takes wildcards", function()
			local p = here().pattern
			local range = { p, p + 256 }
			assert.equal(p + 1, mem.find("01 ?? 03", range))
			assert.equal(p, mem.find("?? 01", range))
			assert.equal(256, #mem.find_all("?? ", range) + 256) -- one token and a space is no pattern
			assert.equal(255, #mem.find_all("?? ??", range))
			assert.is_nil(mem.find("01 03", range))
		end)

		it("keeps to its range, end excluded", function()
			local p = here().pattern
			assert.equal(p + 16, mem.find("\16", { p, p + 17 }))
			assert.is_nil(mem.find("\16", { p, p + 16 }))
			assert.equal(p + 16, mem.find("\16", { start = p + 16, stop = p + 17 }))
			assert.is_nil(mem.find("\16", { p + 17, p + 32 }))
			assert.is_nil(mem.find("\16\17", { p, p + 17 }))
			assert.is_nil(mem.find("\16", { p, p }))
		end)

		it("searches everything, an entry of maps, or a module", function()
			local at = here()
			local everywhere = mem.find_all("ends at the edge")
			local found = false
			for _, addr in ipairs(everywhere) do
				found = found or addr == at.edge
			end
			assert.is_true(found)
			found = false
			for _, entry in ipairs(mem.maps()) do
				for _, addr in ipairs(entry.start <= at.big and at.big < entry.stop and mem.find_all(needle, entry) or {}) do
					assert.is_true(entry.start <= addr and addr < entry.stop)
					found = found or addr == at.big + 0x123456
				end
			end
			assert.is_true(found)
			assert.equal(at.constant, mem.find("read-only data", "mem"))
			assert.is_nil(mem.find(needle .. " 11 22 33 44", "mem"))
			assert.truthy(mem.find("\127ELF", "libc"))
		end)

		it("takes anything as text when told to", function()
			local at = here()
			mem.write(at.pattern + 2048, "de ad")
			local range = { at.pattern, at.pattern + 4096 }
			assert.equal(at.pattern + 2048, mem.find("de ad", range, { text = true }))
			assert.is_nil(mem.find("de ad", range))
			assert.truthy(mem.find("de ad", { text = true }))
			assert.equal(at.pattern + 2048, mem.find("de ad", range, { text = true }))
		end)

		it("goes over holes, and over ranges that are not there", function()
			local at = here()
			assert.equal(at.run, mem.find(("r"):rep(64), { at.edge, at.run + 64 }))
			assert.is_nil(mem.find("never in there \1\2\3", { 0, 0xffffffffffffffffULL }))
			assert.is_nil(mem.find("x", { 4096, 8192 }))
		end)

		it("names what was wrong", function()
			here()
			raises(function() mem.find() end, "mem.find: pattern: a string that is not empty expected, got nil")
			raises(function() mem.find_all("") end, 'mem.find_all: pattern:', 'got the string ""')
			raises(function() mem.find(5) end, "mem.find: pattern:", "got 5")
			raises(function() mem.find("x", 5) end, "mem.find: range:", "got 5")
			raises(function() mem.find("x", {}) end, "mem.find: range:")
			raises(function() mem.find("x", { 5 }) end, "mem.find: range:")
			raises(function() mem.find("x", { 5, 3 }) end, "mem.find: range: it stops (0x3) before it starts (0x5)")
			raises(function() mem.find("x", { -1, 3 }) end, "mem.find: start: address must not be negative")
			raises(function() mem.find("x", { 1, 1.5 }) end, "mem.find: stop:")
			raises(function() mem.find("x", "no such module") end, "mem.find: range:", "no such module")
			raises(function() mem.find("x", nil, 5) end, "mem.find: options: table expected, got 5")
			raises(function() mem.find("x", nil, { test = true }) end, "there is no option 'test'; did you mean 'text'?")
			raises(function() mem.find("x", nil, { text = 1 }) end, "mem.find: text: true or false expected, got 1")
		end)
	end)

	it("lists the maps as the kernel does", function()
		local at, s = here()
		local list = mem.maps()
		local n, lines = 0, {}
		for line in support.read(("/proc/%d/maps"):format(s.pid)):gmatch "[^\n]+" do
			n = n + 1
			lines[n] = line
		end
		assert.equal(n, #list)
		local found = {}
		for i, entry in ipairs(list) do
			local start, stop, perms, offset, path = lines[i]:match "^(%x+)-(%x+) (%S+) (%x+) %S+ %d+%s*(.*)$"
			assert.equal(start:gsub("^0+(.)", "%1"), (hex(entry.start):sub(3)))
			assert.equal(stop:gsub("^0+(.)", "%1"), (hex(entry.stop):sub(3)))
			assert.equal(perms, entry.perms)
			assert.equal(offset:gsub("^0+(.)", "%1"), (hex(entry.offset):sub(3)))
			assert.equal(path, entry.path)
			found[entry.path] = true
			if entry.start <= at.none and at.none < entry.stop then
				assert.equal("---p", entry.perms)
			end
		end
		assert.is_true(found["[stack]"])
	end)

	it("has a hexdump, also as a global and a method", function()
		local at, s = here()
		local p = at.pattern
		assert.equal(("%016x  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|\n"):format(p)
			.. ("%016x  10 11                                             |..|"):format(p + 16), hexdump(p, 18))
		assert.truthy(hexdump(p + 0x140, 9):find "|a string%.|$")
		assert.equal(hexdump(p, 64), s:hexdump(p, 64))
		assert.equal(hexdump(p, 64), mem.hexdump(p, 64))
		assert.equal("", hexdump(p, 0))
		faults(function() hexdump(at.edge, 32) end, at.hole, 17)
		raises(function() hexdump() end, "hexdump: address: address expected, got nil")
		raises(function() hexdump(p) end, "hexdump: n: size expected, got nil")
		raises(function() hexdump(p, -1) end, "hexdump: n: size must not be negative, got -1")
		raises(function() s.hexdump(p, 1) end, "hexdump: Session expected, got cdata; call methods with a colon")
	end)

	it("of a session, a process or a thread is that one's", function()
		local at, s = here()
		local other = support.spawn { "calc_pie" }
		for _, m in ipairs { s.mem, s.process.mem, s.thread.mem } do
			assert.equal("a string", m.cstr(at.pattern + 0x140))
		end
		assert.is_nil(other.mem.try_cstr(at.edge))
		assert.equal(s.mem, s.mem)
	end)

	it("raises once the target has ended", function()
		local at, s = here()
		local m, t, p = s.mem, s.thread.mem, s.process.mem
		s:kill()
		for _, view in ipairs { mem, m, t, p } do
			for _, fn in ipairs {
				function() return (view.u8[at.pattern]) end, function() view.u8[at.pattern] = 1 end,
				function() view.read(at.pattern, 1) end, function() view.try_read(at.pattern, 1) end,
				function() view.write(at.pattern, "x") end, function() view.cstr(at.pattern) end,
				function() view.maps() end, function() view.find("x") end, function() view.struct("int", at.pattern) end,
				function() view.hexdump(at.pattern, 1) end,
			} do
				raises(fn, "ended")
			end
		end
	end)
end)
