-- The values are those that tests/targets/regs.c loads before the label regs_here; its `changed` mode tells, from
-- inside the program, that exactly the named registers changed.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local ffi = require "ffi"
local support = require "support"
local raises = support.raises

local general = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
}

local function value_of(k)
	return 0xa1b2c3d4e5f60000ULL + k
end

-- Standing at regs_here.
local function here(...)
	local s = support.spawn { "regs", ... }
	s:bp("regs_here", STOP)
	assert.equal("stop", s:run().kind)
	return s
end

-- fn changes registers; the program must find these, and no others, changed: "rax=0x1", …
local function changes(fn, ...)
	local s = here("changed", ...)
	fn(s.regs)
	local reason = s:run()
	assert.equal("", support.output(s))
	assert.same({ kind = "exit", code = 0 }, reason)
end

describe("regs", function()
	after_each(support.close)

	describe("general registers", function()
		it("are read whole, past 2^53 and with the sign bit set", function()
			here()
			for k, name in ipairs(general) do
				if name ~= "rsp" then
					assert.is_true(ffi.istype("uint64_t", regs[name]), name)
					assert.equal(hex(value_of(k - 1)), hex(regs[name]))
				end
			end
			assert.equal(sym "regs_here", regs.rip)
		end)

		it("are read in parts, as Lua numbers", function()
			here()
			local parts = {
				eax = 0xe5f60000, ax = 0, al = 0, ah = 0, ebx = 0xe5f60001, bx = 1, bl = 1, bh = 0,
				ecx = 0xe5f60002, cx = 2, cl = 2, ch = 0, edx = 0xe5f60003, dx = 3, dl = 3, dh = 0,
				esi = 0xe5f60004, si = 4, sil = 4, edi = 0xe5f60005, di = 5, dil = 5,
				ebp = 0xe5f60006, bp = 6, bpl = 6,
			}
			for n = 8, 15 do
				parts["r" .. n .. "d"], parts["r" .. n .. "w"], parts["r" .. n .. "b"] = 0xe5f60000 + n, n, n
			end
			for name, value in pairs(parts) do
				assert.equal("number", type(regs[name]), name)
				assert.equal(value, regs[name], name)
			end
			assert.equal(num(bit.band(regs.rsp, 0xff)), regs.spl)
			assert.equal(num(bit.band(regs.rsp, 0xffffffffULL)), regs.esp)
		end)

		it("have other names: pc, sp, ret, arg", function()
			here()
			assert.equal(regs.rip, regs.pc)
			assert.equal(regs.rsp, regs.sp)
			assert.equal(regs.rax, regs.ret)
			for i, name in ipairs { "rdi", "rsi", "rdx", "rcx", "r8", "r9" } do
				assert.equal(regs[name], regs.arg[i])
				assert.equal(regs[name], regs.arg[i + 0ULL])
			end
		end)

		for k, name in ipairs(general) do
			if name ~= "rsp" then
				it(name .. " is written, and nothing else", function()
					changes(function(r) r[name] = value_of(k) + 0x1111 end, name .. "=" .. hex(value_of(k) + 0x1111))
				end)
			end
		end

		it("take signed and unsigned numbers of both kinds", function()
			changes(function(r)
				r.rax, r.rbx, r.rcx, r.rdx = -1, -1LL, 0xffffffffffffffffULL, 5
				r.rsi, r.rdi = 2 ^ 53, i64(-2)
			end, "rax=0xffffffffffffffff", "rbx=0xffffffffffffffff", "rcx=0xffffffffffffffff", "rdx=5",
				"rsi=0x20000000000000", "rdi=0xfffffffffffffffe")
		end)

		it("change as on the CPU when a part is written: 32 bits clear the upper half, 16 and 8 keep the rest", function()
			changes(function(r)
				r.eax, r.bx, r.cl, r.dh = 0x12345678, 0xfefe, 0xab, 0xcd
				r.r8d, r.r9w, r.r10b, r.esi = -1, -2, -1, 7
				r.sil = 0xff
			end, "rax=0x12345678", "rbx=0xa1b2c3d4e5f6fefe", "rcx=0xa1b2c3d4e5f600ab", "rdx=0xa1b2c3d4e5f6cd03",
				"r8=0xffffffff", "r9=0xa1b2c3d4e5f6fffe", "r10=0xa1b2c3d4e5f600ff", "rsi=0xff")
		end)

		it("are written by their other names", function()
			changes(function(r)
				r.arg[1], r.arg[6], r.ret = 11, 12, 13
			end, "rdi=11", "r9=12", "rax=13")
		end)

		it("show what was written before the thread goes on", function()
			here()
			regs.rax = -1
			assert.is_true(regs.rax == -1)
			assert.equal(0xffffffff, regs.eax)
			regs.eax = 1
			assert.equal(1ULL, regs.rax)
		end)
	end)

	describe("flags", function()
		it("are booleans, and rflags has them all", function()
			here()
			assert.equal(0xa43ULL, bit.band(regs.rflags, 0xfffULL) - bit.band(regs.rflags, 0x100ULL))
			for name, set in pairs { cf = true, zf = true, of = true, sf = false, pf = false, af = false, df = false } do
				assert.equal(set, regs[name], name)
			end
		end)

		it("are written one by one", function()
			changes(function(r)
				r.cf, r.zf, r.of, r.sf, r.pf, r.af, r.df = false, false, false, true, true, true, true
			end, "rflags=" .. hex(0x202 + 0x80 + 4 + 0x10 + 0x400))
		end)

		it("are written together", function()
			changes(function(r) r.rflags = 0x246 end, "rflags=0x246")
		end)
	end)

	describe("segments and bases", function()
		it("are read", function()
			here()
			assert.equal(0x33, regs.cs)
			assert.equal(0x2b, regs.ss)
			assert.equal(0x12345678000ULL, regs.gs_base)
			assert.truthy(regs.fs_base > 0)
		end)

		it("take what the kernel takes", function()
			changes(function(r)
				r.gs_base = 0x7654321000ULL
				r.cs, r.fs_base = r.cs, r.fs_base
			end, "gs_base=0x7654321000")
		end)

		it("refuse at once what it does not, and stay as they were", function()
			local s = here()
			raises(function() regs.cs = 0 end, "regs.cs", "refuses 0x0")
			raises(function() regs.ss = 8 end, "regs.ss", "refuses 0x8")
			raises(function() regs.fs_base = -1 end, "regs.fs_base", "refuses 0xffffffffffffffff")
			raises(function() regs.gs = 2 ^ 16 end, "regs.gs: 65536 does not fit in 16 bits")
			assert.equal(0x33, regs.cs)
			assert.equal(0, s:run().code)
		end)

		it("has orig_rax, which is -1 outside system calls", function()
			here()
			assert.is_true(regs.orig_rax == -1)
		end)
	end)

	it("gives everything as a table", function()
		here()
		local all = regs:all()
		for k, name in ipairs(general) do
			if name ~= "rsp" then
				assert.equal(value_of(k - 1), all[name])
			end
		end
		for _, name in ipairs {
			"rip", "rsp", "rflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base", "orig_rax",
		} do
			assert.equal(regs[name], all[name], name)
		end
		assert.is_nil(all.eax)
	end)

	describe("vectors", function()
		local function bytes(n, from, to)
			local list = {}
			for j = from, to do
				list[#list + 1] = string.char((7 * n + j) % 256)
			end
			return table.concat(list)
		end

		local function to_hex(text)
			return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
		end

		local function has(name)
			return (pcall(function() return regs[name].bytes end))
		end

		it("are read whole and by lanes", function()
			here()
			for n = 0, 15 do
				assert.equal(to_hex(bytes(n, 0, 15)), to_hex(regs["xmm" .. n].bytes))
			end
			assert.equal(7, regs.xmm1.u8[0])
			assert.equal(0x0807, regs.xmm1.u16[0])
			assert.equal(0x0a090807, regs.xmm1.u32[0])
			assert.equal(0x161514131211100fULL, regs.xmm1.u64[1])
			assert.equal(0x161514131211100fLL, regs.xmm1.i64[1])
			assert.equal(16, #regs.xmm1.u8)
			assert.equal(2, #regs.xmm1.f64)
		end)

		it("reach their upper halves as ymm and zmm", function()
			here()
			if not has "ymm0" then
				pending "this CPU has no AVX"
			end
			for n = 0, 15 do
				assert.equal(to_hex(bytes(n, 0, 31)), to_hex(regs["ymm" .. n].bytes))
			end
			if has "zmm31" then
				for n = 0, 31 do
					assert.equal(to_hex(bytes(n, 0, 63)), to_hex(regs["zmm" .. n].bytes))
				end
			end
		end)

		it("are written in place, one lane", function()
			local changed = bytes(3, 0, 7) .. ffi.string(ffi.new("double[1]", 2), 8)
			changes(function(r) r.xmm3.f64[1] = 2 end, "xmm3=" .. to_hex(changed))
			changes(function(r) r.xmm3.u8[15] = 0xff end, "xmm3=" .. to_hex(bytes(3, 0, 14)) .. "ff")
			changes(function(r) r.xmm15.i32[0] = -2 end, "xmm15=feffffff" .. to_hex(bytes(15, 4, 15)))
		end)

		it("are written whole", function()
			local ones = ("11"):rep(16)
			changes(function(r) r.xmm0 = ("\17"):rep(16) end, "xmm0=" .. ones)
			changes(function(r) r.xmm0 = { u32 = { 1, 2, 3, 4 } } end, "xmm0=01000000020000000300000004000000")
			changes(function(r) r.xmm0 = r.xmm1 end, "xmm0=" .. to_hex(bytes(1, 0, 15)))
			changes(function(r) r.xmm0 = 5 end, "xmm0=05000000000000000000000000000000")
			changes(function(r) r.xmm0.bytes = ("\17"):rep(16) end, "xmm0=" .. ones)
			changes(function(r) r.xmm0.u16 = { 1 } end, "xmm0=01000000000000000000000000000000")
		end)

		it("are written whole and in place as ymm and zmm", function()
			here()
			if not has "ymm0" then
				pending "this CPU has no AVX"
			end
			local zmm = has "zmm0"
			changes(function(r) r.ymm2.u8[31] = 0xee end, "ymm2=" .. to_hex(bytes(2, 0, 30)) .. "ee")
			changes(function(r) r.ymm2 = { u64 = { 1, 2, 3, 4 } } end,
				"ymm2=0100000000000000020000000000000003000000000000000400000000000000")
			if zmm then
				changes(function(r) r.zmm31.u8[63] = 0xee end, "zmm31=" .. to_hex(bytes(31, 0, 62)) .. "ee")
				changes(function(r) r.zmm9 = ("\18"):rep(64) end, "zmm9=" .. ("12"):rep(64))
			end
		end)

		it("keep what was written while the thread stays where it is", function()
			here()
			local v = regs.xmm0
			v.u64[0] = 1
			assert.equal(1ULL, regs.xmm0.u64[0])
			regs.xmm0 = 2
			assert.equal(2ULL, v.u64[0])
		end)
	end)

	describe("the x87 and mxcsr", function()
		it("are read as numbers", function()
			here()
			assert.equal(3.25, regs.st0)
			assert.equal(-1.5, regs.st1)
			assert.equal(0x3f80, regs.mxcsr)
		end)

		it("are written", function()
			changes(function(r) r.st0, r.st1 = -0.125, 7ULL end, "st0=-0.125", "st1=7")
			changes(function(r) r.mxcsr = 0x1f80 end, "mxcsr=0x1f80")
		end)

		it("refuse what does not fit", function()
			here()
			raises(function() regs.mxcsr = 0x10000 end, "regs.mxcsr: 0x10000 has bits that the CPU refuses")
			raises(function() regs.st0 = "1" end, "regs.st0: number expected, got the string \"1\"")
		end)
	end)

	it("reads the debug registers, and says that it does not write them", function()
		here()
		for n = 0, 7 do
			assert.is_true(regs["dr" .. n] >= 0)
		end
		assert.equal(0ULL, regs.dr0)
		raises(function() regs.dr0 = 1 end, "regs.dr0 cannot be written")
	end)

	describe("errors", function()
		local function refuses(name, value, ...)
			raises(function() regs[name] = value end, "regs." .. name, ...)
		end

		it("name the register and what was wrong with its value", function()
			here()
			for _, name in ipairs { "rax", "eax", "ax", "al", "ah", "r8b", "rip", "rflags", "cs", "fs_base", "mxcsr" } do
				refuses(name, nil, "whole number expected, got nil")
				refuses(name, 1.5, "whole number expected, got 1.5")
				refuses(name, "1", "got the string \"1\"")
				refuses(name, {}, "got a table")
				refuses(name, true, "got true")
				refuses(name, 0 / 0, "got nan")
				refuses(name, math.huge, "got inf")
				refuses(name, 1e300, "does not fit in 64 bits")
			end
			refuses("eax", 2 ^ 32, "4294967296 does not fit in 32 bits")
			refuses("eax", -2 ^ 31 - 1, "does not fit in 32 bits")
			refuses("al", 256, "256 does not fit in 8 bits")
			refuses("al", -129, "-129 does not fit in 8 bits")
			refuses("zf", 1, "true or false expected, got 1")
			refuses("zf", nil, "true or false expected, got nil")
			raises(function() regs.xmm0 = "short" end, "16 bytes expected, got 5")
			raises(function() regs.xmm0 = nil end, "expected, got nil")
			raises(function() regs.arg[1] = 1.5 end, "whole number expected, got 1.5")
			assert.equal(hex(value_of(0)), hex(regs.rax))
		end)

		it("name what is no register", function()
			here()
			raises(function() return (regs.rxx) end, "regs has no register 'rxx'")
			raises(function() regs.rxx = 1 end, "regs has no register 'rxx'")
			raises(function() return (regs[1]) end, "regs has no register 1")
			raises(function() regs[{}] = 1 end, "regs has no register a table")
			raises(function() return (regs.arg[0]) end, "regs.arg has 1 to 6, got 0")
			raises(function() regs.arg[7] = 1 end, "regs.arg has 1 to 6, got 7")
			raises(function() regs.arg = {} end, "regs.arg cannot be written whole")
			raises(function() return (regs.xmm99) end, "regs has no register 'xmm99'")
			raises(function() return (regs.dr8) end, "regs has no register 'dr8'")
		end)

		it("say that the thread runs", function()
			local s = support.spawn { "threads8", "4", "200" }
			local busy
			s:bp("work", function(self)
				for _, other in ipairs(process:threads()) do
					if other.state == "running" then
						busy = raises(function() return (other.regs.rax) end, "the thread is running")
						raises(function() other.regs.rax = 1 end, "the thread is running")
						raises(function() return (other.regs.xmm0) end, "the thread is running")
						raises(function() return (other.regs.dr7) end, "the thread is running")
					end
				end
				assert(self.regs.rip == regs.rip and self.regs.rip == sym "work")
				return busy and KILL or nil
			end)
			s:run()
			assert.truthy(busy, "no thread was seen running")
			assert.equal("EBUSY", busy.name)
		end)

		it("say that the target has ended", function()
			local s = here()
			local r, t, v = s.regs, s.thread, regs.xmm0
			s:kill()
			for _, fn in ipairs {
				function() return (regs.rax) end, function() regs.rax = 1 end, function() return (r.rax) end,
				function() return (t.regs.rax) end, function() return (regs.xmm0) end, function() return (v.u8[0]) end,
				function() v.u8[0] = 1 end, function() regs.xmm0 = 1 end, function() regs.cs = 0x33 end,
				function() return regs:all().rax end, function() return (regs.arg[1]) end, function() return (regs.dr0) end,
			} do
				raises(fn, "ended")
			end
		end)
	end)
end)
