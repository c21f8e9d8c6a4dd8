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
