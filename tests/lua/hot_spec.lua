-- Hooks that run thousands of times: what they compute is the same with the JIT on and off, and whatever the collector
-- does meanwhile.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"

local HITS, FEW = 3000, 200 -- FEW: while the collector takes most of the time

-- Runs with the JIT on, with it off, and with a collector that hardly rests.
local function in_every_way(name, fn)
	it(name .. ", JIT on", function() fn(HITS) end)
	it(name .. ", JIT off", function()
		jit.off()
		jit.flush()
		finally(jit.on)
		fn(HITS)
	end)
	it(name .. ", collecting all the time", function()
		local pause, mul = collectgarbage("setpause", 1), collectgarbage("setstepmul", 10000)
		finally(function()
			collectgarbage("setpause", pause)
			collectgarbage("setstepmul", mul)
		end)
		fn(FEW)
	end)
end

-- Calls check(i) for i from 0 to n - 1 in a hook of work(i) = 2 * i + 1; it gives what went wrong, or nothing.
local function each_hit(n, check)
	local s = support.spawn { "threads8", "1", tostring(n) }
	local hits, wrong = 0, {}
	s:bp("work", function()
		local words = check(hits)
		if words then
			wrong[#wrong + 1] = ("hit %d: %s"):format(hits, words)
		end
		hits = hits + 1
	end)
	assert.same({ kind = "exit", code = 0 }, s:run())
	assert.equal("", table.concat(wrong, "\n"):sub(1, 500))
	assert.equal(n, hits)
	assert.equal(("calls %d\n"):format(n), support.output(s))
end

describe("a hot hook", function()
	after_each(support.close)

	in_every_way("reads registers", function(n)
		each_hit(n, function(i)
			return regs.rdi ~= i and "rdi" or regs.edi ~= i and "edi" or regs.arg[1] ~= i and "arg"
				or regs.dil ~= i % 256 and "dil" or regs.rip ~= sym "work" and "rip" or nil
		end)
	end)

	in_every_way("computes with them as the CPU does", function(n)
		each_hit(n, function(i)
			local rsp = regs.rsp
			if rsp + -16 ~= rsp - 16 or not (rsp - 16 < rsp) or rsp + 16 - rsp ~= 16 then
				return "rsp"
			elseif regs.rdi - (i + 1) ~= -1 or regs.rdi * 2 ~= 2 * i or -regs.rdi ~= -i then
				return "arithmetic"
			elseif (regs.rdi + 7) / 7 ~= math.floor((i + 7) / 7) or regs.rdi % 7 ~= i % 7 then
				return "division"
			elseif bit.band(rsp, -16) % 16 ~= 0 or bit.bor(regs.rdi, 0) ~= i then
				return "bits"
			elseif i > 0 and not (regs.rdi > -1 and regs.rdi > i - 1 and regs.rdi >= i and regs.rdi < i + 0.5) then
				return "order"
			end
		end)
	end)

	in_every_way("writes registers, signed and unsigned", function(n)
		each_hit(n, function(i)
			local r11 = regs.r11
			regs.r11 = -1 - i
			if regs.r11 ~= -1 - i or regs.r11 ~= 0xffffffffffffffffULL - i or i64(regs.r11) >= 0 then
				return "r11"
			end
			regs.r11d = i
			if regs.r11 ~= i then
				return "r11d"
			end
			regs.r11b = 0xff
			if regs.r11 ~= i - i % 256 + 255 then
				return "r11b"
			end
			regs.r11 = r11
		end)
	end)

	in_every_way("shows, converts and keeps numbers", function(n)
		local seen = {}
		each_hit(n, function(i)
			local rdi = regs.rdi
			seen[key(rdi)] = (seen[key(rdi)] or 0) + 1
			if tostring(rdi) ~= tostring(i) or "n" .. rdi ~= "n" .. i or ("%d %x %s"):format(rdi, rdi, rdi) ~=
				("%d %x %s"):format(i, i, i) or hex(rdi) ~= ("0x%x"):format(i) then
				return "text"
			elseif num(rdi) ~= i or type(num(rdi)) ~= "number" or u64(i) ~= rdi or i32(rdi) ~= i then
				return "conversion"
			elseif seen[i] ~= 1 then
				return "key"
			end
		end)
	end)

	in_every_way("reads and writes memory", function(n)
		each_hit(n, function(i)
			local at = regs.rsp - 1024
			mem.u64[at] = -1 - i
			if mem.u64[at] ~= -1 - i or mem.i64[at] ~= -1 - i or not (mem.i64[at] < 0)
				or mem.i8[at] ~= (-1 - i + 128) % 256 - 128 or mem.u32[at] ~= 2 ^ 32 - 1 - i or mem.ptr[at] ~= mem.u64[at]
				or #mem.read(at, 8) ~= 8 then
				return "memory"
			end
			mem.f64[at] = i + 0.5
			if mem.f64[at] ~= i + 0.5 or mem.struct("struct { double d; }", at).d ~= i + 0.5 then
				return "float"
			end
		end)
	end)

	in_every_way("reads and writes vectors", function(n)
		each_hit(n, function(i)
			local before = regs.xmm7.bytes
			regs.xmm7.u32[2] = i
			regs.xmm7.f32[0] = i
			if regs.xmm7.u32[2] ~= i or regs.xmm7.f32[0] ~= i or regs.xmm7.u64[1] % 2 ^ 32 ~= i then
				return "xmm7"
			end
			regs.xmm7 = before
		end)
	end)

	in_every_way("takes errors", function(n)
		each_hit(n, function()
			local ok, e = mem.try_read(8, 8)
			if ok or e.name ~= "EIO" or e.addr ~= 8 or e.done ~= 0 then
				return "try_read"
			end
			ok, e = pcall(mem.read, 8, 8)
			if ok or e.errno ~= 5 then
				return "read"
			end
			ok, e = pcall(function() regs.rax = 1.5 end)
			if ok or not e:find "got 1.5" then
				return "regs"
			end
		end)
	end)

	in_every_way("adds and removes breakpoints and handlers", function(n)
		local late, last, handle = 0, nil, nil
		each_hit(n, function()
			if last then
				last:remove()
				handle:remove()
			end
			last = bp("work_middle", function(_, b)
				late = late + 1
				return b == last and regs.rip == b.address and CONTINUE or "wrong"
			end)
			handle = on("signal", function() return handle end)
		end)
		assert.equal(n, late)
	end)

	it("of several threads is never mixed up", function()
		local s = support.spawn { "threads8", "8", "500" }
		local next_of, wrong = {}, 0
		s:bp("work", function(t)
			local expected = next_of[t] or 0
			if regs.rdi ~= expected or t ~= thread or t.regs.rdi ~= expected or thread.tid ~= t.tid then
				wrong = wrong + 1
			end
			next_of[t] = expected + 1
		end)
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.equal(0, wrong)
		local threads_seen = 0
		for _, n in pairs(next_of) do
			threads_seen = threads_seen + 1
			assert.equal(500, n)
		end
		assert.equal(8, threads_seen)
	end)
end)
